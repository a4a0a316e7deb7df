"""What every backend shares: how a runner is called, and how raw answers become probabilities.

Reads a version's files; writes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from store.cards import Card
from store.errors import ModelError

Floats = NDArray[np.float32]
# (N, S, S, 3) float32 prepared pictures, N > 0, to float32 outputs by name: `probabilities` (N, C) always.
Runner = Callable[[Floats], Mapping[str, Floats]]
# How far a probability may leave [0, 1] by rounding before it is none. Chosen by eye.
ROUNDING = 1e-3


def as_probabilities(raw: Floats, card: Card) -> Floats:
    """What a model answered to N pictures as probabilities (N, C) in the order of the card's classes.

    One column is taken as the second of two classes. NaN stays NaN. Raises ModelError for another number of columns
    and for numbers that are no probabilities.
    """
    found, classes = raw.reshape(len(raw), -1).astype(np.float64), len(card.classes)
    single = found.shape[1] == 1 and classes == 2
    if found.shape[1] != classes and not single:
        raise ModelError(f"{card.version}: wanted {classes} numbers for {list(card.classes)}, received {raw.shape[1:]}")
    if single:
        other = np.zeros_like(found) if card.runs.answers == "logits" else 1 - found
        found = np.concatenate([other, found], axis=1)
    if card.runs.answers == "logits":
        found = np.exp(found - found.max(axis=1, keepdims=True))
        found /= found.sum(axis=1, keepdims=True)
    if ((found < -ROUNDING) | (found > 1 + ROUNDING)).any():
        low, high = found.min(), found.max()
        raise ModelError(f"{card.version}: wanted probabilities, received {low:.3g} to {high:.3g}; logits, perhaps?")
    return np.clip(found, 0, 1).astype(np.float32)


def checked(path: Path, wanted: str | None) -> bytes:
    """The file's bytes, once they agree with the card. Raises ModelError for a missing or altered file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"wanted {path}, found none; adopt or export the version again") from None
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        said = (wanted or "nothing")[:12]
        raise ModelError(f"{path}: sha256 is {found[:12]}…, the card says {said}…; restore the file")
    return content
