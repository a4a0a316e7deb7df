"""Pixels made fewer: the thumbnail that most measurements look at, and grey levels. All in integers.

So the same pixels, mirrored or turned, give the same numbers to the last bit: always for sides that are even, and for
odd ones up to where their middle row is counted.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from store.rgb import whole

THUMBNAIL_PX = 64


def thumbnail(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`(H, W, 3) uint8` as `(64, 64, 3) uint8`, each pixel the mean of its area; below 64 px pixels are repeated."""
    height, width, _ = rgb.shape
    if height < THUMBNAIL_PX:
        rgb = rgb[_repeated(height)]
    if width < THUMBNAIL_PX:
        rgb = rgb[:, _repeated(width)]
    tops, lefts = _cuts(rgb.shape[0]), _cuts(rgb.shape[1])
    sums = _sums(rgb, tops, lefts)
    counts = np.outer(np.diff(tops), np.diff(lefts))[..., None]
    means: NDArray[np.uint8] = ((sums + counts // 2) // counts).astype(np.uint8)
    return means


def grey_levels(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`(…, 3) uint8 RGB` as `(…) uint8` grey. Source: ITU-R BT.601 luma, with weights of 1/256."""
    red, green, blue = (rgb[..., channel] for channel in range(3))
    # At most 256 * 255 + 128, so that 16 bits do.
    weighed = red * np.uint16(77) + green * np.uint16(150) + blue * np.uint16(29) + np.uint16(128)
    grey: NDArray[np.uint8] = (weighed >> np.uint16(8)).astype(np.uint8)
    return grey


def _repeated(size: int) -> NDArray[np.int64]:
    """Which pixel each of the 64 shows when there are fewer."""
    return (np.arange(THUMBNAIL_PX) * 2 + 1) * size // (2 * THUMBNAIL_PX)


def _cuts(size: int) -> NDArray[np.int64]:
    """Where the 64 areas of a side begin, and where the last ends."""
    cuts: NDArray[np.int64] = np.rint(np.arange(THUMBNAIL_PX + 1) * (size / THUMBNAIL_PX)).astype(np.int64)
    return cuts


def _sums(rgb: NDArray[np.uint8], tops: NDArray[np.int64], lefts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sum of each area: `(64, 64, 3)`. Rows first, which numpy adds whole; that touches every pixel just once."""
    height, width, _ = rgb.shape
    # 257 rows of 255 still fit into 16 bits, which is twice as fast.
    narrow = np.uint16 if np.diff(tops).max() <= 257 else np.uint32
    lines = np.ascontiguousarray(whole(rgb)).reshape(height, -1)
    bands = np.empty((THUMBNAIL_PX, lines.shape[1]), narrow)
    for band, (top, end) in enumerate(itertools.pairwise(tops)):
        np.add.reduce(lines[top:end], axis=0, dtype=narrow, out=bands[band])
    colours = bands.reshape(THUMBNAIL_PX, width, -1)[..., :3]
    return np.add.reduceat(colours, lefts[:-1], axis=1, dtype=np.int64)
