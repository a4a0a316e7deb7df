"""All pairs of 64-bit hashes within a few bits: exact, streamed, in about linear time and little memory.

Pure functions of arrays; reads and writes nothing. The bits are cut into chunks, and each chunk is given a radius, so
that two hashes within `radius` bits must be within the radius of one chunk at least (pigeonhole). Hashes are put into
buckets by a chunk, and only buckets within that chunk's radius are compared. Equal hashes are one hash while comparing.

Source: Norouzi, Punjani, Fleet, "Fast Exact Search in Hamming Space with Multi-Index Hashing" (2014), section 2; radii
that differ by chunk: ibid., section 2.1. With numba (the extra `fast`) buckets are compared by compiled loops on all
cores, else by numpy; the pairs are the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]
# Index in the left set, index in the right set, distance in bits.
Pairs = tuple[Indices, Indices, Indices]

BITS = 64
# Pairs handed on at a time: 24 MB of them.
BLOCK = 1 << 20
# Pairs that numpy compares at a time: what its steps hand to each other then stays in the processor's cache.
SLICE = 1 << 16
# So few, and so much fewer than the others, lie best in all buckets that they reach, and the others look there.
FEW, FEWER = 1 << 14, 16
FAST = find_spec("numba") is not None


@dataclass(frozen=True)
class Distinct:
    """Hashes without repetition: `values` (D) ascending; `order[starts[d] : starts[d + 1]]` are those equal to one."""

    values: Hashes
    order: Indices
    starts: Indices

    @property
    def sizes(self) -> Indices:
        return np.diff(self.starts)


@dataclass(frozen=True)
class Chunk:
    """`width` bits from bit `shift` on, in which a pair may differ by `radius`; none that an `earlier` one finds."""

    shift: int
    width: int
    radius: int
    earlier: tuple[Chunk, ...] = ()

    def of(self, hashes: Hashes) -> NDArray[np.int32]:
        part = (hashes >> np.uint64(self.shift)) & np.uint64((1 << self.width) - 1)
        return part.astype(np.int32)


@dataclass(frozen=True)
class Buckets:
    """Hashes sorted by a chunk: bucket c is `values[starts[c] : starts[c + 1]]`; `order` says where they were."""

    values: Hashes
    order: NDArray[np.int32]
    starts: NDArray[np.int32]


def distinct(hashes: Hashes) -> Distinct:
    """Equal hashes put together."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(hashes) else np.empty(0, np.int64)
    return Distinct(ordered[first], order, np.append(first, len(hashes)))


def pairs_among(hashes: Hashes, radius: int) -> Iterator[Pairs]:
    """Every pair of one set once, the smaller index on the left, in blocks of about `BLOCK`.

    As many pairs as there are: a hundred thousand equal hashes have 5·10⁹. Who can do with one of each hash compares
    `distinct(hashes).values`.
    """
    group = distinct(hashes)
    repeated = np.flatnonzero(group.sizes > 1)
    same = iter([(repeated, repeated, np.zeros(len(repeated), np.int64))])
    for left, right, bits in _members(group, group, itertools.chain(same, distinct_pairs(group.values, radius))):
        keep = (bits > 0) | (left < right)
        left, right = left[keep], right[keep]
        yield np.minimum(left, right), np.maximum(left, right), bits[keep]


def pairs_between(left: Hashes, right: Hashes, radius: int) -> Iterator[Pairs]:
    """Every pair of one of `left` and one of `right`, in blocks of about `BLOCK`.

    A few newcomers against many: the many are read once and neither sorted nor copied.
    """
    if len(left) <= min(FEW, len(right) // FEWER):
        ours = distinct(left)
        yield from _members(ours, None, _sweep(ours.values, right, radius))
    elif len(right) <= min(FEW, len(left) // FEWER):
        for one, other, bits in pairs_between(right, left, radius):
            yield other, one, bits
    else:
        ours, theirs = distinct(left), distinct(right)
        yield from _members(ours, theirs, distinct_pairs(ours.values, radius, theirs.values))


def distinct_pairs(left: Hashes, radius: int, right: Hashes | None = None) -> Iterator[Pairs]:
    """Pairs within one set (without `right`: each once, none with itself) or between two, of sets without repetition.

    Memory: about 30 bytes a hash, besides the blocks.
    """
    among = right is None
    right = left if right is None else right
    plan = chunks(radius, len(left), len(right), FAST)
    if not plan:
        yield from _all_against_all(left, right, radius, among)
    for chunk in plan:
        theirs = _buckets(right, chunk.of(right), chunk)
        ours = theirs if among else _buckets(left, chunk.of(left), chunk)
        yield from _join(ours, theirs, chunk, radius, among)


def _sweep(few: Hashes, many: Hashes, radius: int) -> Iterator[Pairs]:
    """Pairs of a few distinct hashes and many of any kind: each of the few lies in all buckets that it reaches."""
    for chunk in _cut(radius, 4):
        masks = _masks(chunk.width, chunk.radius)
        keys = (chunk.of(few)[:, None] ^ masks).ravel()
        reached = _buckets(np.repeat(few, len(masks)), keys, chunk)
        if FAST:
            from mine.hamming_compiled import sweep

            found = sweep(many, reached, chunk, radius)
        else:
            found = _look(many, chunk.of(many), reached, chunk, radius)
        for other, one, bits in found:
            yield one // len(masks), other, bits


def spans(low: Indices, high: Indices, block: int = BLOCK) -> Iterator[tuple[Indices, Indices]]:
    """(i, j) for every j in `low[i]` … `high[i] - 1`, in blocks of at most `block`."""
    ends = np.cumsum(np.maximum(high - low, 0))
    total = int(ends[-1]) if len(ends) else 0
    begins = np.concatenate([[0], ends[:-1]])
    for start in range(0, total, block):
        stop = min(start + block, total)
        first, last = np.searchsorted(ends, [start, stop - 1], side="right")
        rows = np.arange(first, last + 1)
        row = np.repeat(rows, np.minimum(ends[rows], stop) - np.maximum(begins[rows], start))
        yield row, np.arange(start, stop) - begins[row] + low[row]


@cache
def chunks(radius: int, left: int, right: int, fast: bool) -> tuple[Chunk, ...]:
    """How to cut the bits for sets of these sizes; nothing when all against all is the quickest.

    Source: seconds for one comparison and for one look at a bucket, measured by `bench/copies.py`'s sets on one core.
    """
    compare, look, start = (4e-10, 3e-8, 0.1) if fast else (2e-8, 1e-8, 0.0)

    def seconds(plan: tuple[Chunk, ...]) -> float:
        cost = start
        for chunk in plan:
            balls = sum(math.comb(chunk.width, bits) for bits in range(chunk.radius + 1))
            cost += balls * (
                (min(left, 1 << chunk.width) if fast else left) * look + left * right / (1 << chunk.width) * compare
            )
            cost += (left + right) * 2e-8 + (1 << chunk.width) * 1e-9
        return cost

    best = min((_cut(radius, count) for count in range(3, 9)), key=seconds)
    return best if seconds(best) < left * right * 1.5e-9 else ()


def _cut(radius: int, count: int) -> tuple[Chunk, ...]:
    """The bits in `count` chunks whose radii, each and one more, add up to `radius + 1`; a radius of -1 drops out."""
    edges = [BITS * part // count for part in range(count + 1)]
    made: tuple[Chunk, ...] = ()
    for part in range(min(count, radius + 1)):
        share = (radius + 1 + count - 1 - part) // count - 1
        made += (Chunk(edges[part], edges[part + 1] - edges[part], share, made),)
    return made


@cache
def _masks(width: int, radius: int) -> NDArray[np.int32]:
    """All words of `width` bits with at most `radius` ones, the nearest first."""
    ones = itertools.chain.from_iterable(itertools.combinations(range(width), bits) for bits in range(radius + 1))
    return np.array([sum(1 << bit for bit in chosen) for chosen in ones], np.int32)


def _buckets(hashes: Hashes, keys: NDArray[np.int32], chunk: Chunk) -> Buckets:
    if FAST:
        from mine.hamming_compiled import sort_by

        return Buckets(*sort_by(hashes, keys, 1 << chunk.width))
    order = np.argsort(keys, kind="stable").astype(np.int32)
    starts = np.zeros((1 << chunk.width) + 1, np.int32)
    np.cumsum(np.bincount(keys, minlength=1 << chunk.width), out=starts[1:])
    return Buckets(hashes[order], order, starts)


def _join(ours: Buckets, theirs: Buckets, chunk: Chunk, radius: int, among: bool) -> Iterator[Pairs]:
    """The pairs that this chunk finds first."""
    masks = _masks(chunk.width, chunk.radius)
    if FAST:
        from mine.hamming_compiled import join

        yield from join(ours, theirs, chunk, masks, radius, among)
        return
    keys = chunk.of(ours.values)
    for mask in masks.tolist():
        facing = keys ^ mask
        # Of two buckets that face each other only the higher looks; inside of one, two hashes still meet twice.
        rows = np.flatnonzero(keys >= facing) if among else slice(None)
        order = ours.order[rows].astype(np.int64)
        for left, right, bits in _look(ours.values[rows], facing[rows], theirs, chunk, radius):
            kept = order[left] < right if among and mask == 0 else slice(None)
            yield order[left[kept]], right[kept], bits[kept]


def _look(hashes: Hashes, keys: NDArray[np.int32], theirs: Buckets, chunk: Chunk, radius: int) -> Iterator[Pairs]:
    """The pairs of every hash and those in the bucket of its key, where no earlier chunk finds them."""
    low, high = theirs.starts[keys].astype(np.int64), theirs.starts[keys + 1].astype(np.int64)
    rows = np.flatnonzero(high > low)
    for row, place in spans(low[rows], high[rows], SLICE):
        apart = hashes[rows[row]] ^ theirs.values[place]
        kept = np.flatnonzero(np.bitwise_count(apart) <= radius)
        for earlier in chunk.earlier:
            kept = kept[np.bitwise_count(earlier.of(apart[kept])) > earlier.radius]
        bits = np.bitwise_count(apart[kept]).astype(np.int64)
        yield rows[row[kept]], theirs.order[place[kept]].astype(np.int64), bits


def _all_against_all(left: Hashes, right: Hashes, radius: int, among: bool) -> Iterator[Pairs]:
    rows = max(1, SLICE // max(1, len(right)))
    for start in range(0, len(left), rows):
        bits = np.bitwise_count(left[start : start + rows, None] ^ right)
        row, column = np.nonzero(bits <= radius)
        apart = bits[row, column].astype(np.int64)
        row = row + start
        if among:
            later = column > row
            row, column, apart = row[later], column[later], apart[later]
        yield row, column, apart


def _members(ours: Distinct, theirs: Distinct | None, pairs: Iterator[Pairs]) -> Iterator[Pairs]:
    """Pairs of distinct hashes as pairs of all that have them; without `theirs` the right side has no repetition."""
    for left, right, bits in pairs:
        for pair, place in spans(ours.starts[left], ours.starts[left + 1]):
            one, facing, apart = ours.order[place], right[pair], bits[pair]
            if theirs is None:
                yield one, facing, apart
                continue
            for nth, other in spans(theirs.starts[facing], theirs.starts[facing + 1]):
                yield one[nth], theirs.order[other], apart[nth]
