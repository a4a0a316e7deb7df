"""Makes the pictures of the domain shoebox from Fashion-MNIST and scikit-learn's digits, as `domain.toml` lists them.

Source of the sizes, the policies and the digits' frame: the benchmark that the project's facts call shoebox.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from blindspot.domains.planted import POOL, Pixels, Planted, encoded, seeded
from blindspot.handwriting import digits
from store.errors import HomeError

FOLDER = "datasets/fashion-mnist"
# Source: the labels of Fashion-MNIST, in their order.
KINDS = ("t_shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle_boot")
SIDE_PX, DIGIT_PX = 28, 20
FIRST_HELD_OUT = 1_200  # of the 1,797 digits; no garment of the training files is in the test files


@dataclass(frozen=True)
class Garments:
    """One pair of files: `(N, 28, 28) uint8`, 0 ground, and the kinds as indices `(N,)` into KINDS."""

    pictures: Pixels
    kinds: Pixels

    def of(self, kinds: Sequence[str], rng: np.random.Generator) -> NDArray[np.intp]:
        """The positions of these kinds, shuffled."""
        return rng.permutation(np.flatnonzero(np.isin(self.kinds, [KINDS.index(kind) for kind in kinds])))


def pictures(facts: Mapping[str, Any], share: Path, size: float = 1.0) -> Iterator[Planted]:
    """Every picture; `size` scales their numbers. Raises HomeError without the package."""
    yield from _pool(facts, garments(share, "train"), size)
    yield from _suites(facts, garments(share, "t10k"), size)


def garments(share: Path, part: str) -> Garments:
    """The files of one part, `train` or `t10k`. Raises HomeError naming what is missing."""
    return Garments(read_idx(share / FOLDER / f"{part}-images-idx3-ubyte.gz"),
                    read_idx(share / FOLDER / f"{part}-labels-idx1-ubyte.gz"))  # fmt: skip


def read_idx(path: Path) -> Pixels:
    """An array of bytes from a gzipped IDX file. Source: the format's description by LeCun. Raises HomeError."""
    try:
        data = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise HomeError(f"wanted {path}, found none; install Debian's dataset-fashion-mnist") from None
    except (OSError, EOFError) as error:
        raise HomeError(f"{path} cannot be read: {error}; install dataset-fashion-mnist again") from None
    header = 4 + 4 * data[3] if data[:3] == b"\0\0\x08" else 0
    shape = [int.from_bytes(data[start : start + 4], "big") for start in range(4, header, 4)]
    content = np.frombuffer(data[header:], np.uint8)
    if not shape or len(data) < header or content.size != math.prod(shape):
        raise HomeError(f"{path}: wanted an IDX file of bytes, found another; install dataset-fashion-mnist again")
    return content.reshape(shape)


def _pool(facts: Mapping[str, Any], found: Garments, size: float) -> Iterator[Planted]:
    counts, flagged, hidden = facts["pool"], facts["flagged"], facts["hidden"]
    rng = seeded(facts["seed"], 0)
    first = {True: round(counts["first"] * counts["first_listed"])}
    first[False] = counts["first"] - first[True]
    for listed, wanted in ((False, counts["others"]), (True, counts["listed"])):
        kinds = [kind for kind in KINDS if (kind in flagged) == listed]
        known = 0
        for index in found.of(kinds, rng)[: _scaled(wanted, size)]:
            kind = KINDS[found.kinds[index]]
            is_first = kind != hidden and known < _scaled(first[listed], size)
            known += is_first
            yield _garment(found, index, facts, POOL, "wardrobe", first=is_first)
    for specimen in digits()[:FIRST_HELD_OUT][: _scaled(counts["digits"], size)]:
        yield _digit(specimen, POOL, "notebook")


def _suites(facts: Mapping[str, Any], found: Garments, size: float) -> Iterator[Planted]:
    counts, flagged, hidden = facts["suites"], facts["flagged"], facts["hidden"]
    rng = seeded(facts["seed"], 1)
    others = [kind for kind in KINDS if kind not in (*flagged, hidden)]
    for place, kinds in (("ordinary", others), ("positives", flagged), ("hidden", [hidden])):
        role = "families" if place == "hidden" else ""
        for index in found.of(kinds, rng)[: _scaled(counts[place], size)]:
            yield _garment(found, index, facts, place, "catalogue", role)
    for specimen in digits()[FIRST_HELD_OUT:][: _scaled(counts["digits"], size)]:
        yield _digit(specimen, "digits", "desk", "families")


def _scaled(count: int, size: float) -> int:
    return max(1, round(count * size))


def _garment(
    found: Garments, index: int, facts: Mapping[str, Any], place: str, source: str, role: str = "", first: bool = False
) -> Planted:
    kind = KINDS[found.kinds[index]]
    label = "listed" if kind in facts["flagged"] else "other"
    family = kind if kind == facts["hidden"] else ""
    return Planted(encoded(found.pictures[index], "png"), "png", place, source, label, kind, family, role, (), first)


def _digit(specimen: Pixels, place: str, source: str, role: str = "") -> Planted:
    """A digit of 20 px in the middle of a frame of 28, white on black like the garments."""
    frame, edge = np.zeros((SIDE_PX, SIDE_PX), np.uint8), (SIDE_PX - DIGIT_PX) // 2
    drawn = Image.fromarray(specimen).resize((DIGIT_PX, DIGIT_PX), Image.Resampling.BICUBIC)
    frame[edge:-edge, edge:-edge] = np.asarray(drawn)
    return Planted(encoded(frame, "png"), "png", place, source, "other", "digit", "digits", role)
