"""Sentinels: feature vectors that the old head flags, so that a candidate that has forgotten how to flag is seen.

A benign picture's embedding is pushed along the gradient of the old head until its flag score reaches a level. No
picture exists for it: sentinels show collapse and are no evidence of recall. Nothing is read or written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.head import Floats, Head

# Three depths on the flagged side. Source: design of the gate, "sentinel".
LEVELS = (0.55, 0.75, 0.95)
_STEP = 0.02  # share of the embedding's own length per step; chosen by eye
_STEPS = 2_000
_LEAST_NATS = 0.02  # of log-odds, so that the last step arrives; chosen by eye


@dataclass(frozen=True)
class Sentinels:
    """`vectors` (N, D) float32 with the `levels` (N,) they were made at and the pictures (N) they started from."""

    vectors: Floats
    levels: NDArray[np.float64]
    parents: list[str]

    def at(self, level: float) -> Floats:
        chosen: Floats = self.vectors[self.levels == level]
        return chosen


def make_sentinels(head: Head, mask: Floats, pictures: list[str], embeddings: Floats) -> Sentinels:
    """Push every embedding (N, D) to each of the three levels of flag score in turn.

    `mask` (C,) is 1 for flagged classes. An embedding that is above a level from the start, or does not reach it, gives
    no sentinel of that level. Vectors of a base whose features are never negative stay so.
    """
    # After a ReLU no feature is negative, and a vector that no picture could have would prove nothing.
    floor = 0.0 if float(embeddings.min(initial=0.0)) >= 0 else -np.inf
    vectors, levels, parents = [], [], []
    moving = embeddings.astype(np.float64)
    for level in LEVELS:
        moving, reached = _push(head, mask, moving, level, floor)
        for index in np.nonzero(reached)[0]:
            vectors.append(moving[index].astype(np.float32))
            levels.append(level)
            parents.append(pictures[index])
    width = embeddings.shape[1] if embeddings.ndim == 2 else 0
    stacked = np.stack(vectors) if vectors else np.zeros((0, width), np.float32)
    return Sentinels(stacked, np.array(levels), parents)


def _push(
    head: Head, mask: Floats, start: NDArray[np.float64], level: float, floor: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Gradient steps on log(flagged / not flagged) until each flag score reaches `level`, and hardly further."""
    vectors = start.copy()
    scores = head.flag_scores(vectors.astype(np.float32), mask)
    above_at_start = scores >= level
    longest = _STEP * (np.linalg.norm(start, axis=1, keepdims=True) + 1e-9)
    for _ in range(_STEPS):
        below = scores < level
        if not below.any():
            break
        gradient = _gradient(head, mask, vectors[below])
        steepness = np.linalg.norm(gradient, axis=1, keepdims=True) + 1e-12
        # Near the level no step is longer than what is left of the way, as the gradient sees it.
        left = np.maximum(_log_odds(level) - _log_odds(scores[below, None]), _LEAST_NATS)
        step = gradient / steepness * np.minimum(longest[below], left / steepness)
        vectors[below] = np.maximum(vectors[below] + step, floor)
        scores = head.flag_scores(vectors.astype(np.float32), mask)
    return vectors, (scores >= level) & ~above_at_start


def _log_odds(p: float | Floats) -> Any:
    inside = np.clip(p, 1e-9, 1 - 1e-9)
    return np.log(inside / (1 - inside))


def _gradient(head: Head, mask: Floats, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gradient of log Σ flagged − log Σ not flagged with respect to the embedding, (N, D)."""
    p = head.probabilities(vectors.astype(np.float32)).astype(np.float64)
    flagged = p * mask / np.maximum((p * mask).sum(axis=1, keepdims=True), 1e-30)
    others = p * (1 - mask) / np.maximum((p * (1 - mask)).sum(axis=1, keepdims=True), 1e-30)
    result: NDArray[np.float64] = (flagged - others) @ head.kernel.T.astype(np.float64)
    return result
