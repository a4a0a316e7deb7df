"""The engine's interpreters on one prepared picture after another: a thread on every core, each with its own."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from bench.ways.jpegs import jpegs
from mine.preprocess import prepare
from mine.runtime import Runtime
from store.pictures import decode


def score() -> None:
    runtime = Runtime(Path(os.environ["BENCH_DIR"], "models", os.environ["BENCH_VERSION"]))
    contents, cores = jpegs(), os.cpu_count() or 1
    made = [prepare(decode(content).rgb, runtime.card.preprocessing) for content in contents[:64]]
    shares = [[made[n % len(made)] for n in range(core, len(contents), cores)] for core in range(cores)]

    def run(share: list[np.ndarray]) -> None:
        for picture in share:
            runtime.run(picture)

    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(run, [share[:2] for share in shares]))
        began = time.monotonic()
        list(pool.map(run, shares))
    print(json.dumps({"seconds": time.monotonic() - began}))


if __name__ == "__main__":
    score()
