"""The inside of a sandbox: what a worker process does, and the walls around it.

A worker answers items that come through its pipe until the pipe ends. It dies with its parent, writes no file and has
little memory to grow into. Reads and writes nothing in the store itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

READY = "ready"
# Source: prctl(2), <sys/prctl.h>.
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Failure:
    """Why one item has no result, as a reason code with one line.

    The sandbox's own reasons are `timeout`, `out_of_memory` and `worker_died`; its work may return others.
    """

    reason: str
    detail: str


@dataclass(frozen=True)
class SandboxLimits:
    """Per worker. A 50 Mpx JPEG took 470 MB and 1–3 s; 6 s and 1 GiB leave room for a busy machine.

    `time_s` is by the wall clock. Processor time is bounded too, by as much on every core, for a parent that cannot
    look at the clock.
    """

    time_s: float = 6.0
    memory_bytes: int = 1 << 30  # beyond what a worker holds when it is ready
    start_s: float = 60.0  # for the imports and models of a fresh worker
    recycle_after: int = 5_000
    open_files: int = 64
    file_bytes: int = 0  # that a worker may write to any one file


def serve(pipe: Connection, make: Callable[[], Callable[[Any], Any]], limits: SandboxLimits, parent: int) -> None:
    """A worker's life: build the function, raise the walls, answer until the pipe ends."""
    _die_with(parent)
    # When the parent is killed there is nobody to tell, and nothing to complain of.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            work = make()
        except Exception as error:
            pipe.send(_one_line(error))
            return
        _raise_walls(limits)
        _fall_silent()
        pipe.send(READY)
        while True:
            _serve_one(pipe, work, pipe.recv(), limits)


def _serve_one(pipe: Connection, work: Callable[[Any], Any], item: Any, limits: SandboxLimits) -> None:
    _limit_processor(limits.time_s)
    try:
        pipe.send(work(item))
    except (BrokenPipeError, ConnectionResetError):
        raise
    except MemoryError:
        pipe.send(Failure("out_of_memory", f"more than {limits.memory_bytes} bytes"))
    except Exception as error:  # whatever it is, it is this picture's reason and not the run's end
        pipe.send(Failure("worker_died", _one_line(error)))


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _die_with(parent: int) -> None:
    """Have the kernel kill us when the thread that started us is gone. Linux; elsewhere the pipe's end tells us."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it went before we had asked
            os._exit(1)


def _raise_walls(limits: SandboxLimits) -> None:
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    _lower(resource.RLIMIT_NOFILE, limits.open_files)
    with contextlib.suppress(FileNotFoundError):  # no /proc, no bound
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + limits.memory_bytes)


def _fall_silent() -> None:
    """From here on speak through the pipe alone: C libraries tell standard error what they think of hostile bytes,
    thousands of lines, and in words that the bytes may choose.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)


def _lower(kind: int, limit: int) -> None:
    """Set a limit that cannot be raised again; one that is lower already stays."""
    hard = resource.getrlimit(kind)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(kind, (limit, limit))


def _limit_processor(time_s: float) -> None:
    """Allow one more item's processor time on all cores; beyond it the kernel ends us with SIGXCPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(used.ru_utime + used.ru_stime + time_s * (os.cpu_count() or 1)) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
