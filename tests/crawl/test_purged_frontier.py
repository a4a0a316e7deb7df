"""A purge takes a source out of a real job's frontier, and the job goes on with the rest."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import zlib
from pathlib import Path

import pytest

from crawl.frontier import Frontier, Kept, Link
from store.errors import JobRunning
from store.fold import fold
from store.forgetting.frontiers import no_job_running
from store.forgetting.requests import answer_of, ask_to_forget
from store.home import Home

BAD, GOOD, CANARY = "example.org", "example.net", "canary-51c2"
PAGE = f"http://www.{BAD}/{CANARY}/"
NOW = dt.datetime.now(dt.UTC)


def fill(frontier: Frontier) -> None:
    """A crawl under way: pages read, pictures waiting and found, rows unsent, robots known."""
    frontier.begin()
    frontier.add([Link(PAGE, "page", f"www.{BAD}"), Link(f"http://{GOOD}/", "page", GOOD)])
    frontier.add([Link(f"http://cdn.example.com/{CANARY}.png", "picture", "cdn.example.com", page=PAGE)])
    frontier.add([Link(f"http://{GOOD}/1.png", "picture", GOOD, page=f"http://{GOOD}/")])
    (page,) = frontier.take(GOOD, 1)
    named = zlib.compress(json.dumps([[PAGE, "page"], [f"http://{GOOD}/2.png", "picture"]]).encode())
    refusal = {"stage": "fetch", "reason": "robots", "refused_at": NOW}
    rows = [("refusals", {"url": PAGE, **refusal}), ("refusals", {"url": f"http://{GOOD}/no", **refusal})]
    frontier.finish(page, rows, kept=Kept(etag='"1"', named=named))
    frontier.keep_robots(f"www.{BAD}", 200, b"User-agent: *", 1.0, None)
    frontier.keep_robots(GOOD, 200, f"Sitemap: {PAGE}map.xml".encode(), 1.0, None)


@pytest.fixture
def path(home: Home) -> Path:
    return home.root / "frontier" / "job.sqlite"


def test_the_source_leaves_the_frontier_and_the_job_goes_on(home: Home, path: Path) -> None:
    frontier = Frontier(path)
    fill(frontier)
    frontier.close()
    assert any(CANARY.encode() in found.read_bytes() for found in path.parent.iterdir())
    request = ask_to_forget(home, "source", BAD)
    assert fold(home).forgot == [request]
    answer = answer_of(home, request)
    assert answer is not None
    assert (answer["frontier_rows"], answer["urls"]) == (4, 1), "the one on a host of others is forbidden by itself"
    for found in path.parent.iterdir():
        assert CANARY.encode() not in found.read_bytes(), found.name
    frontier = Frontier(path)
    assert frontier.begin(), "the same crawl"
    assert set(frontier.waiting()) == {GOOD}
    assert [row["url"] for _, _, row in frontier.unsent(10)] == [f"http://{GOOD}/no"]
    assert frontier.robots(f"www.{BAD}") is None
    frontier.close()
    database = sqlite3.connect(path)
    (named,) = database.execute("SELECT named FROM urls WHERE named IS NOT NULL").fetchone()
    database.close()
    assert json.loads(zlib.decompress(named)) == [[f"http://{GOOD}/2.png", "picture"]]


def test_a_running_job_keeps_a_purge_waiting_and_a_purge_keeps_jobs_from_starting(home: Home, path: Path) -> None:
    frontier = Frontier(path)
    fill(frontier)
    with (
        pytest.raises(JobRunning, match="job job is running: stop it, or wait for it, then purge"),
        no_job_running(home),
    ):
        pytest.fail("it was let in")
    frontier.close()
    with no_job_running(home), pytest.raises(JobRunning):
        Frontier(path)
    Frontier(path).close()
