"""Keeps native libraries quiet while they start: they write to the process's standard error behind Python's back."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

STANDARD_ERROR = 2
# The descriptor is the process's: of two blocks in two threads the later would keep the other's silence for good.
_LOCK = threading.RLock()


@contextlib.contextmanager
def quiet_natives() -> Iterator[None]:
    """Meanwhile what is written to descriptor 2, by whomever, is dropped. For imports and loading only."""
    with _LOCK:
        if sys.stderr is not None:
            sys.stderr.flush()
        kept = os.dup(STANDARD_ERROR)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, STANDARD_ERROR)
            yield
        finally:
            os.dup2(kept, STANDARD_ERROR)
            os.close(nowhere)
            os.close(kept)
