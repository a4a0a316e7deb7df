"""What emblems are planted on: pieces of photographs, drawn scenes, cards, clip art where Debian's packages have it.

Photographs come with scikit-image and scikit-learn. Everything is benign and made by a seed.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from blindspot.demo.ordinary import scene
from blindspot.demo.pictures import photographs
from blindspot.domains.planted import Pixels

# Folders of Debian's tuxpaint-stamps-default and openclipart-png below the share folder.
CLIP_ART = ("tuxpaint/stamps", "openclipart/png")
CLIP_ART_READ = 600


def photo(rng: np.random.Generator, names: Sequence[str]) -> Pixels:
    """A piece of one of the photographs, 112–176 px, perhaps mirrored, a little brighter or darker."""
    whole = photographs()[names[int(rng.integers(len(names)))]]
    height, width = (int(rng.integers(112, 177)) for _ in range(2))
    piece = cut(rng, whole, min(height / width, 1.5), rng.uniform(0.3, 0.9))
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    small = np.asarray(Image.fromarray(piece).resize((width, height), Image.Resampling.LANCZOS), np.float32)
    return np.clip(small * rng.uniform(0.75, 1.2, 3) + rng.uniform(-15, 15), 0, 255).astype(np.uint8)


def cut(rng: np.random.Generator, whole: Pixels, ratio: float, share: float) -> Pixels:
    """A piece of `whole` with height : width = `ratio`, as large as `share` of what fits."""
    fits = min(whole.shape[1], whole.shape[0] / ratio) * share
    width, height = max(1, int(fits)), max(1, int(fits * ratio))
    top = int(rng.integers(0, whole.shape[0] - height + 1))
    left = int(rng.integers(0, whole.shape[1] - width + 1))
    return whole[top : top + height, left : left + width]


def drawing(rng: np.random.Generator, share: Path) -> Pixels:
    """A landscape, a card of shapes, or clip art on a coloured ground where there is some; 112–176 px."""
    art = clip_art(share)
    kind = int(rng.integers(3 if art else 2))
    if kind == 0:
        whole = Image.fromarray(scene(rng))
        scale = rng.uniform(0.4, 0.5)
        size = (int(whole.width * scale), int(whole.height * scale))
        return np.asarray(whole.resize(size, Image.Resampling.LANCZOS))
    width, height = (int(value) for value in rng.integers(112, 177, 2))
    size = (width, height)
    return shapes(rng, size, tinted(rng)) if kind == 1 else stamped(rng, size, art)


def shapes(rng: np.random.Generator, size: tuple[int, ...], ground: tuple[int, ...], most: int = 6) -> Pixels:
    """A card: ellipses, boxes and triangles in any colours on a plain ground."""
    width, height = size
    image = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, most + 1))):
        x, y = (int(rng.integers(-10, length - 10)) for length in (width, height))
        w, h = (int(value) for value in rng.integers(16, 70, 2))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        outline = (30, 30, 30) if rng.random() < 0.4 else None
        shape = int(rng.integers(3))
        if shape == 0:
            pen.ellipse([x, y, x + w, y + h], fill=colour, outline=outline)
        elif shape == 1:
            pen.rectangle([x, y, x + w, y + h], fill=colour, outline=outline)
        else:
            pen.polygon([(x, y + h), (x + w // 2, y), (x + w, y + h)], fill=colour, outline=outline)
    return np.asarray(image)


def stamped(rng: np.random.Generator, size: tuple[int, ...], art: tuple[Path, ...]) -> Pixels:
    """One piece of clip art on a coloured ground."""
    width, height = size
    image = Image.new("RGBA", (width, height), (*tinted(rng), 255))
    with Image.open(art[int(rng.integers(len(art)))]) as file:
        piece = file.convert("RGBA")
    piece.thumbnail((int(width * 0.9), int(height * 0.9)), Image.Resampling.LANCZOS)
    x, y = (int(rng.integers(0, length - part + 1)) for length, part in zip(size, piece.size, strict=True))
    image.alpha_composite(piece, (x, y))
    return np.asarray(image.convert("RGB"))


def tinted(rng: np.random.Generator) -> tuple[int, ...]:
    """A colour that nobody would call white."""
    colour = rng.integers(90, 236, 3)
    colour[int(rng.integers(3))] = int(rng.integers(60, 170))
    return tuple(int(value) for value in colour)


@functools.cache
def clip_art(share: Path) -> tuple[Path, ...]:
    """Files of clip art that are installed, an even choice of at most CLIP_ART_READ; none is no error."""
    found = [path for folder in CLIP_ART for path in sorted((share / folder).rglob("*.png"))]
    return tuple(found[:: max(1, len(found) // CLIP_ART_READ)][:CLIP_ART_READ])
