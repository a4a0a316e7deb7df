"""Runs work on hostile bytes in worker processes that may die: under limits of memory and time, and recycled.

One picture that hangs, crashes or eats memory costs its worker and a Failure; the others go on.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Generic, TypeVar

from store.errors import SandboxError

Item = TypeVar("Item")
Result = TypeVar("Result")
_READY = "ready"


class _End:
    """No item."""


_END = _End()


@dataclass(frozen=True)
class Failure:
    """Why one item has no result: `timeout`, `out_of_memory` or `worker_died`, with one line."""

    reason: str
    detail: str


@dataclass(frozen=True)
class SandboxLimits:
    """Per worker. A 50 Mpx JPEG took 470 MB and 1–3 s; 6 s and 1 GiB leave room for a busy machine."""

    time_s: float = 6.0
    memory_bytes: int = 1 << 30
    start_s: float = 60.0  # for the imports and models of a fresh worker
    recycle_after: int = 5_000


@dataclass
class _Worker(Generic[Item]):
    process: Any
    pipe: Connection
    deadline: float
    ready: bool = False
    item: Item | _End = _END
    done: int = 0

    @property
    def expected(self) -> bool:
        """Whether it owes a message: that it has started, or an answer."""
        return not self.ready or not isinstance(self.item, _End)


class Sandbox(Generic[Item, Result]):
    """Maps items to results in `workers` processes; a context manager.

    `make` is picklable and is called once in every worker; it returns the function of one item, which must
    answer within the limits. An exception of that function is a Failure as well; one of `make` ends the run.
    """

    def __init__(
        self,
        make: Callable[[], Callable[[Item], Result]],
        workers: int | None = None,
        limits: SandboxLimits | None = None,
    ) -> None:
        self.make, self.limits = make, limits or SandboxLimits()
        self.count = workers or os.cpu_count() or 1
        # A forked child gets past DuckDB's lock and copies our threads' locks: spawn only.
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker[Item]] = []

    def map(self, items: Iterable[Item]) -> Iterator[tuple[Item, Result | Failure]]:
        """Each item with its result or Failure, in the order of completion.

        Raises SandboxError when a worker cannot start: then every item would fail, and none would be to
        blame.
        """
        self.close()
        for _ in range(self.count):
            self._workers.append(self._start())
        source = iter(items)
        item = next(source, _END)
        while not isinstance(item, _End) or any(worker.ready and worker.expected for worker in self._workers):
            for worker in self._due():
                if worker.ready:
                    yield self._answer(worker)
                else:
                    self._greet(worker)
                worker = self._renew(worker)
                if worker.ready and not isinstance(item, _End):
                    self._give(worker, item)
                    item = next(source, _END)

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            _end(worker)
        self._workers = []

    def __enter__(self) -> Sandbox[Item, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> _Worker[Item]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self.make, self.limits.memory_bytes), daemon=True)
        with _no_interrupt():
            process.start()
        theirs.close()
        return _Worker(process, ours, time.monotonic() + self.limits.start_s)

    def _due(self) -> list[_Worker[Item]]:
        """The workers that have sent something, or have died, or are late."""
        expected = [worker for worker in self._workers if worker.expected]
        patience = max(0.0, min(worker.deadline for worker in expected) - time.monotonic())
        ready = wait([worker.pipe for worker in expected], timeout=patience)
        return [w for w in expected if w.pipe in ready or w.deadline <= time.monotonic()]

    def _greet(self, worker: _Worker[Item]) -> None:
        """Take a fresh worker's first message. Raises SandboxError when it is not that it is ready."""
        received = f"nothing within {self.limits.start_s:g} s"
        if worker.pipe.poll():
            try:
                received = worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                worker.process.join(5)
                received = f"exit code {worker.process.exitcode}"
        if received != _READY:
            raise SandboxError(f"a worker could not start: {received}")
        worker.ready = True

    def _give(self, worker: _Worker[Item], item: Item) -> None:
        worker.item, worker.deadline = item, time.monotonic() + self.limits.time_s
        try:
            worker.pipe.send(item)
        except (BrokenPipeError, ConnectionResetError):
            worker.deadline = 0.0  # found dead below, with this item as its victim

    def _answer(self, worker: _Worker[Item]) -> tuple[Item, Result | Failure]:
        item, worker.item = worker.item, _END
        assert not isinstance(item, _End)
        worker.done += 1
        if not worker.pipe.poll():
            _end(worker)
            return item, Failure("timeout", f"no answer within {self.limits.time_s:g} s")
        try:
            answer: Result | Failure = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join(5)
            answer = Failure("worker_died", f"exit code {worker.process.exitcode}")
            _end(worker)
        return item, answer

    def _renew(self, worker: _Worker[Item]) -> _Worker[Item]:
        if worker.process.is_alive() and worker.done < self.limits.recycle_after:
            return worker
        _end(worker)
        fresh = self._start()
        self._workers[self._workers.index(worker)] = fresh
        return fresh


def _end(worker: _Worker[Any]) -> None:
    worker.pipe.close()
    worker.process.kill()
    worker.process.join()


def _serve(pipe: Connection, make: Callable[[], Callable[[Any], Any]], memory_bytes: int) -> None:
    """A worker's life: build the function, bound the memory from there on, answer until the pipe ends."""
    # When the parent is killed there is nobody to tell, and nothing to complain of.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            work = make()
        except Exception as error:
            pipe.send(_one_line(error))
            return
        _limit_memory(memory_bytes)
        pipe.send(_READY)
        while True:
            _serve_one(pipe, work, pipe.recv(), memory_bytes)


def _serve_one(pipe: Connection, work: Callable[[Any], Any], item: Any, memory_bytes: int) -> None:
    try:
        pipe.send(work(item))
    except (BrokenPipeError, ConnectionResetError):
        raise
    except MemoryError:
        pipe.send(Failure("out_of_memory", f"more than {memory_bytes} bytes"))
    except Exception as error:  # whatever it is, it is this picture's reason and not the run's end
        pipe.send(Failure("worker_died", _one_line(error)))


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Processes started in this block never see a SIGINT: a terminal sends it to all, the parent decides what it ends.

    By the mask, which children keep, because a child that is still importing has no handler yet. One that comes
    meanwhile interrupts the parent after the block: a child that is half started would complain.
    """
    # The first spawn of a process starts this one beside it, which would lift our mask again.
    resource_tracker.ensure_running()
    caught: list[int] = []
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, lambda number, frame: caught.append(number)) if in_main else None
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if in_main:
            signal.signal(signal.SIGINT, handler)
    if caught:
        signal.raise_signal(signal.SIGINT)


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _limit_memory(extra_bytes: int) -> None:
    """Allow `extra_bytes` of address space beyond what the worker holds now. Linux; elsewhere no bound."""
    try:
        with Path("/proc/self/statm").open() as file:
            pages = int(file.read().split()[0])
    except FileNotFoundError:
        return
    limit = pages * os.sysconf("SC_PAGE_SIZE") + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
