"""Pillow's pixels as an array and back, without a copy where memory allows: one costs a third of a JPEG's decode.

Pillow keeps a pixel of RGB in four bytes, of which the last has no meaning: so an array here is mostly three columns of
a `whole` of four, which is also quicker to fetch pixels from. Pure functions.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

# By default Pillow keeps more than 4 Mpx in several pieces, which no array can be laid over. A picture takes what it
# needs and no more. Source: Pillow's documentation, block allocator.
Image.core.set_block_size(256 << 20)  # type: ignore[attr-defined]


def pixels_of(image: Image.Image) -> Pixels:
    """`(H, W, 3) uint8` of a loaded picture of mode RGB, not to be written to.

    The picture's own memory, unless that is in several pieces (one made before this module was loaded): then a copy.
    """
    try:
        flat = pa.array(image).flatten().to_numpy(zero_copy_only=True)
    except ValueError:
        return np.array(image)
    four: Pixels = flat.reshape(image.height, image.width, 4)
    return four[..., :3]


def image_of(rgb: Pixels) -> Image.Image:
    """`(H, W, 3) uint8` as a picture of mode RGB, not to be written to."""
    four = whole(rgb)
    if four is rgb:
        return Image.fromarray(rgb)
    cells = pa.FixedSizeListArray.from_arrays(pa.array(four.reshape(-1)), 4)
    return Image.fromarrow(cells, "RGB", (rgb.shape[1], rgb.shape[0]))


def whole(rgb: Pixels) -> Pixels:
    """The `(H, W, 4) uint8` without gaps of which `rgb` is the first three columns; `rgb` itself if there is none."""
    height, width = rgb.shape[:2]
    base = rgb.base
    if not isinstance(base, np.ndarray) or base.nbytes != 4 * height * width or base.dtype != np.uint8:
        return rgb
    same = base.ctypes.data == rgb.ctypes.data and rgb.strides == (4 * width, 4, 1)
    return base.reshape(height, width, 4) if same and base.flags.c_contiguous else rgb
