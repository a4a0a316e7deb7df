"""PDQ, the perceptual hash that lists of known pictures come in: 256 bits and a quality.

Bit for bit the reference's hash of the same pixels (the tests ask `pdqhash`), but made from a reduced picture: the
reference's filter and its sampling are one linear map per axis, here summed over the pixels that were merged. On 128
photographs and crops that moved a median of 0 bits and at most 6; passing a reduced picture to the reference moved up
to 22, because its windows are rounded to whole pixels. Reads and writes nothing in the store.

Source: "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", Facebook, 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store.glance import Grey

BITS, BYTES = 256, 32
# A hash of this quality or less says nothing about its picture. Source: the README of Meta's reference implementation.
POOR_QUALITY = 49
BLOCKS, WAVES = 64, 16
# A shorter side of fewer pixels has no hash. Source: the reference implementation.
LEAST_PX = 5

Matrix = NDArray[np.float32]

# Rows 1 to 16 of the 64-point discrete cosine transform.
_angles = np.outer(np.arange(1, WAVES + 1), 2 * np.arange(BLOCKS) + 1) * np.pi / (2 * BLOCKS)
COSINES: Matrix = (np.sqrt(2 / BLOCKS) * np.cos(_angles)).astype(np.float32)


def fingerprint(greys: Sequence[Grey]) -> tuple[bytes, int]:
    """The hashes of a picture's greys, one after the other, and the best quality.

    The picture as shown is what copies on the web have been made from; the picture as stored is what the reference
    hashes. Those of poor quality are left out, unless the first is all there is.
    """
    made = [pdq(grey) for grey in greys]
    good = [found for found in made if found[1] > POOR_QUALITY] or made[:1]
    return b"".join(hash_ for hash_, _ in good), max(quality for _, quality in good)


def pdq(grey: Grey) -> tuple[bytes, int]:
    """The hash (32 bytes, in the order of its usual hex digits) and its quality (0–100)."""
    if min(grey.width_px, grey.height_px) < LEAST_PX:
        return bytes(BYTES), 0
    rows = _sampled(grey.pixels, grey.height_px, grey.step)
    blocks = _sampled(rows.T, grey.width_px, grey.step).T
    waves = (COSINES @ blocks @ COSINES.T).ravel()
    median = np.partition(waves, BITS // 2 - 1)[BITS // 2 - 1]
    return np.packbits((waves > median)[::-1]).tobytes(), _quality(blocks)


def _quality(blocks: Matrix) -> int:
    """0–100: how much the 64x64 blocks differ from their neighbours, small differences not counted."""
    steps = (np.abs(np.diff(blocks, axis=axis) * 100 / 255).astype(np.int32).sum() for axis in (0, 1))
    return min(100, int(sum(steps)) // 90)


def _sampled(lines: NDArray[Any], length_px: int, step: int) -> Matrix:
    """The 64 samples down the first axis of `lines` (ceil(length_px/step), M): (64, M) float32."""
    first, weights = sampling(length_px, step)
    near = lines[first[:, None] + np.arange(weights.shape[1])]
    # Not as a product of matrices: BLAS starts threads for one, which took 20 times as long on a busy machine.
    sampled: Matrix = np.einsum("sw,swm->sm", weights, near.astype(np.float32, copy=False))
    return sampled


@lru_cache(maxsize=1_024)
def sampling(length_px: int, step: int) -> tuple[NDArray[np.int64], Matrix]:
    """How a line of `length_px` pixels is sampled from its means of `step` pixels: where each of the 64 windows begins
    (64,), and the weights of the means in it (64, W).

    A sample is the mean, over a window at the middle of its 64th, of the means over the same window around each pixel.
    A window is a 128th, rounded up, cut off at the ends, and leans to the right when it is even.
    """
    window = -(-length_px // (2 * BLOCKS))
    before, after = (window - 1) // 2, window // 2
    middle = ((np.arange(BLOCKS) + 0.5) * length_px / BLOCKS).astype(np.int64)[:, None]
    near = middle + np.arange(-before, after + 1)
    inside = (near >= 0) & (near < length_px)
    share = inside / (inside.sum(axis=1, keepdims=True) * _reach(near, before, after, length_px))
    sums = np.pad(np.cumsum(share, axis=1), ((0, 0), (1, 0)))
    offset = np.arange(-2 * before, 2 * after + 1)
    from_, to = np.clip(offset - after + before, 0, window), np.clip(offset + 2 * before + 1, 0, window)
    return _merged(middle + offset, sums[:, to] - sums[:, from_], length_px, step)


def _reach(near: NDArray[np.int64], before: int, after: int, length_px: int) -> NDArray[np.int64]:
    """How many pixels the window around each pixel holds; at least 1, also around those outside."""
    reach: NDArray[np.int64] = np.minimum(near + after + 1, length_px) - np.maximum(near - before, 0)
    return np.maximum(reach, 1)


def _merged(
    pixel: NDArray[np.int64], weight: NDArray[np.float64], length_px: int, step: int
) -> tuple[NDArray[np.int64], Matrix]:
    """The weights of single pixels (64, W') summed over the means that they went into."""
    inside, means = (pixel >= 0) & (pixel < length_px), -(-length_px // step)
    width = min(means, -(-pixel.shape[1] // step) + 1)
    first = np.minimum(np.maximum(pixel[:, 0], 0) // step, means - width)
    place = np.arange(BLOCKS)[:, None] * width + pixel // step - first[:, None]
    summed = np.bincount(place[inside], weight[inside], BLOCKS * width)
    return first, summed.reshape(BLOCKS, width).astype(np.float32)
