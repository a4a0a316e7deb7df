"""The time of one crawl: a wall clock that nobody can set while it runs. Reads and writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable


def steady() -> Callable[[], float]:
    """A clock of seconds since 1970: the time now, and from then on what has really passed.

    A machine's clock is set, forward and back, by its owner and by time servers; what waits must not wait for that.
    """
    ahead = time.time() - time.monotonic()
    return lambda: time.monotonic() + ahead
