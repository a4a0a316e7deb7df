"""kill -9 of a crawl at random moments: no URL is lost, and of what was under way at most that is asked again."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from crawl.job import Job
from store.home import Home
from tests.crawl.site import Answer, Site, picture, records

CONCURRENCY = 8
PER_PAGE = 25


def gallery(site: Site, pages: int) -> None:
    """A chain of pages with pictures; every answer takes a few milliseconds."""

    def page(number: int) -> Answer:
        shown = "".join(f'<img src="/{number * PER_PAGE + one}.png">' for one in range(PER_PAGE))
        following = f'<a href="/page{number + 1}">next</a>' if number + 1 < pages else ""
        return Answer(shown + following)

    def shown(number: int) -> Answer:
        time.sleep(0.004)
        return Answer(picture(number), kind="image/png")

    for number in range(pages):
        site.routes[f"/page{number}"] = lambda path, number=number: page(number)
    for number in range(pages * PER_PAGE):
        site.routes[f"/{number}.png"] = lambda path, number=number: shown(number)


def started(job: Job, home: Home) -> subprocess.Popen[str]:
    wanted = asdict(job) | {"home": str(home.root)}
    words = [sys.executable, "-m", "crawl.run", json.dumps(wanted, default=str)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)


def killed_crawl(site: Site, home: Home, rounds: int, pages: int, seed: int = 816_940) -> list[Counter[str]]:
    """Crawl with a kill -9 in each round until one ends by itself; how often each path was asked, per round."""
    gallery(site, pages)
    job = site.job("a.test/page0", concurrency=CONCURRENCY, max_depth=pages)
    dice, ended = random.Random(seed), [0]
    while True:
        crawl = started(job, home)
        if len(ended) <= rounds:
            while len(site.hits) == ended[-1] and crawl.poll() is None:
                time.sleep(0.005)
            time.sleep(dice.uniform(0, 0.4))
            crawl.send_signal(signal.SIGKILL)
        said, complaints = crawl.communicate(timeout=1_500)
        time.sleep(0.05)  # what it had sent arrives
        ended.append(len(site.hits))
        if crawl.returncode == 0:
            assert json.loads(said)["stopped"] == "finished"
            break
        assert crawl.returncode == -signal.SIGKILL, complaints
    asked = [hit.removeprefix("a.test") for hit in site.hits]
    return [Counter(asked[begin:end]) for begin, end in itertools.pairwise(ended)]


def again_after(rounds: list[Counter[str]]) -> list[int]:
    """How many of the URLs that a round asked for were asked again in a later one: what its kill cost."""
    last: dict[str, int] = {}
    again = [0] * len(rounds)
    for number, asked in enumerate(rounds):
        for path in asked.keys() - {"/robots.txt"}:
            if path in last:
                again[last[path]] += 1
            last[path] = number
    return again


def check(site: Site, home: Home, rounds: list[Counter[str]], pages: int) -> None:
    wanted = {f"/page{number}" for number in range(pages)} | {f"/{n}.png" for n in range(pages * PER_PAGE)}
    again = again_after(rounds)
    print(f"{len(rounds) - 1} kills, {sum(again)} asked again, at most {max(again)} after one kill")
    assert set().union(*rounds) == wanted | {"/robots.txt"}, "every URL was asked"
    assert max(again) <= CONCURRENCY
    assert all(asked[path] == 1 for asked in rounds for path in asked.keys() & wanted), "none twice without a kill"
    shown = {row["url"] for row in records(home, "sightings")}
    assert len(shown) == pages * PER_PAGE, "every picture is recorded"
    assert {row["picture"] for row in records(home, "sightings")} == set(home.blobs().ids())
    assert records(home, "refusals") == []


def test_kills_lose_nothing_and_ask_little_again(site: Site, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    rounds = killed_crawl(site, home, rounds=4, pages=24)
    check(site, home, rounds, pages=24)
    assert len(rounds) > 2


@pytest.mark.slow
def test_200_kills_lose_nothing_and_ask_little_again(site: Site, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    rounds = killed_crawl(site, home, rounds=200, pages=1_200)
    check(site, home, rounds, pages=1_200)
    assert len(rounds) == 201
