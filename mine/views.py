"""Views: the ways of turning a picture into pixels that a version may be asked about, by name.

`as_shown` is what everybody means who names none. The others show what a pipeline in front of a classifier may make of
the same bytes: another backdrop, another frame, another encoder, another resize. Where a view cannot differ from
`as_shown` it is not scored, so that there are no rows that say the same twice: for a picture that is measured already
the catalog knows that (`DIFFERS`), for a new one the worker that has just decoded it (`View.differs`). `first_frame` is
`as_shown` by definition and never has rows of its own.

Pure functions and tables; reads and writes nothing.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from store.backdrops import Backdrop
from store.errors import UsageError
from store.pictures import Decoded, Frame
from store.rgb import image_of, pixels_of

Pixels = NDArray[np.uint8]
AS_SHOWN = "as_shown"

# How far encoders, sizes and kernels spread. Chosen by eye.
QUALITIES = (90, 75, 50, 25)
SIZES_PX = (128, 256, 512)
KERNELS = {name: Image.Resampling[name.upper()] for name in ("nearest", "box", "bilinear", "bicubic", "lanczos")}
LETTERBOX_PX = 1024
CROPPED_SHARE = 1 / 16

# The same as `View.differs`, over `measurements` m and a view v with the fields of View as columns.
DIFFERS = """
    m.frames >= v.least_frames AND (m.has_alpha OR NOT v.alpha) AND greatest(m.width_px, m.height_px) <> v.longest_px
    AND (m.width_px <> m.height_px OR NOT v.oblong)"""


@dataclass(frozen=True)
class View:
    """How a view is made: of `frame`, on `backdrop`, then redrawn; and which pictures it can differ for.

    That is those of at least `least_frames` frames, where `alpha` with transparent parts, where `oblong` no squares,
    and whose longest side is not `longest_px`. `redraw` takes and gives `(H, W, 3) uint8 RGB 0–255`.
    """

    frame: Frame = "first"
    backdrop: Backdrop = "white"
    redraw: Callable[[Pixels], Pixels] | None = None
    least_frames: int = 1
    alpha: bool = False
    oblong: bool = False
    longest_px: int = 0

    def differs(self, picture: Decoded) -> bool:
        """Whether this view of the picture, decoded as shown, can have other pixels than that."""
        width, height = picture.width_px, picture.height_px
        return (
            picture.frames >= self.least_frames
            and (picture.has_alpha or not self.alpha)
            and max(width, height) != self.longest_px
            and (width != height or not self.oblong)
        )


def reencoded(rgb: Pixels, quality: int) -> Pixels:
    """Once through JPEG at that quality, with Pillow's subsampling."""
    buffer = io.BytesIO()
    image_of(rgb).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.array(image)


def resized(rgb: Pixels, kernel: Image.Resampling, longest_px: int) -> Pixels:
    """Made smaller or larger to that longest side, both sides in proportion and at least one pixel."""
    height, width = rgb.shape[:2]
    scale = longest_px / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return pixels_of(image_of(rgb).resize(size, kernel))


def letterboxed(rgb: Pixels) -> Pixels:
    """In the middle of a black square, reduced before to `LETTERBOX_PX` if it is larger."""
    if max(rgb.shape[:2]) > LETTERBOX_PX:
        rgb = resized(rgb, Image.Resampling.LANCZOS, LETTERBOX_PX)
    height, width = rgb.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 3), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = rgb
    return square


def cropped(rgb: Pixels) -> Pixels:
    """Without a sixteenth on every side, rounded up while there is anything left."""
    down, across = (min(math.ceil(side * CROPPED_SHARE), (side - 1) // 2) for side in rgb.shape[:2])
    return rgb[down : rgb.shape[0] - down, across : rgb.shape[1] - across]


VIEWS: dict[str, View] = {
    AS_SHOWN: View(),
    "on_black": View(backdrop="black", alpha=True),
    "alpha_dropped": View(backdrop="dropped", alpha=True),
    "first_frame": View(),
    "middle_frame": View(frame="middle", least_frames=3),
    "last_frame": View(frame="last", least_frames=2),
    **{f"jpeg_{quality}": View(redraw=partial(reencoded, quality=quality)) for quality in QUALITIES},
    **{
        f"resized_{name}_{px}": View(redraw=partial(resized, kernel=kernel, longest_px=px), longest_px=px)
        for name, kernel in KERNELS.items()
        for px in SIZES_PX
    },
    "letterboxed": View(redraw=letterboxed, oblong=True),
    "cropped": View(redraw=cropped),
}


def views_named(names: Sequence[str]) -> tuple[str, ...]:
    """`as_shown` and the views of these names, each once and those that are `as_shown` never. Raises UsageError."""
    unknown = [name for name in names if name not in VIEWS]
    if unknown:
        raise UsageError(f"no view {unknown[0]!r}; there are: {', '.join(VIEWS)}")
    return tuple(dict.fromkeys((AS_SHOWN, *(name for name in names if VIEWS[name] != VIEWS[AS_SHOWN]))))
