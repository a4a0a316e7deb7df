"""Groups that chain from copy to copy: what must not be torn apart by the splits of a training.

Pure functions of arrays; reads and writes nothing. Exact, and linear where it counts: what is known to be of one group
is not compared any more, so that a clump of near-copies costs a look at neighbours, not at all pairs. Only pictures of
near hashes and grey that the second check tells apart cost their pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mine.hamming import Hashes, Indices, distinct, distinct_pairs, spans
from mine.thumbnails import Shelf, Thumbnails, alike, marks

# Neighbours in the order of grey looked at first: enough to chain nearly all that chains. Chosen by eye.
_STRIDES = range(1, 9)


def chained(phash: Hashes, flat: NDArray[np.bool_], thumbnails: Thumbnails, radius_bits: int, levels: float) -> Indices:
    """(N,) the group of each picture: connected by pairs within the radius that the second check confirms.

    Two flat pictures are a pair by the second check alone, at half its tolerance.
    """
    chains = _Chains(phash, flat, thumbnails, levels)
    if len(phash):
        chains.within_cells()
        chains.between_hashes(radius_bits)
    return chains.labels


class _Chains:
    """Pictures on their way into groups: two are known to be of one group when their `labels` (N,) are equal."""

    def __init__(self, phash: Hashes, flat: NDArray[np.bool_], thumbnails: Thumbnails, levels: float) -> None:
        self.labels: Indices = np.arange(len(phash))
        self._thumbnails, self._flat, self._levels = thumbnails, flat, levels
        self._marks, self._pixels = marks(thumbnails), thumbnails.shape[1]
        self._hashes = distinct(phash)
        self._hash = np.empty(len(phash), np.int64)
        self._hash[self._hashes.order] = np.repeat(np.arange(len(self._hashes.values)), self._hashes.sizes)

    def within_cells(self) -> None:
        """Chain what has the same hash; and all that is flat, whatever its hash, at half the tolerance."""
        cells = np.where(self._flat, 0, self._hash + 1)
        levels = np.where(self._flat, self._levels / 2, self._levels)
        reach = (levels * self._pixels).astype(np.int64)
        shelf = Shelf(cells, self._marks, reach)
        for stride in _STRIDES:
            left, right = shelf.order[:-stride], shelf.order[stride:]
            kept = cells[left] == cells[right]
            self._chain(left[kept], right[kept], levels[left[kept]])
        # Of two that are not chained yet one at least is not in the cell's main group.
        rest = np.flatnonzero(self.labels != self._main(cells)[cells])
        for asked, found in shelf.near(cells[rest], self._marks[rest], reach[rest]):
            self._chain(rest[asked], found, levels[rest[asked]])

    def _main(self, cells: Indices) -> Indices:
        """The most frequent label of each cell, by the cell's number."""
        both, counts = np.unique(cells * len(cells) + self.labels, return_counts=True)
        main = np.zeros(int(cells.max()) + 1, np.int64)
        by_count = np.argsort(counts, kind="stable")
        main[both[by_count] // len(cells)] = both[by_count] % len(cells)
        return main

    def between_hashes(self, radius_bits: int) -> None:
        """Chain what has hashes within the radius, two flat pictures excepted."""
        reach = int(self._levels * self._pixels)
        shelf = Shelf(self._hash, self._marks[:, :1], reach)
        flat = np.bincount(self._hash, self._flat)
        mixed = np.flatnonzero((flat > 0) & (flat < self._hashes.sizes))
        same, first = (mixed, mixed, np.zeros_like(mixed)), self._hashes.order[self._hashes.starts[:-1]]
        for one, other, _ in itertools.chain([same], distinct_pairs(self._hashes.values, radius_bits)):
            for part in _doubling(len(one)):
                # Mostly one picture of each hash chains all of both.
                self._across(first[one[part]], first[other[part]])
                self._between(*self._open(one[part], other[part]), shelf)

    def _open(self, one: Indices, other: Indices) -> tuple[Indices, Indices]:
        """The pairs of hashes whose pictures are not all in one group."""
        labels, starts = self.labels[self._hashes.order], self._hashes.starts[:-1]
        low, high = np.minimum.reduceat(labels, starts), np.maximum.reduceat(labels, starts)
        still = np.minimum(low[one], low[other]) != np.maximum(high[one], high[other])
        return one[still], other[still]

    def _between(self, one: Indices, other: Indices, shelf: Shelf) -> None:
        for pair, place in spans(self._hashes.starts[one], self._hashes.starts[one + 1]):
            left, facing = self._hashes.order[place], other[pair]
            for asked, found in shelf.near(facing, self._marks[left, :1], int(self._levels * self._pixels)):
                self._across(left[asked], found)

    def _across(self, left: Indices, right: Indices) -> None:
        kept = np.flatnonzero(~(self._flat[left] & self._flat[right]))
        self._chain(left[kept], right[kept], np.full(len(kept), self._levels))

    def _chain(self, left: Indices, right: Indices, levels: NDArray[np.float64]) -> None:
        """Put two groups together wherever a pair of pictures is alike; those of one group are not looked at."""
        for part in _doubling(len(left)):
            apart = np.flatnonzero(self.labels[left[part]] != self.labels[right[part]])
            one, other = left[part][apart], right[part][apart]
            same = alike(self._thumbnails, one, self._thumbnails, other, levels[part][apart])
            if same.any():
                self.labels = merged(self.labels, self.labels[one[same]], self.labels[other[same]])


def merged(labels: Indices, one: Indices, other: Indices) -> Indices:
    """Labels (N,), each in [0, N), with those put together that `one` and `other` (M,) have in the same place."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(len(labels), len(labels)))
    together: Indices = connected_components(graph, directed=False)[1].astype(np.int64)
    return together[labels]


def _doubling(count: int) -> Iterator[slice]:
    """0 … count in parts, each twice as large as the one before: what the first ones chain, the last need not."""
    start, size = 0, 1 << 12
    while start < count:
        yield slice(start, min(start + size, count))
        start, size = start + size, size * 2
