"""The demo's ordinary suite: pictures as an owner would call normal, beside the crawl and never part of it.

Non-overlapping tiles of photographs that are held out whole, drawn scenes, and Debian's clip art where it is
installed. The report prints how it was made, because a rate is worth what its negatives are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from blindspot.demo.pictures import ORDINARY, SEED, Made, Pixels, made, photographs

TILE_PX = 96
SCENES = 2_600
# Debian packages of ordinary drawings and photographs, used when they are installed.
CLIP_ART = (Path("/usr/share/tuxpaint/stamps"), Path("/usr/share/openclipart/png"))
MOST_CLIP_ART = 400


def ordinary() -> Iterator[Made]:
    """Every picture of the suite."""
    photos = photographs()
    for name in ORDINARY:
        for row, column, tile in _tiles(photos[name]):
            yield made(tile, "tiles", "neutral", f"{name}-{row}-{column}", "png")
    rng = np.random.default_rng(SEED + 2)
    for index in range(SCENES):
        yield made(scene(rng), "scenes", "drawing", f"scene-{index}", "jpg")
    yield from _clip_art()


def scene(rng: np.random.Generator) -> Pixels:
    """A drawn landscape: sky, sun, hills, houses, trees; `(H, W, 3) uint8`, 240–400 px."""
    width, height = ((320, 240), (240, 320), (256, 256), (400, 300))[int(rng.integers(4))]
    image = Image.fromarray(_sky(rng, width, height))
    draw = ImageDraw.Draw(image)
    x, y, r = int(rng.integers(20, width - 20)), int(rng.integers(15, height // 3)), int(rng.integers(10, 28))
    draw.ellipse([x - r, y - r, x + r, y + r], fill=(255, int(rng.integers(200, 240)), int(rng.integers(60, 140))))
    for layer in range(int(rng.integers(1, 4))):
        _hill(draw, rng, width, height, layer)
    for _ in range(int(rng.integers(0, 4))):
        _house(draw, rng, width, height)
    for _ in range(int(rng.integers(0, 6))):
        _tree(draw, rng, width, height)
    return np.asarray(image)


def _tiles(photo: Pixels) -> Iterator[tuple[int, int, Pixels]]:
    for row in range(photo.shape[0] // TILE_PX):
        for column in range(photo.shape[1] // TILE_PX):
            top, left = row * TILE_PX, column * TILE_PX
            yield row, column, photo[top : top + TILE_PX, left : left + TILE_PX]


def _sky(rng: np.random.Generator, width: int, height: int) -> Pixels:
    top = np.array([rng.integers(40, 140), rng.integers(120, 200), rng.integers(190, 255)], np.float64)
    bottom = np.array([rng.integers(180, 255), rng.integers(200, 255), 255], np.float64)
    column = top + (bottom - top) * np.linspace(0, 1, height)[:, None]
    return np.repeat(column[:, None, :], width, axis=1).astype(np.uint8)


def _hill(draw: ImageDraw.ImageDraw, rng: np.random.Generator, width: int, height: int, layer: int) -> None:
    base, swing = height * (0.45 + 0.15 * layer), int(rng.integers(10, 40))
    waves, phase = rng.uniform(1, 4), rng.uniform(0, 6)
    ridge = [(x, base + swing * np.sin(waves * x / width * 6 + phase)) for x in range(0, width + 8, 8)]
    colour = (int(rng.integers(20, 90)), int(rng.integers(90, 180)), int(rng.integers(30, 90)))
    draw.polygon([(0, height), *ridge, (width, height)], fill=colour)


def _house(draw: ImageDraw.ImageDraw, rng: np.random.Generator, width: int, height: int) -> None:
    x, y = int(rng.integers(0, width - 50)), int(rng.integers(height // 2, int(height * 0.8)))
    side = int(rng.integers(18, 50))
    wall, roof = (tuple(int(v) for v in rng.integers(60, 230, 3)) for _ in range(2))
    draw.rectangle([x, y, x + side, y + side], fill=wall, outline=(30, 30, 30))
    draw.polygon([(x - 4, y), (x + side / 2, y - side * 0.6), (x + side + 4, y)], fill=roof)
    draw.rectangle([x + side * 0.4, y + side * 0.5, x + side * 0.6, y + side], fill=(60, 40, 20))


def _tree(draw: ImageDraw.ImageDraw, rng: np.random.Generator, width: int, height: int) -> None:
    x, y = int(rng.integers(10, width - 10)), int(rng.integers(height // 2, int(height * 0.9)))
    size = int(rng.integers(8, 22))
    draw.rectangle([x - 2, y, x + 2, y + size], fill=(90, 60, 30))
    crown = (30, int(rng.integers(90, 160)), 40)
    draw.ellipse([x - size, y - size * 1.2, x + size, y + size * 0.4], fill=crown)


def _clip_art() -> Iterator[Made]:
    found = [path for folder in CLIP_ART if folder.is_dir() for path in sorted(folder.rglob("*.png"))]
    for path in found[:: max(1, len(found) // MOST_CLIP_ART)][:MOST_CLIP_ART]:
        yield Made(path.read_bytes(), "clip_art", "drawing", path.stem, "png")
