"""The known-bad bank: what a picture is asked before any of its bytes is written.

Reads the lists in `bank/` of the home, one file per bank and kind (`NAME.sha256`, `NAME.pdq`; `hashlists.py`), and the
switch `bank/off`. A running job obeys the switch and a list that is replaced from its next match on, one that is edited
in place within a second. Writes through `bankwatch.py` how much each entry matches.

What a match does is the caller's: the picture is written nowhere, and one row goes to `refusals` with reason
`known_bad`, the bank's name as detail, and the URL as in every other refusal. Without the URL nobody could report the
place, answer a complaint or purge the source. Neither the picture's hash nor the entry stands beside it: the lists are
confidential, and such rows would give them away, entry by entry, to whoever may read the catalog.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from store.errors import PictureError
from store.files import write_durably
from store.glance import glance
from store.home import Home
from store.known_bad.bankwatch import Watch
from store.known_bad.hashlists import HashList, Kind, folder, list_files, read_list
from store.known_bad.pdq import BYTES, POOR_QUALITY, fingerprint
from store.pictures import Limits

# Two PDQs at most so many bits apart are of the same picture; those of quality `POOR_QUALITY` or less are not compared.
# Source: README of Meta's PDQ reference implementation, "Matching": distance <= 31, discard quality <= 49.
MAX_DISTANCE_BITS = 31
# How long a look at the lists is good for unless a file came or went, which shows at once. Chosen by eye.
LOOK_S = 1.0


Stamp = tuple[int, int, int]
Found = tuple[Path, str, Kind]


@dataclass(frozen=True)
class Match:
    """The bank and its entry (64 hex digits) that a picture matches; `distance_bits` is 0 for SHA-256."""

    bank: str
    kind: Kind
    entry: str
    distance_bits: int


class Bank:
    """The lists of a home, in memory; follows the files. May be asked from any thread."""

    def __init__(self, home: Home) -> None:
        self._home, self._lock, self.watch = home, threading.Lock(), Watch(home)
        self._folder, self._looked_at, self._came = folder(home), -math.inf, (0, 0, 0)
        self._off = False
        self._read: dict[Found, tuple[Stamp, HashList]] = {}
        self._sha256: dict[str, str] = {}
        self._banks: list[str] = []  # of each PDQ
        self._pdqs: NDArray[np.uint64] = np.empty((4, 0), np.uint64)  # one a column

    @classmethod
    def load(cls, home: Home) -> Bank:
        """The bank of `home`, empty when it has no lists. Raises BankError when one cannot be read."""
        bank = cls(home)
        bank._refresh()
        return bank

    @property
    def lists(self) -> list[HashList]:
        """What was read, by name and kind."""
        return [found for _, found in self._read.values()]

    def wants_pdq(self) -> bool:
        """Whether any PDQ could match now: else none need be made."""
        with self._lock:
            self._refresh()
            return bool(self._banks) and not self._off

    def match(self, sha256: str, pdq: bytes | None, quality: int, source: str = "") -> Match | None:
        """The nearest entry that this picture matches, or None; counts the match for `source`.

        `sha256` is 64 hex digits, `pdq` one or more hashes of 32 bytes, `quality` 0–100. Raises BankError when a list
        has become unreadable: nothing may be stored unasked.
        """
        with self._lock:
            self._refresh()
            if self._off:
                return None
            found = [one for one in self.find(sha256, pdq, quality) if one.entry not in self.watch.quarantined]
            for one in found:
                self.watch.note(one.entry, one.bank, sha256, source, time.time())
        return min(found, key=lambda one: one.distance_bits, default=None)

    def refuses(self, data: bytes, source: str = "", limits: Limits | None = None) -> Match | None:
        """The same for the bytes of a picture; one that cannot be decoded is known by its bytes alone.

        Decodes in this process when there are PDQs: bytes of strangers belong into a sandbox, see `crawl/check.py`.
        """
        pdq, quality = None, 0
        if self.wants_pdq():
            try:
                pdq, quality = fingerprint(glance(data, True, limits).greys)
            except PictureError:
                pdq = None
        return self.match(hashlib.sha256(data).hexdigest(), pdq, quality, source)

    def find(self, sha256: str, pdq: bytes | None, quality: int) -> list[Match]:
        """All entries that match, also quarantined ones; counts nothing."""
        bank = self._sha256.get(sha256)
        found = [] if bank is None else [Match(bank, "sha256", sha256, 0)]
        if pdq and quality > POOR_QUALITY:
            for start in range(0, len(pdq), BYTES):
                found += self._near(np.frombuffer(pdq[start : start + BYTES], np.uint64))
        return found

    def _near(self, wanted: NDArray[np.uint64]) -> list[Match]:
        """The PDQs within `MAX_DISTANCE_BITS` of one, exactly: none of those left out by their first half could be."""
        half = np.bitwise_count(self._pdqs[0] ^ wanted[0]) + np.bitwise_count(self._pdqs[1] ^ wanted[1])
        places = np.flatnonzero(half <= MAX_DISTANCE_BITS)
        near = self._pdqs[:, places]
        distances = np.bitwise_count(near ^ wanted[:, None]).sum(axis=0, dtype=np.int64)
        return [
            Match(self._banks[place], "pdq", entry.tobytes().hex(), int(distance))
            for place, entry, distance in zip(places, near.T, distances, strict=True)
            if distance <= MAX_DISTANCE_BITS
        ]

    def _refresh(self) -> None:
        """Look whether the switch, lists or the quarantine have changed, and read what has.

        What comes into the folder or goes, the switch as well, changes the folder: one look at that for every picture.
        """
        now, came = time.monotonic(), _stamp(self._folder)
        if came == self._came and now < self._looked_at + LOOK_S:
            return
        self._off = is_off(self._home)
        if self._off:  # also for lists that cannot be read
            self._came, self._looked_at = came, now
            return
        self.watch.refresh()
        stamps = {found: _stamp(found[0]) for found in list_files(self._home)}
        if stamps != {found: stamp for found, (stamp, _) in self._read.items()}:
            self._read_lists(stamps)
        self._looked_at, self._came = now, came

    def _read_lists(self, stamps: dict[Found, Stamp]) -> None:
        before, self._read = self._read, {}
        for found, stamp in stamps.items():
            known = before.get(found)
            self._read[found] = known if known and known[0] == stamp else (stamp, read_list(*found))
        self._sha256 = {hash_: one.name for one in self.lists if one.kind == "sha256" for hash_ in one.hashes}
        pairs = [(hash_, one.name) for one in self.lists if one.kind == "pdq" for hash_ in one.hashes]
        self._banks = [name for _, name in pairs]
        packed = np.frombuffer(bytes.fromhex("".join(hash_ for hash_, _ in pairs)), np.uint64)
        self._pdqs = np.ascontiguousarray(packed.reshape(-1, 4).T)


def is_off(home: Home) -> bool:
    """Whether the bank is switched off."""
    return _switch(home).exists()


def switch(home: Home, off: bool, by: str = "") -> None:
    """Switch the bank off or on for every process of this home, from its next match on."""
    if off:
        folder(home).mkdir(exist_ok=True)
        write_durably(_switch(home), f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ} {by}\n".encode())
    else:
        _switch(home).unlink(missing_ok=True)


def _switch(home: Home) -> Path:
    return folder(home) / "off"


def _stamp(path: Path) -> Stamp:
    """What changes when a file is written; zeros for one that has just gone, which cannot be read either."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino
