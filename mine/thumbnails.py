"""The second check: which of many 16x16 grey thumbnails are alike, without comparing all with all.

Pure functions of arrays; reads and writes nothing. Add the pixels of a thumbnail up, each with one sign or the other,
and two thumbnails' totals differ by no more than the thumbnails do, whatever the signs. So only those are compared
whose totals by a few patterns of signs are near: what is alike is never missed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mine.hamming import Indices, spans
from mine.hashes import THUMBNAIL_PX, turned

Thumbnails = NDArray[np.uint8]
# More than any total, 256 · 255, and any tolerance on both sides.
_WIDE = 1 << 17
# Squares of the grid to either side of the middle, by pattern; a power of two between them.
_HALF, _SIDE = 62, 1 << 7
# The marks that make the grid, after the first; what is left is looked at pair by pair.
_GRID = 3
# Thumbnails compared at a time: a megabyte of each side.
_ROWS = 1 << 12


def marks(thumbnails: Thumbnails) -> Indices:
    """(N, 8) totals of thumbnails (N, 256): of all pixels; then with signs, by halves and by middle and edges."""
    side = np.arange(16)
    one, half, middle = np.ones(16), np.where(side < 8, 1, -1), np.where((side >= 4) & (side < 12), 1, -1)
    patterns = [np.outer(down, across) for down in (one, half, middle) for across in (one, half, middle)][:-1]
    # In float32, which BLAS multiplies and which holds whole numbers up to 2²⁴.
    signs = np.array(patterns, np.float32).reshape(len(patterns), -1).T
    made = np.empty((len(thumbnails), len(patterns)), np.int64)
    for start in range(0, len(thumbnails), _ROWS):
        made[start : start + _ROWS] = thumbnails[start : start + _ROWS].astype(np.float32) @ signs
    return made


def alike(
    ours: Thumbnails,
    left: Indices,
    theirs: Thumbnails,
    right: Indices,
    levels: float | NDArray[np.float64],
    orientation: int = 0,
) -> NDArray[np.bool_]:
    """Which pairs (M) differ by at most `levels` grey levels (0–255), one number or (M,), in the mean of all pixels.

    The left ones are turned into `orientation` first.
    """
    places = turned(np.arange(ours.shape[1]).reshape(THUMBNAIL_PX, -1), orientation).ravel()
    gaps = np.empty(len(left), np.int64)
    for start in range(0, len(left), _ROWS):
        part = slice(start, start + _ROWS)
        one, other = ours[left[part]], theirs[right[part]]
        if orientation:
            one = one[:, places]
        gaps[part] = (np.maximum(one, other) - np.minimum(one, other)).sum(axis=1, dtype=np.int64)
    within: NDArray[np.bool_] = gaps <= levels * np.float64(ours.shape[1])
    return within


class Shelf:
    """Thumbnails by `cell` (N) and, inside of it, by `marks` (N, 1 or 8), to find those of a cell that may be alike.

    `reach` (N), or one number: by how much, in grey levels times pixels, those of its cell may differ. The same for all
    of a cell. With all marks a cell is laid out as a grid whose squares are as wide as the reach, and only squares that
    touch are looked at; with one, by the first mark alone, which is quicker for small cells.
    """

    def __init__(self, cells: Indices, marks: Indices, reach: NDArray[np.int64] | int) -> None:
        places = _square(cells, marks, reach) * _WIDE + marks[:, 0]
        self.order = np.argsort(places, kind="stable")
        self._places, self._marks = places[self.order], np.ascontiguousarray(marks[self.order].T)

    def near(self, cells: Indices, marks: Indices, reach: NDArray[np.int64] | int) -> Iterator[tuple[Indices, Indices]]:
        """(index of what is asked for, index of what may be alike) for all that differ by `reach` at most."""
        square, reaches = _square(cells, marks, reach), np.broadcast_to(reach, cells.shape)
        for steps in itertools.product((-1, 0, 1), repeat=min(_GRID, marks.shape[1] - 1)):
            places = (square + sum(step * _SIDE**power for power, step in enumerate(steps))) * _WIDE + marks[:, 0]
            low = np.searchsorted(self._places, places - reaches, side="left")
            high = np.searchsorted(self._places, places + reaches, side="right")
            for asked, place in spans(low, high):
                for theirs, ours in zip(self._marks[1:], marks.T[1:], strict=True):
                    kept = np.abs(theirs[place] - ours[asked]) <= reaches[asked]
                    asked, place = asked[kept], place[kept]
                yield asked, self.order[place]


def _square(cells: Indices, marks: Indices, reach: NDArray[np.int64] | int) -> Indices:
    """(N,) which square of which cell: whole numbers, one more or less in each direction for squares that touch."""
    square = cells.astype(np.int64)
    for mark in marks.T[1 : _GRID + 1]:
        # Those beyond the grid's edge share its last squares: that brings some nearer, and takes none away.
        square = square * _SIDE + np.clip(mark // reach, -_HALF, _HALF) + _HALF + 1
    return square
