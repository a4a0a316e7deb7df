"""What stands out from the ground of a small picture: how much of it, and in how many pieces.

A digit, a sign or an icon is one piece or few, however large it is drawn; a photograph falls into dozens.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Ink and ground differ by this many grey levels on average, else there is no ink. Chosen by eye.
CONTRAST = 32
CORNERS_TOO = np.ones((3, 3), bool)


def ink(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels of `(H, W) uint8` stand out: of the two sides of Otsu's threshold the one less seen on the border.

    None when the two sides are nearly alike. When the border does not decide, the smaller side; then the darker.
    """
    threshold = _otsu(grey)
    if threshold is None:
        return np.zeros(grey.shape, bool)
    dark = grey <= threshold
    border = np.concatenate([dark[0], dark[-1], dark[1:-1, 0], dark[1:-1, -1]])
    majority = [2 * int(np.count_nonzero(side)) - side.size for side in (border, dark)]
    return dark if majority <= [0, 0] else ~dark


def components(mask: NDArray[np.bool_]) -> int:
    """How many pieces a mask falls into; pixels that touch at a corner hang together."""
    from scipy import ndimage

    return int(ndimage.label(mask, structure=CORNERS_TOO)[1])


def _otsu(grey: NDArray[np.uint8]) -> int | None:
    """The grey level that best parts dark from light, as the last of the dark; None without enough contrast.

    Source: Otsu, A threshold selection method from gray-level histograms (1979).
    """
    histogram = np.bincount(grey.ravel(), minlength=256)
    below, mass = np.cumsum(histogram)[:-1], np.cumsum(histogram * np.arange(256))
    above, total = grey.size - below, mass[-1]
    dark = mass[:-1] / np.maximum(below, 1)
    light = (total - mass[:-1]) / np.maximum(above, 1)
    threshold = int(np.argmax(below * above * (light - dark) ** 2))
    return threshold if light[threshold] - dark[threshold] >= CONTRAST else None
