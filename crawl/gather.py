"""Answers many awaits with few calls: what comes while a call is under way goes into the next one together.

A call to a worker or a thread costs the event loop the same for one picture as for ten, and a file system writes ten
files down for little more than one. Nobody waits for company: a call starts as soon as one may.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Gather(Generic[Item, Result]):
    """`call` answers a sequence of items with as many results in their order; at most `calls` of it run at once.

    A call takes up to `most` items, and no more once they weigh `most_weight` by `weigh`. What it raises is raised to
    all that it was for.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        weigh: Callable[[Item], int],
        *,
        calls: int,
        most: int,
        most_weight: int,
    ) -> None:
        self._call, self._weigh, self._free = call, weigh, calls
        self._most, self._most_weight = most, most_weight
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(self, item: Item) -> Result:
        """The result for one item."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._free:
            self._free -= 1
            task = asyncio.ensure_future(self._work())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    async def _work(self) -> None:
        try:
            while batch := self._next():
                try:
                    results = await self._call([item for item, _ in batch])
                except Exception as error:
                    self._tell(batch, [error] * len(batch))
                else:
                    self._tell(batch, results)
        finally:
            self._free += 1

    def _next(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        weight = 0
        while self._waiting and len(batch) < self._most and weight < self._most_weight:
            batch.append(self._waiting.popleft())
            weight += self._weigh(batch[-1][0])
        return batch

    @staticmethod
    def _tell(batch: Sequence[tuple[Item, asyncio.Future[Result]]], results: Sequence[Result | Exception]) -> None:
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():  # whoever asked has gone
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
