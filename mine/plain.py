"""The recipe that most classifiers were trained with, by its parameters: one resize, one range, mean and deviation.

A pure function; nothing is read or written. `mine.preprocess.RECIPES` calls it `plain`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from store.errors import CardError
from store.rgb import image_of

KERNELS = {kernel.name.lower(): kernel for kernel in Image.Resampling}
Triple = Sequence[float]


def plain(
    rgb: NDArray[np.uint8],
    size: int = 224,
    fit: str = "squash",
    kernel: str = "bilinear",
    low: float = 0.0,
    high: float = 1.0,
    mean: Triple = (0, 0, 0),
    std: Triple = (1, 1, 1),
    order: str = "RGB",
    scaled: bool = False,
) -> NDArray[np.float32]:
    """Resize by Pillow (antialiased when it shrinks), bring 0–255 to `low`–`high`, subtract `mean`, divide by `std`.

    `rgb` (H, W, 3) uint8 RGB; returns (size, size, 3) float32. `fit`: `squash`; `crop` the centre of what is resized by
    its shorter side; `letterbox` on black by its longer one. `mean` and `std` are in the `order` of the result.
    `scaled` is for whoever decodes (`mine.preprocess.scaled_px`). Raises CardError for other words and numbers.
    """
    if fit not in FITS or kernel not in KERNELS or order not in ("RGB", "BGR"):
        wanted = f"fit of {sorted(FITS)}, kernel of {sorted(KERNELS)}, order RGB or BGR"
        raise CardError(
            f"card: preprocessing of recipe 'plain': wanted {wanted}. Received: {fit!r}, {kernel!r}, {order!r}"
        )
    if size < 1 or len(mean) != 3 or len(std) != 3 or 0 in std or not low < high:
        raise CardError("card: preprocessing: wanted size > 0, low < high, three numbers in mean and std, no std of 0")
    small = np.asarray(FITS[fit](image_of(rgb), size, KERNELS[kernel]))[:, :, :: -1 if order == "BGR" else 1]
    # In one step for all three, as numbers where they are the same for all: numpy is slow over a last axis of three.
    factor, offset = _alike((high - low) / 255 / np.array(std)), _alike((low - np.array(mean)) / np.array(std))
    values: NDArray[np.float32] = np.multiply(small, factor, dtype=np.float32, order="C")
    return values + offset if np.any(offset) else values


def _alike(three: NDArray[np.float64]) -> NDArray[np.float32] | np.float32:
    """Three numbers, or the one that they all are."""
    return three.astype(np.float32) if len(set(three.tolist())) > 1 else np.float32(three[0])


def _squash(picture: Image.Image, size: int, kernel: Image.Resampling) -> Image.Image:
    return picture.resize((size, size), kernel)


def _crop(picture: Image.Image, size: int, kernel: Image.Resampling) -> Image.Image:
    # Of a long strip only the middle is resized: the whole of it would be as large as one likes.
    edge = min(picture.size)
    left, top = (picture.width - edge) / 2, (picture.height - edge) / 2
    return picture.resize((size, size), kernel, (left, top, left + edge, top + edge))


def _letterbox(picture: Image.Image, size: int, kernel: Image.Resampling) -> Image.Image:
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    whole = Image.new("RGB", (size, size))
    whole.paste(picture.resize((width, height), kernel), ((size - width) // 2, (size - height) // 2))
    return whole


FITS = {"squash": _squash, "crop": _crop, "letterbox": _letterbox}
