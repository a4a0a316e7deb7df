"""A purge leaves nothing but tombstones, wherever it is killed; what others gave stays."""

from __future__ import annotations

import contextlib
import fcntl
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import sys
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import planted
import pytest
from planted import BAD, BASE, CANARY, CDN, GONE, GOOD, IDS, PAGE, STAYS, found_in, plant
from samples import NOW, picture, select

from store.embeddings import append_embeddings, read_embeddings
from store.fold import fold
from store.forgetting.requests import answer_of, ask_to_forget
from store.forgetting.tombstones import Tombstones
from store.home import Home

# Processes that begin with everything imported; the server that forks them has never opened a catalog.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["store.fold", "pytest"])


@dataclass(frozen=True)
class Purged:
    """A home without `example.org`, and what the purge said."""

    home: Home
    answer: dict[str, Any]


@pytest.fixture(scope="module")
def planted_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Home(tmp_path_factory.mktemp("planted"))
    plant(made)
    return made.root


@pytest.fixture
def full(planted_root: Path, tmp_path: Path) -> Home:
    """A home of its own with everything that a source can leave behind."""
    shutil.copytree(planted_root, tmp_path / "full")
    return Home(tmp_path / "full")


@pytest.fixture(scope="module")
def purged(planted_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Purged:
    """The same after a purge; for reading."""
    home = Home(tmp_path_factory.mktemp("purged") / "home")
    shutil.copytree(planted_root, home.root)
    home.settings.write_text(f'[jobs.j]\nspider = "pages"\nurls = ["http://{BAD}/"]\n')
    before = {name.split("/")[0] for name in found_in(home)}
    assert before >= {
        "catalog.duckdb", "snapshot.duckdb", "catalog.duckdb.tmp", "inbox", "quarantine", "frontier", "runs", "logs",
        "pictures",
    }, "planted everywhere"  # fmt: skip
    return Purged(home, purge(home))


def purge(home: Home, target: str = "source", value: str = BAD) -> dict[str, Any]:
    request = ask_to_forget(home, target, value, reason=f"asked by mail about {PAGE}")
    assert fold(home).forgot == [request]
    answer = answer_of(home, request)
    assert answer is not None
    return answer


def gone_and_kept(home: Home, table: str) -> tuple[int, int]:
    """How many rows of a table are on pictures that should be gone, and on those that stay."""
    counted = [select(home, f"SELECT count(*) FROM {table} WHERE picture IN ('{ids}')")[0][0] for ids in (
        "', '".join(IDS[name] for name in GONE), "', '".join(IDS[name] for name in STAYS)
    )]  # fmt: skip
    return counted[0], counted[1]


# ---- a source ----------------------------------------------------------------------------------------------


def test_nothing_of_a_purged_source_is_left_in_any_file(purged: Purged) -> None:
    assert found_in(purged.home) == {}
    assert purged.home.inbox().files() == []
    ours = (path for path in purged.home.root.rglob("*") if path.is_file() and path != purged.home.settings)
    raw = b"".join(path.read_bytes() for path in ours)
    assert BAD.encode() not in raw.replace(b"notexample.org", b""), "nor the name of the source"
    assert {path.name for path in purged.home.root.rglob("*") if path.name in IDS.values()} == {
        IDS[name] for name in STAYS
    }


def test_what_others_gave_stays_as_it_was(purged: Purged) -> None:
    tables = ("pictures", "measurements", "hashes", "raw_scores", "findings", "family_members")
    assert {table: gone_and_kept(purged.home, table) for table in tables} == dict.fromkeys(tables, (0, 2))
    assert gone_and_kept(purged.home, "verdict_records") == (0, 2)
    assert gone_and_kept(purged.home, "suite_pictures") == (0, 1)
    assert gone_and_kept(purged.home, "sightings") == (0, 3)
    assert gone_and_kept(purged.home, "copies") == (0, 0), "a star without its representative is grouped anew by mining"
    assert read_embeddings(purged.home, BASE)[0] == [IDS["kept"], IDS["other"]]
    assert purged.home.blobs().get(IDS["kept"]) == planted.data_of("kept")
    assert select(purged.home, "SELECT url, detail FROM refusals") == [
        (f"http://{GOOD}/moved", "see [purged] or [purged]")
    ]
    assert select(purged.home, "SELECT slice, name FROM evaluations") == [("family", "f")]
    body = json.loads(select(purged.home, "SELECT body FROM certificates")[0][0])
    assert body == {"of": ["[purged]", "[purged]", GOOD], "see": "[purged]"}
    assert select(purged.home, "SELECT definition FROM family_definitions") == [("imported from [purged]",)]
    assert (purged.home.quarantine / "b-sightings-x.jsonl").exists(), "nothing in it names the source"
    assert [path.name for path in purged.home.quarantine.glob("c-*")] == [], "nobody can search a broken packed file"


def test_files_about_it_go_or_lose_their_lines_and_the_owners_own_are_told(purged: Purged) -> None:
    answer = purged.answer
    assert answer["files"] == {
        "removed": ["runs/mosaic.png", "runs/report.html", "runs/shows.html", "sheet.html"],
        "shortened": ["answers.csv", "logs/j.jsonl", "runs/certificates/c.txt"],
        "still_named": ["blindspot.toml"],
    }
    assert (purged.home.root / "logs/j.jsonl").read_text() == f'{{"url": "http://{GOOD}/"}}\n'
    assert (purged.home.root / "runs/certificates/c.txt").read_text() == f"held out: {GOOD}\n"
    assert (purged.home.root / "runs/plain.html").exists()
    assert f"http://{BAD}/" in purged.home.settings.read_text(), "settings are the owner's to edit"


def test_the_backlog_loses_its_rows_and_keeps_the_others(purged: Purged) -> None:
    assert purged.answer["frontier_rows"] == 5
    with contextlib.closing(sqlite3.connect(purged.home.root / "frontier" / "j.sqlite")) as database:
        urls = database.execute("SELECT url, named FROM urls ORDER BY id").fetchall()
        hosts = database.execute("SELECT host, robots FROM hosts ORDER BY host").fetchall()
        outbox = database.execute("SELECT row FROM outbox").fetchall()
    assert [url for url, _ in urls] == [f"http://{GOOD}/", f"http://{GOOD}/6.png"]
    assert json.loads(zlib.decompress(urls[0][1])) == [[f"http://{GOOD}/a", "page"]]
    assert hosts == [("cdn.example.com", b"Allow: /"), (GOOD, None)]
    assert [json.loads(row) for (row,) in outbox] == [{"url": f"http://{GOOD}/no"}]


def test_mixes_that_used_it_cannot_be_replayed_and_their_models_are_told(purged: Purged) -> None:
    answer = purged.answer
    mixes = select(purged.home, "SELECT mix, replayable FROM mixes ORDER BY mix")
    assert mixes == [("clean", True), ("holds out", False), ("touched", False)]
    samples = select(purged.home, "SELECT mix, picture, split_group FROM mix_samples ORDER BY mix")
    assert samples == [("clean", IDS["kept"], IDS["kept"]), ("touched", IDS["kept"], "[purged]")]
    assert answer["mixes"] == ["touched"]
    assert answer["models"] == [
        {"version": "v2", "mix": "touched", "directly": True, "champion": False},
        {"version": "v3", "mix": "clean", "directly": False, "champion": False},
    ]


def test_the_answer_counts_and_the_request_loses_its_name(purged: Purged) -> None:
    answer = purged.answer
    size = sum(len(planted.data_of(name)) for name in GONE)
    assert (answer["pictures"], answer["pictures_dropped"], answer["bytes_dropped"]) == (4, 4, size)
    assert (answer["sightings"], answer["verdicts"], answer["suite_pictures"], answer["embeddings"]) == (6, 4, 1, 5)
    assert answer["rows"]["sightings"] == 6
    assert answer["quarantined"] == 2
    query = "SELECT verb, target, value, reason, done_at IS NOT NULL FROM forget_requests"
    assert select(purged.home, query) == [("purge", "source", None, "asked by mail about [purged]", True)]


def test_tombstones_stay_and_forbid_it_from_anywhere(purged: Purged) -> None:
    stones = Tombstones.load(purged.home)
    assert stones.forbids_source(BAD)
    assert not stones.forbids_source(GOOD)
    forbidden = [PAGE, f"https://deep.down.{BAD}:444/never-seen", CDN, f"{CDN}#x", "http" + CDN.removeprefix("https")]
    assert [url for url in forbidden if not stones.forbids_url(url)] == []
    named_on_its_page = f"https://cdn.example.com/{CANARY}/never-fetched.png"
    assert stones.forbids_url(named_on_its_page)
    allowed = [f"http://{GOOD}/copy.png", f"{CDN}?other", f"http://not{BAD}/5.png", "https://cdn.example.com/"]
    assert [url for url in allowed if stones.forbids_url(url)] == []
    assert {name for name in IDS if stones.forbids_picture(IDS[name])} == set(GONE)
    kinds = "SELECT kind, count(*), any_value(reason) FROM tombstones GROUP BY kind ORDER BY kind"
    said = "asked by mail about [purged]"
    assert select(purged.home, kinds) == [("picture", 4, said), ("source", 1, said), ("url", 7, said)]


def test_rows_that_a_running_job_still_had_do_not_come_back(full: Home) -> None:
    purge(full)
    own, new = IDS["own"], full.blobs().put(b"new bytes of a forbidden source")
    full.blobs().put(planted.data_of("own"))
    inbox = full.inbox()
    inbox.append("pictures", [picture(own, source=GOOD), picture(new, source=BAD), picture(IDS["kept"], source=BAD)])
    inbox.append("sightings", [
        {"picture": own, "url": f"http://{GOOD}/x.png", "source": GOOD, "seen_at": NOW},
        {"picture": IDS["kept"], "url": f"http://{BAD}/x.png", "source": BAD, "seen_at": NOW},
        {"picture": IDS["kept"], "url": f"http://{GOOD}/x.png", "source": GOOD, "seen_at": NOW},
    ])  # fmt: skip
    inbox.append("mixes", [{"mix": "late", "settings": "{}"}])
    inbox.append("mix_samples", [{"mix": "late", "sample": "verdict:x", "picture": own, "source": GOOD}])
    append_embeddings(full, BASE, [own, new], np.ones((2, 2), np.float32))
    assert fold(full).rows == 2, "a sighting and a mix"
    assert sorted(full.blobs().ids()) == sorted(IDS[name] for name in STAYS), "their bytes went too"
    assert select(full, "SELECT replayable FROM mixes WHERE mix = 'late'") == [(False,)]
    assert own not in read_embeddings(full, BASE)[0]
    assert found_in(full) == {}


def test_an_older_catalog_in_its_place_is_purged_again(full: Home) -> None:
    backup = full.catalog.read_bytes()
    purge(full)
    full.catalog.write_bytes(backup)
    fold(full)
    assert select(full, "SELECT count(*) FROM pictures") == [(2,)]
    assert "catalog.duckdb" not in found_in(full)
    assert "snapshot.duckdb" not in found_in(full)
    before = full.snapshot.stat().st_ino
    fold(full)
    assert full.snapshot.stat().st_ino == before, "done once"


def test_purging_it_again_changes_nothing(full: Home) -> None:
    purge(full)
    tables = "SELECT count(*) FROM tombstones"
    before = select(full, tables)
    assert (purge(full)["pictures"], select(full, tables)) == (0, before)


# ---- a picture, a URL, an import ---------------------------------------------------------------------------


def test_one_picture_goes_with_its_urls_and_no_other(full: Home) -> None:
    answer = purge(full, "picture", IDS["shared"])
    assert (answer["pictures"], answer["urls"]) == (1, 2)
    stones = Tombstones.load(full)
    assert stones.forbids_url(f"http://{GOOD}/copy.png")
    assert not stones.forbids_url(PAGE)
    assert not stones.forbids_source(BAD)
    assert sorted(full.blobs().ids()) == sorted(IDS[name] for name in IDS if name != "shared")
    assert select(full, f"SELECT count(*) FROM sightings WHERE picture = '{IDS['shared']}'") == [(0,)]


def test_what_is_unknown_is_forbidden_from_now_on(home: Home) -> None:
    fold(home)
    assert purge(home, "picture", "ab" * 32)["pictures"] == 1
    assert Tombstones.load(home).forbids_picture("ab" * 32)
    assert purge(home, "source", "never-seen.example")["pictures"] == 0
    assert Tombstones.load(home).forbids_url("http://never-seen.example/x")


@pytest.mark.parametrize(("url", "names"), [
    (CDN.replace("https://cdn", "http://CDN") + "#top", {"cdn"}),
    (PAGE, {"own", "cdn", "shared"}),
    ("http://unknown.example/never", set()),
])  # fmt: skip
def test_one_url_takes_what_it_gave_or_what_it_showed_as_a_page(full: Home, url: str, names: set[str]) -> None:
    answer = purge(full, "url", url)
    assert answer["pictures"] == len(names)
    assert set(full.blobs().ids()) == {IDS[name] for name in IDS if name not in names}
    assert Tombstones.load(full).forbids_url(url)
    assert not Tombstones.load(full).forbids_source(BAD)


def test_an_imports_source_takes_its_refused_files_too(home: Home) -> None:
    inbox, folder = home.inbox(), "/home/ada/old pictures"
    url = f"file://{folder.replace(' ', '%20')}/1.png"
    inbox.append("pictures", [picture("p", source="a"), picture("q", source="b")])
    inbox.append("sightings", [{"picture": "p", "url": url, "source": "a", "job": "import", "seen_at": NOW}])
    refused = [{"url": f"{path}/no.txt", "stage": "import", "refused_at": NOW} for path in (folder, "/home/ada/a")]
    inbox.append("refusals", refused)
    note = {"class": "a", "note": 'a bag, "a"', "reviewer": "a"}
    inbox.append("verdict_records", [{"verdict": "v", "picture": "q", **note}])
    fold(home)
    purge(home, "source", "a")
    assert select(home, "SELECT picture FROM pictures") == [("q",)]
    assert select(home, "SELECT url FROM refusals") == [("/home/ada/a/no.txt",)]
    words = select(home, "SELECT class, note, reviewer FROM verdict_records")
    assert words == [("a", 'a bag, "[purged]"', "a")], "not every word that is spelt like a source is one"


# ---- what is in the way ------------------------------------------------------------------------------------


def test_a_purge_waits_for_a_running_job_and_removes_nothing_before(full: Home) -> None:
    request = ask_to_forget(full, "source", BAD)
    before = found_in(full)
    with (full.root / "frontier" / "j.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = fold(full)
        assert done.forgot == []
        assert "job j is running" in done.postponed
        assert set(found_in(full)) >= {name for name in before if not name.startswith("inbox")}
        assert not (full.root / "tombstones.parquet").exists()
    assert fold(full).forgot == [request]
    assert found_in(full) == {}


@pytest.mark.parametrize("row", [
    {"verb": "purge", "target": "host", "value": "x"},
    {"verb": "retain", "target": "source", "value": "x"},
    {"verb": "purge", "target": "source", "value": None},
    {"verb": "purge", "target": "picture", "value": "../../etc"},
    {"verb": "purge", "target": "url", "value": "no scheme"},
    {"verb": "retain", "target": "older_than", "value": "soon"},
])  # fmt: skip
def test_a_request_that_nobody_can_carry_out_goes_to_quarantine(home: Home, row: dict[str, Any]) -> None:
    home.inbox().append("forget_requests", [{"request": "r", "requested_at": NOW, **row}])
    assert fold(home).quarantined == 1
    (reason,) = home.quarantine.glob("*.reason")
    assert "no request to forget" in reason.read_text()
    assert select(home, "SELECT count(*) FROM forget_requests") == [(0,)]


def test_an_object_store_is_cleaned_as_a_folder_is(home: Home) -> None:
    away = replace(home, pictures_url=f"memory://{home.root.name}")
    name = away.blobs().put(b"picture")
    away.inbox().append("pictures", [picture(name, source=BAD)])
    fold(away)
    assert purge(away)["pictures_dropped"] == 1
    assert not away.blobs().has(name)


# ---- kills -------------------------------------------------------------------------------------------------

# Before each of these calls a fold may die. DuckDB's and SQLite's own lie between them.
EVENTS = frozenset({"open", "os.remove", "os.rename", "os.rmdir", "sqlite3.connect", "shutil.rmtree"})


def fold_until(home: Home, nth: int, count: Any) -> None:
    """Fold, and be killed at the nth call that may change a file; `count` says how many there were."""

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        changing = event != "open" or (isinstance(arguments[1], str) and arguments[1] not in ("r", "rb"))
        if event in EVENTS and changing and str(home.root) in str(arguments[0]):
            count.value += 1
            if count.value == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    fold(home)


def killed_at(planted_root: Path, scratch: Path, nth: int) -> int:
    """One purge that is killed at the nth step, and what a fold makes of it; how many steps there were."""
    home = Home(scratch / str(nth))
    shutil.copytree(planted_root, home.root)
    request = ask_to_forget(home, "source", BAD)
    count = PROCESSES.Value("i", 0)
    process = PROCESSES.Process(target=fold_until, args=(home, nth, count))
    process.start()
    process.join()
    assert process.exitcode == (-signal.SIGKILL if count.value == nth else 0)
    fold(home)
    assert found_in(home) == {}, nth
    assert select(home, "SELECT count(*) FROM pictures") == [(2,)], nth
    assert select(home, "SELECT request, done_at IS NOT NULL FROM forget_requests") == [(request, True)], nth
    assert select(home, "SELECT count(*) FROM tombstones") == [(12,)], nth
    assert not select(home, "SELECT replayable FROM mixes WHERE mix = 'touched'")[0][0], nth
    assert home.inbox().files() == []
    shutil.rmtree(home.root)
    return int(count.value)


def test_a_purge_that_is_killed_somewhere_is_finished_by_the_next_fold(planted_root: Path, tmp_path: Path) -> None:
    steps = killed_at(planted_root, tmp_path, 10_000)
    assert steps > 30
    for nth in range(random.randrange(1, 9), steps + 1, steps // 4):
        assert killed_at(planted_root, tmp_path, nth) == nth


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_purge_that_is_killed_anywhere_is_finished_by_the_next_fold(planted_root: Path, tmp_path: Path) -> None:
    steps = killed_at(planted_root, tmp_path, 10_000)
    assert [killed_at(planted_root, tmp_path, nth) for nth in range(1, steps + 1)] == list(range(1, steps + 1))
