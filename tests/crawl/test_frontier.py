from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crawl.frontier import Frontier, Kept, Link
from store.errors import JobRunning

FILE = "job.sqlite"


def page(number: int, host: str = "a.test", priority: int = 0) -> Link:
    return Link(f"http://{host}/{number}", "page", host, priority=priority)


@pytest.fixture
def frontier(tmp_path: Path) -> Frontier:
    made = Frontier(tmp_path / FILE)
    made.begin()
    return made


def urls(found: list[object]) -> list[str]:
    return [entry.url.removeprefix("http://") for entry in found]  # type: ignore[attr-defined]


def test_what_waits_is_leased_in_its_order_and_once(frontier: Frontier) -> None:
    assert frontier.add([page(1), page(2, priority=5), page(1), page(3, "b.test")]) == ["a.test", "a.test", "b.test"]
    assert frontier.waiting() == {"a.test": 2, "b.test": 1}
    assert urls(frontier.take("a.test", 9)) == ["a.test/2", "a.test/1"]
    assert frontier.take("a.test", 9) == []
    assert frontier.waiting() == {"b.test": 1}


def test_spellings_of_one_url_are_one(frontier: Frontier) -> None:
    same = ["http://a.test/x", "HTTP://A.TEST:80/x", "http://a.test/./x", "http://a.test/x?utm_source=mail"]
    assert len(frontier.add([Link(url, "page", "a.test") for url in same])) == 1


def test_kinds_can_be_left_out(frontier: Frontier) -> None:
    frontier.add([page(1), Link("http://a.test/1.png", "picture", "a.test")])
    assert frontier.next_in_s("a.test", {"page", "picture"}) is None
    assert urls(frontier.take("a.test", 9, {"page"})) == ["a.test/1.png"]
    assert (sum(frontier.waiting().values()), frontier.left()) == (1, 2)


def test_a_lease_that_is_given_back_waits_its_time(frontier: Frontier) -> None:
    frontier.add([page(1)])
    (entry,) = frontier.take("a.test", 1)
    frontier.give_back(entry, in_s=30)
    assert frontier.take("a.test", 1) == []
    wait_s = frontier.next_in_s("a.test")
    assert wait_s is not None
    assert 25 < wait_s <= 30
    frontier.give_back(entry)
    assert [one.tries for one in frontier.take("a.test", 1)] == [2]


def test_what_is_done_is_done_until_the_next_crawl_which_knows_what_came_of_it(tmp_path: Path) -> None:
    frontier = Frontier(tmp_path / FILE)
    assert not frontier.begin()
    frontier.add([page(1)])
    (entry,) = frontier.take("a.test", 1)
    frontier.finish(entry, links=[page(2)], kept=Kept('"tag"', "yesterday", "ab" * 32))
    assert frontier.add([page(1)]) == []
    frontier.close()

    frontier = Frontier(tmp_path / FILE)
    assert frontier.begin(), "it was not finished"
    assert frontier.add([page(1)]) == []
    (second,) = frontier.take("a.test", 9)
    frontier.finish(second)
    frontier.end()
    assert not frontier.begin()
    assert frontier.waiting() == {}
    assert frontier.add([page(1)]) == ["a.test"]
    (again,) = frontier.take("a.test", 1)
    assert (again.etag, again.modified, again.picture, again.tries) == ('"tag"', "yesterday", "ab" * 32, 0)
    frontier.close()


def test_rows_and_lease_are_one_transaction(frontier: Frontier) -> None:
    frontier.add([page(1)])
    (entry,) = frontier.take("a.test", 1)
    with pytest.raises(AttributeError):
        frontier.finish(entry, [("refusals", {"url": "x"}), ("refusals", {1: object(), "2": {3}})], [page(2)])
    assert frontier.unsent(9) == []
    assert frontier.waiting() == {}
    frontier.finish(entry, [("refusals", {"url": "x"})], [page(2)])
    ((number, kind, row),) = frontier.unsent(9)
    assert (kind, row) == ("refusals", {"url": "x"})
    frontier.sent(number)
    assert frontier.unsent(9) == []
    assert frontier.waiting() == {"a.test": 1}


def test_one_process_at_a_time(frontier: Frontier, tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from crawl.frontier import Frontier; Frontier(Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / FILE)], capture_output=True, text=True)
    assert f"JobRunning: job job is running already (process {os.getpid()})" in done.stderr
    frontier.close()
    with pytest.raises(sqlite3.ProgrammingError):
        frontier.waiting()
    Frontier(tmp_path / FILE).close()


def test_two_in_one_process_are_two_all_the_same(frontier: Frontier, tmp_path: Path) -> None:
    with pytest.raises(JobRunning, match="is running already"):
        Frontier(tmp_path / FILE)
    Frontier(tmp_path / "other.sqlite").close()


WORKER = """
import sys
from pathlib import Path
from crawl.frontier import Frontier, Link

frontier = Frontier(Path(sys.argv[1]))
frontier.begin()
frontier.add([Link("http://a.test/0", "page", "a.test")])
while entries := frontier.take("a.test", 8):
    for entry in entries:
        print(entry.url.rsplit("/", 1)[1], flush=True)
        number = int(entry.url.rsplit("/", 1)[1])
        links = [Link(f"http://a.test/{child}", "page", "a.test") for child in (2 * number + 1, 2 * number + 2)]
        frontier.finish(entry, [("done", {"n": number})], [link for link in links if int(link.url[14:]) < 3000])
print("end", flush=True)
"""


def test_kills_lose_no_url_and_no_row(tmp_path: Path) -> None:
    """A tree of 3,000 URLs is walked by processes that are killed at random moments."""
    path, dice, kills, said = tmp_path / FILE, random.Random(816_940), 0, list[str]()
    while "end" not in said:
        worker = subprocess.Popen([sys.executable, "-c", WORKER, str(path)], stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        first = worker.stdout.readline().strip()
        time.sleep(dice.uniform(0, 0.02 + 0.01 * kills))
        worker.send_signal(signal.SIGKILL)
        said += [first, *worker.stdout.read().split()]
        worker.stdout.close()
        worker.wait()
        kills += "end" not in said
        assert kills < 200
    frontier = Frontier(path)
    rows = [row["n"] for _, _, row in frontier.unsent(10_000)]
    assert sorted(rows) == list(range(3_000)), "every URL has its row, once"
    asked = [int(one) for one in said if one.isdigit()]
    assert set(asked) == set(range(3_000))
    assert len(asked) - 3_000 <= kills, "of one at a time, at most one is asked again per kill"
    assert kills >= 2
    frontier.close()
