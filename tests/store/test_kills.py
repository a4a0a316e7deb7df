"""kill -9 at random moments of the fold and of producers: nothing acknowledged is lost, nothing is there twice.

A producer notes the names of a file's rows only after `append` has returned. After the last round one more fold runs
in peace; then every noted row must be in the catalog exactly once. The seed is printed; set KILLS_SEED to repeat.
"""

from __future__ import annotations

import datetime as dt
import itertools
import multiprocessing
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from store.catalog import Snapshot
from store.fold import fold
from store.home import Home

# Processes that begin with everything imported; the server that forks them has never opened a catalog.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["store.fold", "pytest"])


@dataclass
class Outcome:
    """What the rounds came to."""

    rounds: int
    acknowledged: int
    present: int
    lost: int
    doubled: int
    folded_twice: int
    quarantined: int


def produce(home: Home, notes: Path) -> None:
    """Append files of records until killed, noting each one when it is acknowledged."""
    inbox, me, now = home.inbox(), os.getpid(), dt.datetime.now(dt.UTC)
    with notes.open("ab", buffering=0) as file:
        for n in itertools.count():
            size = 3 if n % 2 else 200  # one file as JSON lines, one as Parquet
            rows = [{"picture": f"{me}-{n}-{k}", "size_bytes": k, "first_seen_at": now} for k in range(size)]
            inbox.append("pictures", rows)
            file.write(f"{me}-{n} {size}\n".encode())
            time.sleep(0.01)  # so that the fold gets a turn on a small machine


def fold_for_ever(home: Home, start: Connection) -> None:
    """Fold again and again, once told to, until killed."""
    start.send("ready")
    start.recv()
    while True:
        fold(home)


def run(target: Callable[..., None], *args: Any) -> Any:
    process = PROCESSES.Process(target=target, args=args, daemon=True)
    process.start()
    return process


def kill(process: Any) -> None:
    assert process.is_alive(), f"ended by itself with {process.exitcode}"
    process.kill()
    process.join()


def rounds_of_kills(home: Home, rounds: int, seed: int, notes: Path) -> Outcome:
    """Each round kills the fold at a random moment of its work, and one of two producers."""
    chance, seen = random.Random(seed), 0
    producers = [run(produce, home, notes) for _ in range(2)]
    try:
        for _ in range(rounds):
            start, theirs = PROCESSES.Pipe()
            folder = run(fold_for_ever, home, theirs)
            assert start.recv() == "ready"
            start.send("go")
            time.sleep(chance.uniform(0.0, 1.0))
            kill(folder)
            victim = chance.randrange(2)
            kill(producers[victim])
            producers[victim] = run(produce, home, notes)
            if home.snapshot.exists():
                now = value(home, "SELECT count(*) FROM pictures")
                assert now >= seen, "a snapshot went back in time"
                seen = now
    finally:
        for process in producers:
            process.kill()
            process.join()
    fold(home)
    return judge(home, rounds, notes)


def value(home: Home, query: str) -> int:
    with Snapshot(home) as snapshot:
        return int(snapshot.value(query))


def judge(home: Home, rounds: int, notes: Path) -> Outcome:
    noted = [line.split() for line in notes.read_text().splitlines(keepends=True) if line.endswith("\n")]
    wanted = {f"{file}-{k}" for file, size in noted for k in range(int(size))}
    with Snapshot(home) as snapshot:
        names = snapshot.table("SELECT picture FROM pictures")["picture"].to_pylist()
    present = set(names)
    return Outcome(
        rounds=rounds,
        acknowledged=len(wanted),
        present=len(names),
        lost=len(wanted - present),
        doubled=len(names) - len(present),
        folded_twice=value(home, "SELECT count(*) - count(DISTINCT file) FROM folded"),
        quarantined=len(list(home.quarantine.glob("*"))) if home.quarantine.exists() else 0,
    )


def check(home: Home, rounds: int) -> None:
    seed = int(os.environ.get("KILLS_SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    outcome = rounds_of_kills(home, rounds, seed, home.root / "notes")
    print(outcome)
    assert (outcome.lost, outcome.doubled, outcome.folded_twice, outcome.quarantined) == (0, 0, 0, 0)
    assert outcome.acknowledged > 0
    assert home.inbox().files() == []


def test_a_few_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    check(Home(tmp_path), 4)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_hundred_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    check(Home(tmp_path), 100)
