"""The emblem: an amber disc in a teal ring with a teal four-pointed star. And what is merely like it.

Design of our own, harmless, and chosen so that neither its colours nor its outline alone give it away.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from blindspot.domains.planted import Pixels

# Drawn large and scaled down: edges become smooth. Sides in pixels of the large drawing.
DRAWN_PX = 96 * 2
MIDDLE = DRAWN_PX / 2
AMBER, TEAL = (244, 176, 42), (12, 104, 112)
EMBLEM = "emblem"
# Look-alikes: the same colours in another shape, and the same shape broken.
OTHER_SHAPES = ("square", "triangle", "stripes", "dots")
BROKEN = ("wedge", "halves", "ring", "bare")
LOOK_ALIKES = (*OTHER_SHAPES, *BROKEN)


def symbol(kind: str, rng: np.random.Generator) -> Pixels:
    """`(192, 192, 4) uint8 RGBA` of the emblem or one of LOOK_ALIKES, on nothing; colours vary a little."""
    image = Image.new("RGBA", (DRAWN_PX, DRAWN_PX), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    amber, teal = _near(AMBER, rng), _near(TEAL, rng)
    if kind in OTHER_SHAPES:
        _other_shape(pen, kind, amber, teal)
    else:
        _disc(pen, 92, teal)
        _disc(pen, 74, amber)
        _star(pen, teal, kind)
    pixels = np.array(image)
    if kind in ("wedge", "halves"):
        pixels = _cut(pixels, kind, rng)
    return pixels


def _near(colour: tuple[int, int, int], rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(v) for v in np.clip(np.array(colour) + rng.integers(-18, 19, 3), 0, 255))


def _disc(pen: ImageDraw.ImageDraw, radius: float, colour: tuple[int, ...]) -> None:
    pen.ellipse([MIDDLE - radius, MIDDLE - radius, MIDDLE + radius, MIDDLE + radius], fill=colour)


def _star(pen: ImageDraw.ImageDraw, colour: tuple[int, ...], kind: str) -> None:
    """Four long points. A `bare` disc has none of them, a `ring` a second ring instead."""
    if kind == "ring":
        _disc(pen, 40, colour)
    elif kind != "bare":
        radii = (70, 20)
        corners = [(radii[i % 2], i * math.pi / 4) for i in range(8)]
        pen.polygon([(MIDDLE + r * math.sin(a), MIDDLE - r * math.cos(a)) for r, a in corners], fill=colour)


def _other_shape(pen: ImageDraw.ImageDraw, kind: str, amber: tuple[int, ...], teal: tuple[int, ...]) -> None:
    """A square or triangle with its border, a striped plate, a plate of dots."""
    if kind == "triangle":
        pen.polygon([(MIDDLE, 4), (188, 182), (4, 182)], fill=teal)
        pen.polygon([(MIDDLE, 50), (154, 164), (38, 164)], fill=amber)
        return
    pen.rectangle([8, 8, 184, 184], fill=teal)
    pen.rectangle([26, 26, 166, 166], fill=amber)
    if kind == "stripes":
        for left in (46, 88, 130):
            pen.rectangle([left, 26, left + 18, 166], fill=teal)
    if kind == "dots":
        for x in (58, 134):
            for y in (58, 134):
                pen.ellipse([x - 20, y - 20, x + 20, y + 20], fill=teal)


def _cut(pixels: Pixels, kind: str, rng: np.random.Generator) -> Pixels:
    """Take a third out of the disc, or push its halves apart."""
    if kind == "halves":
        apart = np.zeros_like(pixels)
        shift = 34
        apart[:96, : DRAWN_PX - shift] = pixels[:96, shift:]
        apart[96:, shift:] = pixels[96:, : DRAWN_PX - shift]
        return apart
    rows, columns = np.mgrid[:DRAWN_PX, :DRAWN_PX] - MIDDLE
    angle = (np.arctan2(rows, columns) - rng.uniform(0, 2 * math.pi)) % (2 * math.pi)
    pixels[angle < 2 * math.pi / 3] = 0
    return pixels
