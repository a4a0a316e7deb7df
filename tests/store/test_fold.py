"""The fold: what was acknowledged is in the catalog once, what cannot be read is in quarantine with its reason."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from samples import NOW, picture, select

from store import fold as folding
from store.errors import CatalogBusy
from store.files import TEMPORARY
from store.fold import Folded, fold
from store.home import Home


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
    assert select(home, "SELECT count(*), count(DISTINCT picture) FROM pictures") == [(502, 502)]


def test_the_first_fold_of_an_empty_folder_makes_everything(tmp_path: Path) -> None:
    new = Home(tmp_path / "not" / "there yet")
    assert fold(new) == Folded(published=True)
    assert select(new, "SELECT count(*) FROM pictures") == [(0,)]


def test_the_same_file_folded_again_adds_nothing(home: Home) -> None:
    path = home.inbox().append("pictures", [picture("p1")])
    assert path is not None
    content = path.read_bytes()
    fold(home)
    path.write_bytes(content)  # as after a kill between the commit and the removal
    assert fold(home).rows == 0
    assert home.inbox().files() == []
    assert select(home, "SELECT picture FROM pictures") == [("p1",)]


def test_of_equal_keys_the_first_stays_within_a_file_across_files_and_across_folds(home: Home) -> None:
    inbox = home.inbox()
    inbox.append("pictures", [picture("p", source="first"), picture("p", source="second")])
    inbox.append("pictures", [picture("p", source="third")])
    fold(home)
    inbox.append("pictures", [picture("p", source="fourth"), picture("q")])
    assert fold(home).rows == 1
    assert select(home, "SELECT picture, source FROM pictures ORDER BY ALL") == [("p", "first"), ("q", "a.test")]


def test_null_is_a_key_like_any_other(home: Home) -> None:
    refusal = {"picture": None, "url": None, "stage": "fetch", "reason": "timeout", "job": None, "refused_at": NOW}
    for _ in range(3):
        home.inbox().append("refusals", [refusal, refusal, refusal | {"job": "j"}])
    assert fold(home).rows == 3, "two refusals and the policy"
    home.inbox().append("refusals", [refusal, refusal | {"url": "http://a.test/"}])
    assert fold(home).rows == 1
    assert select(home, "SELECT count(*) FROM refusals") == [(3,)]


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


WHOLE = parquet(pa.table({"picture": [f"p{n}" for n in range(1_000)]}))
BROKEN_TEXT = pa.StringArray.from_buffers(1, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe"))
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
    assert select(home, "SELECT picture FROM pictures ORDER BY ALL") == [("after",), ("before",)]
    assert fold(home) == Folded()


def test_batches_are_bounded_by_files_and_by_rows(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    take = folding._take

    def watch(home: Home, connection: Any, sieve: Any, batch: dict[Path, pa.Table], done: Folded) -> None:
        taken.append(len(batch))
        take(home, connection, sieve, batch, done)

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


def test_two_folds_take_turns_and_the_impatient_one_says_so(home: Home) -> None:
    with folding._only_one(home.lock, 0), pytest.raises(CatalogBusy, match=r"another fold has held .* for 0.2 s"):
        fold(home, wait_s=0.2)
    assert fold(home).published


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


def test_the_age_of_the_oldest_file_is_told(home: Home) -> None:
    home.inbox().folder.mkdir()
    made = time.time_ns() - 90 * 10**9
    (home.inbox().folder / f"{made:020d}-pictures-x.jsonl").write_text('{"picture": "p"}\n')
    assert 89 < fold(home).oldest_s < 120
