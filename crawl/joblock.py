"""One process per job: a lock file that says who has the job. Falls with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from store.errors import JobRunning


def hold(path: Path, job: str) -> int:
    """Hold the lock of `job` at `path`, an flock; its file descriptor. Raises JobRunning."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "?"
        os.close(handle)
        raise JobRunning(f"job {job} is running already (process {holder}); wait for it, or stop it") from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle
