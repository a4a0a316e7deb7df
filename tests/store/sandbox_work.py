"""What the sandbox's workers do in its tests. Apart, so that a worker need not import pytest."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WALLS = ("AS", "CORE", "CPU", "FSIZE", "NOFILE")


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
        case "shout":
            return [os.write(number, b"\x1b[31m what the web says\n") for number in (1, 2)]
        case "walls":
            return {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in WALLS}
        case Path():
            return item.write_bytes(bytes(1))
        case "open many":
            files = [Path(os.devnull).open() for _ in range(100)]  # noqa: SIM115
            return len(files)
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
