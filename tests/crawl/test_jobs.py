"""Jobs beside and after each other: one at a time of a name, any number of different ones, resumed after a stop."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter

import pytest

from crawl.frontier import Frontier
from crawl.run import run
from store.errors import JobRunning
from store.home import Home
from tests.crawl.site import Answer, Site, png, records, seen
from tests.crawl.test_crawl_kills import started


def gallery(site: Site, pages: int = 4, per_page: int = 5) -> set[str]:
    """Pages in a chain with pictures; the paths of all of them."""
    for number in range(pages):
        shown = "".join(f"<img src=/{number}-{one}.png>" for one in range(per_page))
        site.routes[f"/page{number}"] = Answer(
            f"{shown}<a href=/page{number + 1}>on</a>" if number < pages - 1 else shown
        )
        site.routes |= {f"/{number}-{one}.png": png(number * per_page + one) for one in range(per_page)}
    return set(site.routes)


def until(what: object, wait_s: float = 30.0) -> None:
    """Wait until `what()` holds."""
    assert callable(what)
    deadline = time.monotonic() + wait_s
    while not what() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert what()


def test_a_second_start_of_a_job_stops_with_one_line(site: Site, home: Home) -> None:
    gallery(site)
    job = site.job("a.test/page0", delay_s=0.2, name="nightly")
    first = started(job, home)
    until(lambda: site.asked)
    second = started(job, home)
    said, complaints = second.communicate(timeout=60)
    assert (second.returncode, said) == (1, "")
    assert complaints.startswith(f"error: job nightly is running already (process {first.pid})")
    assert complaints.count("\n") == 1
    with pytest.raises(JobRunning):
        run(job, home)
    asked = len(site.asked)
    said, complaints = first.communicate(timeout=60)
    assert (first.returncode, complaints) == (0, "")
    assert json.loads(said)["pictures"] == 20
    assert len(site.asked) > asked
    assert set(Counter(site.paths("a.test")).values()) == {1}
    assert len(records(home, "crawls")) == 1


def test_different_jobs_run_side_by_side_into_one_home(site: Site, home: Home) -> None:
    gallery(site)
    jobs = [site.job(f"{host}.test/page0", name=host, delay_s=0.02) for host in ("a", "b", "c")]
    running = [started(job, home) for job in jobs]
    results = [crawl.communicate(timeout=90) for crawl in running]
    assert [crawl.returncode for crawl in running] == [0, 0, 0], results
    assert all(complaints == "" for _, complaints in results)
    assert Counter(row["job"] for row in records(home, "sightings")) == {"a": 20, "b": 20, "c": 20}
    assert len(list(home.blobs().ids())) == 20
    assert {row["job"] for row in records(home, "crawls")} == {"a", "b", "c"}
    overlap = [[one.at_s for one in site.asked if one.host == f"{job.name}.test"] for job in jobs]
    assert max(min(times) for times in overlap) < min(max(times) for times in overlap), "at the same time"


def test_two_jobs_may_run_in_threads_of_one_process(site: Site, home: Home) -> None:
    gallery(site)
    done: dict[str, int] = {}

    def crawl(name: str) -> None:
        done[name] = run(site.job(f"{name}.test/page0", name=name), home).pictures

    threads = [threading.Thread(target=crawl, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert done == {"a": 20, "b": 20}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_an_interrupt_left_is_crawled_next_time_and_nothing_twice(
    number: signal.Signals, site: Site, home: Home
) -> None:
    paths = gallery(site)
    job = site.job("a.test/page0", delay_s=0.03)
    first = started(job, home)
    until(lambda: len(site.asked) > 8)
    first.send_signal(number)
    said, complaints = first.communicate(timeout=60)
    assert first.returncode == 0, complaints
    part = json.loads(said)
    assert part["stopped"] == "interrupted"
    assert part["left_links"] > 0
    rest = run(job, home)
    assert rest.resumed
    assert (rest.stopped, rest.left_links) == ("finished", 0)
    assert part["pictures"] + rest.pictures == 20
    asked = Counter(site.paths("a.test"))
    assert set(asked) == paths | {"/robots.txt"}
    assert set(asked.values()) == {1}
    assert {path.removeprefix("a.test") for path in seen(home, site)} == {p for p in paths if p.endswith("png")}
    frontier = Frontier(home.root / "frontier" / "test.sqlite")
    assert frontier.waiting() == {}
    frontier.close()


def test_a_frontier_that_is_no_frontier_is_told(site: Site, home: Home) -> None:
    from store.errors import CrawlError

    (home.root / "frontier").mkdir(parents=True)
    (home.root / "frontier" / "test.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(CrawlError, match=r"test\.sqlite.*move it away"):
        run(site.job("a.test/"), home)
    assert site.asked == []
