"""One way of finding hashes within some bits, in a process of its own: `near_hashes.py WAY HASHES.npy QUERIES RADIUS`.

`QUERIES` = 0: all pairs of the set; else that many newcomers, made from its first hashes, against all of it. Prints a
JSON object: seconds, pairs (of which recall is judged), peak_mb, and `share`, what part of the work was done.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import numpy as np

# Flat ways take the same time for every query: of many, so many are timed.
TIMED, TIMED_PYTHON = 4_000, 100


def ours(hashes: np.ndarray, queries: np.ndarray | None, radius: int, fast: bool) -> tuple[float, int, float]:
    from mine import hamming

    hamming.FAST = fast and hamming.FAST
    if fast and not hamming.FAST:
        raise SystemExit("numba is not installed")
    list(hamming.pairs_among(hashes[:50_000], radius))  # Load what is compiled.
    list(hamming.pairs_between(hashes[:100], hashes[:5_000_000], radius))
    began = time.perf_counter()
    blocks = hamming.pairs_among(hashes, radius) if queries is None else hamming.pairs_between(queries, hashes, radius)
    count = sum(len(left) for left, _, _ in blocks)
    return time.perf_counter() - began, count, 1.0


def brute_numpy(hashes: np.ndarray, queries: np.ndarray | None, radius: int) -> tuple[float, int, float]:
    asked = hashes if queries is None else queries
    timed = asked[:TIMED]
    began, count = time.perf_counter(), 0
    for start in range(len(timed)):
        count += int((np.bitwise_count(hashes ^ timed[start]) <= radius).sum())
    return time.perf_counter() - began, count, len(timed) / len(asked)


def faiss_flat(hashes: np.ndarray, queries: np.ndarray | None, radius: int) -> tuple[float, int, float]:
    import faiss

    index = faiss.IndexBinaryFlat(64)
    index.add(hashes.view(np.uint8).reshape(-1, 8))
    asked = hashes if queries is None else queries
    timed = asked[:TIMED]
    began = time.perf_counter()
    limits, _, _ = index.range_search(timed.view(np.uint8).reshape(-1, 8), radius + 1)
    return time.perf_counter() - began, int(limits[-1]), len(timed) / len(asked)


def imagededup(hashes: np.ndarray, queries: np.ndarray | None, radius: int, tree: bool) -> tuple[float, int, float]:
    """imagededup's own search structures; its package needs torch only to hash and is not asked to."""
    from imagededup.handlers.search.bktree import BKTree
    from imagededup.handlers.search.brute_force_cython import BruteForceCython

    names = {str(index): f"{value:016x}" for index, value in enumerate(hashes.tolist())}
    apart = lambda a, b: (int(a, 16) ^ int(b, 16)).bit_count()  # noqa: E731
    asked = list(names.values()) if queries is None else [f"{value:016x}" for value in queries.tolist()]
    began = time.perf_counter()
    index: Any = (BKTree if tree else BruteForceCython)(names, apart)
    built = time.perf_counter() - began
    timed = asked[:TIMED_PYTHON]
    began, count = time.perf_counter(), 0
    for query in timed:
        count += len(index.search(query=query, tol=radius))
    share = len(timed) / len(asked)
    return time.perf_counter() - began + built * share, count, share


WAYS = {
    "ours": lambda *given: ours(*given, fast=True),
    "ours-numpy": lambda *given: ours(*given, fast=False),
    "brute-numpy": brute_numpy,
    "faiss": faiss_flat,
    "bktree": lambda *given: imagededup(*given, tree=True),
    "imagededup": lambda *given: imagededup(*given, tree=False),
}


def main() -> None:
    way, path, queries, radius = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    hashes = np.load(path)
    newcomers = hashes[:queries] ^ np.uint64(3) if queries else None
    seconds, pairs, share = WAYS[way](hashes, newcomers, radius)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds / share, "pairs": pairs, "share": share, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main()
