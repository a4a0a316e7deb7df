"""The perceptual hash of a picture, by one defined input path.

ImageHash's pHash of the picture as shown, fully decoded. A hash from a scaled decode differs by more than 8 bits on
17 % of files, so paths are never mixed: `HASH_VERSION` is part of the key.
"""

from __future__ import annotations

from typing import Any

import imagehash
import numpy as np
from PIL import Image
from scipy.fft import dctn

from store.pictures import Decoded

HASH_VERSION = "phash64-imagehash4-as_shown"
THUMBNAIL_PX = 16
# Below this the 64 bits are decided by noise (flat pictures); measured as the edge of blank and ruled pages.
LOW_ENERGY = 2.0


def hash_picture(picture: Decoded) -> dict[str, Any]:
    """The row of `hashes` for a decoded picture, without its id.

    `phash` is the 64-bit hash as ImageHash orders its bits, first bit highest. `energy` is the mean size of the
    frequencies that the bits compare, in grey levels (0–255): under `LOW_ENERGY` the hash alone proves nothing.
    `thumbnail` is 16x16 grey, row by row, for the second check.
    """
    grey = Image.fromarray(picture.rgb).convert("L")
    bits = imagehash.phash(grey).hash.ravel()
    small = grey.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX)
    return {
        "phash": int(np.packbits(bits).view(">u8")[0]),
        "energy": _energy(grey),
        "thumbnail": small.tobytes(),
        "hash_version": HASH_VERSION,
    }


def _energy(grey: Image.Image) -> float:
    pixels = np.asarray(grey.resize((32, 32), Image.Resampling.LANCZOS), dtype=np.float64)
    low = dctn(pixels, norm="ortho")[:8, :8] / 32
    return float((np.abs(low).sum() - abs(low[0, 0])) / 63)
