"""What may be imported at all: nothing that was purged, and nothing on a known-bad list of the home.

Reads the tombstones and the bank; writes nothing. A picture is decoded for its perceptual hash in the sandbox only.
"""

from __future__ import annotations

from crawl.check import Checked, Checks
from store.blobs import picture_id
from store.errors import PictureError
from store.forgetting.tombstones import Tombstones
from store.home import Home
from store.known_bad.bank import Bank
from store.sandbox import Failure


class Admission:
    """Asked about every picture of one import; a context manager."""

    def __init__(self, home: Home) -> None:
        self._bank, self._tombstones = Bank.load(home), Tombstones.load(home)
        self._checks: Checks | None = None

    def check(self, picture: str, url: str, source: str, data: bytes | None) -> None:
        """Raise PictureError (`forgotten`, `known_bad`) unless it may be stored; `data` None: it is stored already."""
        stones = self._tombstones
        picture = picture if data is None else picture_id(data)
        if stones and (stones.forbids_source(source) or stones.forbids_picture(picture) or stones.forbids_url(url)):
            raise PictureError("forgotten", "purged from this home")
        if data is None:
            return
        match = self._bank.match(picture, None, 0, source)
        if match is None and self._bank.wants_pdq():
            seen = self._look(data)
            match = None if seen is None else self._bank.match(picture, seen.pdq, seen.pdq_quality, source)
        if match is not None:
            raise PictureError("known_bad", match.bank)

    def _look(self, data: bytes) -> Checked | None:
        """What the picture looks like; None when nobody can tell, which mining will say of it again."""
        if self._checks is None:
            self._checks = Checks(workers=1)
        answer = self._checks.one((data, True))
        return None if isinstance(answer, Failure) else answer

    def __enter__(self) -> Admission:
        return self

    def __exit__(self, *_: object) -> None:
        if self._checks is not None:
            self._checks.close()
