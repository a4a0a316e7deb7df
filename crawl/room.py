"""Room for large bodies: how many bytes of them a crawl holds, from when they grow large until they are settled.

Without it 50 pictures of 50 MB that wait for a look would take 2.5 GB. Reads and writes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Room:
    """So many bytes; first come, first served. One event loop."""

    def __init__(self, size_bytes: int) -> None:
        self._size = self._free = size_bytes
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> int:
        """Wait until `size` bytes are free, or all of the room for who wants more; what was taken."""
        size = min(size, self._size)
        if not self._queue and size <= self._free:
            self._free -= size
            return size
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self.give(0)  # those behind it may fit
            else:
                self.give(size)  # it came in the same moment
            raise
        return size

    def give(self, size: int) -> None:
        """So many bytes are free again."""
        self._free += size
        while self._queue and (self._queue[0][1].cancelled() or self._queue[0][0] <= self._free):
            wanted, turn = self._queue.popleft()
            if not turn.cancelled():
                self._free -= wanted
                turn.set_result(None)


class Place:
    """What one request holds of a room."""

    def __init__(self, room: Room) -> None:
        self._room, self._held = room, 0

    async def take(self, size: int) -> None:
        """Wait for room for `size` bytes; a second call changes nothing."""
        if not self._held:
            self._held = await self._room.take(size)

    def leave(self) -> None:
        """Give back what is held; may be called again."""
        held, self._held = self._held, 0
        self._room.give(held)
