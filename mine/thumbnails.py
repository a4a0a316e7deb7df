"""The second check: which of many 16x16 grey thumbnails are alike, without comparing all with all.

Pure functions of arrays; reads and writes nothing. The sums of two thumbnails differ by no more than the thumbnails do,
so only those with near sums are compared.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mine.hamming import Indices, spans

Thumbnails = NDArray[np.uint8]
# More than any sum of a thumbnail, 256 · 255, and any tolerance on both sides.
_WIDE = 1 << 17
# Thumbnails compared at a time: a megabyte of each side.
_ROWS = 1 << 12


def sums(thumbnails: Thumbnails) -> Indices:
    """(N,) int64, the grey levels of each thumbnail (N, 256) added up."""
    added: Indices = thumbnails.sum(axis=1, dtype=np.int64)
    return added


def alike(
    ours: Thumbnails, left: Indices, theirs: Thumbnails, right: Indices, levels: float | NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which pairs (M) differ by at most `levels` grey levels (0–255), one number or (M,), in the mean of all pixels."""
    gaps = np.empty(len(left), np.int64)
    for start in range(0, len(left), _ROWS):
        part = slice(start, start + _ROWS)
        one, other = ours[left[part]], theirs[right[part]]
        gaps[part] = (np.maximum(one, other) - np.minimum(one, other)).sum(axis=1, dtype=np.int64)
    within: NDArray[np.bool_] = gaps <= levels * np.float64(ours.shape[1])
    return within


class Shelf:
    """Thumbnails by `cell` and sum, to find those of a cell whose sums are near a given one's."""

    def __init__(self, cells: Indices, totals: Indices) -> None:
        places = cells * _WIDE + totals
        self.order = np.argsort(places, kind="stable")
        self._places = places[self.order]

    def near(
        self, cells: Indices, totals: Indices, levels: float | NDArray[np.float64], pixels: int
    ) -> Iterator[tuple[Indices, Indices]]:
        """(index of what is asked for, index of what lies near it) for all that may differ by `levels` at most."""
        places, reach = cells * _WIDE + totals, np.asarray(levels * pixels, np.int64)
        low = np.searchsorted(self._places, places - reach, side="left")
        high = np.searchsorted(self._places, places + reach, side="right")
        for asked, place in spans(low, high):
            yield asked, self.order[place]
