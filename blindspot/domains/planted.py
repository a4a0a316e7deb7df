"""What a pack makes: pictures with the truth about them, and how pixels become the bytes of a file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]

FORMATS = {"jpg": "JPEG", "png": "PNG"}
POOL = "pool"


@dataclass(frozen=True)
class Planted:
    """One picture and its truth.

    `place` is the pool or the name of a suite, whose `role` is empty where the class decides it; `label` a class of the
    policy; `boxes` (left, top, width, height) in pixels, one for each thing that was planted; `first` says that its
    label is known at the first training.
    """

    data: bytes
    suffix: str
    place: str
    source: str
    label: str
    style: str
    family: str = ""
    role: str = ""
    boxes: tuple[Box, ...] = ()
    first: bool = False


def encoded(pixels: Pixels, suffix: str, quality: int = 88) -> bytes:
    """`(H, W, 3)` or `(H, W) uint8` as the bytes of a file; the same pixels give the same bytes."""
    buffer = io.BytesIO()
    options = {"quality": quality} if suffix == "jpg" else {}
    Image.fromarray(pixels).save(buffer, FORMATS[suffix], **options)
    return buffer.getvalue()


def seeded(seed: int, *place: int) -> np.random.Generator:
    """A generator of its own for every picture: one more or fewer changes no other."""
    return np.random.default_rng([seed, *place])


def pick(rng: np.random.Generator, shares: Sequence[float]) -> int:
    """An index by its share."""
    return int(rng.choice(len(shares), p=np.asarray(shares) / sum(shares)))
