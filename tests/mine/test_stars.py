from __future__ import annotations

from typing import Any

from mine.hashes import HASH_VERSION
from mine.stars import join_copies, read_hashes
from store.catalog import Snapshot
from store.fold import fold
from store.home import Home


def hashed(home: Home, version: str = HASH_VERSION, **bits: int) -> None:
    rows: list[dict[str, Any]] = [
        {"picture": name, "phash": value, "energy": 20.0, "thumbnail": bytes([90] * 256), "hash_version": version}
        for name, value in bits.items()
    ]
    home.inbox().append("hashes", rows)
    fold(home)


def stars(home: Home) -> dict[str, tuple[str, int]]:
    fold(home)
    with Snapshot(home) as snapshot:
        rows = snapshot.rows("SELECT * FROM copies")
    return {row["picture"]: (row["representative"], row["distance_bits"]) for row in rows}


def test_every_hashed_picture_comes_into_a_star_once(home: Home) -> None:
    hashed(home, a=0, b=2**64 - 1, c=0b111)
    assert join_copies(home) == 3
    first = {"a": ("a", 0), "b": ("b", 0), "c": ("a", 3)}
    assert stars(home) == first
    assert join_copies(home) == 0
    hashed(home, d=2**64 - 2, e=0b11111111, A=0b1)
    assert join_copies(home) == 3
    # c is within four bits of e, and no representative: e starts a star of its own.
    assert stars(home) == first | {"d": ("b", 1), "e": ("e", 0), "A": ("a", 1)}


def test_hashes_of_another_input_path_are_not_compared(home: Home) -> None:
    hashed(home, "phash64-scaled", a=0)
    hashed(home, b=0)
    assert join_copies(home) == 1
    assert stars(home) == {"b": ("b", 0)}


def test_hashes_come_back_as_they_went_in(home: Home) -> None:
    hashed(home, top=2**63 + 5)
    with Snapshot(home) as snapshot:
        found = read_hashes(snapshot)
    assert (found.ids.tolist(), found.phash.tolist(), found.thumbnails.shape) == (["top"], [2**63 + 5], (1, 256))


def test_nothing_is_no_trouble(home: Home) -> None:
    fold(home)
    assert join_copies(home) == 0
