"""Ctrl-C and kill -9 in the middle of the work: one line, nothing acknowledged lost, nothing doubled, nobody left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from PIL import Image

from store.home import Home
from tests.blindspot.calls import Ended, Front, ended, start
from tests.crawl.site import Answer, Site, serving
from tests.mine import squares

MANY = 200
INTERRUPTED = "blindspot: interrupted; what was acknowledged is kept, run the command again to go on\n"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of many small pictures."""
    folder = tmp_path_factory.mktemp("many")
    for index in range(MANY):
        Image.new("RGB", (20, 20), (index % 256, index // 256, 99)).save(folder / f"{index}.png", compress_level=0)
    return folder


def when(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for the middle of the work, or for its end."""
    until = time.monotonic() + 60
    while process.poll() is None and not ready() and time.monotonic() < until:
        time.sleep(0.005)


def interrupt(process: subprocess.Popen[str]) -> Ended:
    """Ctrl-C, as a terminal sends it: to every process of the session."""
    os.killpg(process.pid, signal.SIGINT)
    return ended(process)


def stored(home: Home) -> int:
    """How many pictures are stored; a file that a killed writer left behind is none."""
    folder = home.root / "pictures"
    return sum(len(name) == 64 for _, _, files in os.walk(folder) for name in files)


def has_workers(process: subprocess.Popen[str]) -> bool:
    try:
        return len(psutil.Process(process.pid).children(recursive=True)) >= 2
    except psutil.NoSuchProcess:
        return False


def left_behind(session: int) -> list[int]:
    """Processes of a session: those that `start` began and whatever they began."""
    found = []
    for pid in psutil.pids():
        try:
            if os.getsid(pid) == session:
                found.append(pid)
        except ProcessLookupError:
            continue
    return found


def test_an_interrupted_import_goes_on_later(door: Front, many: Path) -> None:
    process = start(door.home, "import", many, "--suite", "s", "--label", "neutral", "--json")
    when(lambda: stored(door.home) > 20, process)
    done = interrupt(process)
    assert (done.code, done.out, done.err) == (130, "", INTERRUPTED)
    assert door("import", many, "--suite", "s", "--label", "neutral", "--json").json["pictures"] == MANY
    assert door.sql("SELECT count(*), count(DISTINCT picture) FROM pictures") == [[MANY, MANY]]
    assert door.sql("SELECT n, version FROM suites") == [[MANY, 1]]


def test_a_killed_import_loses_and_doubles_nothing(serving_door: Front, many: Path) -> None:
    home = serving_door.home
    for moment in (1, MANY // 2, MANY):
        process = start(home, "import", many, "--family", "f")
        when(lambda moment=moment: stored(home) >= moment, process)  # type: ignore[misc]
        process.kill()
        assert ended(process).code in (-signal.SIGKILL, 0)
    assert serving_door("import", many, "--family", "f", "--json").json == {
        "pictures": MANY,
        "new_pictures": 0,
        "refused": {},
    }
    assert serving_door.sql("SELECT count(*), count(DISTINCT picture) FROM pictures") == [[MANY, MANY]]
    assert serving_door.sql("SELECT count(*), count(DISTINCT picture) FROM family_members") == [[MANY, MANY]]
    assert serving_door("doctor").code == 0


def test_interrupted_and_killed_mining_goes_on_later(serving_door: Front, many: Path) -> None:
    home = serving_door.home
    serving_door("import", many)
    process = start(home, "mine", "run", "--json")
    sessions = [process.pid]
    when(lambda: has_workers(process), process)
    done = interrupt(process)
    assert (done.code, done.out, done.err) == (130, "", INTERRUPTED), "the workers say nothing"
    process = start(home, "mine", "run")
    sessions.append(process.pid)
    when(lambda: has_workers(process), process)
    time.sleep(0.5)
    process.kill()
    assert ended(process).out == ""
    found = serving_door("mine", "run", "--json").json
    assert found["refused"] == {}
    for table in ("raw_scores", "measurements", "hashes", "copies"):
        assert serving_door.sql(f"SELECT count(*), count(DISTINCT picture) FROM {table}") == [[MANY, MANY]], table
    assert serving_door("doctor").code == 0
    until = time.monotonic() + 20
    while any(map(left_behind, sessions)) and time.monotonic() < until:
        time.sleep(0.05)
    assert [left_behind(session) for session in sessions] == [[], []], "workers end with whom they worked for"


def test_an_interrupted_crawl_tells_what_it_has(door: Front) -> None:
    def slowly(path: str) -> Answer:
        time.sleep(0.05)
        return Answer(squares.draw("disc", int(path.rpartition("/")[2].removesuffix(".png"))), kind="image/png")

    with serving(Site()) as site:
        site.routes.update({f"/{seed}.png": slowly for seed in range(300)})
        site.routes["/"] = Answer("".join(f'<img src="/{seed}.png">' for seed in range(300)))
        site.routes["/robots.txt"] = Answer("", status=404)
        door.settings(
            f'[crawl]\ncontact = "https://example.org/"\nallow_addresses = ["127.0.0.1:{site.port}"]\ndelay_s = 0\n'
        )
        process = start(door.home, "crawl", "pages", "--url", site.url("127.0.0.1"), "--json")
        when(lambda: len(site.hits) > 40, process)
        done = interrupt(process)
    assert done.code == 130
    done.last_line("interrupted")
    summary = done.any_json
    assert summary["stopped"] == "interrupted"
    assert 0 < summary["pictures"] < 300
    assert door.sql("SELECT count(*) FROM pictures") == [[summary["new_pictures"]]]


def test_an_interrupted_cycle_lets_its_crawl_write_what_it_has(serving_door: Front) -> None:
    def slowly(path: str) -> Answer:
        time.sleep(0.05)
        return Answer(squares.draw("disc", int(path.rpartition("/")[2].removesuffix(".png"))), kind="image/png")

    with serving(Site()) as site:
        site.routes.update({f"/{seed}.png": slowly for seed in range(300)})
        site.routes["/"] = Answer("".join(f'<img src="/{seed}.png">' for seed in range(300)))
        site.routes["/robots.txt"] = Answer("", status=404)
        serving_door.settings(
            f'[crawl]\nallow_addresses = ["127.0.0.1:{site.port}"]\ndelay_s = 0\n'
            f'[jobs.slow]\nspider = "pages"\nurls = ["{site.url("127.0.0.1")}"]\n[cycle]\njobs = ["slow"]\n'
        )
        process = start(serving_door.home, "cycle", "--json")
        when(lambda: len(site.hits) > 40, process)
        done = interrupt(process)
    assert (done.code, done.out, done.err) == (130, "", INTERRUPTED)
    serving_door("fold")
    ((rows,),) = serving_door.sql("SELECT count(*) FROM pictures")
    assert rows == stored(serving_door.home) > 0, "every picture it stored has its row"
