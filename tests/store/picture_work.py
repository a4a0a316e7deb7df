"""What the sandbox's workers do to hostile pictures in tests. Apart, so that a worker need not import pytest."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crawl.check import check
from store.errors import PictureError
from store.pictures import decode


@dataclass(frozen=True)
class Looked:
    """What a worker makes of a picture: `ok` or a reason, for the check and for the whole decode.

    `seconds` are those of both by the clock, `peak_bytes` the most memory that the worker has held so far.
    """

    checked: str
    decoded: str
    seconds: float
    peak_bytes: int


def look(data: bytes) -> Looked:
    started = time.monotonic()
    checked = outcome(lambda: check(data, want_pdq=True))
    decoded = outcome(lambda: decode(data))
    return Looked(checked, decoded, time.monotonic() - started, peak_bytes())


def only_check(data: bytes) -> Looked:
    started = time.monotonic()
    return Looked(outcome(lambda: check(data, want_pdq=True)), "-", time.monotonic() - started, peak_bytes())


def outcome(work: Callable[[], object]) -> str:
    try:
        work()
    except PictureError as error:
        return error.reason
    return "ok"


def peak_bytes() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def make() -> Callable[[bytes], Looked]:
    return look


def make_check() -> Callable[[bytes], Looked]:
    return only_check
