"""The demo's pictures: real ones that come with scikit-learn and scikit-image, drawn ones, and odd views of them.

Everything is benign and made by a seed, so that two runs see the same web. Families are planted blind spots: the
handwritten 1 of the seed, tight crops, extreme strips, strokes, thumbnails.
"""

from __future__ import annotations

import functools
import gzip
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]
SEED = 20190628

# Photographs that are crawled (whole, copied, cut), on hosts that train and on hosts that are held out.
TRAINING = ("astronaut", "motorcycle_left", "motorcycle_right", "camera", "flower", "brick")
HELD_OUT = ("chelsea", "coffee", "gravel", "rocket")
# Photographs that only the ordinary suite sees, in tiles.
ORDINARY = (
    "china", "hubble_deep_field", "retina", "grass", "coins", "moon", "cell", "ihc", "clock_motion", "horse", "color",
)  # fmt: skip
FASHION = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")


@dataclass(frozen=True)
class Made:
    """One picture of the demo: encoded bytes, its family (None: just a picture), the true class, a stem for its URL."""

    data: bytes
    family: str | None
    label: str
    stem: str
    suffix: str


@functools.cache
def photographs() -> dict[str, Pixels]:
    """Name → `(H, W, 3) uint8 RGB` of every photograph that scikit-image and scikit-learn bring."""
    import skimage
    from sklearn.datasets import load_sample_images

    found = {}
    for path in sorted((Path(skimage.__file__).parent / "data").glob("*.*")):
        if path.suffix in (".png", ".jpg"):
            with Image.open(path) as image:
                found[path.stem] = np.asarray(image.convert("RGB"))
    china, flower = load_sample_images().images
    return found | {"china": china, "flower": flower}


def planted(held_out: bool) -> Iterator[Made]:
    """Every planted picture of the hosts that train, or of those that are held out; no specimen is on both."""
    rng = np.random.default_rng(SEED + held_out)
    photos = photographs()
    chosen = [photos[name] for name in (HELD_OUT if held_out else TRAINING)]
    yield from digits(held_out)
    yield from strokes(rng, 150 if held_out else 250)
    yield from crops(rng, chosen, 240 if held_out else 360)
    yield from strips(rng, chosen, 160 if held_out else 240)
    yield from fashion(held_out)


def digits(held_out: bool) -> Iterator[Made]:
    """scikit-learn's handwritten digits, 28 px, black on white (all) and white on black (every second)."""
    from sklearn.datasets import load_digits

    specimens = load_digits().images
    for index in range(1_200, len(specimens)) if held_out else range(1_200):
        pad = (0, 2, 4)[index % 3]
        side = 28 - 2 * pad
        small = Image.fromarray(np.clip(specimens[index] * 255 / 16, 0, 255).astype(np.uint8))
        ink = np.zeros((28, 28), np.uint8)
        ink[pad : pad + side, pad : pad + side] = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
        suffix = ("png", "gif", "bmp")[index % 3]
        yield made(grey(255 - ink), "digits_black_on_white", "drawing", f"ink-{index}", suffix)
        if index % 2:
            yield made(grey(ink), "digits_white_on_black", "drawing", f"chalk-{index}", suffix)


def strokes(rng: np.random.Generator, count: int) -> Iterator[Made]:
    """Drawn 28-px strokes: shapes that are merely like writing."""
    for index in range(count):
        image = Image.new("L", (112, 112), 255)
        points = [tuple(int(v) for v in rng.integers(14, 98, 2)) for _ in range(int(rng.integers(2, 5)))]
        ImageDraw.Draw(image).line(points, fill=0, width=int(rng.integers(6, 16)), joint="curve")
        small = np.asarray(image.resize((28, 28), Image.Resampling.BOX))
        yield made(grey(small), "strokes", "drawing", f"stroke-{index}", "png")


def crops(rng: np.random.Generator, photos: list[Pixels], count: int) -> Iterator[Made]:
    """Tight crops of photographs, 32–96 px: texture without its object."""
    for index in range(count):
        side = int(rng.choice([32, 48, 64, 96]))
        yield made(_cut(rng, photos[index % len(photos)], side, side), "tight_crops", "neutral", f"crop-{index}", "jpg")


def strips(rng: np.random.Generator, photos: list[Pixels], count: int) -> Iterator[Made]:
    """Extreme strips of photographs, 8:1 and thinner, lying and standing."""
    for index in range(count):
        photo, thin = photos[index % len(photos)], int(rng.integers(2, 25))
        length = min(photo.shape[0], photo.shape[1], int(rng.integers(8 * thin, 8 * thin + 300)))
        size = (thin, length) if rng.random() < 0.8 else (length, thin)
        yield made(_cut(rng, photo, *size), "strips", "neutral", f"strip-{index}", "png")


def fashion(held_out: bool) -> Iterator[Made]:
    """Debian's Fashion-MNIST where `dataset-fashion-mnist` is installed, else nothing."""
    if not FASHION.exists():
        return
    with gzip.open(FASHION) as file:
        _, _, height, width = struct.unpack(">IIII", file.read(16))
        pictures = np.frombuffer(file.read(600 * height * width), np.uint8).reshape(-1, height, width)
    for index, ink in enumerate(pictures[400:] if held_out else pictures[:400]):
        yield made(grey(ink), "fashion", "neutral", f"garment-{held_out:d}-{index}", "png")


def copies(quality: int, shrink: float) -> Iterator[Made]:
    """The training photographs whole, re-encoded and resized: near-copies of each other across hosts."""
    photos = photographs()
    for name in TRAINING:
        image = Image.fromarray(photos[name])
        smaller = image.resize((int(image.width * shrink), int(image.height * shrink)), Image.Resampling.LANCZOS)
        yield made(np.asarray(image), None, "neutral", name, "jpg", quality)
        yield made(np.asarray(smaller), None, "neutral", f"{name}-small", "webp", quality)
        thumbnail = image.resize((24, 24), Image.Resampling.LANCZOS)
        yield made(np.asarray(thumbnail), "thumbnails", "neutral", f"{name}-thumb-{quality}", "png")


def odd_sizes() -> Iterator[Made]:
    """A few pictures of extreme size: 1 px, a very long ruler, a very large plain wall."""
    yield made(np.full((1, 1, 3), 200, np.uint8), None, "drawing", "dot", "gif")
    ruler = np.full((8, 9_000, 3), 255, np.uint8)
    ruler[:, ::50] = 0
    yield made(ruler, None, "drawing", "ruler", "png")
    yield made(np.full((2_600, 8_200, 3), (180, 200, 220), np.uint8), None, "drawing", "wall", "png")


def grey(ink: Pixels) -> Pixels:
    """`(H, W)` as `(H, W, 3)`."""
    return np.repeat(ink[..., None], 3, axis=2)


def made(pixels: Pixels, family: str | None, label: str, stem: str, suffix: str, quality: int = 88) -> Made:
    """Encode pixels as the suffix says."""
    buffer = io.BytesIO()
    kind = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "bmp": "BMP", "webp": "WEBP"}[suffix]
    options = {"quality": quality} if suffix in ("jpg", "webp") else {}
    Image.fromarray(pixels).save(buffer, kind, **options)
    return Made(buffer.getvalue(), family, label, stem, suffix)


def _cut(rng: np.random.Generator, photo: Pixels, height: int, width: int) -> Pixels:
    top = int(rng.integers(0, photo.shape[0] - height + 1))
    left = int(rng.integers(0, photo.shape[1] - width + 1))
    return photo[top : top + height, left : left + width]
