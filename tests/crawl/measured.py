"""Runs a crawl in a process of its own and says what it cost: `python -m tests.crawl.measured JSON` prints JSON.

The longest time that its event loop stood still (by a task that sleeps 10 ms at a time), without what its thread waited
for a core: that is the machine's doing. And the peaks of resident memory of the crawler's own process and of its
workers, from the kernel.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from crawl.job import Job
from crawl.run import run
from store.errors import BlindspotError
from store.home import Home

NAP_S = 0.01


@dataclass(frozen=True)
class Measured:
    """What a crawl said and cost; stalls in seconds, peaks in bytes."""

    summary: dict[str, Any]
    error: str
    complaints: str
    stall_s: float
    own_bytes: int
    worker_bytes: int
    seconds: float


def measure(job: Job, home: Home, timeout_s: float = 300) -> Measured:
    """Crawl in a process of its own."""
    wanted = json.dumps(asdict(job) | {"home": str(home.root)}, default=str)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tests.crawl.measured", wanted],
        capture_output=True, text=True, timeout=timeout_s, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    return Measured(complaints=done.stderr, seconds=time.monotonic() - began, **said)


def awake_s() -> float:
    """A clock that stands still while this thread could run and has no core."""
    try:
        waited = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()[1]
    except OSError:
        waited = "0"
    return time.monotonic() - int(waited) / 1e9


def peak_bytes(process: int) -> int:
    """VmHWM of a process; 0 when it is gone."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in text.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


class Meter:
    """Looks at the event loop and at the workers; `progress` of a crawl starts it."""

    def __init__(self) -> None:
        self.stall_s, self.worker_bytes = 0.0, 0
        self._task: asyncio.Task[None] | None = None
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def progress(self, tally: object) -> None:
        with suppress(RuntimeError):  # the last word comes when the loop has ended
            self._task = self._task or asyncio.get_running_loop().create_task(self._nap())

    async def _nap(self) -> None:
        while True:
            began = awake_s()
            await asyncio.sleep(NAP_S)
            self.stall_s = max(self.stall_s, awake_s() - began - NAP_S)

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            children = psutil.Process().children(recursive=True)
            self.worker_bytes = max([self.worker_bytes, *(peak_bytes(child.pid) for child in children)])

    def stop(self) -> None:
        self._over.set()
        self._watcher.join()


def main() -> None:
    wanted = json.loads(sys.argv[1])
    home = Home(Path(wanted.pop("home")))
    if wanted.get("list_file"):
        wanted["list_file"] = Path(wanted["list_file"])
    job = Job(**{name: tuple(value) if isinstance(value, list) else value for name, value in wanted.items()})
    meter, summary, error = Meter(), {}, ""
    try:
        summary = asdict(run(job, home, progress=meter.progress))
    except BlindspotError as failure:
        error = str(failure)
    meter.stop()
    print(json.dumps({
        "summary": summary, "error": error, "stall_s": meter.stall_s,
        "own_bytes": peak_bytes(os.getpid()), "worker_bytes": meter.worker_bytes,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
