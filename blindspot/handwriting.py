"""Handwritten digits that come with scikit-learn: benign, small, and the seed of all this. Reads one data file."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray


@functools.cache
def digits() -> NDArray[np.uint8]:
    """scikit-learn's digits, `(1797, 8, 8) uint8`, 0 paper and 255 ink."""
    from sklearn.datasets import load_digits

    inked: NDArray[np.uint8] = np.clip(load_digits().images * 255 / 16, 0, 255).astype(np.uint8)
    return inked
