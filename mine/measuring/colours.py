"""What colours and grey levels a small picture has. Sums are integers, so that no order of pixels matters."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Colours are compared at 4 bits per channel, so that JPEG noise does not count as colour. Chosen by eye.
COLOUR_BITS = 4
# Grey levels this near to black or white are extremes. Chosen by eye.
EXTREME = 24


def colour_counts(rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many pixels each colour that occurs has, at 4 bits per channel."""
    levels = (rgb >> (8 - COLOUR_BITS)).astype(np.int64)
    codes = (levels[..., 0] << 2 * COLOUR_BITS) | (levels[..., 1] << COLOUR_BITS) | levels[..., 2]
    counts = np.bincount(codes.ravel())
    return counts[counts > 0]


def entropy_bits(grey: NDArray[np.uint8]) -> float:
    """Shannon entropy of the histogram of grey levels, in bits (0–8)."""
    histogram = np.sort(np.bincount(grey.ravel()))
    shares = histogram[histogram > 0] / grey.size
    return float(max(0.0, -(shares * np.log2(shares)).sum()))


def extremes_share(grey: NDArray[np.uint8]) -> float:
    """The share of pixels that are near black or white (0–1)."""
    return float(np.count_nonzero((grey <= EXTREME) | (grey >= 255 - EXTREME)) / grey.size)


def border_flatness(grey: NDArray[np.uint8]) -> float:
    """1 when the two outermost pixels on every side have one grey level, 0 when they spread as far as they can."""
    border = np.concatenate([grey[:2].ravel(), grey[-2:].ravel(), grey[:, :2].ravel(), grey[:, -2:].ravel()])
    return 1.0 - min(1.0, math.sqrt(_moments(border)[1]) / 127.5)


def colourfulness(rgb: NDArray[np.uint8]) -> float:
    """How vivid the colours are: 0–298. Source: Hasler and Süsstrunk, Measuring colourfulness in natural images."""
    red, green, blue = (rgb[..., channel].astype(np.int64) for channel in range(3))
    red_green, red_green_variance = _moments(red - green)
    yellow_blue, yellow_blue_variance = _moments(red + green - 2 * blue)  # twice what the formula has
    spread = math.sqrt(red_green_variance + yellow_blue_variance / 4)
    return spread + 0.3 * math.hypot(red_green, yellow_blue / 2)


def _moments(values: NDArray[np.integer]) -> tuple[float, float]:
    """Mean and variance, each rounded once."""
    flat = values.astype(np.int64).ravel()
    total, squares = int(flat.sum()), int(flat @ flat)
    return total / flat.size, (flat.size * squares - total * total) / flat.size**2
