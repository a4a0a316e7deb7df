"""Long work on the event loop, cut into slices, so that nobody waits for it. Reads and writes nothing."""

from __future__ import annotations

import asyncio
import time

SLICE_S = 0.005  # then the others have their turn. Chosen by eye


class Slices:
    """The slices of one piece of work, which asks after each step whether its slice is `over`."""

    def __init__(self) -> None:
        self._until_s = time.monotonic() + SLICE_S

    @property
    def over(self) -> bool:
        """Whether it is the others' turn."""
        return time.monotonic() > self._until_s

    async def next(self) -> None:
        """Let the others have it."""
        await asyncio.sleep(0)
        self._until_s = time.monotonic() + SLICE_S
