from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from mine.detectors import DETECTORS, Detector, Example, Finding
from mine.run import Mined, detect, mine
from mine.scan import scan
from store.cards import read_card, write_card
from store.catalog import Snapshot
from store.embeddings import read_embeddings
from store.errors import CardError, JobRunning, ModelError, UsageError
from store.fold import fold
from store.home import Home
from store.policy import read_policy
from store.suites import add_to_suite
from store.verdicts import record_verdicts
from tests.mine.squares import CLASSES, add_pictures, champion, draw, make_home, png, variant
from tests.train.adopt.pictures import pixels


@dataclass(frozen=True)
class Raises:
    """A detector whose code is broken."""

    key: str = "raises"
    reads: str = "SELECT picture FROM pool"
    threshold: float = 0.5

    def find(self, table: pa.Table) -> Iterator[Finding]:
        raise ZeroDivisionError("by design")

    def examples(self) -> list[Example]:
        return []


@dataclass(frozen=True)
class Misspells(Raises):
    """A detector whose SQL names what is not there."""

    key: str = "misspells"
    reads: str = "SELECT pictrue FROM pool"


@dataclass(frozen=True)
class Overflows(Raises):
    """A detector whose SQL fails while it runs."""

    key: str = "overflows"
    reads: str = "SELECT CAST(picture AS INTEGER) AS picture FROM pool"


@dataclass(frozen=True)
class World:
    """A mined home: pool and suite, with a re-encoded copy of a disc and a copy of a suite's picture."""

    home: Home
    pool: list[str]
    suite: list[str]
    done: Mined


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    home = make_home(tmp_path_factory.mktemp("mined") / "home")
    pictures = [draw(kind, seed) for kind in CLASSES for seed in range(4)]
    pictures += [png(pixels("digit_1_dark_on_light")), b"not a picture", draw("disc", 0) + b"trailing bytes"]
    pool = add_pictures(home, pictures, "a.example")
    suite = add_pictures(home, [draw("disc", 50), draw("disc", 51)], "suite")
    pool += add_pictures(home, [draw("disc", 50) + b"trailing bytes"], "b.example")
    policy = read_policy(home.policy)
    add_to_suite(home, policy, "sealed", "disc", suite)
    variant(home.models, "other.1", base="another base")
    done = mine(home, queue_size=50)
    fold(home)
    return World(home, pool, suite, done)


def queue(home: Home) -> list[dict[str, object]]:
    with Snapshot(home) as snapshot:
        return snapshot.rows("SELECT * FROM queue ORDER BY rank")


def test_one_run_does_it_all(world: World) -> None:
    assert world.done.looked_at == 18
    assert world.done.refused == {"not_a_picture": 1}
    assert world.done.copies == 17
    assert world.done.failed_detectors == {}
    assert set(world.done.findings) == {detector.key for detector in DETECTORS}
    assert world.done.findings["line_art"] >= 1
    with Snapshot(world.home) as snapshot:
        tables = ("measurements", "copies", "family_members", "findings", "queue_entries", "embeddings")
        counts = {t: snapshot.value(f"SELECT count(*) FROM {t}") for t in tables[:-1]}
        scored = snapshot.rows("SELECT version, count(*) AS n FROM raw_scores GROUP BY version ORDER BY version")
    assert counts["measurements"] == counts["copies"] == 17
    assert all(counts.values())
    assert [(row["version"], row["n"]) for row in scored] == [("other.1", 15), (champion().name, 17)]


def test_copies_share_a_place_and_suites_have_none(world: World) -> None:
    rows = queue(world.home)
    assert len(rows) == world.done.queued
    shown = {row["picture"] for row in rows}
    assert not shown & set(world.suite)
    assert world.pool[-1] not in shown, "it is a copy of a suite's picture"
    disc, again = world.pool[4], world.pool[14]
    assert len(shown & {disc, again}) == 1
    stars = {picture for picture in world.pool if picture not in (again, world.pool[13], world.pool[-1])}
    assert shown <= stars | {again}
    assert sum(row["lane"] == "audit" for row in rows) == 2, "a tenth of 13, rounded up"
    flagged = set(world.pool[:4])
    assert flagged <= shown
    assert {row["lane"] for row in rows} > {"flagged", "audit"}
    assert all(row["reason"] for row in rows)


def copy_of(world: World, tmp_path: Path) -> Home:
    shutil.copytree(world.home.root, tmp_path / "home")
    return Home(tmp_path / "home")


def test_a_second_run_finds_nothing_new_and_what_is_decided_leaves_the_queue(world: World, tmp_path: Path) -> None:
    home = copy_of(world, tmp_path)
    policy = read_policy(home.policy)
    answer = {"picture": world.pool[14], "class": "disc", "reviewer": "tests"}
    record_verdicts(home, policy, [answer])
    again = mine(home, queue_size=50)
    fold(home)
    assert (again.looked_at, again.copies) == (0, 0)
    assert not {row["picture"] for row in queue(home)} & {world.pool[4], world.pool[14]}
    with Snapshot(home) as snapshot:
        doubled = "SELECT count(*) - count(DISTINCT (detector, picture, version)) FROM findings"
        assert snapshot.value(doubled) == 0


def test_a_detector_that_fails_is_told_and_silences_no_other(world: World) -> None:
    home = world.home
    detectors: tuple[Detector, ...] = (Misspells(), Overflows(), Raises(), *DETECTORS)
    counts, failed = detect(home, champion().name, read_policy(home.policy).version, detectors)
    assert counts == world.done.findings
    assert set(failed) == {"misspells", "overflows", "raises"}
    assert failed["raises"] == "ZeroDivisionError: by design"
    assert "pictrue" in failed["misspells"]
    assert not any("\n" in reason for reason in failed.values())


def test_second_opinions_that_do_not_fit_are_said_and_left_out(squares_home: Home) -> None:
    variant(squares_home.models, "foreign.1", class_map=dict.fromkeys(CLASSES, "cat"))
    said: list[str] = []
    assert mine(squares_home, say=said.append).looked_at == 0
    assert len(said) == 1
    assert "foreign.1" in said[0]


def test_without_a_champion_that_fits_nothing_is_mined(squares_home: Home) -> None:
    folder = squares_home.models / champion().name
    write_card(read_card(folder).model_copy(update={"class_map": dict.fromkeys(CLASSES, "cat")}), folder)
    with pytest.raises(CardError, match="does not fit"):
        mine(squares_home)
    (squares_home.models / "champion").unlink()
    with pytest.raises(ModelError, match="has no champion"):
        mine(squares_home)


# ---- versions that fail, and two runs at once --------------------------------------------------------------


def test_a_version_that_cannot_answer_is_said_and_the_others_are_mined(squares_home: Home) -> None:
    ids = add_pictures(squares_home, [draw("disc", seed) for seed in range(3)], "a.example")
    broken = variant(squares_home.models, "broken.1", preprocessing={"recipe": "nsfwjs", "size": 16, "crop": 3})
    said: list[str] = []
    done = mine(squares_home, say=said.append)
    fold(squares_home)
    assert list(done.failed_versions) == [broken.version]
    assert said == list(done.failed_versions.values())
    assert "\n" not in said[0]
    assert (done.looked_at, done.refused, done.queued) == (3, {}, len(queue(squares_home)))
    assert {row["picture"] for row in queue(squares_home)} <= set(ids)
    assert mine(squares_home).failed_versions == done.failed_versions, "it is asked again"


def test_two_runs_at_once_are_one_and_a_line(squares_home: Home) -> None:
    add_pictures(squares_home, [draw("disc", seed) for seed in range(4)], "a.example")
    refused: list[str] = []

    def meanwhile(done: int, total: int) -> None:
        with pytest.raises(JobRunning) as caught:
            mine(squares_home)
        refused.append(str(caught.value))

    assert mine(squares_home, progress=meanwhile).looked_at == 4
    assert set(refused) == {f"{squares_home.root} is being mined already (process {os.getpid()}); wait, or stop it"}
    fold(squares_home)
    with Snapshot(squares_home) as snapshot:
        assert snapshot.value("SELECT count(*) FROM raw_scores") == 4
    assert mine(squares_home).looked_at == 0, "the lock is free again"


def test_scans_that_overlap_all_the_same_double_nothing(squares_home: Home) -> None:
    ids = sorted(add_pictures(squares_home, [draw("disc", seed) for seed in range(4)], "a.example"))
    fold(squares_home)
    cards = [read_card(champion())]
    for _ in range(2):  # the second sees the snapshot that the first saw
        assert scan(squares_home, cards, views=("as_shown", "jpeg_50")).looked_at == 4
    fold(squares_home)
    with Snapshot(squares_home) as snapshot:
        for table, n in (("raw_scores", 8), ("measurements", 4), ("hashes", 4)):
            assert snapshot.value(f"SELECT count(*) FROM {table}") == n, table
    assert sorted(read_embeddings(squares_home, cards[0].base)[0]) == ids


def test_views_are_an_argument_and_misspelt_ones_no_run(squares_home: Home) -> None:
    add_pictures(squares_home, [draw("disc", 1)], "a.example")
    with pytest.raises(UsageError, match="no view 'jpeg_51'"):
        mine(squares_home, views=("jpeg_51",))
    mine(squares_home, views=("jpeg_50", "on_black"))
    with Snapshot(squares_home) as snapshot:
        rows = snapshot.rows("SELECT view FROM raw_scores ORDER BY view")
    assert [row["view"] for row in rows] == ["as_shown", "jpeg_50"]
