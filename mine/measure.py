"""What a picture looks like, in numbers: measured once per picture, in the decode that also feeds the models.

Measuring is apart from judging: detectors read these columns, and a new threshold needs no new decode.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from store.pictures import Decoded

THUMBNAIL_PX = 64
# Colours are compared at 4 bits per channel, so that JPEG noise does not count as colour. Chosen by eye.
COLOUR_BITS = 4
# A picture with this many distinct colours on its thumbnail counts as fully coloured. Chosen by eye.
FULL_PALETTE = 256
# Grey levels this near to black or white are extremes. Chosen by eye.
EXTREME = 24


def measure(picture: Decoded) -> dict[str, Any]:
    """The row of `measurements` for a decoded picture, without its id and time.

    `entropy_bits` in [0, 8]; `palette_share`, `extremes_share`, `border_flatness` and `top_colour_share` in [0, 1];
    `colourfulness` ≥ 0 (0 = grey, above 60 = vivid).
    """
    small = thumbnail(picture.rgb)
    grey = small @ np.array([0.299, 0.587, 0.114])
    counts = _colour_counts(small)
    return {
        "width_px": picture.width_px,
        "height_px": picture.height_px,
        "format": picture.format,
        "frames": picture.frames,
        "reduced": picture.reduced,
        "has_alpha": picture.has_alpha,
        "entropy_bits": entropy_bits(grey),
        "palette_share": min(1.0, len(counts) / FULL_PALETTE),
        "extremes_share": float(np.mean((grey <= EXTREME) | (grey >= 255 - EXTREME))),
        "border_flatness": border_flatness(grey),
        "top_colour_share": float(counts.max() / counts.sum()),
        "colourfulness": colourfulness(small),
    }


def thumbnail(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """`(H, W, 3) uint8` as `(64, 64, 3) float64 0–255`, each pixel the mean of its area (repeated when enlarged)."""
    image = Image.fromarray(rgb)
    return np.asarray(image.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX), dtype=np.float64)


def entropy_bits(grey: NDArray[np.float64]) -> float:
    """Shannon entropy of the histogram of grey levels, in bits (0–8)."""
    histogram = np.bincount(grey.astype(np.int64).ravel().clip(0, 255), minlength=256)
    shares = histogram[histogram > 0] / grey.size
    return float(max(0.0, -(shares * np.log2(shares)).sum()))


def border_flatness(grey: NDArray[np.float64]) -> float:
    """1 when the two outermost pixels on every side have one grey level, 0 when they spread as far as they can."""
    border = np.concatenate([grey[:2].ravel(), grey[-2:].ravel(), grey[:, :2].ravel(), grey[:, -2:].ravel()])
    return float(1.0 - min(1.0, border.std() / 127.5))


def colourfulness(rgb: NDArray[np.float64]) -> float:
    """How vivid the colours are. Source: Hasler and Süsstrunk, Measuring colourfulness in natural images (2003)."""
    red_green = rgb[..., 0] - rgb[..., 1]
    yellow_blue = (rgb[..., 0] + rgb[..., 1]) / 2 - rgb[..., 2]
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def _colour_counts(small: NDArray[np.float64]) -> NDArray[np.int64]:
    levels = small.astype(np.int64) >> (8 - COLOUR_BITS)
    codes = (levels[..., 0] << 2 * COLOUR_BITS) | (levels[..., 1] << COLOUR_BITS) | levels[..., 2]
    counts: NDArray[np.int64] = np.unique(codes, return_counts=True)[1]
    return counts
