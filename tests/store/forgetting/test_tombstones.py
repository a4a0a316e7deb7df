"""Tombstones recognise what was purged in any spelling, say nothing in clear, and reach running jobs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import NOW

from store.errors import HomeError
from store.forgetting.tombstones import LOOK_S, Tombstones, add_tombstones, count_tombstones, file_of, url_place
from store.home import Home
from store.schema import tombstones
from store.types import arrow_schema

PICTURE = "ab" * 32


def set_marks(home: Home, *names: tuple[str, str]) -> None:
    stones = Tombstones.load(home)
    rows = [
        {"kind": k, "mark": stones.mark(k, n), "request": "r", "made_at": NOW.replace(tzinfo=None)} for k, n in names
    ]
    add_tombstones(home, pa.Table.from_pylist(rows, arrow_schema(tombstones)))


def test_a_home_that_forgot_nothing_forbids_nothing_and_makes_no_file(tmp_path: Path) -> None:
    stones = Tombstones.load(Home(tmp_path))
    assert not stones
    assert not stones.forbids_url("http://a.example/")
    assert not stones.forbids_source("a.example")
    assert not stones.forbids_picture(PICTURE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("purged", "forbidden", "allowed"),
    [
        (
            "http://a.example.org/x?y=1",
            ["https://a.example.org/x?y=1", "HTTP://u:p@A.Example.ORG:80/x?y=1#z", "https://a.example.org:443/x?y=1"],
            [
                "http://a.example.org/x",
                "http://a.example.org/x?y=1&",
                "http://a.example.org:81/x?y=1",
                "http://b/x?y=1",
            ],
        ),
        ("http://a.example.org", ["http://a.example.org/", "http://a.example.org/#"], ["http://a.example.org/x"]),
        ("http://a.example.org?q", ["http://a.example.org/?q"], ["http://a.example.org/q"]),
        ("file:///a%20b/C.png", ["file:///a%20b/C.png"], ["file:///a%20b/c.png", "http://a%20b/C.png"]),
        ("http://[::1]:8000/x", ["http://[::1]:8000/x"], ["http://[::1]/x"]),
    ],
)
def test_a_purged_url_in_any_spelling(home: Home, purged: str, forbidden: list[str], allowed: list[str]) -> None:
    set_marks(home, ("url", purged))
    stones = Tombstones.load(home)
    assert [url for url in (purged, *forbidden) if not stones.forbids_url(url)] == []
    assert [url for url in allowed if stones.forbids_url(url)] == []


@pytest.mark.parametrize(
    ("purged", "forbidden", "allowed"),
    [
        (
            "example.co.uk",
            ["http://img.example.co.uk/1", "https://example.co.uk:8443/"],
            ["http://example.com/", "http://co.uk/"],
        ),
        ("127.0.0.1:8001", ["http://127.0.0.1:8001/x"], ["http://127.0.0.1:8002/x", "http://127.0.0.1/x"]),
        ("photos.demo.test", ["http://photos.demo.test:9/x"], ["http://digits.demo.test:9/x"]),
        ("my holiday", [], ["http://my/", "http://holiday/"]),
    ],
)
def test_a_purged_source_forbids_its_hosts(home: Home, purged: str, forbidden: list[str], allowed: list[str]) -> None:
    set_marks(home, ("source", purged))
    stones = Tombstones.load(home)
    assert stones.forbids_source(purged)
    assert [url for url in forbidden if not stones.forbids_url(url)] == []
    assert [url for url in allowed if stones.forbids_url(url)] == []


@given(st.text(max_size=80))
def test_no_text_is_too_wild_to_be_asked(text: str) -> None:
    stones = Tombstones(Home(Path("nowhere")))
    stones._marks["source"].add("x")  # so that every question is asked in full
    assert not stones.forbids_url(text)
    assert not stones.forbids_url(f"http://{text}")
    assert not stones.forbids_source(text)
    assert not stones.forbids_picture(text)
    assert url_place(url_place(text)) == url_place(text) or "://" in url_place(text)


def test_nothing_stands_in_clear_and_the_key_is_the_owners_alone(home: Home) -> None:
    set_marks(home, ("source", "canary-source.example"), ("url", "http://canary.example/x"), ("picture", PICTURE))
    key = home.root / "tombstone.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == 32
    assert b"canary" not in file_of(home).read_bytes()
    assert count_tombstones(home) == len(Tombstones.load(home)) == 3
    elsewhere = Home(home.root / "elsewhere")
    elsewhere.root.mkdir()
    assert Tombstones(elsewhere).mark("url", "http://canary.example/x") != Tombstones.load(home).mark(
        "url", "http://canary.example/x"
    ), "every home has a key of its own"


def test_the_same_again_adds_nothing(home: Home) -> None:
    set_marks(home, ("url", "http://a.example/"), ("picture", PICTURE))
    before = file_of(home).stat().st_ino
    set_marks(home, ("url", "https://a.example/"))
    assert (count_tombstones(home), file_of(home).stat().st_ino) == (2, before)


def test_a_running_job_learns_of_a_purge(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("store.forgetting.tombstones.time.monotonic", lambda: now[0])
    stones = Tombstones.load(home)
    assert not stones.forbids_url("http://a.example.org/")
    set_marks(home, ("source", "example.org"), ("picture", PICTURE))
    now[0] += LOOK_S
    assert stones.forbids_url("http://a.example.org/"), "also what was answered before"
    assert stones.forbids_picture(PICTURE)


@pytest.mark.parametrize("content", [None, b"", b"short"])
def test_a_lost_key_is_told_and_not_passed_over(home: Home, content: bytes | None) -> None:
    set_marks(home, ("url", "http://a.example/"))
    key = home.root / "tombstone.key"
    key.unlink() if content is None else key.write_bytes(content)
    with pytest.raises(HomeError, match=r"tombstone.key wants 32 bytes, found \d.*restore it"):
        Tombstones.load(home)


def test_a_broken_file_is_told(home: Home) -> None:
    set_marks(home, ("url", "http://a.example/"))
    file_of(home).write_bytes(os.urandom(100))
    with pytest.raises(HomeError, match="cannot be read"):
        Tombstones.load(home)
