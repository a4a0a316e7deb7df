from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mine.copies import split_groups
from mine.hashes import HASH_VERSION, PATH_VERSION, hash_picture
from mine.stars import join_copies, read_hashes
from store.catalog import Snapshot
from store.fold import fold
from store.home import Home
from store.pictures import Decoded
from tests.train.adopt.pictures import pixels


def hashed(home: Home, version: str = HASH_VERSION, number: int | None = PATH_VERSION, **bits: int) -> None:
    rows: list[dict[str, Any]] = [
        {"picture": name, "phash": value, "energy": 20.0, "thumbnail": bytes([90] * 256)}
        for name, value in bits.items()
    ]
    home.inbox().append("hashes", [row | {"hash_version": version, "path_version": number} for row in rows])
    fold(home)


def add(home: Home, **pictures: NDArray[np.uint8]) -> None:
    """Hash pictures and put them into stars."""
    looks = {name: Decoded(rgb, rgb.shape[1], rgb.shape[0], "PNG", 1, False, False) for name, rgb in pictures.items()}
    home.inbox().append("hashes", [{"picture": name, **hash_picture(look)} for name, look in looks.items()])
    fold(home)
    join_copies(home)
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


def test_what_an_older_path_hashed_gives_way_and_no_picture_is_there_twice(home: Home) -> None:
    hashed(home, "older", None, a=0, b=1, c=2)
    old = [{"picture": name, "representative": "a", "distance_bits": 1, "hash_version": "older"} for name in "abc"]
    home.inbox().append("copies", old)
    hashed(home, a=0, b=2**64 - 1)
    assert join_copies(home) == 2
    # What is not hashed again, because its bytes were dropped, stays where it was.
    assert stars(home) == {"a": ("a", 0), "b": ("b", 0), "c": ("a", 1)}
    assert join_copies(home) == 0


def test_mirrored_and_rotated_copies_are_stars_of_their_own_and_known(home: Home) -> None:
    cat, cup = pixels("chelsea"), pixels("coffee")
    add(home, cat=cat, cup=cup)
    add(home, mirrored=cat[:, ::-1].copy(), upside=cat[::-1, ::-1].copy(), turned=np.rot90(cup).copy())
    # The mirrored one turned, which turned back and mirrored is the cat; and the mirrored one's own twin.
    add(home, left=np.rot90(cat[:, ::-1]).copy(), twin=cat[:, ::-1].copy())
    own = {"cat", "cup", "mirrored", "upside", "turned", "left"}
    assert {picture: lead for picture, (lead, _) in stars(home).items()} == {name: name for name in own} | {
        "twin": "mirrored"
    }
    with Snapshot(home) as snapshot:
        rows = snapshot.rows("SELECT * FROM turned_copies")
        groups = split_groups(read_hashes(snapshot))
    assert {row["picture"]: (row["representative"], row["orientation"]) for row in rows} == {
        "mirrored": ("cat", 4), "upside": ("cat", 2), "turned": ("cup", 3), "left": ("cat", 5),
    }  # fmt: skip
    assert all(row["distance_bits"] <= 2 for row in rows)
    assert len({groups[name] for name in ("cat", "mirrored", "upside", "left", "twin")}) == 1
    assert groups["cup"] == groups["turned"] != groups["cat"]


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
