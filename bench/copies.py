"""How long it takes to find all hashes within 8 bits of 64, as the set grows, beside the field's ways.

    python -m bench.copies [--up-to 1000000] [--rounds 3] [--peers /path/of/their/python]

Ours with numba and with numpy alone, and brute force in numpy; with an environment for the peers (`pip install
faiss-cpu tqdm scikit-learn; pip install --no-deps imagededup` there) also faiss' flat binary index and imagededup's
BK-tree and brute force. The median of rounds that take turns, each run in a process of its own. A flat search takes
every query equally long: of many, 4,000 are timed and multiplied, 100 of imagededup's (`~`). What a way would need
minutes for is left out (`-`). The set: random hashes, a tenth of them within 4 bits of another. Recall is judged
against brute force on a sample of 1,000.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

RADIUS_BITS, NEWCOMERS, SAMPLE = 8, 1_000, 1_000
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
ROOT = Path(__file__).parent.parent
# The largest set that each way is asked for.
LARGEST = {
    "ours": 10**7, "ours-numpy": 10**6, "brute-numpy": 10**6, "faiss": 10**7, "bktree": 10**5, "imagededup": 10**5,
}  # fmt: skip


def some_hashes(count: int) -> np.ndarray:
    dice = np.random.default_rng(count)
    hashes = dice.integers(0, 2**64, count, dtype=np.uint64)
    near = count // 10
    hashes[:near] = hashes[dice.integers(near, count, near)]
    for _ in range(4):
        hashes[:near] ^= np.uint64(1) << dice.integers(0, 64, near, dtype=np.uint64)
    return hashes


def run(python: str, way: str, path: Path, queries: int) -> dict[str, float]:
    command = [python, str(ROOT / "bench/ways/near_hashes.py"), way, str(path), str(queries), str(RADIUS_BITS)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{way}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def recall(hashes: np.ndarray) -> float:
    """Of the pairs that brute force finds of a sample with everything, the share that the join of everything finds."""
    from mine.hamming import pairs_among

    sample = np.random.default_rng(0).choice(len(hashes), min(SAMPLE, len(hashes)), replace=False)
    wanted = {
        (min(i, j), max(i, j))
        for i in sample.tolist()
        for j in np.flatnonzero(np.bitwise_count(hashes ^ hashes[i]) <= RADIUS_BITS).tolist()
        if i != j
    }
    chosen, found = np.zeros(len(hashes), bool), set()
    chosen[sample] = True
    for left, right, _ in pairs_among(hashes, RADIUS_BITS):
        kept = chosen[left] | chosen[right]
        found |= set(zip(left[kept].tolist(), right[kept].tolist(), strict=True))
    if found - wanted:
        raise SystemExit(f"wanted no pair beyond {RADIUS_BITS} bits, found {len(found - wanted)}")
    return len(found & wanted) / max(1, len(wanted))


def table(title: str, rows: dict[str, dict[int, list[dict[str, float]]]]) -> None:
    sizes = sorted({size for runs in rows.values() for size in runs})
    print(f"\n{title}\n{'way':14}" + "".join(f"{size:>26,}" for size in sizes))
    ours = {size: statistics.median(run["seconds"] for run in runs) for size, runs in rows["ours"].items()}
    for way, runs in rows.items():
        cells = []
        for size in sizes:
            if size not in runs:
                cells.append(f"{'-':>26}")
                continue
            seconds = statistics.median(run["seconds"] for run in runs[size])
            part = "~" if runs[size][0]["share"] < 1 else ""
            peak = max(run["peak_mb"] for run in runs[size])
            cells.append(f"{part + format(seconds, '.3f'):>10} s {seconds / ours[size]:>6.1f}x{peak:>5.0f} MB")
        print(f"{way:14}" + "".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--up-to", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="", help="a Python that has faiss-cpu and imagededup")
    wanted = parser.parse_args()
    pythons = dict.fromkeys(["ours", "ours-numpy", "brute-numpy"], sys.executable)
    if wanted.peers:
        pythons |= dict.fromkeys(["faiss", "bktree", "imagededup"], wanted.peers)
    pairs: dict[str, dict[int, list[dict[str, float]]]] = {way: {} for way in pythons}
    newcomers: dict[str, dict[int, list[dict[str, float]]]] = {way: {} for way in pythons}
    with tempfile.TemporaryDirectory() as scratch:
        for size in (size for size in SIZES if size <= wanted.up_to):
            path = Path(scratch, f"{size}.npy")
            np.save(path, some_hashes(size))
            for _ in range(wanted.rounds):
                for way, python in pythons.items():
                    if size <= LARGEST[way]:
                        pairs[way].setdefault(size, []).append(run(python, way, path, 0))
                        newcomers[way].setdefault(size, []).append(run(python, way, path, NEWCOMERS))
            if size <= 10**6:
                print(f"{size:,}: recall {recall(np.load(path)):.4f} on {SAMPLE:,}", flush=True)
    table(f"All pairs within {RADIUS_BITS} bits: seconds, times ours, peak memory of the process", pairs)
    table(f"{NEWCOMERS:,} newcomers against all", newcomers)


if __name__ == "__main__":
    main()
