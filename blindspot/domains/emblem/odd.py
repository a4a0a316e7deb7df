"""Families that the first champion has never seen: digits, line art, strips, tiny pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from blindspot.domains.planted import Pixels
from blindspot.handwriting import digits

FIRST_HELD_OUT = 1_200  # of the 1,797 handwritten digits


def digit(rng: np.random.Generator, index: int, held_out: bool) -> Pixels:
    """A handwritten digit, black on white, 28–64 px; the held-out ones are other specimens."""
    specimens = digits()[FIRST_HELD_OUT:] if held_out else digits()[:FIRST_HELD_OUT]
    side = int(rng.choice([28, 40, 64]))
    inner = round(side * rng.uniform(0.6, 0.95))
    small = Image.fromarray(specimens[index % len(specimens)]).resize((inner, inner), Image.Resampling.BICUBIC)
    left, top = (int(value) for value in rng.integers(0, side - inner + 1, 2))
    ink = np.zeros((side, side), np.uint8)
    ink[top : top + inner, left : left + inner] = np.asarray(small)
    return np.repeat(255 - ink[..., None], 3, axis=2)


def line_art(rng: np.random.Generator) -> Pixels:
    """Outlines like those of the emblem, in ink on white: rings, stars and frames, 64–128 px."""
    side = int(rng.integers(64, 129))
    image = Image.new("RGB", (side * 2, side * 2), (255, 255, 255))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 4))):
        x, y, r = rng.uniform(0.3, 0.7) * 2 * side, rng.uniform(0.3, 0.7) * 2 * side, rng.uniform(0.15, 0.4) * 2 * side
        ink, width = tuple(int(value) for value in rng.integers(0, 90, 3)), int(rng.integers(3, 10))
        kind = int(rng.integers(3))
        if kind == 0:
            pen.ellipse([x - r, y - r, x + r, y + r], outline=ink, width=width)
        elif kind == 1:
            pen.rectangle([x - r, y - r, x + r, y + r], outline=ink, width=width)
        else:
            turn, points = rng.uniform(0, np.pi), int(rng.integers(3, 7))
            radii = [(r, 0.4 * r)[i % 2] for i in range(2 * points)]
            angles = [turn + i * np.pi / points for i in range(2 * points)]
            corners = [(x + q * np.sin(a), y - q * np.cos(a)) for q, a in zip(radii, angles, strict=True)]
            pen.line([*corners, corners[0]], fill=ink, width=width)
    return np.asarray(image.resize((side, side), Image.Resampling.BOX))


def strip(rng: np.random.Generator, whole: Pixels) -> Pixels:
    """A strip of a photograph, eight times as long as wide or longer, lying or standing."""
    thin = int(rng.integers(24, 41))
    length = min(whole.shape[:2][int(rng.integers(2))], int(thin * rng.uniform(8, 12)))
    height, width = (thin, length) if whole.shape[1] >= length and rng.random() < 0.6 else (length, thin)
    height, width = min(height, whole.shape[0]), min(width, whole.shape[1])
    top, left = int(rng.integers(0, whole.shape[0] - height + 1)), int(rng.integers(0, whole.shape[1] - width + 1))
    return whole[top : top + height, left : left + width]


def tiny(rng: np.random.Generator, picture: Pixels) -> Pixels:
    """A picture as a thumbnail of 14–24 px."""
    side = int(rng.integers(14, 25))
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BOX))
