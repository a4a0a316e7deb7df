"""The page's example pictures: of every planted family a few held-out ones, with both models' scores.

Reads pictures by id, decoded behind limits as everywhere; writes nothing.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from blindspot.demo.markup import Markup, element, join
from blindspot.sheet import QUALITY, fit
from store.blobs import Blobs
from store.errors import PictureError, PictureMissing
from store.home import Home
from store.pictures import decode
from train.evidence import Evidence

# Of each family: those the champion flags most surely, then those left that the other model does. Chosen by eye.
MOST_BEFORE, MOST_AFTER = 4, 2
FIXED = 0.5


@dataclass(frozen=True)
class Example:
    """One picture of a family, with the flag scores of both models in [0, 1]."""

    picture: str
    before: float
    after: float


def choose(evidence: Evidence, family: str) -> list[Example]:
    """The extremes of a family among its held-out benign pictures, by rule, so that nobody picks the nice ones."""
    if family not in evidence.families:
        return []
    chosen = evidence.families[family] & evidence.role("families") & ~evidence.truth
    every = [
        Example(evidence.pictures[i], float(evidence.champion[i]), float(evidence.candidate[i]))
        for i in chosen.nonzero()[0]
    ]
    by_before = sorted(every, key=lambda example: (-example.before, example.picture))
    first, others = by_before[:MOST_BEFORE], by_before[MOST_BEFORE:]
    return first + sorted(others, key=lambda example: (-example.after, example.picture))[:MOST_AFTER]


def galleries(home: Home, evidence: Evidence, families: Sequence[str]) -> Markup:
    """Every family with its examples, blurred and grey until a person asks for one."""
    blobs = home.blobs()
    return join(_gallery(family, choose(evidence, family), blobs) for family in families)


def _gallery(family: str, examples: Sequence[Example], blobs: Blobs) -> Markup | None:
    if not examples:
        return None
    figures = [_figure(f"{family} {number}", example, blobs) for number, example in enumerate(examples, 1)]
    return element("div", element("h3", family), element("div", *figures, class_="gallery"))


def _figure(name: str, example: Example, blobs: Blobs) -> Markup:
    lines = [_score("before", "first", example.before), _score("after", "second", example.after)]
    try:
        # The miner has decoded these bytes before, in its sandbox; what it had to refuse is no evidence.
        decoded = decode(blobs.get(example.picture))
    except (PictureError, PictureMissing) as error:
        look = element("p", f"This picture cannot be shown: {error}", class_="failure")
    else:
        look = _look(decoded.rgb, name)
        lines.append(element("span", f"{decoded.width_px:,} × {decoded.height_px:,} px", class_="soft"))
    return element("figure", look, element("figcaption", *lines), class_="example")


def _look(rgb: NDArray[np.uint8], name: str) -> Markup:
    """A thumbnail of `(H, W, 3) uint8 RGB 0–255` under a box that reveals it while checked, focused or pointed at."""
    out = io.BytesIO()
    Image.fromarray(fit(rgb)).save(out, "JPEG", quality=QUALITY, subsampling=0)
    source = f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
    box = element("input", type="checkbox", aria_label=f"Reveal {name}")
    picture = element("img", src=source, alt=f"{name}, hidden until revealed", draggable="false")
    return element("label", box, picture, class_="look")


def _score(word: str, style: str, score: float) -> Markup:
    flagged = element("b", "▲", role="img", aria_label="flagged") if score > FIXED else None
    return element("span", element("span", word, class_=style), f" {score:.2f} ", flagged)
