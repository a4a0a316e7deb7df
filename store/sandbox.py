"""Runs work on hostile bytes in worker processes that may die: under limits of memory and time, and recycled.

One picture that hangs, crashes or eats memory costs its worker and a Failure; the others go on. A worker belongs to one
thread of ours, its lane, which hands it items and waits for its answers. Reads and writes nothing in the store.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from itertools import islice
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from store.errors import SandboxError
from store.worker import READY, Failure, SandboxLimits, serve

__all__ = ["Failure", "Sandbox", "SandboxLimits"]

Item = TypeVar("Item")
Result = TypeVar("Result")
Tasks = SimpleQueue[tuple[Any, Future[Any]] | None]  # None: no more

# A forked child gets past DuckDB's lock and copies our threads' locks: spawn only.
PROCESSES = get_context("spawn")
# `multiprocessing` keeps one list of all children and reaps them from whatever thread: one thread at a time.
CHILDREN = threading.Lock()
LAST_WORDS_S = 5.0  # for a worker whose pipe has ended to end itself. Chosen by eye.


class Sandbox(Generic[Item, Result]):
    """Maps items to results in up to `workers` processes, which start when they are needed; a context manager.

    `make` is picklable and is called once in every worker; it returns the function of one item, which must
    answer within the limits. An exception of that function is a Failure as well; one of `make` ends the run.
    """

    def __init__(
        self,
        make: Callable[[], Callable[[Item], Result | Failure]],
        workers: int | None = None,
        limits: SandboxLimits | None = None,
    ) -> None:
        self.make, self.limits = make, limits or SandboxLimits()
        self.count = workers or os.cpu_count() or 1
        self._lock = threading.Lock()
        self._tasks: Tasks = SimpleQueue()
        self._lanes: list[_Lane] = []

    def submit(self, item: Item) -> Future[Result | Failure]:
        """The result or Failure of `item`, once there is one. From any thread; never blocks.

        How many wait is the caller's business. The future raises SandboxError when no worker can start or when the
        sandbox is closed meanwhile: then no item is to blame.
        """
        future: Future[Result | Failure] = Future()
        with self._lock:
            if len(self._lanes) < self.count:
                self._lanes.append(_Lane(self.make, self.limits, self._tasks))
            self._tasks.put((item, future))
        return future

    def map(self, items: Iterable[Item]) -> Iterator[tuple[Item, Result | Failure]]:
        """Each item with its result or Failure, in the order of completion; few items are taken ahead.

        Raises SandboxError when a worker cannot start: then every item would fail, and none would be to
        blame.
        """
        source, ended = iter(items), SimpleQueue[tuple[Item, Future[Result | Failure]]]()
        waiting: set[Future[Result | Failure]] = set()
        try:
            while True:
                for item in islice(source, 2 * self.count - len(waiting)):
                    future = self.submit(item)
                    waiting.add(future)
                    future.add_done_callback(partial(_note, ended, item))
                if not waiting:
                    return
                item, future = ended.get()
                waiting.discard(future)
                yield item, future.result()
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End the workers. What waits is cancelled, what is under way raises SandboxError."""
        with self._lock:
            lanes, self._lanes = self._lanes, []
            tasks, self._tasks = self._tasks, SimpleQueue()
        with suppress(Empty):  # a lane may take the last one before us
            while task := tasks.get_nowait():
                task[1].cancel()
        for lane in lanes:
            tasks.put(None)
            lane.stop()
        for lane in lanes:
            lane.join()

    def __enter__(self) -> Sandbox[Item, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _note(ended: SimpleQueue[Any], item: Any, future: Future[Any]) -> None:
    ended.put((item, future))


class _Lane(threading.Thread):
    """One worker after another, and the thread that asks them."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]], limits: SandboxLimits, tasks: Tasks) -> None:
        super().__init__(name="sandbox", daemon=True)
        self.make, self.limits, self.tasks = make, limits, tasks
        self.stopped, self.answers_left = False, 0
        self.process: Any = None
        self.pipe: Connection
        self.start()

    def run(self) -> None:
        """Answer tasks until there are no more, then end the worker."""
        # A terminal sends SIGINT to all. Our children keep this mask and leave it to the parent what it ends; the first
        # start of a child would start the tracker beside it, which lifts the mask again.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        while self._turn():
            pass
        self._end()

    def stop(self) -> None:
        """Kill the worker; whoever waits for its answer is told. From any thread."""
        with CHILDREN:
            self.stopped = True
            if self.process:
                self.process.kill()

    def _turn(self) -> bool:
        """Have a worker ready, then take one task and answer it; False when there are no more."""
        problem = self._renewed()
        task = self.tasks.get()
        if task is None:
            return False
        item, future = task
        if future.set_running_or_notify_cancel():
            try:
                if problem:
                    raise problem
                future.set_result(self._ask(item))
            except Exception as error:
                future.set_exception(error)
        return True

    def _renewed(self) -> Exception | None:
        """Start a worker if there is none; what went wrong, for the next task's owner."""
        try:
            if self.process is None:
                self._begin()
        except Exception as error:
            return error
        return None

    def _ask(self, item: Any) -> Any:
        try:
            self.pipe.send(item)
            if self.pipe.poll(self.limits.time_s):
                answer = self.pipe.recv()
                self.answers_left -= 1
            else:
                answer, self.answers_left = Failure("timeout", f"no answer within {self.limits.time_s:g} s"), 0
        except (EOFError, BrokenPipeError, ConnectionResetError):
            answer = Failure("worker_died", f"exit code {self._end(LAST_WORDS_S)}")
        if self.stopped:
            raise SandboxError("the sandbox was closed before its workers had answered")
        if self.answers_left <= 0:
            self._end()
        return answer

    def _begin(self) -> None:
        """Start a worker and take its first message. Raises SandboxError when it is not that it is ready."""
        self.pipe, theirs = PROCESSES.Pipe()
        arguments = (theirs, self.make, self.limits, os.getpid())
        process = PROCESSES.Process(target=serve, args=arguments, daemon=True)
        with CHILDREN:
            if self.stopped:
                raise SandboxError("the sandbox is closed")
            process.start()
            self.process, self.answers_left = process, self.limits.recycle_after
        theirs.close()
        received = f"nothing within {self.limits.start_s:g} s"
        try:
            if self.pipe.poll(self.limits.start_s):
                received = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            received = f"exit code {self._end(LAST_WORDS_S)}"
        if received != READY:
            self._end()
            raise SandboxError(f"a worker could not start: {received}")

    def _end(self, patience_s: float = 0.0) -> int | None:
        """End the worker, if there is one, by a kill unless it ends itself within `patience_s`; its exit code."""
        if self.process is None:
            return None
        self.pipe.close()
        wait([self.process.sentinel], patience_s)
        with CHILDREN:
            process, self.process = self.process, None
            process.kill()
            process.join()
            code: int | None = process.exitcode
            return code
