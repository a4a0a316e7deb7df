"""What it costs to put 1,000 new pictures into stars, in a home that has a million.

    python -m bench.copies_home [--pictures 1000000] [--newcomers 1000] [--flat 0.5]

Builds a home of made-up hashes and smooth thumbnails, a given share of them flat (of real photographs about half are),
all representatives; adds newcomers, every second one a near-copy; and runs `mine.stars.join_copies` twice as the miner
does, the first time with what is compiled still to be loaded.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mine.hashes import HASH_VERSION
from mine.stars import join_copies
from store.catalog import Snapshot, open_catalog, registered
from store.home import Home

BLOCK = 50_000


def thumbnails(count: int, dice: np.random.Generator) -> np.ndarray:
    """Means and low frequencies about as photographs have them."""
    down, across = np.mgrid[0:16, 0:16] / 15 * np.pi
    waves = [np.cos(i * across) * np.cos(j * down) for i in range(4) for j in range(4) if i + j]
    grey = dice.normal(120, 45, (count, 1)) + dice.normal(0, 12, (count, 15)) @ np.reshape(waves, (15, 256))
    return np.clip(grey, 0, 255).astype(np.uint8)


def blocks(count: int, newcomers: int, flat: float) -> Iterator[tuple[str, pa.Table]]:
    """(table, rows): the stored pictures, then the newcomers, whose odd ones resemble the first stored."""
    dice = np.random.default_rng(0)
    first: list[np.ndarray] = []
    for start in range(0, count + newcomers, BLOCK):
        stop = min(start + BLOCK, count if start < count else count + newcomers)
        grey, size = thumbnails(stop - start, dice), stop - start
        phash, energy = dice.integers(0, 2**64, size, dtype=np.uint64), np.where(dice.random(size) < flat, 1.0, 9.0)
        if not first:
            first = [grey, phash, energy]
        if start >= count:
            near = np.arange(1, size, 2)
            grey[near], phash[near], energy[near] = first[0][near], first[1][near] ^ np.uint64(5), first[2][near]
        names = [f"{'n' if start >= count else 's'}{index:063d}" for index in range(start, stop)]
        versions = [HASH_VERSION] * size
        rows = {"picture": names, "phash": phash, "energy": energy, "thumbnail": [row.tobytes() for row in grey]}
        yield "hashes", pa.table({**rows, "hash_version": versions})
        if start < count:
            stars = {"picture": names, "representative": names, "distance_bits": np.zeros(size, np.int32)}
            yield "copies", pa.table({**stars, "hash_version": versions})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--newcomers", type=int, default=1_000)
    parser.add_argument("--flat", type=float, default=0.5)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        with open_catalog(home.catalog) as connection:
            for table, rows in blocks(wanted.pictures, wanted.newcomers, wanted.flat):
                with registered(connection, "incoming", rows):
                    connection.exec_driver_sql(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
            connection.commit()
        shutil.copy(home.catalog, home.snapshot)
        with Snapshot(home) as snapshot:
            print(snapshot.rows("SELECT count(*) AS pictures, mean(CAST(energy < 2 AS INT)) AS flat FROM hashes")[0])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for name in ("first", "again"):
            began = time.perf_counter()
            joined = join_copies(home)
            print(f"{name}: {joined:,} newcomers in {time.perf_counter() - began:.2f} s")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"peak memory {peak / 1024:.0f} MB, of which {before / 1024:.0f} MB before")


if __name__ == "__main__":
    main()
