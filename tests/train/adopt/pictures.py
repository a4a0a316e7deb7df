"""Real, harmless pictures that come with scikit-image and scikit-learn, the same on every machine."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def _package_file(package: str, inside: str) -> Pixels:
    module = __import__(package, fromlist=["__path__"])
    with Image.open(Path(module.__path__[0]) / inside) as picture:
        return np.asarray(picture.convert("RGB"))


def _digit(index: int, times: int, dark_on_light: bool) -> Pixels:
    from sklearn.datasets import load_digits

    grey = np.round(load_digits().images[index] * (255 / 16)).astype(np.uint8)
    grey = 255 - grey if dark_on_light else grey
    return np.repeat(np.kron(grey, np.ones((times, times), np.uint8))[:, :, None], 3, axis=2)


def _scaled(pixels: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST))


SKIMAGE, SKLEARN = "skimage.data", "sklearn.datasets"
PICTURES: dict[str, Callable[[], Pixels]] = {
    "china": lambda: _package_file(SKLEARN, "images/china.jpg"),
    "flower": lambda: _package_file(SKLEARN, "images/flower.jpg"),
    "astronaut": lambda: _package_file(SKIMAGE, "astronaut.png"),
    "coffee": lambda: _package_file(SKIMAGE, "coffee.png"),
    "chelsea": lambda: _package_file(SKIMAGE, "chelsea.png"),
    "page": lambda: _package_file(SKIMAGE, "page.png"),
    "coins": lambda: _package_file(SKIMAGE, "coins.png"),
    "digit_1_dark_on_light": lambda: _digit(1, 28, True),
    "digit_8_light_on_dark": lambda: _digit(8, 20, False),
    "digit_4_small": lambda: _digit(4, 3, True),
    "coffee_at_224": lambda: _scaled(_package_file(SKIMAGE, "coffee.png"), 224, 224),
    "china_strip": lambda: _scaled(_package_file(SKLEARN, "images/china.jpg"), 640, 9),
    "flower_one_column": lambda: _scaled(_package_file(SKLEARN, "images/flower.jpg"), 1, 300),
}


def pixels(name: str) -> Pixels:
    """The picture `name` as (H, W, 3) uint8 RGB."""
    return np.ascontiguousarray(PICTURES[name]())


def png(name: str) -> bytes:
    """The picture `name` as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels(name)).save(buffer, format="PNG")
    return buffer.getvalue()
