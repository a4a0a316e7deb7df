"""Serves a made web on one loopback port, in a process of its own, and writes down every request.

A web is anything picklable with `answer(host, path)`. The log has one line per request: when it was noted, in seconds
of the monotonic clock that all processes of a machine share, how much earlier it may have arrived, its host, its path.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple, Protocol

TICK_S = 0.002  # between two looks at whether the server is awake. Chosen by eye
PROCESSES = multiprocessing.get_context("spawn")


class Said(NamedTuple):
    """One answer; `location` where it is a redirect."""

    body: bytes
    kind: str = "text/html"
    status: int = 200
    location: str = ""


class Web(Protocol):
    """What hosts answer."""

    def answer(self, host: str, path: str) -> Said | None:
        """The answer to `path` with its query; None for what is not there."""


class Asked(NamedTuple):
    """One request, noted at `at_s`; it arrived at most `late_s` before."""

    at_s: float
    late_s: float
    host: str
    path: str


@dataclass(frozen=True)
class Server:
    """A web that is being served."""

    port: int
    log: Path

    def asked(self, start: int = 0) -> Iterator[Asked]:
        """The requests so far, from number `start` on, in the order of arrival."""
        with self.log.open() as lines:
            for line in itertools.islice(lines, start, None):
                at_s, late_s, host, path = line.rstrip("\n").split(" ", 3)
                yield Asked(float(at_s), float(late_s), host, path)

    def url(self, host: str, path: str = "/") -> str:
        """The URL of what a host has."""
        return f"http://{host}:{self.port}{path}"

    def settings(self) -> dict[str, object]:
        """Of a job that may reach it: every name of `.test` is here."""
        return {"allow_addresses": [f"127.0.0.1:{self.port}"], "resolve": {"*.test": "127.0.0.1"}}


@contextmanager
def served(web: Web) -> Iterator[Server]:
    """The web, on loopback, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        log = Path(folder, "asked.log")
        ours, theirs = PROCESSES.Pipe()
        process = PROCESSES.Process(target=_serve, args=(web, log, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            yield Server(int(ours.recv()), log)
        finally:
            process.kill()
            process.join()


def _serve(web: Web, log: Path, ready: Connection) -> None:
    asyncio.run(_forever(web, log, ready))


class Awake:
    """How late a server may be that shares a machine: what is noted now came after it was awake twice."""

    def __init__(self) -> None:
        self._before = self._last = time.monotonic()

    async def watch(self) -> None:
        while True:
            self._before, self._last = self._last, time.monotonic()
            await asyncio.sleep(TICK_S)

    def note(self) -> str:
        """The first two words of a line."""
        now = time.monotonic()
        return f"{now:.6f} {now - self._before:.6f}"


async def _forever(web: Web, log: Path, ready: Connection) -> None:
    from aiohttp import web as http

    awake = Awake()
    with log.open("w", buffering=1) as lines:

        async def answer(request: http.BaseRequest) -> http.Response:
            host = (request.host or "").partition(":")[0]
            lines.write(f"{awake.note()} {host} {request.raw_path}\n")
            said = web.answer(host, request.raw_path) or Said(b"nothing here", status=404)
            headers = {"Content-Type": said.kind} | ({"Location": said.location} if said.location else {})
            return http.Response(body=said.body, status=said.status, headers=headers)

        runner = http.ServerRunner(http.Server(answer, access_log=None))
        await runner.setup()
        site = http.TCPSite(runner, "127.0.0.1", 0, backlog=512)
        await site.start()
        ready.send(runner.addresses[0][1])
        await awake.watch()
