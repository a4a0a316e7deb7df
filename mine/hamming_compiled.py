"""The inner loops of `mine.hamming`, compiled by numba and run on all cores; imported only where numba is installed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

from mine.hamming import BLOCK, Buckets, Chunk, Hashes, Pairs

# Ranges of buckets that the cores take turns at: enough that none waits long for another at the end.
RANGES = 64


def _ones(context: Any, word: Any) -> Any:
    """The processor's own count of the ones of a word; numba knows no `np.bitwise_count`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return numba.uint64(numba.uint64), generate


_count = intrinsic(_ones)


def _sort(
    hashes: Hashes, keys: NDArray[np.int32], starts: NDArray[np.int32], values: Hashes, order: NDArray[np.int32]
) -> None:
    """A counting sort; `starts` comes in as zeros, two longer than there are buckets."""
    for key in keys:
        starts[np.uint32(key) + np.uint32(2)] += 1
    for bucket in range(2, len(starts)):
        starts[bucket] += starts[bucket - 1]
    for index, key in enumerate(keys):
        following = np.uint32(key) + np.uint32(1)
        place = np.uint32(starts[following])
        values[place], order[place] = hashes[index], index
        starts[following] += 1


def _scan(ours: Any, theirs: Any, masks: Any, earlier: Any, limits: Any, at: Any, found: Any) -> int:
    """Compare buckets from the place `at` = (bucket, row) on, until `limits` = (bucket, pairs, radius, among) is met.

    `found` = (left, right, bits) has room for all of `theirs` beyond that number of pairs. Returns how many there are;
    leaves in `at` where to go on.
    """
    values, order, starts = ours
    their_values, their_order, their_starts = theirs
    lefts, rights, distances = found
    radius, among = np.uint64(limits[2]), limits[3]
    near, place = np.empty(1 << 12, np.uint64), np.empty(1 << 12, np.int32)
    count, row = 0, at[1]
    for bucket in range(at[0], limits[0]):
        begin, end = starts[bucket], starts[bucket + 1]
        if begin == end:
            continue
        # What faces this bucket, side by side, so that one long loop compares it with a hash; its own hashes come
        # first. Unsigned, because numba lets negative indices count from the end, at four times the cost.
        size = np.uint64(0)
        for mask in masks:
            facing = bucket ^ mask
            if among and facing > bucket:
                continue
            low, high = np.uint64(their_starts[facing]), np.uint64(their_starts[facing + 1])
            while size + high - low > len(near):
                near, place = np.append(near, near), np.append(place, place)
            for index in range(low, high):
                near[size], place[size] = their_values[index], index
                size += np.uint64(1)
        for left in range(begin + row, end):
            if count >= limits[1]:
                at[0], at[1] = bucket, left - begin
                return count
            value, first = values[left], np.uint64(left - begin + 1 if among else 0)
            hits = 0
            for index in range(first, size):
                hits += _count(value ^ near[index]) <= radius
            if hits == 0:
                continue
            for index in range(first, size):
                apart = value ^ near[index]
                if _count(apart) <= radius and _fresh(apart, earlier):
                    lefts[count], rights[count] = order[left], their_order[place[index]]
                    distances[count] = _count(apart)
                    count += 1
        row = 0
    at[0], at[1] = limits[0], 0
    return count


def _first(apart: Any, earlier: Any) -> bool:
    """Whether no earlier chunk, each (bits, radius), finds a pair that differs so."""
    found = 0
    for chunk in range(len(earlier)):
        found += _count(apart & earlier[chunk, 0]) <= earlier[chunk, 1]
    return found == 0


_fresh = numba.njit(nogil=True, inline="always")(_first)


def _sweep(hashes: Any, theirs: Any, cut: Any, earlier: Any, limits: Any, at: Any, found: Any) -> int:
    """Look from `at` on into the bucket of each hash, as `_scan`; `cut` = (shift, ones)."""
    their_values, their_order, their_starts = theirs
    lefts, rights, distances = found
    radius, count = np.uint64(limits[2]), 0
    for index in range(at[0], limits[0]):
        if count >= limits[1]:
            at[0] = index
            return count
        value = hashes[np.uint64(index)]
        key = (value >> cut[0]) & cut[1]
        for place in range(np.uint64(their_starts[key]), np.uint64(their_starts[key + np.uint64(1)])):
            apart = value ^ their_values[place]
            if _count(apart) <= radius and _fresh(apart, earlier):
                lefts[count], rights[count], distances[count] = index, their_order[place], _count(apart)
                count += 1
    at[0] = limits[0]
    return count


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled once for all runs, or for this one where neither this folder nor the user's cache can be written."""
    try:
        return numba.njit(nogil=True, cache=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        return numba.njit(nogil=True)(function)  # type: ignore[no-any-return]


_compiled_sort, _compiled_scan, _compiled_sweep = _compiled(_sort), _compiled(_scan), _compiled(_sweep)


def sort_by(
    hashes: Hashes, keys: NDArray[np.int32], buckets: int
) -> tuple[Hashes, NDArray[np.int32], NDArray[np.int32]]:
    """(values, order, starts) of hashes sorted by their keys, each in [0, buckets)."""
    starts = np.zeros(buckets + 2, np.int32)
    values, order = np.empty_like(hashes), np.empty(len(hashes), np.int32)
    _compiled_sort(hashes, keys, starts, values, order)
    return values, order, starts[:-1]


def join(
    ours: Buckets, theirs: Buckets, chunk: Chunk, masks: NDArray[np.int32], radius: int, among: bool
) -> Iterator[Pairs]:
    """The pairs that `chunk` finds first, in an order that does not depend on the cores."""
    sides = [(side.values, side.order, side.starts) for side in (ours, theirs)]
    earlier, room = _earlier(chunk), BLOCK + len(theirs.values)

    def scan(at: NDArray[np.int64], stop: int, found: tuple[Any, ...]) -> int:
        return int(_compiled_scan(*sides, masks, earlier, (stop, BLOCK, radius, among), at, found))

    # Ranges with about equally many hashes.
    edges = np.searchsorted(ours.starts, np.linspace(0, len(ours.values), RANGES + 1)[1:])
    return _on_all_cores(scan, edges.tolist(), room)


def sweep(hashes: Hashes, theirs: Buckets, chunk: Chunk, radius: int) -> Iterator[Pairs]:
    """The pairs of each hash and those in its bucket that `chunk` finds first; the order as of `join`."""
    side, earlier = (theirs.values, theirs.order, theirs.starts), _earlier(chunk)
    room = BLOCK + int(np.diff(theirs.starts).max(initial=0))
    cut = np.uint64(chunk.shift), np.uint64((1 << chunk.width) - 1)

    def scan(at: NDArray[np.int64], stop: int, found: tuple[Any, ...]) -> int:
        return int(_compiled_sweep(hashes, side, cut, earlier, (stop, BLOCK, radius), at, found))

    return _on_all_cores(scan, np.linspace(0, len(hashes), RANGES // 8 + 1)[1:].astype(int).tolist(), room)


def _earlier(chunk: Chunk) -> NDArray[np.uint64]:
    bits = [((1 << one.width) - 1) << one.shift for one in chunk.earlier]
    return np.array(list(zip(bits, (one.radius for one in chunk.earlier), strict=True)), np.uint64).reshape(-1, 2)


def _on_all_cores(scan: Callable[..., int], edges: list[int], room: int) -> Iterator[Pairs]:
    """What `scan` finds from edge to edge, in their order."""

    def run(at: NDArray[np.int64], stop: int) -> tuple[Pairs, NDArray[np.int64], int]:
        # Only as much of the room is ever touched, and so taken, as there are pairs.
        found = (np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.uint8))
        count = scan(at, stop, found)
        left, right, apart = (part[:count].astype(np.int64) for part in found)
        return (left, right, apart), at, stop

    waiting = deque((np.array([begin, 0]), end) for begin, end in zip([0, *edges], edges, strict=False))
    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as pool:
        running: deque[Future[Any]] = deque()
        while waiting or running:
            while waiting and len(running) <= cores:
                running.append(pool.submit(run, *waiting.popleft()))
            pairs, at, stop = running.popleft().result()
            if at[0] < stop:
                waiting.appendleft((at, stop))
            yield pairs
