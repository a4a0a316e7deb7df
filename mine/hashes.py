"""The perceptual hashes of a picture, by one defined input path. Pure: reads and writes nothing.

pHash as ImageHash makes it, in all eight orientations, and PDQ. The path is named by the `hash_version`, which is part
of every key, because hashes of two paths are never compared: that of a scaled decode differs from that of a full one by
more than 8 bits on 17 % of files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dct

from store.glance import GREY_PX, Grey
from store.known_bad.pdq import pdq
from store.pictures import Decoded

# Of a picture as shown, fully decoded. Its number goes up with its name: what an older path made gives way.
HASH_VERSION, PATH_VERSION = "phash64-imagehash4-gap4", 2
# A side of more than twice so many times 32 px is first reduced by means of whole pixels, which takes a seventh of the
# time. Of 183 pictures 90 % kept all 64 bits of stock ImageHash, the others all but four.
GAP = 4
THUMBNAIL_PX = 16
# Below this the 64 bits are decided by noise (flat pictures); measured as the edge of blank and ruled pages.
LOW_ENERGY = 2.0
# 0–3: that many quarter turns against the clock; 4–7: the same after mirroring left to right. 0 is as shown.
ORIENTATIONS = 8
# Seven hashes of eight bytes.
TURNED_BYTES = 8 * (ORIENTATIONS - 1)

# What ImageHash reduces a picture to, and the lowest frequencies of that which it compares.
_INPUT_PX, _WAVES = 32, 8
# Mirrored, every second wave is the other way up.
_SIGNS = np.where(np.arange(_WAVES) % 2, -1.0, 1.0)
# Of a plain transform, what brings it to the orthonormal one's size. Source: the definition of the DCT-II.
_SCALE = np.where(np.arange(_WAVES), np.sqrt(1 / (2 * _INPUT_PX)), np.sqrt(1 / (4 * _INPUT_PX)))


def hash_picture(picture: Decoded) -> dict[str, Any]:
    """The row of `hashes` for a decoded picture, without its id.

    `phash` is the 64-bit hash as ImageHash orders its bits, first bit highest; `turned` those of orientations 1 to 7,
    eight bytes each, lowest first. `energy` is the mean size of the frequencies that the bits compare, in grey levels
    (0–255): under `LOW_ENERGY` the hash alone proves nothing. `thumbnail` is 16x16 grey, row by row, for the second
    check. `pdq` has 32 bytes in the order of its usual hex digits, `pdq_quality` is 0–100: from means of
    `step x step` pixels (`store/glance.py`), which moves the hash of the full picture by a median of 0 bits of 256.
    """
    grey = picture.pillow().convert("L")
    waves = _waves(grey)
    every = np.stack([_turned_waves(waves, orientation) for orientation in range(ORIENTATIONS)])
    bits = every > np.median(every, axis=(1, 2), keepdims=True)
    hashes = np.packbits(bits.reshape(ORIENTATIONS, -1), axis=1).view(">u8").ravel()
    sizes = np.abs(waves) * np.outer(_SCALE, _SCALE) / _INPUT_PX
    fingerprint, quality = pdq(_small(grey, picture))
    return {
        "phash": int(hashes[0]),
        "turned": hashes[1:].astype("<u8").tobytes(),
        "energy": float((sizes.sum() - sizes[0, 0]) / (sizes.size - 1)),
        "thumbnail": grey.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX).tobytes(),
        "pdq": fingerprint,
        "pdq_quality": quality,
        "hash_version": HASH_VERSION,
        "path_version": PATH_VERSION,
    }


def turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Pixels (H, W, …) as they lie in an orientation, 0 to 7."""
    return np.rot90(np.fliplr(pixels) if orientation >= 4 else pixels, orientation % 4)


def _waves(grey: Image.Image) -> NDArray[np.float64]:
    """(8, 8) the lowest frequencies, in the steps of ImageHash but for `GAP`: of up to 255 px its bits come out."""
    pixels = np.asarray(
        grey.resize((_INPUT_PX, _INPUT_PX), Image.Resampling.LANCZOS, reducing_gap=GAP), dtype=np.float64
    )
    low: NDArray[np.float64] = dct(dct(pixels, axis=0), axis=1)[:_WAVES, :_WAVES]
    return low


def _turned_waves(waves: NDArray[np.float64], orientation: int) -> NDArray[np.float64]:
    """What the waves of the turned 32x32 pixels are, without turning them: other signs, and down for across."""
    made = waves * _SIGNS if orientation >= 4 else waves
    for _ in range(orientation % 4):
        made = made.T * _SIGNS[:, None]
    return made


def _small(grey: Image.Image, picture: Decoded) -> Grey:
    """The same means that the bank's PDQ is made from, of a picture as shown."""
    decoded, factor = max(grey.size), max(1, max(grey.size) // GREY_PX)
    step = max(1, round(max(picture.width_px, picture.height_px) / decoded))
    small = grey.reduce(factor) if factor > 1 else grey
    return Grey(np.asarray(small), picture.width_px, picture.height_px, step * factor)
