"""Runs a crawl in a process of its own and says what it cost: `python -m tests.crawl.measured JSON` prints JSON.

The longest time that its event loop stood still (by a task that sleeps 10 ms at a time), and the peaks of resident
memory of the crawler's own process and of its workers, from the kernel. `still` measures, beside it, how long a
process that does nothing stands still: that is the machine's doing.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    others_stall_s: float
    own_bytes: int
    worker_bytes: int
    seconds: float


def measure(job: Job, home: Home, timeout_s: float = 300) -> Measured:
    """Crawl in a process of its own, beside one that does nothing."""
    wanted = json.dumps(asdict(job) | {"home": str(home.root)}, default=str)
    began = time.monotonic()
    with still() as others:
        done = subprocess.run(
            [sys.executable, "-m", "tests.crawl.measured", wanted],
            capture_output=True, text=True, timeout=timeout_s, cwd=Path(__file__).parents[2],
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    return Measured(
        complaints=done.stderr, others_stall_s=max(others, default=0.0), seconds=time.monotonic() - began, **said
    )


@contextmanager
def still() -> Iterator[list[float]]:
    """Meanwhile a process sleeps 10 ms at a time; afterwards the list holds how long each nap was too long."""
    code = f"import time\nwhile 1:\n t = time.monotonic(); time.sleep({NAP_S}); print(time.monotonic() - t, flush=True)"
    found: list[float] = []
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = process.stdout
    reader = threading.Thread(target=lambda: found.extend(float(line) - NAP_S for line in lines if "." in line))
    reader.start()
    try:
        yield found
    finally:
        process.terminate()
        process.wait()
        reader.join()
        lines.close()


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
            began = time.monotonic()
            await asyncio.sleep(NAP_S)
            self.stall_s = max(self.stall_s, time.monotonic() - began - NAP_S)

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
