"""A small web on one loopback port: many host names, answers from a table, a record of every request."""

from __future__ import annotations

import datetime as dt
import io
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image

from crawl.job import Job
from store.home import Home
from store.inbox import kind_of, read_records


@dataclass(frozen=True)
class Answer:
    """What the server says; `length` overrides the announced Content-Length.

    Headers go out as UTF-8, a lone surrogate as the byte that it escapes. With an `ETag` or `Last-Modified` among
    them, a request that names it is answered with 304. `drop`: the
    connection is closed instead.
    """

    body: bytes | str = b""
    status: int = 200
    kind: str = "text/html"
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    drop: bool = False


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; `at_s` by time.monotonic, which crawls in this process share."""

    at_s: float
    host: str
    path: str
    headers: Message


Routes = dict[str, Answer | Callable[[str], Answer]]


class Site(ThreadingHTTPServer):
    """Answers `host/path` from `routes`, or `/path` for any host; 404 for the rest."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.routes: Routes = {}
        self.hits: list[str] = []
        self.asked: list[Asked] = []
        self.agents: set[str] = set()
        self.referers: dict[str, str | None] = {}

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a crawler that was killed
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def paths(self, host: str) -> list[str]:
        """What was asked of `host`, in the order of arrival."""
        return [one.path for one in self.asked if one.host == host]

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, host: str, path: str = "/") -> str:
        return f"http://{host}:{self.port}{path}"

    def job(self, *paths: str, **settings: Any) -> Job:
        """A job `pages` that starts at `host/path`s of this site and may reach it."""
        known: dict[str, Any] = {
            "name": "test",
            "spider": "pages",
            "urls": tuple(self.url(*_split(path)) for path in paths),
            "allow_addresses": (f"127.0.0.1:{self.port}",),
            "resolve": {"*.test": "127.0.0.1"},
            "delay_s": 0,
            "timeout_s": 10,
            "retry_s": 0.05,
            "contact": "https://example.org/about",
        }
        return Job(**(known | settings))


class _Handler(BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        path = self.path.partition("?")[0]
        self.server.asked.append(Asked(time.monotonic(), host, self.path, self.headers))
        self.server.hits.append(f"{host}{self.path}")
        self.server.agents.add(self.headers.get("User-Agent", ""))
        self.server.referers[f"{host}{self.path}"] = self.headers.get("Referer")
        known = self.server.routes.get(f"{host}{path}") or self.server.routes.get(path)
        answer = known(host + self.path) if callable(known) else known
        self._send(answer or Answer("nothing here", status=404))

    def _send(self, answer: Answer) -> None:
        if answer.drop:
            self.close_connection = True
            return
        asked = {self.headers.get("If-None-Match"), self.headers.get("If-Modified-Since")} - {None}
        if asked & {answer.headers.get("ETag"), answer.headers.get("Last-Modified")}:
            answer = Answer(b"", status=304, headers=answer.headers)
        body = answer.body.encode() if isinstance(answer.body, str) else answer.body
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.kind, **answer.headers}.items():
            if value:
                self.send_header(name, value.encode("utf-8", "surrogateescape").decode("latin-1"))
        self.send_header("Content-Length", str(len(body) if answer.length is None else answer.length))
        if answer.length is not None:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.shutdown()
        site.server_close()
        thread.join()


def picture(shade: int, form: str = "PNG") -> bytes:
    """A small picture of one colour; each shade gives other bytes."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (shade % 256, shade // 256, 99)).save(buffer, form)
    return buffer.getvalue()


def png(shade: int) -> Answer:
    return Answer(picture(shade), kind="image/png")


def records(home: Home, kind: str) -> list[dict[str, Any]]:
    """The rows of `kind` that wait in the inbox."""
    files = [path for path in home.inbox().files() if kind_of(path) == kind]
    return [row for path in files for row in read_records(path).to_pylist()]


def reasons(home: Home, site: Site) -> dict[str, str]:
    """Reason by `host/path` of the refusals in the inbox."""
    rows = records(home, "refusals")
    return {row["url"].removeprefix("http://").replace(f":{site.port}", ""): row["reason"] for row in rows}


def seen(home: Home, site: Site) -> set[str]:
    """`host/path` of every sighting in the inbox."""
    rows = records(home, "sightings")
    return {row["url"].removeprefix("http://").replace(f":{site.port}", "") for row in rows}


def is_recent(moment: dt.datetime) -> bool:
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    return abs((now - moment.replace(tzinfo=None)).total_seconds()) < 120


def _split(path: str) -> tuple[str, str]:
    host, slash, rest = path.partition("/")
    return host, slash + rest


def home_at(path: Path) -> Home:
    return Home(path)
