"""Small drawn pictures as bytes of every format, for the tests of the decoder."""

from __future__ import annotations

import io
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from store.errors import PictureError
from store.pictures import Decoded, Limits, decode

LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "GIF": {},
    "WEBP": {"lossless": True},
    "BMP": {},
    "TIFF": {},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    "JPEG": {"quality": 100, "subsampling": 0},
}


def encode(image: Image.Image, name: str, **settings: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, name, **settings)
    return out.getvalue()


def ramp(width: int = 48, height: int = 32) -> NDArray[np.uint8]:
    """A smooth picture whose four corners differ: red grows to the right, green downwards."""
    across, down = np.linspace(0, 250, width), np.linspace(0, 250, height)
    return np.stack(np.broadcast_arrays(across[None, :], down[:, None], 60.0), axis=-1).astype(np.uint8)


def clouds(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """A picture with detail at every scale, as photographs have it: `(height, width, 3) uint8`."""
    chance, total = np.random.default_rng(seed), np.zeros((height, width, 3))
    for cells in (2, 4, 8, 16, 32, 64):
        coarse = chance.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        layer = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(layer) / np.sqrt(cells)
    return (255 * (total - total.min()) / max(1, np.ptp(total))).astype(np.uint8)


def flat(colour: Any, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (8, 6), colour)


def only_colour(picture: Decoded) -> list[int]:
    colours = np.unique(picture.rgb.reshape(-1, 3), axis=0)
    assert len(colours) == 1
    return [int(value) for value in colours[0]]


def reason_of(data: bytes, limits: Limits | None = None) -> str:
    started = time.monotonic()
    with pytest.raises(PictureError) as caught:
        decode(data, limits)
    assert time.monotonic() - started < 2, "a refusal costs no time"
    assert "\n" not in caught.value.reason
    return caught.value.reason
