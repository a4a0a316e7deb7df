"""The fold: what was acknowledged is in the catalog once, what cannot be read is in quarantine with its reason."""

from __future__ import annotations

import datetime as dt
import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store import fold as folding
from store.catalog import Snapshot
from store.errors import CatalogBusy, CatalogError, PolicyError
from store.files import TEMPORARY
from store.fold import Folded, fold
from store.home import Home
from store.inbox import InboxLimits

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def picture(name: str, source: str | None = "a.test") -> dict[str, Any]:
    return {"picture": name, "size_bytes": 1, "source": source, "first_seen_at": NOW}


def rows(home: Home, query: str) -> list[tuple[Any, ...]]:
    with Snapshot(home) as snapshot:
        return [tuple(row.values()) for row in snapshot.rows(query)]


def reasons(home: Home) -> dict[str, str]:
    found = home.quarantine.glob("*.reason") if home.quarantine.exists() else ()
    return {path.name.removesuffix(".reason"): path.read_text() for path in found}


def test_a_fold_takes_everything_and_a_second_one_changes_nothing(home: Home) -> None:
    inbox = home.inbox()
    inbox.append("pictures", [picture("p1"), picture("p2")])
    inbox.append("pictures", [picture(f"q{n}") for n in range(500)])
    first = fold(home)
    assert (first.files, first.rows, first.quarantined, first.published) == (3, 503, 0, True)
    assert inbox.files() == []
    before = home.snapshot.stat()
    assert fold(home) == Folded()
    assert home.snapshot.stat().st_ino == before.st_ino, "nothing new, so readers need not reopen"
    assert rows(home, "SELECT count(*), count(DISTINCT picture) FROM pictures") == [(502, 502)]


def test_the_same_file_folded_again_adds_nothing(home: Home) -> None:
    path = home.inbox().append("pictures", [picture("p1")])
    assert path is not None
    content = path.read_bytes()
    fold(home)
    path.write_bytes(content)  # as after a kill between the commit and the removal
    assert fold(home).rows == 0
    assert home.inbox().files() == []
    assert rows(home, "SELECT picture FROM pictures") == [("p1",)]


def test_of_equal_keys_the_first_stays_within_a_file_across_files_and_across_folds(home: Home) -> None:
    inbox = home.inbox()
    inbox.append("pictures", [picture("p", "first"), picture("p", "second")])
    inbox.append("pictures", [picture("p", "third")])
    fold(home)
    inbox.append("pictures", [picture("p", "fourth"), picture("q")])
    assert fold(home).rows == 1
    assert rows(home, "SELECT picture, source FROM pictures ORDER BY ALL") == [("p", "first"), ("q", "a.test")]


def test_null_is_a_key_like_any_other(home: Home) -> None:
    refusal = {"picture": None, "url": None, "stage": "fetch", "reason": "timeout", "job": None, "at": NOW}
    for _ in range(3):
        home.inbox().append("refusals", [refusal, refusal, refusal | {"job": "j"}])
    assert fold(home).rows == 3, "two refusals and the policy"
    home.inbox().append("refusals", [refusal, refusal | {"url": "http://a.test/"}])
    assert fold(home).rows == 1
    assert rows(home, "SELECT count(*) FROM refusals") == [(3,)]


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


WHOLE = parquet(pa.table({"picture": [f"p{n}" for n in range(1_000)]}))
BROKEN_TEXT = pa.StringArray.from_buffers(
    1, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe")
)
UNREADABLE = {
    "garbage.parquet": ("pictures", "parquet", os.urandom(1_000), "cannot be read"),
    "empty.parquet": ("pictures", "parquet", b"", "cannot be read"),
    "cut.parquet": ("pictures", "parquet", WHOLE[: len(WHOLE) // 2], "cannot be read"),
    "tail lost.parquet": ("pictures", "parquet", WHOLE[:-4], "cannot be read"),
    "text that is none.parquet": ("pictures", "parquet", parquet(pa.table({"picture": BROKEN_TEXT})), "UTF8"),
    "wrong columns.parquet": ("pictures", "parquet", parquet(pa.table({"photo": ["p"]})), "no column 'photo'"),
    "wrong type.parquet": ("pictures", "parquet", parquet(pa.table({"picture": [[1]]})), "does not fit"),
    "one column twice.parquet": (
        "pictures",
        "parquet",
        parquet(pa.table([pa.array(["a"]), pa.array(["b"])], names=["picture", "picture"])),
        "picture",
    ),
    "wrong kind.jsonl": ("photos", "jsonl", b'{"picture": "p"}\n', "is not named <time>-<kind>-<unique>"),
    "garbage.jsonl": ("pictures", "jsonl", b"\xff\xfe\x00{", "cannot be read"),
    "cut.jsonl": ("pictures", "jsonl", b'{"picture": "p"}\n{"pict', "cannot be read"),
    "number for text.jsonl": ("pictures", "jsonl", b'{"picture": 7}\n', "does not fit"),
    "text for number.jsonl": ("pictures", "jsonl", b'{"size_bytes": "7"}\n', "does not fit"),
    "infinite number.jsonl": ("pictures", "jsonl", b'{"size_bytes": 1e400}\n', "does not fit"),
    "endless number.jsonl": ("pictures", "jsonl", b'{"size_bytes": ' + b"9" * 5_000 + b"}\n", "cannot be read"),
    "endless nesting.jsonl": ("pictures", "jsonl", b"[" * 100_000, "cannot be read"),
    "no object.jsonl": ("pictures", "jsonl", b'["picture"]\n', "not a JSON object"),
    "no time.jsonl": ("pictures", "jsonl", b'{"first_seen_at": "soon"}\n', "a time that is none"),
    "time as number.jsonl": ("pictures", "jsonl", b'{"first_seen_at": 5}\n', "a time that is none"),
    "half a surrogate.jsonl": ("pictures", "jsonl", b'{"picture": "\\ud800"}\n', "does not fit"),
}


def test_what_cannot_be_read_goes_to_quarantine_with_a_reason_and_the_rest_is_folded(home: Home) -> None:
    home.policy.unlink()
    inbox, expected = home.inbox(), {}
    inbox.append("pictures", [picture("before")])
    for number, (kind, suffix, content, words) in enumerate(UNREADABLE.values()):
        name = f"{number:020d}-{kind}-x.{suffix}"
        (inbox.folder / name).write_bytes(content)
        expected[name] = (content, words)
    for name in ("2026.parquet", "1-2-3-4.jsonl", "no-number-x.jsonl"):  # names that no producer of ours gives
        (inbox.folder / name).write_bytes(b"")
        expected[name] = (b"", "is not named")
    inbox.append("pictures", [picture("after")])
    done = fold(home)
    assert (done.files, done.rows, done.quarantined) == (2, 2, len(expected))
    for name, (content, words) in expected.items():
        assert words in reasons(home)[name], name
        assert reasons(home)[name].count("\n") == 1, name
        assert (home.quarantine / name).read_bytes() == content
    assert inbox.files() == []
    assert rows(home, "SELECT picture FROM pictures ORDER BY ALL") == [("after",), ("before",)]
    assert fold(home) == Folded()


def test_batches_are_bounded_by_files_and_by_rows(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    take = folding._take

    def watch(connection: Any, batch: dict[Path, pa.Table], done: Folded) -> None:
        taken.append(len(batch))
        take(connection, batch, done)

    monkeypatch.setattr(folding, "_take", watch)
    home.policy.unlink()
    monkeypatch.setattr(folding, "BATCH_FILES", 4)
    for n in range(10):
        home.inbox().append("pictures", [picture(str(n))])
    steps: list[tuple[int, int]] = []
    assert fold(home, progress=lambda done, total: steps.append((done, total))).files == 10
    assert taken == [4, 4, 2]
    assert steps == [(4, 10), (8, 10), (10, 10)]
    taken.clear()
    monkeypatch.setattr(folding, "BATCH_ROWS", 100)
    for n in range(5):
        home.inbox().append("pictures", [picture(f"{n}-{k}") for k in range(60)])
    fold(home)
    assert taken == [2, 2, 1]


def test_a_reader_keeps_the_snapshot_that_it_opened_and_the_next_one_sees_the_new(home: Home) -> None:
    home.inbox().append("pictures", [picture("p1")])
    fold(home)
    with Snapshot(home) as old:
        home.inbox().append("pictures", [picture("p2")])
        fold(home)
        with Snapshot(home) as new:
            assert new.value("SELECT count(*) FROM pictures") == 2
        assert old.value("SELECT count(*) FROM pictures") == 1
        assert old.table("SELECT picture FROM pictures")["picture"].to_pylist() == ["p1"]
        assert old.rows("SELECT picture FROM pictures WHERE picture = :p", p="p1") == [{"picture": "p1"}]


def test_the_snapshot_appears_whole_or_not_at_all(home: Home) -> None:
    """A reader that opens as often as it can while folds publish never meets a part of a file."""
    fold(home)
    code = (
        "import sys; from pathlib import Path; from store.home import Home; from store.catalog import Snapshot\n"
        "home, seen = Home(Path(sys.argv[1])), 0\n"
        "print('ready', flush=True)\n"
        "while seen < 3:\n"
        "    with Snapshot(home) as snapshot:\n"
        "        now = snapshot.value('SELECT count(*) FROM pictures')\n"
        "    assert now >= seen, (now, seen)\n"
        "    seen = now\n"
    )
    command = [sys.executable, "-c", code, str(home.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for n in range(3):
            home.inbox().append("pictures", [picture(str(n))])
            fold(home)
        _, errors = reader.communicate(timeout=30)
    assert (reader.returncode, errors) == (0, "")


def test_a_catalog_held_by_another_process_is_one_line(home: Home) -> None:
    fold(home)
    code = (
        "import duckdb, sys; held = duckdb.connect(sys.argv[1])\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(home.catalog)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        home.inbox().append("pictures", [picture("p")])
        started = time.monotonic()
        with pytest.raises(CatalogBusy) as caught:
            fold(home)
        assert time.monotonic() - started < 3, "refused at once, not after a wait"
        assert "is held by another process" in str(caught.value)
        assert "\n" not in str(caught.value)
        with Snapshot(home) as snapshot:  # readers do not care
            assert snapshot.value("SELECT count(*) FROM pictures") == 0
        holder.communicate("")
    assert fold(home).rows == 1


def test_two_folds_take_turns_and_the_impatient_one_says_so(home: Home) -> None:
    with folding._only_one(home.lock, 0), pytest.raises(CatalogBusy, match=r"another fold has held .* for 0.2 s"):
        fold(home, wait_s=0.2)
    assert fold(home).published


def test_a_file_that_is_no_catalog_is_one_line(home: Home) -> None:
    home.catalog.write_bytes(b"not a database" * 100)
    with pytest.raises(CatalogError, match="cannot be used") as caught:
        fold(home)
    assert "\n" not in str(caught.value)


def test_no_snapshot_and_a_spoilt_snapshot_are_one_line_and_the_fold_mends_the_latter(home: Home) -> None:
    with pytest.raises(CatalogError, match="run `blindspot fold` first"):
        Snapshot(home)
    fold(home)
    home.snapshot.write_bytes(b"not a database" * 100)
    with pytest.raises(CatalogError, match="cannot be used"):
        Snapshot(home)
    home.inbox().append("pictures", [picture("p")])
    fold(home)
    assert rows(home, "SELECT picture FROM pictures") == [("p",)]


def test_a_failed_question_leaves_the_snapshot_usable(home: Home) -> None:
    import sqlalchemy as sa

    fold(home)
    with Snapshot(home) as snapshot:
        with pytest.raises(sa.exc.DBAPIError):
            snapshot.table("SELECT nothing FROM pictures")
        assert snapshot.rows("SELECT count(*) AS n FROM pictures") == [{"n": 0}]


def test_a_full_inbox_is_drained_by_the_fold_even_when_it_has_something_to_declare(home: Home) -> None:
    """The fold writes the policy through the inbox: it must not wait there for itself."""
    small = Home(home.root, inbox_limits=InboxLimits(max_files=2, patience_s=0.3))
    for n in range(2):
        small.inbox().append("pictures", [picture(str(n))])
    assert small.inbox().is_full()
    assert fold(small).rows == 3
    assert small.inbox().append("pictures", [picture("next")]) is not None


def test_leftovers_of_killed_processes_are_swept(home: Home) -> None:
    home.inbox().append("pictures", [picture("p")])
    old, young = (home.inbox().folder / f"{TEMPORARY}{name}.parquet" for name in ("old", "young"))
    snapshot = home.root / f"{TEMPORARY}x-snapshot.duckdb"
    for path in (old, young, snapshot):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * folding.STALE_S,) * 2)
    fold(home)
    assert not old.exists()
    assert not snapshot.exists(), "nobody else writes snapshots, so its age does not matter"
    assert young.exists(), "its producer may still be writing"


def in_force(home: Home) -> str:
    return str(rows(home, "SELECT policy_version FROM policy")[0][0])


def test_a_changed_policy_is_a_new_row_and_the_old_one_can_come_back(home: Home, small_policy: str) -> None:
    fold(home)
    first = in_force(home)
    home.policy.write_text(small_policy.replace("fills", "covers"))
    fold(home)
    second = in_force(home)
    assert first != second
    home.policy.write_text("# a comment changes nothing\n" + small_policy)
    fold(home)
    assert in_force(home) == first
    history = rows(home, "SELECT policy_version FROM policies ORDER BY since_at")
    assert history == [(first,), (second,), (first,)]
    assert fold(home) == Folded()


def test_the_policy_is_followed_although_this_process_still_reads_an_old_snapshot(
    home: Home, small_policy: str
) -> None:
    fold(home)
    first = in_force(home)
    with Snapshot(home):
        home.policy.write_text(small_policy.replace("fills", "covers"))
        fold(home)
        home.policy.write_text(small_policy)
        fold(home)
        assert in_force(home) == first


def test_a_broken_policy_stops_the_fold_and_loses_nothing(home: Home, small_policy: str) -> None:
    fold(home)
    home.inbox().append("pictures", [picture("p")])
    home.policy.write_text("classes = 7")
    with pytest.raises(PolicyError):
        fold(home)
    assert len(home.inbox().files()) == 1
    assert rows(home, "SELECT count(*) FROM pictures") == [(0,)]
    home.policy.write_text(small_policy)
    assert fold(home).rows == 1


def test_changed_views_are_made_anew(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from store import catalog

    fold(home)
    monkeypatch.setitem(catalog.VIEWS, "policy", "SELECT 'changed' AS policy_version, '{}' AS body, now() AS since_at")
    monkeypatch.setattr(catalog, "VIEWS_VERSION", "another")
    fold(home)
    assert in_force(home) == "changed"


def test_the_age_of_the_oldest_file_is_told(home: Home) -> None:
    home.inbox().folder.mkdir()
    made = time.time_ns() - 90 * 10**9
    (home.inbox().folder / f"{made:020d}-pictures-x.jsonl").write_text('{"picture": "p"}\n')
    assert 89 < fold(home).oldest_s < 120
