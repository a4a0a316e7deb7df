"""The inbox: what comes out of a file is what was put in, and what does not fit is refused before it is written."""

from __future__ import annotations

import datetime as dt
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.errors import InboxFull, RecordError
from store.files import TEMPORARY
from store.inbox import Inbox, InboxLimits, as_arrow, kind_of, read_records

NOW = dt.datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=dt.UTC)


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "inbox")


def sighting(**changes: Any) -> dict[str, Any]:
    row = {"picture": "a" * 64, "url": "http://a.test/1.png", "host": "a.test", "job": "j", "http_status": 200}
    return row | {"seen_at": NOW} | changes


def test_records_come_back_as_they_were(inbox: Inbox) -> None:
    path = inbox.append("sightings", [sighting(), sighting(url=None, http_status=None)])
    assert path is not None
    table = read_records(path)
    assert table.equals(as_arrow("sightings", [sighting(), sighting(url=None, http_status=None)]))
    assert table["seen_at"].to_pylist() == [NOW.replace(tzinfo=None)] * 2
    assert table["page"].to_pylist() == [None, None]


@given(st.lists(st.one_of(st.none(), st.text()), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str | None]) -> None:
    """Line separators inside texts once broke JSON lines apart: acknowledged rows ended in quarantine."""
    inbox = Inbox(tmp_path_factory.mktemp("inbox"))
    rows = [{"picture": str(i), "source": text} for i, text in enumerate(texts)]
    path = inbox.append("pictures", rows)
    assert path is not None
    assert path.suffix == (".jsonl" if len(rows) < 50 else ".parquet")
    assert read_records(path)["source"].to_pylist() == texts


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\n", "\r\n", "\x00"])
def test_every_kind_of_line_break_comes_back(inbox: Inbox, separator: str) -> None:
    path = inbox.append("pictures", [{"picture": "p", "source": f"a{separator}b"}])
    assert path is not None
    assert read_records(path)["source"].to_pylist() == [f"a{separator}b"]


def test_numbers_at_their_limits_come_back_as_json_and_as_parquet(inbox: Inbox) -> None:
    rows = [{"picture": str(n), "probabilities": [0.1, 1e-38, 1.0], "scored_at": NOW} for n in range(60)]
    small, large = inbox.append("raw_scores", rows[:1]), inbox.append("raw_scores", rows)
    assert small is not None
    assert large is not None
    assert (small.suffix, large.suffix) == (".jsonl", ".parquet")
    assert read_records(small)["probabilities"][0] == read_records(large)["probabilities"][0]
    hashes = inbox.append("hashes", [{"picture": "p", "phash": 2**64 - 1, "thumbnail": bytes(range(256))}])
    assert hashes is not None
    assert hashes.suffix == ".parquet", "bytes do not go into JSON"
    assert read_records(hashes)["phash"].to_pylist() == [2**64 - 1]


def test_arrow_tables_are_taken_in_any_order_and_type(inbox: Inbox) -> None:
    there = dt.timezone(dt.timedelta(hours=5))
    table = pa.table(
        {
            "first_seen_at": pa.array([NOW.astimezone(there)], pa.timestamp("us", "+05:00")),
            "size_bytes": pa.array([7], pa.int8()),
            "picture": pa.array(["p"]).dictionary_encode(),
        }
    )
    path = inbox.append("pictures", table)
    assert path is not None
    assert read_records(path).to_pylist() == [
        {"picture": "p", "size_bytes": 7, "source": None, "first_seen_at": NOW.replace(tzinfo=None)}
    ]


def test_times_become_utc_whatever_their_zone(inbox: Inbox) -> None:
    path = inbox.append("sightings", [sighting(seen_at=NOW.astimezone(dt.timezone(dt.timedelta(hours=-7))))])
    assert path is not None
    assert read_records(path)["seen_at"].to_pylist() == [NOW.replace(tzinfo=None)]
    path.write_text('{"picture": "p", "seen_at": "2026-01-01T05:00:00+05:00"}\n')
    assert read_records(path)["seen_at"].to_pylist() == [dt.datetime(2026, 1, 1)]


def test_no_rows_make_no_file(inbox: Inbox) -> None:
    assert inbox.append("pictures", []) is None
    assert inbox.append("pictures", pa.table({"picture": pa.array([], pa.string())})) is None
    assert inbox.files() == []


@pytest.mark.parametrize(
    ("kind", "rows", "words"),
    [
        ("photos", [{"picture": "p"}], "unknown kind of record 'photos'"),
        ("folded", [{"file": "f"}], "unknown kind of record 'folded'"),
        ("pictures", [{"picture": "p", "colour": "red"}], "pictures has no column 'colour'"),
        ("pictures", [{"picture": 7}], "does not fit"),
        ("pictures", [{"picture": "p", "size_bytes": "many"}], "does not fit"),
        ("pictures", [{"picture": "p", "size_bytes": 2**63}], "does not fit"),
        ("pictures", [{"picture": "\ud800"}], "does not fit"),
        ("hashes", [{"picture": "p", "phash": -1}], "does not fit"),
        ("pictures", [{"picture": "p", "first_seen_at": dt.datetime(2026, 1, 1)}], "a time without a zone"),
        ("pictures", pa.table({"picture": [[1]]}), "does not fit"),
        ("pictures", pa.table({"picture": pa.array([b"\xff"])}), "does not fit"),
        ("pictures", pa.table({"photo": ["p"]}), "pictures has no column 'photo'"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(inbox: Inbox, kind: str, rows: Any, words: str) -> None:
    with pytest.raises(RecordError) as caught:
        inbox.append(kind, rows)
    assert words in str(caught.value)
    assert not inbox.folder.exists() or list(inbox.folder.iterdir()) == []


def test_files_come_oldest_first_and_hide_temporary_ones(inbox: Inbox) -> None:
    paths = [inbox.append("pictures", [{"picture": str(n)}]) for n in range(5)]
    (inbox.folder / f"{TEMPORARY}half-written.parquet").write_bytes(b"PAR1")
    (inbox.folder / "notes.txt").write_text("not ours")
    assert inbox.files() == paths
    assert {kind_of(path) for path in inbox.files()} == {"pictures"}


@pytest.mark.parametrize("limits", [InboxLimits(max_files=2, patience_s=0.5), InboxLimits(1000, 150, 0.5)])
def test_a_full_inbox_pauses_and_then_gives_up_in_one_line(tmp_path: Path, limits: InboxLimits) -> None:
    inbox, said = Inbox(tmp_path / "inbox", limits), []
    while not inbox.is_full():
        inbox.append("pictures", [{"picture": "p", "source": "x" * 60}])
    before = inbox.files()
    started = time.monotonic()
    with pytest.raises(InboxFull, match=r"nobody folded it for 0\.5 s; run `blindspot fold`"):
        inbox.append("pictures", [{"picture": "q"}], on_pause=said.append)
    assert 0.5 <= time.monotonic() - started < 3
    assert len(said) == 1
    assert "is full" in said[0]
    assert inbox.files() == before


def test_a_paused_producer_goes_on_when_the_inbox_drains(tmp_path: Path) -> None:
    inbox, paused = Inbox(tmp_path / "inbox", InboxLimits(max_files=1, patience_s=20)), threading.Event()
    first = inbox.append("pictures", [{"picture": "p"}])
    assert first is not None

    def drain() -> None:
        paused.wait(10)
        first.unlink()

    drainer = threading.Thread(target=drain)
    drainer.start()
    path = inbox.append("pictures", [{"picture": "q"}], on_pause=lambda message: paused.set())
    drainer.join()
    assert inbox.files() == [path]
