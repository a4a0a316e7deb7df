"""What a fetched picture is asked before it is stored, in a sandboxed worker: is it whole, how large, which PDQ?

A picture that may not be decoded later has no place in the store: broken, hostile, or too large for the one fixed rule
of `store/pictures.py`. The answer then is a reason, which becomes a row in `refusals`. Reads and writes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from store.errors import PictureError
from store.glance import Glance, glance
from store.known_bad.pdq import fingerprint
from store.pictures import Limits
from store.sandbox import Sandbox
from store.worker import Failure, SandboxLimits

# Longer side below which a picture is of a class. Chosen by eye: icons, thumbnails, what pages show, photographs.
SIZES: tuple[tuple[int, str], ...] = ((64, "tiny"), (256, "small"), (1024, "medium"), (4096, "large"))
# How often the shorter side of a strip goes into the longer. Chosen by eye: banners have 8, film strips 12.
STRIP = 16

# A worker holds 40 MB when it is ready: with this it stays below 1 GiB.
LIMITS = SandboxLimits(time_s=6.0, memory_bytes=900_000_000)

Asked = tuple[bytes, bool]  # the bytes, and whether PDQ is wanted


@dataclass(frozen=True)
class Checked:
    """A picture that may be stored: size as shown, format by its bytes, and its PDQ where wanted.

    `pdq` is one or more hashes of 32 bytes, see `store.known_bad.pdq.fingerprint`; `pdq_quality` is 0–100.
    """

    format: str
    width_px: int
    height_px: int
    frames: int
    size_class: str
    pdq: bytes | None = None
    pdq_quality: int = 0


def check(data: bytes, want_pdq: bool = False, limits: Limits | None = None) -> Checked:
    """Look at a picture's bytes. Raises PictureError for the reasons that `store.pictures.decode` has."""
    seen = glance(data, want_pdq, limits)
    pdq, quality = fingerprint(seen.greys) if want_pdq else (None, 0)
    return Checked(seen.format, seen.width_px, seen.height_px, seen.frames, size_class(seen), pdq, quality)


def size_class(seen: Glance) -> str:
    """`tiny`, `small`, `medium`, `large` or `huge` by the longer side; `strip` for what is much longer than wide."""
    longer, shorter = max(seen.width_px, seen.height_px), min(seen.width_px, seen.height_px)
    if longer >= SIZES[0][0] and longer >= STRIP * shorter:
        return "strip"
    return next((name for below_px, name in SIZES if longer < below_px), "huge")


@dataclass(frozen=True)
class Check:
    """Makes the function that a worker runs, of several pictures at a time; picklable."""

    limits: Limits = field(default_factory=Limits)

    def __call__(self) -> Callable[[Sequence[Asked]], list[Checked | Failure]]:
        return self.answers

    def answers(self, asked: Sequence[Asked]) -> list[Checked | Failure]:
        """What `check` says of each picture, a reason as a Failure."""
        return [self._answer(one) for one in asked]

    def _answer(self, asked: Asked) -> Checked | Failure:
        try:
            return check(*asked, self.limits)
        except PictureError as error:
            return Failure(error.reason, error.detail)


class Checks:
    """Checks in worker processes; a context manager. From any thread."""

    def __init__(self, workers: int | None = None) -> None:
        self._sandbox: Sandbox[Sequence[Asked], list[Checked | Failure]] = Sandbox(Check(), workers, LIMITS)
        self.workers = self._sandbox.count

    def one(self, asked: Asked) -> Checked | Failure:
        """What a picture is, or why it may not be stored. Raises SandboxError when no worker can start."""
        answer = self._sandbox.submit([asked]).result()
        return answer if isinstance(answer, Failure) else answer[0]

    async def all(self, asked: Sequence[Asked]) -> list[Checked | Failure]:
        """The same of several. When they are too much together, nobody knows for which: each is asked alone."""
        answer = await asyncio.wrap_future(self._sandbox.submit(asked))
        if not isinstance(answer, Failure):
            return answer
        if len(asked) == 1:
            return [answer]
        return [found for one in asked for found in await self.all([one])]

    def close(self) -> None:
        """End the workers."""
        self._sandbox.close()

    def __enter__(self) -> Checks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
