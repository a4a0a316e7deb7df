"""Whether a long crawl grows: memory and open files of the crawler while it settles 100,000 URLs or more.

    python -m bench.soak [--urls 100000] [--json]

The real crawl job runs in a process of its own against a made web on loopback (bench/large_web.py) without delays,
while this process folds now and then, as a timer would, so that the hunt reads snapshots. Prints the slope of the
memory after warm-up (PSS summed over the process tree; a Theil–Sen line), the open files at the begin and the end of
that, URLs per second, and whether every URL ended as exactly one row. 100,000 URLs: five minutes and 350 MB
of disk.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from bench.large_web import LargeWeb
from bench.served import Server, served
from store.catalog import Snapshot
from store.fold import fold
from store.home import Home
from tests.crawl.hunting_ground import settle

SAMPLE_S, FOLD_S = 2.0, 20.0
# Left out of the line, of a shorter crawl two fifths: until then caches of a fixed size fill (the frontier's
# pages, the hunt's newest sightings). Measured: the main process has 192 MB at 25,000 URLs, 205–214 later.
WARM_UP_URLS, WARM_UP_SHARE = 40_000, 0.4
MOST_MB_PER_10_000 = 1.0


class Sample(NamedTuple):
    """One look at the crawler: URLs settled, memory of the tree and of the main process, its files and sockets."""

    at_s: float
    settled: int
    tree_mb: float
    own_mb: float
    files: int
    sockets: int


def crawl(home: Home, server: Server, web: LargeWeb, every_s: float = SAMPLE_S) -> Iterator[Sample]:
    """Crawl the web; what the crawler takes, every few seconds until it has ended."""
    job = {"home": str(home.root), "name": "soak", "spider": "pages", "delay_s": 0, "retry_s": 0.1}
    job |= {"urls": [server.url(name) for name in web.names()], "max_depth": web.urls, "max_pages": 10 * web.urls}
    job |= {"contact": "https://example.org/about"} | server.settings()
    words = [sys.executable, "-m", "crawl.run", json.dumps(job)]
    with tempfile.TemporaryFile() as said, subprocess.Popen(words, stdout=said, stderr=said) as process:
        began = folded = time.monotonic()
        while process.poll() is None:
            time.sleep(every_s)
            sample = look(process.pid, home, began)
            if sample and process.poll() is None:  # of one that has just ended little is left
                yield sample
            if time.monotonic() - folded > FOLD_S:
                fold(home)
                folded = time.monotonic()
        said.seek(0)
        if process.returncode:
            raise SystemExit(f"the crawl ended with {process.returncode}\n{said.read().decode()[-2000:]}")


def look(process_id: int, home: Home, began: float) -> Sample | None:
    """One sample; None when the crawler is about to start or to end."""
    at_s, main, tree = time.monotonic() - began, psutil.Process(process_id), 0
    try:
        own = main.memory_full_info().pss
        for child in main.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                tree += child.memory_full_info().pss
        links = [str(path.readlink()) for path in Path(f"/proc/{process_id}/fd").iterdir() if path.is_symlink()]
        sockets = sum(link.startswith("socket:") for link in links)
        if not own:  # its memory is gone, its end not yet told
            return None
        return Sample(at_s, settled(home), (own + tree) / 1e6, own / 1e6, len(links) - sockets, sockets)
    except (psutil.Error, sqlite3.Error, OSError):
        return None


def settled(home: Home, state: str = "state = 2") -> int:
    """How many URLs of the frontier are settled."""
    path = home.root / "frontier" / "soak.sqlite"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as frontier:
        return int(frontier.execute(f"SELECT count(*) FROM urls WHERE {state}").fetchone()[0])


def rows_amiss(home: Home, server: Server, web: LargeWeb) -> dict[str, int]:
    """What is not as it must be: URLs without a row, with two, with the wrong one; not settled; asked twice."""
    fold(home)
    found: dict[tuple[str, str], list[str]] = {}
    with Snapshot(home) as snapshot:
        for table in ("sightings", "refusals"):
            for row in snapshot.rows(f"SELECT url FROM {table} WHERE url LIKE 'http://host%'"):
                host, _, path = row["url"].removeprefix("http://").partition(f":{server.port}")
                found.setdefault((host, path), []).append(table)
    wanted = {(host, path): table for host, path, table in web.rows()}
    asked = [(one.host, one.path) for one in server.asked()]
    return {
        "without": sum(key not in found for key in wanted),
        "twice": sum(len(tables) > 1 for tables in found.values()),
        "otherwise": sum(key in found and table not in found[key] for key, table in wanted.items()),
        "unknown": sum(key not in wanted for key in found),
        "not_settled": settled(home, "state < 2"),
        "asked_again": len(asked) - len(set(asked)),
        "asked_though_closed": sum(path.startswith("/closed/") for _, path in asked),
    }


def report(samples: list[Sample], amiss: dict[str, int]) -> dict[str, Any]:
    """The figures."""
    from scipy.stats import theilslopes

    last = samples[-1].settled
    warm = [one for one in samples if one.settled >= min(WARM_UP_URLS, WARM_UP_SHARE * last)]
    tens = [one.settled / 10_000 for one in warm]
    slope, _, low, high = theilslopes([one.tree_mb for one in warm], tens, 0.95)
    own, *_ = theilslopes([one.own_mb for one in warm], tens)
    few = max(1, len(warm) // 10)
    files = [[statistics.median(column) for column in zip(*part)] for part in (warm[:few], warm[-few:])]  # noqa: B905
    return {
        "settled": last,
        "per_s": last / samples[-1].at_s,
        "mb_per_10_000": slope,
        "mb_per_10_000_interval": [low, high],
        "own_mb_per_10_000": own,
        "tree_mb": [files[0][2], files[1][2]],
        "own_mb": [files[0][3], files[1][3]],
        "files": [files[0][4], files[1][4]],
        "sockets": [files[0][5], files[1][5]],
        "rows_amiss": amiss,
    }


def soak(urls: int) -> dict[str, Any]:
    """Crawl a web of so many URLs, and report."""
    web, samples = LargeWeb(urls), list[Sample]()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, served(web) as server:
        home = Home(Path(folder, "home"))
        home.root.mkdir()
        settle(home)
        for sample in crawl(home, server, web):
            samples.append(sample)
            if len(samples) % 10 == 0:
                print(f"  {json.dumps(sample._asdict())}", file=sys.stderr, flush=True)
        return report(samples, rows_amiss(home, server, web))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--urls", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    found = soak(wanted.urls)
    if wanted.json:
        print(json.dumps(found))
        return
    low, high = found["mb_per_10_000_interval"]
    print(f"{found['settled']:,} URLs settled, {found['per_s']:.0f} a second, beside a server and folds")
    print(
        f"memory after warm-up: {found['mb_per_10_000']:+.2f} MB per 10,000 URLs (95 %: {low:+.2f} to {high:+.2f}; "
        f"wanted at most {MOST_MB_PER_10_000:g}), of it the main process {found['own_mb_per_10_000']:+.2f}"
    )
    for name, unit in (("tree_mb", "MB in all"), ("own_mb", "MB of the main process"), ("files", "open files")):
        print(f"  {unit}: {found[name][0]:.0f} → {found[name][1]:.0f}")
    print(f"  open sockets: {found['sockets'][0]:.0f} → {found['sockets'][1]:.0f}")
    print(f"rows that are amiss, of one per URL: {sum(found['rows_amiss'].values())} {found['rows_amiss']}")


if __name__ == "__main__":
    main()
