"""Puts a symbol into a picture: as a photograph would hold it, or flat, as a drawing does. Says where it is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from blindspot.domains.planted import Box, Pixels

# Side of a symbol as a share of the picture's shorter side; chosen by eye: still 20 px of 64.
SIDE_SHARE = (0.32, 0.56)


def plant(ground: Pixels, symbols: list[Pixels], style: str, rng: np.random.Generator) -> tuple[Pixels, list[Box]]:
    """`ground` (H, W, 3) with each RGBA symbol at a place of its own, and their boxes.

    Style `photo`: turned, in perspective, lit by the ground and from one side, blurred, grainy. Style `drawn`: flat and
    sharp. Symbols do not overlap: of what finds no room there is one less.
    """
    picture, boxes = ground.astype(np.float32), list[Box]()
    for one in symbols:
        side = int(min(ground.shape[:2]) * rng.uniform(*SIDE_SHARE))
        box = _room(ground.shape[:2], side, boxes, rng)
        if box is None:
            continue
        left, top, _, _ = box
        patch = _shaped(one, side, style, rng)
        colour, cover = patch[..., :3], patch[..., 3:] / 255
        below = picture[top : top + side, left : left + side]
        if style == "photo":
            colour, cover = _lit(colour, below, rng), cover * rng.uniform(0.88, 1.0)
        picture[top : top + side, left : left + side] = below * (1 - cover) + colour * cover
        boxes.append(box)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), boxes


def _room(shape: tuple[int, ...], side: int, taken: list[Box], rng: np.random.Generator) -> Box | None:
    """A free square of `side` pixels, or None after some trying."""
    height, width = shape[:2]
    for _ in range(40):
        left, top = (int(rng.integers(0, length - side + 1)) for length in (width, height))
        clear = all(abs(left - x) >= max(side, w) or abs(top - y) >= max(side, h) for x, y, w, h in taken)
        if clear:
            return left, top, side, side
    return None


def _shaped(one: Pixels, side: int, style: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """The symbol at its size, `(side, side, 4) float32` 0–255."""
    image = Image.fromarray(one)
    image = image.rotate(rng.uniform(-14, 14), Image.Resampling.BILINEAR)
    if style == "photo":
        image = image.transform(
            image.size, Image.Transform.PERSPECTIVE, _tilt(rng, image.width), Image.Resampling.BILINEAR
        )
    # Premultiplied, else the colour of nothing bleeds into the edges.
    pixels = np.asarray(image, np.float32)
    flat = np.concatenate([pixels[..., :3] * pixels[..., 3:] / 255, pixels[..., 3:]], axis=2)
    # A photograph is never sharp to the pixel: down a little further, and up again.
    sharp = max(4, round(side * rng.uniform(0.6, 0.95))) if style == "photo" else side
    bands = [Image.fromarray(flat[..., band]).resize((sharp, sharp), Image.Resampling.BOX) for band in range(4)]
    small = np.stack([np.asarray(band.resize((side, side), Image.Resampling.BILINEAR)) for band in bands], axis=2)
    cover = np.maximum(small[..., 3:], 1e-3)
    return np.concatenate([np.clip(small[..., :3] * 255 / cover, 0, 255), small[..., 3:]], axis=2)


def _tilt(rng: np.random.Generator, side: int) -> tuple[float, ...]:
    """The eight numbers of a perspective that moves each corner inwards by up to a tenth."""
    corners = np.array([(0, 0), (side, 0), (side, side), (0, side)], np.float64)
    inward = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) * rng.uniform(0, 0.1 * side, (4, 2))
    rows, answers = [], []
    for (x, y), (u, v) in zip(corners + inward, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        answers += [u, v]
    return tuple(float(value) for value in np.linalg.solve(np.array(rows), np.array(answers)))


def _lit(colour: NDArray[np.float32], below: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The symbol in the light of its place: bright where the ground is, shaded to one side, grainy."""
    side = len(colour)
    grey = below.mean(axis=2, keepdims=True)
    ground = 0.55 + 0.6 * float(grey.mean()) / 255 + 0.25 * (grey - grey.mean()) / 255
    rows, columns = np.mgrid[:side, :side] / max(side - 1, 1) - 0.5
    angle = rng.uniform(0, 2 * math.pi)
    shade = 1 + rng.uniform(0, 0.4) * (rows * math.sin(angle) + columns * math.cos(angle))
    grain = rng.normal(0, 4, colour.shape)
    lit: NDArray[np.float32] = (colour * ground * shade[..., None] + grain).astype(np.float32)
    return lit
