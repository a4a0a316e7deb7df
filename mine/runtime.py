"""Runs one model version, whatever it is: the card says by which backend, and files are checked against it.

Reads `models/<version>/`; writes nothing; never loads tensorflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mine.runtimes import BACKENDS
from mine.runtimes.answers import Floats
from store.cards import read_card
from store.errors import ModelError

OUTPUTS = ("probabilities", "logits", "embedding")


@dataclass(frozen=True)
class Outputs:
    """What a model version says of N pictures, all float32.

    `probabilities` (N, C) in [0, 1] in the order of the card's classes, `logits` (N, C) before the softmax,
    `embedding` (N, D) what the layer `head` reads. The last two are None where the card has no embedding_size.
    """

    probabilities: Floats
    logits: Floats | None = None
    embedding: Floats | None = None


class Runtime:
    """A loaded model version; safe to share between threads."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Load the version in `folder`, with `threads` threads inside one picture.

        Raises CardError for a missing or bad card, ModelError for a missing or altered file and for a server that is
        down or serves another model.
        """
        self.card = read_card(folder)
        self._run = BACKENDS[self.card.runs.backend](folder, self.card, threads)

    def run(self, pictures: Floats) -> Outputs:
        """Score prepared pictures: (N, S, S, 3) or one (S, S, 3) float32, as `prepare` makes them.

        Raises ModelError when the shape is not the model's, and when a version behind a URL is down.
        """
        batch = pictures[None] if pictures.ndim == 3 else pictures
        side = self.card.input_px
        if batch.shape[1:] != (side, side, 3):
            wanted = f"(N, {side}, {side}, 3)"
            raise ModelError(f"{self.card.version}: wanted pictures {wanted}, received {pictures.shape}")
        answers = self._run(batch) if len(batch) else self._none()
        embedded = self.card.embedding_size is not None
        return Outputs(**{name: answers[name] for name in (OUTPUTS if embedded else OUTPUTS[:1])})

    def _none(self) -> dict[str, Floats]:
        """The outputs for no pictures."""
        widths = (len(self.card.classes), len(self.card.classes), self.card.embedding_size or 0)
        return {name: np.zeros((0, width), np.float32) for name, width in zip(OUTPUTS, widths, strict=True)}
