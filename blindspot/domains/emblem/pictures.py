"""Makes the pictures of the domain emblem, batch by batch, as its `domain.toml` lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blindspot.demo.pictures import photographs
from blindspot.domains.emblem import grounds, odd
from blindspot.domains.emblem.plant import plant
from blindspot.domains.emblem.symbol import EMBLEM, LOOK_ALIKES, symbol
from blindspot.domains.planted import POOL, Box, Pixels, Planted, encoded, pick, seeded

WHITE = (255, 255, 255)
MOST_EMBLEMS = 2


@dataclass(frozen=True)
class Batch:
    """One entry of `[[batches]]`: `n` pictures of a `kind` for a place.

    `emblems` are the shares of pictures with 0, 1 and 2 emblems, `look_alikes` the share of those without that carry a
    look-alike; `photographs` names one of the lists in `[photographs]`.
    """

    kind: str
    n: int
    source: str
    place: str = POOL
    photographs: str = "training"
    emblems: Sequence[float] = (1.0, 0.0, 0.0)
    look_alikes: float = 0.0
    family: str = ""
    role: str = ""
    first: bool = False


@dataclass(frozen=True)
class Making:
    """What a kind makes one picture from."""

    batch: Batch
    names: tuple[str, ...]
    share: Path
    index: int
    count: int
    like: bool
    rng: np.random.Generator


Made = tuple[Pixels, list[Box]]


def pictures(facts: Mapping[str, Any], share: Path, size: float = 1.0) -> Iterator[Planted]:
    """Every picture; `size` scales the batches. Photographs and drawings only from packages and from our own pens."""
    for number, entry in enumerate(facts["batches"]):
        batch = Batch(**entry)
        names = tuple(facts["photographs"][batch.photographs])
        for index in range(max(1, round(batch.n * size))):
            yield _one(batch, names, share, index, seeded(facts["seed"], number, index))


def _one(batch: Batch, names: tuple[str, ...], share: Path, index: int, rng: np.random.Generator) -> Planted:
    wanted = pick(rng, batch.emblems)
    like = wanted == 0 and rng.random() < batch.look_alikes
    pixels, boxes = KINDS[batch.kind](Making(batch, names, share, index, wanted, like, rng))
    style = "photo" if batch.kind in PHOTOGRAPHIC else "drawn"
    label = f"emblem_{style}" if wanted else {"photo": "photo", "drawn": "drawing"}[style]
    suffix = "png" if batch.kind not in ("photo", "drawing") or index % 3 == 0 else "jpg"
    return Planted(
        encoded(pixels, suffix, int(rng.integers(78, 95))),
        suffix,
        batch.place,
        batch.source,
        label,
        style,
        batch.family or ("look_alikes" if like else ""),
        batch.role,
        tuple(boxes) if wanted else (),
        batch.first,
    )


def _symbols(making: Making) -> list[Pixels]:
    """The emblems of one picture, or its look-alike."""
    if making.like:
        return [symbol(LOOK_ALIKES[int(making.rng.integers(len(LOOK_ALIKES)))], making.rng)]
    return [symbol(EMBLEM, making.rng) for _ in range(making.count)]


def _photo(making: Making) -> Made:
    return plant(grounds.photo(making.rng, making.names), _symbols(making), "photo", making.rng)


def _drawing(making: Making) -> Made:
    return plant(grounds.drawing(making.rng, making.share), _symbols(making), "drawn", making.rng)


def _sticker(making: Making) -> Made:
    """The confounded source: on white there is an emblem, on a coloured ground there is none."""
    rng = making.rng
    size = tuple(int(value) for value in rng.integers(96, 161, 2))
    if making.count:
        return plant(np.full((*size, 3), WHITE, np.uint8), _symbols(making), "drawn", rng)
    return plant(grounds.shapes(rng, size, grounds.tinted(rng), 3), _symbols(making), "drawn", rng)


def _strip(making: Making) -> Made:
    whole = photographs()[making.names[making.index % len(making.names)]]
    return plant(odd.strip(making.rng, whole), _symbols(making), "photo", making.rng)


def _tiny(making: Making) -> Made:
    """Planted at full size and then made small; the boxes with it."""
    large, boxes = _photo(making)
    small = odd.tiny(making.rng, large)
    down, across = small.shape[0] / large.shape[0], small.shape[1] / large.shape[1]
    scaled = [(int(x * across), int(y * down), max(1, round(w * across)), max(1, round(h * down)))
              for x, y, w, h in boxes]  # fmt: skip
    return small, scaled


def _digit(making: Making) -> Made:
    return odd.digit(making.rng, making.index, making.batch.place != POOL), []


def _line_art(making: Making) -> Made:
    return odd.line_art(making.rng), []


KINDS: dict[str, Callable[[Making], Made]] = {
    "photo": _photo,
    "drawing": _drawing,
    "sticker": _sticker,
    "strip": _strip,
    "tiny": _tiny,
    "digit": _digit,
    "line_art": _line_art,
}
PHOTOGRAPHIC = ("photo", "strip", "tiny")
