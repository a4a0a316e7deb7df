"""What the sandbox's workers do in its tests. Apart, so that a worker need not import pytest."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any


def answer(item: Any) -> Any:
    """What a worker does, by the item's own word."""
    match item:
        case "hang":
            time.sleep(60)
        case "hang in C":
            return sum(range(10**12))
        case "exit":
            os._exit(7)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "stop":
            sys.exit(3)
        case "eat":
            return len(bytearray(10**9))
        case "raise":
            raise ValueError("no\nsuch thing")
        case "unpicklable":
            return lambda: None
        case "large":
            return bytes(5_000_000)
        case "who":
            return os.getpid()
        case bytes():
            return len(item)
    return item


def make() -> Callable[[Any], Any]:
    return answer


def make_slowly(seconds: float) -> Callable[[Any], Any]:
    time.sleep(seconds)
    return answer


def make_nothing(how: str) -> Callable[[Any], Any]:
    answer(how)
    raise ValueError("this model\nis broken")
