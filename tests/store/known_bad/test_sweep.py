"""A sweep over what is stored, with benign stand-ins: drawn clouds are the pictures that nobody may store."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

import pytest
from drawn import clouds, encode
from PIL import Image

from store.blobs import picture_id
from store.fold import fold
from store.home import Home
from store.known_bad.bank import Bank
from store.known_bad.bankwatch import MAX_PICTURES, MAX_SOURCES
from store.known_bad.hashlists import HashList, Kind, folder, write_list
from store.known_bad.sweep import Prints, forgotten, judged, printed, sweep
from store.sandbox import Failure

KNOWN, OTHER = (Image.fromarray(clouds(320, 240, seed)) for seed in (1, 2))
DATA = {"as it is": encode(KNOWN, "PNG"), "a copy": encode(KNOWN, "JPEG"), "another": encode(OTHER, "PNG")}
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def stored(home: Home, *pictures: bytes, source: Callable[[int], str] = "{}.example".format) -> None:
    rows = [
        {"picture": home.blobs().put(data), "size_bytes": len(data), "source": source(n), "first_seen_at": NOW}
        for n, data in enumerate(pictures)
    ]
    home.inbox().append("pictures", rows)
    fold(home)


def put(home: Home, kind: Kind, *hashes: str) -> None:
    write_list(home, HashList("friends", kind, dict.fromkeys(hashes)))


def known_pdq() -> str:
    made = printed(("", DATA["as it is"]))
    assert not isinstance(made, Failure)
    return made[0].hex()


def test_the_same_bytes_are_found_without_looking_at_any(home: Home) -> None:
    stored(home, *DATA.values())
    home.blobs().drop(picture_id(DATA["as it is"]))  # by a retention
    put(home, "sha256", picture_id(DATA["as it is"]), picture_id(DATA["another"]), "0" * 64)
    done = sweep(home, fresh=True)
    assert (done.looked, done.unread, done.done) == (3, 0, True)
    wanted = {picture_id(DATA[name]): "friends" for name in ("as it is", "another")}
    assert judged(home, done).pictures == wanted


def test_copies_are_found_by_what_they_look_like(home: Home) -> None:
    stored(home, *DATA.values(), b"no picture at all")
    put(home, "pdq", known_pdq())
    put(home, "sha256", picture_id(b"no picture at all"))
    done = sweep(home, fresh=True)
    assert (done.looked, done.unread) == (4, 1)
    wanted = {picture_id(data) for data in (DATA["as it is"], DATA["a copy"], b"no picture at all")}
    assert set(judged(home, done).pictures) == wanted


def test_one_that_was_broken_off_goes_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.known_bad.sweep.AT_ONCE", 2)
    pictures = [f"{number}".encode() for number in range(7)]
    stored(home, *pictures)
    put(home, "sha256", *map(picture_id, pictures))
    seen: list[int] = []

    def killed(done: int, total: int | None) -> None:
        seen.append(done)
        assert total == 7
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(home, fresh=True, progress=killed)
    assert json.loads((folder(home) / "sweep.json").read_bytes())["looked"] == 4
    done = sweep(home, fresh=True, progress=lambda done, total: seen.append(done))
    assert (done.looked, len(judged(home, done).pictures)) == (7, 7)
    assert seen == [2, 4, 6, 7]
    assert sweep(home, fresh=False).matches == done.matches, "a finished one is an answer"
    stored(home, b"later", *pictures)
    assert sweep(home, fresh=True).looked == 8, "unless a fresh one is wanted"


def test_other_lists_or_a_spoilt_file_begin_anew(home: Home) -> None:
    stored(home, b"1", b"2")
    put(home, "sha256", picture_id(b"1"))
    sweep(home, fresh=True)
    put(home, "sha256", picture_id(b"2"))
    assert set(judged(home, sweep(home, fresh=False)).pictures) == {picture_id(b"2")}
    for text in ("rubbish", "[]", '{"lists": "x"}', '{"more": 1}'):
        (folder(home) / "sweep.json").write_text(text)
        assert set(judged(home, sweep(home, fresh=False)).pictures) == {picture_id(b"2")}
    forgotten(home)
    forgotten(home)
    assert not (folder(home) / "sweep.json").exists()


def test_an_entry_that_matches_far_too_much_is_left_and_goes_to_quarantine(home: Home) -> None:
    stored(home, *(b"%d" % n for n in range(MAX_PICTURES + 1)), source=lambda n: f"{n % (MAX_SOURCES + 1)}.example")
    ids = [picture_id(b"%d" % n) for n in range(MAX_PICTURES + 1)]
    put(home, "sha256", ids[0])
    done = sweep(home, fresh=True)
    done.matches += [(picture, "e" * 64, "friends") for picture in ids]  # as a PDQ of a blank would
    found = judged(home, done)
    assert (set(found.pictures), list(found.mistaken)) == ({ids[0]}, ["e" * 64])
    assert not Bank.load(home).watch.quarantined, "a look changes nothing"
    judged(home, done, note=True)
    assert set(Bank.load(home).watch.quarantined) == {"e" * 64}
    assert judged(home, done).mistaken == {}, "it is known, and does not act"


def test_workers_can_be_made_of_it() -> None:
    assert Prints()() is printed
