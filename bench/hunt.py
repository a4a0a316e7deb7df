"""How many more blind spots the hunt finds than taking turns does, on made webs with and without concentration.

    python -m bench.hunt [--seeds 5] [--batch 500] [--sightings 1000000] [--json]
    python -m bench.hunt --http --seeds 1 [--pictures 100000] [--delay 0.05] [--concurrency 4] [--json]

The hunt, the inbox, the fold and the snapshot are the real ones; the fetches are not made: see
tests/crawl/hunting_ground.py. The budget is a tenth of what it would take to see everything, pages included, and
nothing is learned of a batch before it is folded. Without the hunt hosts take turns, which among hosts of one size is
breadth first. Then what a choice costs, and, with --sightings, a reading of a catalog of that size.

With --http the fetches are made: bench/hunt_http.py. The delay between two requests to a host is scaled down, which
the output says; it must leave the rich hosts room for most of the fetches, or there is nothing to prefer.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.hunt_http import lines, over_http
from crawl.hunting.hunt import Hunt
from store.fold import fold
from store.home import Home
from tests.crawl.hunting_ground import CHAMPION, Ground, campaign, settle

WEBS: dict[str, float | None] = {"a tenth of the hosts hold four fifths": 0.8, "no concentration": None}


def compare(ground: Ground, batch: int) -> tuple[float, float]:
    """Blind spots per 1,000 fetches by taking turns and by the hunt, on one web."""
    budget = ground.size // 10
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        settle(home)
        per_1000 = []
        for on in (False, True):
            hunt = Hunt(home, "bench", on=on, seed=ground.seed, every_s=0.0, clock=lambda: 0.0)
            found = sum(blind for _, blind in campaign(home, ground, hunt, budget, batch))
            per_1000.append(1000 * found / budget)
    return per_1000[0], per_1000[1]


def webs(seeds: int, batch: int) -> list[dict[str, Any]]:
    """Both ways on every web, `seeds` times."""
    rows = []
    for name, share in WEBS.items():
        found = []
        for seed in range(seeds):
            found.append(compare(Ground(seed, share=share), batch))
            turns, hunt = found[-1]
            print(f"{name}, seed {seed}: {turns:.1f} → {hunt:.1f}, {hunt / turns:.2f}x", file=sys.stderr, flush=True)
        ratios = [hunt / turns for turns, hunt in found]
        turns, hunt = (statistics.median(column) for column in zip(*found, strict=True))
        row = {"web": name, "turns_per_1000": turns, "hunt_per_1000": hunt, "ratio": statistics.median(ratios)}
        rows.append(row | {"ratio_min": min(ratios), "ratio_max": max(ratios), "seeds": seeds, "batch": batch})
    return rows


def timed(act: Callable[[], object], times: int) -> float:
    """CPU-seconds of one call, the fastest of `times`: others are at work on this machine too."""
    spent = []
    for _ in range(times):
        began = time.process_time()
        act()
        spent.append(time.process_time() - began)
    return min(spent)


def costs(sightings: int) -> dict[str, float]:
    """Microseconds of a choice among 200 and among 100,000 hosts; CPU-seconds of a reading of so many sightings."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        settle(home)
        large_catalog(home, max(sightings, 20_000))
        hunt = Hunt(home, "bench", every_s=0.0, clock=lambda: 0.0)
        hunt.refresh()
        for count in (200, 100_000):
            hosts = [f"h{i}.example" for i in range(count)]
            found[f"choice_{count}_us"] = timed(lambda hosts=hosts: [hunt.choose(hosts) for _ in range(100)], 20) * 1e4
        if sightings:
            found["reading_cpu_s"] = timed(lambda: Hunt(home, "bench").refresh(), 3)
            began = time.perf_counter()
            Hunt(home, "bench").refresh()
            found["reading_s"] = time.perf_counter() - began
    return found


def large_catalog(home: Home, count: int) -> None:
    """`count` pictures on 5,000 hosts of very different sizes, 20 to a page, all scored, every seventh a copy."""
    dice = np.random.default_rng(0)
    ids = [hashlib.sha256(b"%d" % i).hexdigest() for i in range(count)]
    pages = dice.zipf(1.3, count // 20 + 1) % 5_000
    hosts = [f"h{pages[i // 20]}.example" for i in range(count)]
    seen = np.datetime64(dt.datetime.now(), "us") + np.arange(count).astype("timedelta64[us]")
    offsets, third = np.arange(0, 3 * count + 1, 3, np.int32), pa.array(np.full(3 * count, 1 / 3, "f4"))
    hit = np.flatnonzero(dice.random(count) < np.where(pages[np.arange(count) // 20] % 10 == 1, 0.1, 0.003))
    urls = [f"https://{host}/img{i % 6}/{i // 100}/picture-{i}.jpg" for i, host in enumerate(hosts)]
    shown = [f"https://{host}/gallery/page-{i // 20}.html" for i, host in enumerate(hosts)]
    kinds: dict[str, dict[str, Any]] = {
        "pictures": {"picture": ids, "source": hosts, "first_seen_at": seen},
        "sightings": {"picture": ids, "url": urls, "page": shown, "host": hosts, "seen_at": seen},
        "raw_scores": {"picture": ids, "version": [CHAMPION] * count, "view": ["as_shown"] * count},
        "copies": {"picture": ids, "representative": [ids[i - i % 50] if i % 7 == 0 else ids[i] for i in range(count)]},
        "findings": {"picture": [ids[i] for i in hit], "version": [CHAMPION] * len(hit), "found_at": seen[hit]},
    }
    kinds["raw_scores"] |= {"probabilities": pa.ListArray.from_arrays(offsets, third), "scored_at": seen}
    kinds["copies"] |= {"hash_version": ["1"] * count}
    kinds["findings"] |= {"detector": ["disagreement"] * len(hit), "score": np.full(len(hit), 0.9)}
    for kind, columns in kinds.items():
        table = pa.table(columns)
        for start in range(0, table.num_rows, 250_000):
            home.inbox().append(kind, table.slice(start, 250_000))
    fold(home)


def over(wanted: argparse.Namespace) -> None:
    """The same over HTTP, printed as it comes."""
    scale = f"{wanted.delay:g} s between requests to a host instead of 1 s, twice that on a quarter of the hosts"
    print(f"time is scaled down: {scale}", file=sys.stderr, flush=True)
    for row in over_http(wanted.seeds, wanted.pictures, wanted.batch, wanted.delay, wanted.concurrency):
        print(json.dumps(row, default=asdict) if wanted.json else lines(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--http", action="store_true")
    parser.add_argument("--pictures", type=int, default=100_000, help="of the web, with --http")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds between requests to a host, with --http")
    parser.add_argument("--concurrency", type=int, default=4, help="requests at a time, with --http")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=500, help="fetches between two folds")
    parser.add_argument("--sightings", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    if wanted.http:
        over(wanted)
        return
    found = {"webs": webs(wanted.seeds, wanted.batch), "costs": costs(wanted.sightings)}
    if wanted.json:
        print(json.dumps(found))
        return
    print(
        f"{'blind spots per 1,000 fetches':40} {'turns':>6} {'hunt':>6} {'ratio':>6}  (min–max of {wanted.seeds} seeds)"
    )
    for row in found["webs"]:
        ratios = f"{row['ratio']:5.2f}x  ({row['ratio_min']:.2f}–{row['ratio_max']:.2f})"
        print(f"{row['web']:40} {row['turns_per_1000']:6.1f} {row['hunt_per_1000']:6.1f} {ratios}")
    print("; ".join(f"{name} {value:.3g}" for name, value in found["costs"].items()))


if __name__ == "__main__":
    main()
