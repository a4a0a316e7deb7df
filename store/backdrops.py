"""What lies behind the transparent parts of a picture, and how every mode of pixel becomes RGB.

Part of the one decoder, `store/pictures.py`; reads and writes nothing.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from store.errors import PictureError

# What shows through where a picture is transparent; `dropped` shows the colours that alpha hides.
Backdrop = Literal["white", "black", "dropped"]
DEEP = {"white": 255, "black": 0}


def flattened(image: Image.Image, backdrop: Backdrop = "white") -> Image.Image:
    """Any mode as `RGB`, transparent parts on `backdrop`, 16-bit values scaled and not clipped.

    Raises PictureError `unsupported` for floating-point samples.
    """
    if image.mode.startswith("I"):
        deep = np.asarray(image)
        grey = np.clip(deep // 257, 0, 255).astype(np.uint8)
        if "transparency" in image.info and backdrop in DEEP:
            grey[deep == image.info["transparency"]] = DEEP[backdrop]
        return Image.fromarray(grey).convert("RGB")
    if image.mode == "F":
        raise PictureError("unsupported", "a picture of floating-point samples has no agreed white")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = layer
        if backdrop != "dropped":
            image = Image.new("RGBA", layer.size, backdrop)
            image.alpha_composite(layer)
    return image if image.mode == "RGB" else image.convert("RGB")
