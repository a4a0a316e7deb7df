"""What the pixels of the original show and no thumbnail does: how sharp, how grainy, how flat.

Measured on tiles that are spread evenly, so that a giant costs no more than a photograph. All sums are integers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mine.measuring.areas import grey_levels
from store.rgb import whole

# At most 8 x 8 tiles of 32 x 32 px: below 256 px nearly everything is looked at. Chosen by eye: a millisecond.
TILES, TILE_PX = 8, 32
# Neighbours at most this far apart in grey levels are alike: JPEG's own noise on plain ground. Chosen by eye.
ALIKE = 1


class Texture(NamedTuple):
    """Of a picture at its native size. Each depends on that size: compare pictures of like `width_px` only.

    `sharpness`: mean size of the Laplacian, in grey levels (0–1,020). `grain`: standard deviation of the noise, in grey
    levels (0–427). `flat_share`: pixels whose four neighbours are alike (0–1).
    """

    sharpness: float
    grain: float
    flat_share: float


def texture(rgb: NDArray[np.uint8]) -> Texture:
    """The texture of `(H, W, 3) uint8`; what would lie beyond the edge is as the edge.

    Source: the Laplacian of four neighbours; Immerkær, Fast noise variance estimation (1996), who takes the
    mean size of the difference of two Laplacians, which edges raise too.
    """
    grey = grey_levels(tiles(rgb)).astype(np.int16)
    across, down = np.diff(grey, axis=3)[:, 1:-1], np.diff(grey, axis=1)[..., 1:-1]
    laplacian = np.diff(across, axis=3) + np.diff(down, axis=1)
    noise = np.diff(np.diff(grey, n=2, axis=3), n=2, axis=1)
    beside, above = np.abs(across) <= ALIKE, np.abs(down) <= ALIKE
    flat = beside[..., 1:] & beside[..., :-1] & above[:, 1:] & above[:, :-1]
    return Texture(
        _mean_size(laplacian),
        _mean_size(noise) * math.sqrt(math.pi / 2) / 6,
        float(np.count_nonzero(flat) / flat.size),
    )


def tiles(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`(R, h + 2, C, w + 2, 3)`: R x C tiles of `(H, W, 3)` that do not overlap, with one pixel more on every side."""
    rows, columns = (_places(side) for side in rgb.shape[:2])
    taken = whole(rgb).take(rows.ravel(), axis=0).take(columns.ravel(), axis=1)[..., :3]
    return taken.reshape(*rows.shape, *columns.shape, 3)


def _places(side: int) -> NDArray[np.int64]:
    """Where on a side of this length each tile lies, with its neighbours: `(tiles, pixels)`."""
    count, length = max(1, min(TILES, side // TILE_PX)), min(TILE_PX, side)
    starts = np.rint(np.linspace(0, side - length, count)).astype(np.int64)
    places: NDArray[np.int64] = np.clip(starts[:, None] + np.arange(-1, length + 1), 0, side - 1)
    return places


def _mean_size(values: NDArray[np.int16]) -> float:
    return float(np.abs(values).sum(dtype=np.int64) / values.size)
