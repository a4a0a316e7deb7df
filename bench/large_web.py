"""A made web of any size with what the real one has: copies, redirects, missing and broken pictures, robots.txt, traps.

Each host is a chain of pages of twenty pictures. Which row every URL must end as is known beforehand (`rows`).
"""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass

from bench.served import Said

# What a page shows: how many of each. A redirect is two URLs, and one row.
SHOWN = {"own": 14, "same": 2, "moved": 1, "gone": 1, "broken": 1, "closed": 1}
PER_PAGE = sum(SHOWN.values())
URLS_PER_PAGE = 1 + PER_PAGE + SHOWN["moved"]
DIFFERENT = 500  # pictures that the URLs under /same/ share
SIDE_PX = 16
TRAPS = ("calendar", "session", "rounds")


@dataclass(frozen=True)
class LargeWeb:
    """A web of at least `urls` URLs on `hosts` hosts, and `traps` hosts with each kind of trap."""

    urls: int
    hosts: int = 200
    traps: int = 2

    @property
    def pages(self) -> int:
        """Pages of one host."""
        return -(-self.urls // (URLS_PER_PAGE * self.hosts))

    def names(self) -> list[str]:
        """Its hosts, each a domain of its own."""
        traps = [f"{trap}{i}.test" for trap in TRAPS for i in range(self.traps)]
        return [f"host{i}.test" for i in range(self.hosts)] + traps

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """(host, path, table) of every row that a crawl must leave, but for those of traps."""
        for i in range(self.hosts):
            for path in (path for page in range(self.pages) for path in shown(page)):
                kind, _, name = path[1:].partition("/")
                table = "refusals" if kind in ("gone", "broken", "closed") else "sightings"
                yield f"host{i}.test", f"/own/m{name}" if kind == "moved" else path, table

    def answer(self, host: str, path: str) -> Said | None:
        """What a server of this web says."""
        if path == "/robots.txt":
            return Said(b"User-agent: *\nDisallow: /closed/\n", "text/plain")
        if not host.startswith("host"):
            return Said(_endless(host, path).encode())
        kind, _, name = path[1:].partition("/")
        if kind == "own":
            return Said(drawn(f"{host}{path}"), "image/png")
        if kind == "same":
            return Said(drawn(str(int(name.partition(".")[0]) % DIFFERENT)), "image/png")
        if kind == "moved":
            return Said(b"", status=302, location=f"/own/m{name}")
        if kind == "broken":
            return Said(drawn(f"{host}{path}")[:60], "image/png")
        return Said(self._page(int(name or 0)).encode()) if kind in ("", "page") else None

    def _page(self, number: int) -> str:
        images = "".join(f'<img src="{path}">' for path in shown(number))
        more = f'<a href="/page/{number + 1}">more</a>' if number + 1 < self.pages else ""
        return f"<!doctype html><title>page</title>{images}{more}"


@functools.lru_cache(4_096)
def shown(page: int) -> tuple[str, ...]:
    """The paths of the pictures that a page shows."""
    kinds = [kind for kind, count in SHOWN.items() for _ in range(count)]
    return tuple(f"/{kind}/{page * PER_PAGE + i}.png" for i, kind in enumerate(kinds))


def drawn(seed: str) -> bytes:
    """A small picture of noise as PNG; each seed gives another."""
    from PIL import Image

    noise = hashlib.shake_128(seed.encode()).digest(SIDE_PX * SIDE_PX)
    out = io.BytesIO()
    Image.frombytes("L", (SIDE_PX, SIDE_PX), noise).save(out, "PNG", compress_level=0)
    return out.getvalue()


def _endless(host: str, path: str) -> str:
    """A page of a site that has no last one."""
    depth = path.count("/")
    if host.startswith("calendar"):
        month = int(path.rpartition("=")[2] or 0) if "=" in path else 0
        return f'<a href="/events?month={month + 1}">next</a>'
    if host.startswith("rounds"):
        return f'<a href="{path.rstrip("/")}/{"ab"[depth % 2]}">on</a>'
    ids = (hashlib.sha256(f"{host}{path}{i}".encode()).hexdigest()[:16] for i in range(3))
    return "".join(f'<a href="/in/{one}">in</a>' for one in ids)
