"""The hunt over real HTTP: a made web on loopback, crawled by the real job in rounds.

Each round is a process of its own that crawls a batch and ends; then what it brought is folded, the champion's findings
are folded, and the next round of the same job goes on, knowing what the snapshot says and nothing else. Finds, broken
robots.txt rules and requests that came too soon are counted in the server's log.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.served import Asked, Said, Server, served
from store.catalog import Snapshot
from store.fold import fold
from store.home import Home
from tests.crawl.hunting_ground import Ground, score, settle

SLOW = "0123"  # a host whose name begins so, a quarter of them, asks for twice the delay
NEW = "SELECT picture, min(url) AS url FROM sightings ANTI JOIN raw_scores USING (picture) GROUP BY picture"


@dataclass(frozen=True)
class GroundWeb:
    """The ground as a server has it: with robots.txt, and on each page a picture that it forbids."""

    ground: Ground
    delay_s: float

    def answer(self, host: str, path: str) -> Said | None:
        """What a server of this web says."""
        if path == "/robots.txt":
            return Said(
                f"User-agent: *\nDisallow: /closed/\nCrawl-delay: {self.spacing_s(host)}\n".encode(), "text/plain"
            )
        found = self.ground.answer(host, path)
        if found is None:
            return None
        kind, body = found
        forbidden = f'<img src="/closed{path.rstrip("/")}/0.png">'.encode() if kind == "text/html" else b""
        return Said(body + forbidden, kind)

    def spacing_s(self, host: str) -> float:
        """What must lie between two requests to a host."""
        return self.delay_s * (2 if host[0] in SLOW else 1)


@dataclass(frozen=True)
class Campaign:
    """What the log says of one way to spend a budget; gaps in seconds, of which `early` were too short."""

    fetches: int
    found: int
    seconds: float
    rounds: int
    forbidden: int
    before_robots: int
    early: int
    least_gap: float

    @property
    def per_1000(self) -> float:
        """Blind spots per 1,000 fetches."""
        return 1000 * self.found / self.fetches


def campaign(ground: Ground, on: bool, batch: int, delay_s: float, concurrency: int) -> Campaign:
    """Spend a tenth of what it takes to see all of a ground, with the hunt or without."""
    web, budget, rounds = GroundWeb(ground, delay_s), ground.size // 10, 0
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, served(web) as server:
        home = Home(Path(folder, "home"))
        home.root.mkdir()
        settle(home)
        while (asked := sum(1 for _ in server.asked())) < budget:
            crawl(home, server, ground, on, min(batch, budget - asked), delay_s, concurrency)
            rounds += 1
            if on:
                judge(home, server, ground)
        return replace(measured(web, list(server.asked())[:budget]), rounds=rounds)


def crawl(
    home: Home, server: Server, ground: Ground, on: bool, pictures: int, delay_s: float, concurrency: int
) -> None:
    """One round of the job, in a process of its own."""
    job = {"home": str(home.root), "name": "ground", "spider": "pages", "hunt": on, "max_pictures": pictures}
    job |= {"urls": [server.url(name) for name in ground.names], "delay_s": delay_s, "concurrency": concurrency}
    job |= {"max_pages": ground.size, "contact": "https://example.org/about"} | server.settings()
    done = subprocess.run([sys.executable, "-m", "crawl.run", json.dumps(job)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the crawl ended with {done.returncode}\n{done.stderr[-2000:]}")


def judge(home: Home, server: Server, ground: Ground) -> None:
    """Fold what a round brought, and what the champion says of it."""
    fold(home)
    with Snapshot(home) as snapshot:
        urls = {row["picture"]: row["url"].replace(f":{server.port}/", "/", 1) for row in snapshot.rows(NEW)}
    score(home, ground, urls)
    fold(home)


def measured(web: GroundWeb, asked: list[Asked]) -> Campaign:
    """What a log says."""
    found = {f"http://{one.host}{one.path}" for one in asked} & web.ground.blind
    by_host: defaultdict[str, list[Asked]] = defaultdict(list)
    for one in asked:
        by_host[one.host].append(one)
    gaps = [  # as long as they may have been: a busy server notes an arrival late
        (later.at_s - one.at_s + one.late_s, web.spacing_s(host) if one.path != "/robots.txt" else web.delay_s)
        for host, here in by_host.items()
        for one, later in itertools.pairwise(here)
    ]
    return Campaign(
        fetches=len(asked),
        found=len(found),
        seconds=asked[-1].at_s - asked[0].at_s,
        rounds=0,
        forbidden=sum(one.path.startswith("/closed/") for one in asked),
        before_robots=sum(here[0].path != "/robots.txt" for here in by_host.values()),
        early=sum(gap < wanted for gap, wanted in gaps),
        least_gap=min(gap / wanted for gap, wanted in gaps),
    )


def over_http(seeds: int, pictures: int, batch: int, delay_s: float, concurrency: int) -> Iterator[dict[str, Any]]:
    """Turns and the hunt, on webs with concentration and on webs without."""
    for (name, share), seed in itertools.product((("concentrated", 0.8), ("control", None)), range(seeds)):
        ground = Ground(seed, pictures=pictures, share=share)
        turns, hunt = (campaign(ground, on, batch, delay_s, concurrency) for on in (False, True))
        yield {"web": name, "seed": seed, "ratio": hunt.per_1000 / turns.per_1000, "turns": turns, "hunt": hunt}


def lines(row: dict[str, Any]) -> str:
    """What a person reads of one of those."""
    turns, hunt = row["turns"], row["hunt"]
    ratio = f"{turns.per_1000:.1f} → {hunt.per_1000:.1f} blind spots per 1,000 fetches, {row['ratio']:.2f}x"
    return f"{row['web']}, seed {row['seed']}: {ratio}\n  turns: {told(turns)}\n  hunt:  {told(hunt)}"


def told(one: Campaign) -> str:
    """What a person wants to know of a campaign beside its finds."""
    return (
        f"{one.fetches} fetches in {one.rounds} rounds, {one.seconds:.0f} s; against robots.txt "
        f"{one.forbidden + one.before_robots}, too soon {one.early} (least gap {one.least_gap:.2f} of what is wanted)"
    )
