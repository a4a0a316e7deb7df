from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from mine.detectors import DETECTORS, Detector, Example, Finding
from mine.run import Mined, detect, mine
from store.cards import read_card, write_card
from store.catalog import Snapshot
from store.errors import CardError, ModelError
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
