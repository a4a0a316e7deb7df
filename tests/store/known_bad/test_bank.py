"""The known-bad bank, with benign stand-ins: drawn clouds are the pictures that nobody may store."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import numpy as np
import pytest
from drawn import clouds, encode
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from store.blobs import picture_id
from store.errors import BankError
from store.glance import glance
from store.home import Home
from store.known_bad.bank import MAX_DISTANCE_BITS, Bank, is_off, switch
from store.known_bad.bankwatch import MAX_PICTURES, MAX_SOURCES
from store.known_bad.hashlists import HashList, Kind, folder, write_list
from store.known_bad.pdq import fingerprint

KNOWN = Image.fromarray(clouds(640, 480, 1))
OTHER = Image.fromarray(clouds(640, 480, 2))
PDQ, QUALITY = fingerprint(glance(encode(KNOWN, "PNG"), True).greys)
ANY = "0" * 64


@pytest.fixture
def every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second passes between two looks at files that are written in place."""
    monkeypatch.setattr("store.known_bad.bank.LOOK_S", 0.0)


def put(home: Home, kind: Kind, *hashes: str, name: str = "friends") -> None:
    write_list(home, HashList(name, kind, dict.fromkeys(hashes)))


def moved(pdq: bytes, bits: int) -> bytes:
    """The same hash with its first so many bits turned."""
    return (int.from_bytes(pdq, "big") ^ ((1 << bits) - 1)).to_bytes(len(pdq), "big")


def test_an_empty_bank_refuses_nothing(home: Home) -> None:
    bank = Bank.load(home)
    assert bank.match(ANY, PDQ, 100) is None
    assert not bank.wants_pdq()
    assert bank.refuses(encode(KNOWN, "PNG")) is None
    assert not folder(home).exists(), "asking leaves nothing behind"


def test_the_same_bytes_match(home: Home) -> None:
    data = encode(KNOWN, "JPEG")
    put(home, "sha256", picture_id(data))
    bank = Bank.load(home)
    match = bank.match(picture_id(data), None, 0)
    assert match is not None
    assert (match.bank, match.kind, match.entry, match.distance_bits) == ("friends", "sha256", picture_id(data), 0)
    assert bank.refuses(data) == match
    assert bank.refuses(data + b"\0") is None
    assert not bank.wants_pdq()


@pytest.mark.parametrize("bits", [0, 1, MAX_DISTANCE_BITS, MAX_DISTANCE_BITS + 1, 255, 256])
def test_pdqs_match_up_to_the_published_distance(home: Home, bits: int) -> None:
    put(home, "pdq", PDQ.hex())
    match = Bank.load(home).match(ANY, moved(PDQ, bits), 100)
    assert (match is not None) == (bits <= 31)
    if match:
        assert (match.kind, match.entry, match.distance_bits) == ("pdq", PDQ.hex(), bits)


@pytest.mark.parametrize(("quality", "matches"), [(0, False), (49, False), (50, True), (100, True)])
def test_poor_pdqs_match_nothing(home: Home, quality: int, matches: bool) -> None:
    put(home, "pdq", PDQ.hex())
    assert (Bank.load(home).match(ANY, PDQ, quality) is not None) == matches


def copies() -> dict[str, bytes]:
    """What the web makes of a picture."""
    exif = Image.Exif()
    exif[0x0112] = 6
    hidden = KNOWN.convert("RGBA")
    hidden.putalpha(0)
    return {
        "another format": encode(KNOWN, "WEBP", quality=70),
        "a poor JPEG": encode(KNOWN, "JPEG", quality=40),
        "smaller": encode(KNOWN.resize((320, 240)), "JPEG"),
        "larger": encode(KNOWN.resize((1_600, 1_200)), "JPEG", progressive=True),
        "in grey": encode(KNOWN.convert("L"), "PNG"),
        "turned by EXIF": encode(KNOWN.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif),
        "to be turned": encode(KNOWN, "JPEG", exif=exif),
        "hidden by alpha": encode(hidden, "PNG"),
    }


@pytest.mark.parametrize("how", copies())
def test_copies_match_and_other_pictures_do_not(home: Home, how: str) -> None:
    put(home, "pdq", PDQ.hex())
    bank = Bank.load(home)
    match = bank.refuses(copies()[how])
    assert match is not None
    assert match.distance_bits <= MAX_DISTANCE_BITS
    assert bank.refuses(encode(OTHER, "JPEG")) is None


def test_what_cannot_be_decoded_is_known_by_its_bytes(home: Home) -> None:
    data = encode(KNOWN, "PNG")[:1_000]
    put(home, "pdq", PDQ.hex())
    bank = Bank.load(home)
    assert bank.refuses(data) is None
    put(home, "sha256", hashlib.sha256(data).hexdigest())
    assert bank.refuses(data) is not None


# ---- exactness and time ------------------------------------------------------------------------------------


@given(st.integers(0, 10**9), st.lists(st.integers(0, 60), max_size=12))
@settings(max_examples=60, deadline=None)
def test_the_search_finds_what_brute_force_finds(
    tmp_path_factory: pytest.TempPathFactory, seed: int, distances: list[int]
) -> None:
    chance = np.random.default_rng(seed)
    asked = chance.bytes(32)
    near = []
    for distance in distances:
        bits = np.unpackbits(np.frombuffer(asked, np.uint8))
        bits[chance.permutation(256)[:distance]] ^= 1
        near.append(np.packbits(bits).tobytes())
    entries = [chance.bytes(32) for _ in range(300)] + near
    home = Home(tmp_path_factory.mktemp("exact"))
    put(home, "pdq", *(entry.hex() for entry in entries))
    number = int.from_bytes(asked, "big")
    wanted = {e.hex(): d for e in entries if (d := (number ^ int.from_bytes(e, "big")).bit_count()) <= 31}
    found = {match.entry: match.distance_bits for match in Bank.load(home).find(ANY, asked, 100)}
    assert found == wanted


def test_a_hundred_thousand_entries_are_asked_in_no_time(home: Home) -> None:
    """Measured: 0.5 ms a question on a busy machine."""
    chance = np.random.default_rng(0)
    put(home, "pdq", *(chance.bytes(32).hex() for _ in range(100_000)))
    bank, times = Bank.load(home), []
    for _ in range(50):
        asked = chance.bytes(32)
        started = time.perf_counter()
        assert bank.match(ANY, asked, 100) is None
        times.append(time.perf_counter() - started)
    assert np.median(times) < 0.005


def test_the_nearest_of_several_is_named(home: Home) -> None:
    put(home, "pdq", moved(PDQ, 9).hex(), name="far")
    put(home, "pdq", moved(PDQ, 3).hex(), name="near")
    match = Bank.load(home).match(ANY, PDQ, 100)
    assert match is not None
    assert (match.bank, match.distance_bits) == ("near", 3)


# ---- a running bank ----------------------------------------------------------------------------------------


def test_changed_lists_act_at_once(home: Home) -> None:
    bank = Bank.load(home)
    put(home, "pdq", PDQ.hex())
    assert bank.wants_pdq()
    assert bank.match(ANY, PDQ, 100) is not None
    put(home, "pdq", "0" * 64)
    assert bank.match(ANY, PDQ, 100) is None
    put(home, "sha256", ANY, name="others")
    match = bank.match(ANY, PDQ, 100)
    assert match is not None
    assert match.bank == "others"
    (folder(home) / "others.sha256").unlink()
    assert bank.match(ANY, PDQ, 100) is None


@pytest.mark.usefixtures("every_look")
def test_a_list_edited_by_hand_acts_too(home: Home) -> None:
    put(home, "sha256", ANY)
    bank = Bank.load(home)
    path = folder(home) / "friends.sha256"
    path.write_text("# none\n")
    os.utime(path, ns=(1, 1))
    assert bank.match(ANY, None, 0) is None
    path.write_text(f"rubbish\n{ANY} # back again\n")
    assert bank.match(ANY, None, 0) is not None
    assert [one.rubbish for one in bank.lists] == [[1]]


def test_the_switch_acts_at_once(home: Home) -> None:
    put(home, "pdq", PDQ.hex())
    bank = Bank.load(home)
    switch(home, off=True, by="ada")
    assert is_off(home)
    assert "ada" in (folder(home) / "off").read_text()
    assert not bank.wants_pdq()
    assert bank.match(ANY, PDQ, 100) is None
    assert bank.refuses(encode(KNOWN, "PNG")) is None
    switch(home, off=False)
    switch(home, off=False)
    assert bank.match(ANY, PDQ, 100) is not None


def test_a_list_that_becomes_unreadable_stops_everything_until_it_is_mended(home: Home) -> None:
    put(home, "pdq", PDQ.hex())
    bank = Bank.load(home)
    path = folder(home) / "broken.sha256"
    path.mkdir()
    for _ in range(2):
        with pytest.raises(BankError, match="bank off"):
            bank.match(ANY, PDQ, 100)
    with pytest.raises(BankError):
        Bank.load(home)
    path.rmdir()
    assert bank.match(ANY, PDQ, 100) is not None


@pytest.mark.usefixtures("every_look")
def test_an_entry_that_matches_too_much_stops_acting(home: Home) -> None:
    put(home, "pdq", PDQ.hex(), moved(PDQ, 200).hex())
    bank, other = Bank.load(home), Bank.load(home)
    for number in range(MAX_PICTURES + 1):
        asked = bank if number % 2 else other
        match = asked.match(f"{number:064x}", PDQ, 100, f"site{number % (MAX_SOURCES + 1)}.example")
        assert match is not None
    assert bank.match(ANY, PDQ, 100) is None
    assert other.match(ANY, PDQ, 100) is None, "another process knows"
    assert bank.match(ANY, moved(PDQ, 200), 100) is not None, "the others go on"
    assert Bank.load(home).match(ANY, PDQ, 100) is None, "also after a restart"
    Bank.load(home).watch.release(PDQ.hex(), time.time())
    assert bank.match(ANY, PDQ, 100) is not None


def test_the_bytes_are_written_nowhere(home: Home) -> None:
    data = encode(KNOWN, "PNG")
    put(home, "pdq", PDQ.hex())
    assert Bank.load(home).refuses(data, "site.example") is not None
    found = [path for path in home.root.rglob("*") if path.is_file()]
    assert all(data[:200] not in path.read_bytes() for path in found)
    texts = "".join(path.read_text("latin-1") for path in found if path.parent == folder(home))
    assert picture_id(data) not in texts
    assert "site.example" not in texts


def test_a_bank_needs_no_catalog(tmp_path: Path) -> None:
    assert Bank.load(Home(tmp_path / "absent")).match(ANY, PDQ, 100) is None
