"""A made web on which the hunt is measured: many hosts, and pictures of which some are blind spots.

Which hosts are rich and which pictures are blind is decided by keyed hashes; no name, path or size tells. A host is a
tree of pages, each with a few pictures and links to two more pages. `answer` serves it over HTTP; `Walk` goes through
it without, as a crawler's frontier would, and `campaign` spends fetches on it that a hunt chooses.
"""

from __future__ import annotations

import atexit
import datetime as dt
import functools
import hashlib
import io
import shutil
import tempfile
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from crawl.hunting.hunt import Choice, Hunt
from store.fold import fold
from store.home import Home

SIDE_PX = 28
PER_PAGE = 20


@dataclass(frozen=True)
class Shown:
    """A picture that a page of a host shows."""

    host: str
    url: str
    page: str


@dataclass(frozen=True)
class Ground:
    """A web of `hosts` with `pictures` in all, of which `rate` are blind; `rich` of the hosts hold `share` of those.

    Without concentration (`share` None) every picture is as likely blind as any other.
    """

    seed: int
    hosts: int = 200
    pictures: int = 100_000
    rate: float = 0.01
    rich: float = 0.1
    share: float | None = 0.8

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Its host names, in no order that tells anything; each a domain of its own."""
        return tuple(f"{self._hash('name', i):016x}.test" for i in range(self.hosts))

    @functools.cached_property
    def blind(self) -> frozenset[str]:
        """The URLs of the blind pictures."""
        wanted = round(self.pictures * self.rate)
        if self.share is None:
            return frozenset(self._drawn(self.names, wanted))
        names = sorted(self.names, key=lambda name: self._hash("rich", name))
        rich = round(self.hosts * self.rich)
        inside = round(wanted * self.share)
        return frozenset([*self._drawn(names[:rich], inside), *self._drawn(names[rich:], wanted - inside)])

    def _drawn(self, hosts: Iterable[str], count: int) -> list[str]:
        urls = [url for host in hosts for page in range(self.pages) for url in self.pictures_of(host, page)]
        return sorted(urls, key=lambda url: self._hash("blind", url))[:count]

    @property
    def per_host(self) -> int:
        """Pictures of one host."""
        return self.pictures // self.hosts

    @property
    def pages(self) -> int:
        """Pages of one host."""
        return -(-self.per_host // PER_PAGE)

    @property
    def size(self) -> int:
        """How many fetches it takes to see everything."""
        return self.hosts * (self.pages + self.per_host)

    def pictures_of(self, host: str, page: int) -> list[str]:
        """The pictures that a page of a host shows, as URLs."""
        numbers = range(page * PER_PAGE, min(self.per_host, (page + 1) * PER_PAGE))
        return [f"http://{host}/show/{self._hash('picture', host, i):016x}.png" for i in numbers]

    def pages_of(self, page: int) -> list[int]:
        """The pages of its host that a page links to."""
        return [i for i in (2 * page + 1, 2 * page + 2) if i < self.pages]

    def page_url(self, host: str, page: int) -> str:
        """Where a page stands; page 0 is the front page."""
        return f"http://{host}/list/{page}" if page else f"http://{host}/"

    def answer(self, host: str, path: str) -> tuple[str, bytes] | None:
        """(content type, body) of what a server of this web says; None for what it does not have."""
        folder, _, name = path.strip("/").partition("/")
        if folder == "show":
            return "image/png", drawn(f"http://{host}{path}")
        if folder not in ("", "list") or not (name or "0").isdigit() or int(name or 0) >= self.pages:
            return None
        page = int(name or 0)
        shown = "".join(f'<img src="{urlsplit(url).path}">' for url in self.pictures_of(host, page))
        linked = "".join(f'<a href="/list/{i}">more</a>' for i in self.pages_of(page))
        return "text/html", f"<!doctype html><title>list</title>{shown}{linked}".encode()

    def _hash(self, *what: object) -> int:
        text = "|".join(map(str, what)).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8, key=f"ground {self.seed}".encode()).digest())


def drawn(url: str) -> bytes:
    """The picture at `url`: grey noise of its own as PNG, far from every other one."""
    seed = int.from_bytes(hashlib.sha256(url.encode()).digest()[:8])
    noise = np.random.default_rng(seed).integers(0, 256, (SIDE_PX, SIDE_PX), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    return out.getvalue()


class Walk:
    """What waits while somebody goes through a ground: per host, pictures before pages, both in the order found."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.waiting = list(ground.names)
        self._pages = {host: deque([0]) for host in ground.names}
        self._pictures: dict[str, deque[Shown]] = {host: deque() for host in ground.names}

    def fetch(self, host: str) -> Shown | None:
        """Ask `host` for what is next: a picture, or None when it was a page."""
        pages, pictures = self._pages[host], self._pictures[host]
        found = pictures.popleft() if pictures else None
        if found is None:
            page = pages.popleft()
            at = self.ground.page_url(host, page)
            pictures.extend(Shown(host, url, at) for url in self.ground.pictures_of(host, page))
            pages.extend(self.ground.pages_of(page))
        if not pictures and not pages:
            self.waiting.remove(host)
        return found


CHAMPION = "ground.00000001"


def settle(home: Home) -> None:
    """Make `home` one with a champion and nothing else, as far as the catalog is concerned."""
    shutil.copytree(_settled(), home.root, dirs_exist_ok=True)


@functools.cache
def _settled() -> Path:
    """Such a home, made once: a first fold makes every table."""
    home, now = Home(Path(tempfile.mkdtemp(prefix="blindspot-ground-"))), dt.datetime.now(dt.UTC)
    atexit.register(shutil.rmtree, home.root, ignore_errors=True)
    home.inbox().append(
        "promotions", [{"version": CHAMPION, "policy_version": "p", "threshold": 0.5, "promoted_at": now}]
    )
    fold(home)
    return home.root


def judge(home: Home, ground: Ground, shown: Iterable[Shown]) -> None:
    """What a crawl and a run of mining leave of these pictures: rows, folded and published."""
    now = dt.datetime.now(dt.UTC)
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    urls: dict[str, str] = {}
    for one in shown:
        picture = hashlib.sha256(one.url.encode()).hexdigest()  # as good as that of its bytes, which nobody looks at
        urls[picture] = one.url
        rows["pictures"].append({"picture": picture, "size_bytes": 1, "source": one.host, "first_seen_at": now})
        sighting = {"picture": picture, "url": one.url, "page": one.page, "host": one.host, "seen_at": now}
        rows["sightings"].append(sighting | {"source": one.host, "job": "ground", "http_status": 200})
    for kind, records in rows.items():
        home.inbox().append(kind, records)
    score(home, ground, urls)
    fold(home)


def score(home: Home, ground: Ground, urls: Mapping[str, str]) -> None:
    """What the champion says of pictures that were seen at `urls`: a score each, a finding where one is blind."""
    now = dt.datetime.now(dt.UTC)
    score = {"version": CHAMPION, "view": "as_shown", "scored_at": now, "probabilities": [0.4, 0.6]}
    finding = {"detector": "disagreement", "score": 0.9, "threshold": 0.5, "reason": "made", "version": CHAMPION}
    blind = [picture for picture, url in urls.items() if url in ground.blind]
    home.inbox().append("raw_scores", [score | {"picture": picture} for picture in urls])
    home.inbox().append("findings", [finding | {"picture": picture, "found_at": now} for picture in blind])


def campaign(home: Home, ground: Ground, hunt: Hunt, fetches: int, batch: int = 500) -> Iterator[tuple[Choice, bool]]:
    """Spend `fetches` where `hunt` says; every choice, and whether it gave a blind spot.

    It learns from each `batch` only once that is folded.
    """
    walk, shown = Walk(ground), list[Shown]()
    for fetch in range(fetches):
        if fetch and fetch % batch == 0 and hunt.on:
            judge(home, ground, shown)
            shown.clear()
            hunt.refresh()
        choice = hunt.choose(walk.waiting)
        found = walk.fetch(choice.host)
        hunt.fetched(choice.host, "picture" if found else "page")
        shown += [found] if found else []
        yield choice, found is not None and found.url in ground.blind
