"""A glance at a picture: the checks of `store/pictures.py` on all of its bytes, for a fraction of a decode's cost.

A JPEG is decoded as small as it can be, which still reads the whole stream, so that a broken file is found; any other
format is decoded as it is. For hashing it gives the picture's grey, small. Reads and writes nothing in the store.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from store.errors import PictureError
from store.pictures import Limits, frames_of, opened, reduction, smaller, sniff, turn_of, turned

# The grey of a larger picture is reduced until its longer side has at least this many pixels, and less than twice that.
GREY_PX = 512
# A JPEG decoder reduces by no more.
MOST = 8


@dataclass(frozen=True)
class Grey:
    """A picture in grey: `pixels` is `(h, w) uint8`, each the mean of `step x step` pixels of the whole picture.

    `width_px`, `height_px` are those of the whole; the last column and row may stand for less than a step.
    """

    pixels: NDArray[np.uint8]
    width_px: int
    height_px: int
    step: int


@dataclass(frozen=True)
class Glance:
    """What a glance gives: size as shown, format by the first bytes, and `greys`, empty when none was wanted.

    The first of `greys` is the picture as shown: turned as EXIF says, on white. Where that differs from the picture as
    stored, with alpha dropped and not turned, the second is the picture as stored.
    """

    format: str
    width_px: int
    height_px: int
    frames: int
    greys: tuple[Grey, ...] = ()


def glance(data: bytes, want_grey: bool = False, limits: Limits | None = None) -> Glance:
    """Look at the bytes of a picture. Raises PictureError for the same reasons as `store.pictures.decode`."""
    limits = limits or Limits()
    with opened(data, limits) as image:
        size = image.size
        factor = reduction(image, data, limits)
        frames = frames_of(image, limits)
        step = _draft(image, factor, max(size) // GREY_PX if want_grey else MOST)
        image.load()
        if image.mode == "F":
            raise PictureError("unsupported", "a picture of floating-point samples has no agreed white")
        turn = turn_of(image)
        greys = _greys(image, size, step, turn) if want_grey else ()
    width, height = turned(size, turn)
    return Glance(sniff(data) or "?", width, height, frames, greys)


def _draft(image: Image.Image, least: int, most: int) -> int:
    """Have a JPEG decoded smaller: by up to `most`, and by `least` at least; by how much it will be."""
    if not isinstance(image, JpegImageFile):
        return 1
    factor = max(least, *(power for power in (1, 2, 4, MOST) if power <= max(1, most)))
    image.draft("L", smaller(image.size, factor))
    return int(image.decoderconfig[0]) if image.decoderconfig else 1


def _greys(image: Image.Image, size: tuple[int, int], step: int, turn: Image.Transpose | None) -> tuple[Grey, ...]:
    stored = _grey(image)
    shown = stored
    if image.has_transparency_data and not image.mode.startswith("I"):
        alpha = (image if image.getbands()[-1] == "A" else image.convert("RGBA")).getchannel("A")
        shown = Image.new("L", image.size, 255)
        shown.paste(stored, mask=alpha)
    if shown is stored and turn is None:
        return (_small(shown, size, step, None),)
    return _small(shown, size, step, turn), _small(stored, size, step, None)


def _grey(image: Image.Image) -> Image.Image:
    """Any mode in grey with alpha dropped, by the weights of ITU-R 601; 16-bit values scaled as the decoder does."""
    if image.mode.startswith("I"):
        return Image.fromarray(np.clip(np.asarray(image) // 257, 0, 255).astype(np.uint8))
    if image.mode not in ("1", "L", "LA", "RGB", "RGBA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.convert("L")


def _small(grey: Image.Image, size: tuple[int, int], step: int, turn: Image.Transpose | None) -> Grey:
    factor = max(1, max(grey.size) // GREY_PX)
    if factor > 1:
        grey = grey.reduce(factor)
    if turn is not None:
        grey = grey.transpose(turn)
    return Grey(np.asarray(grey), *turned(size, turn), step * factor)
