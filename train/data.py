"""A mix as arrays: cached features and the answers to learn from them.

Reads embeddings; writes nothing. Labels come from persons alone. Where the mix says *hold* or *sentinel* the target is
the parent's own answer, which is no label but a wish that nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from store.cards import Card
from store.embeddings import read_embeddings
from store.errors import ModelError, TooFewSamples
from store.home import Home
from store.policy import Policy
from train.head import Floats, Head
from train.mix import Mix
from train.sentinels import make_sentinels


@dataclass(frozen=True)
class Arrays:
    """`features` (N, D), `targets` (N, C) distributions over the model's classes, `weights` (N,)."""

    features: Floats
    targets: Floats
    weights: Floats


def load_arrays(home: Home, mix: Mix, card: Card, head: Head, policy: Policy) -> dict[str, Arrays]:
    """The splits `train` and `validation` of a mix.

    Raises ModelError when a picture has no embedding, TooFewSamples when a split has nothing but sentinels.
    """
    pictures, vectors = read_embeddings(home, card.base)
    place = {picture: index for index, picture in enumerate(pictures)}
    lacking = [sample.picture for sample in mix.samples if sample.picture not in place]
    if lacking:
        raise ModelError(
            f"{len(lacking)} pictures of the mix have no embedding under {card.version}; run `blindspot mine run`"
        )
    mask = np.array(policy.flag_mask(card), np.float32)
    splits = {}
    for split in ("train", "validation"):
        chosen = [s for s in mix.samples if s.split == split and s.kind != "sentinel"]
        if not chosen:
            raise TooFewSamples(f"mix {mix.name}: nothing for its {split} split, all pictures are alike; review others")
        features = vectors[[place[s.picture] for s in chosen]]
        old = head.probabilities(features)
        targets = np.stack(
            [old[i] if s.label is None else target(old[i], s.label, card, policy) for i, s in enumerate(chosen)]
        )
        weights = np.array([s.weight for s in chosen], np.float32)
        started = [s.picture for s in mix.samples if s.split == split and s.kind == "sentinel"]
        replay = make_sentinels(head, mask, started, vectors[[place[p] for p in started]]).vectors
        splits[split] = Arrays(
            np.concatenate([features, replay]),
            np.concatenate([targets, _still_flagged(head.probabilities(replay), mask)]),
            np.concatenate([weights, np.ones(len(replay), np.float32)]),
        )
    return splits


def _still_flagged(old: Floats, mask: Floats) -> Floats:
    """Old answers (N, C) with all weight on the flagged classes: a sentinel must stay flagged, not stay at .55."""
    kept = old * mask
    result: Floats = kept / kept.sum(axis=1, keepdims=True)
    return result


def target(old: Floats, label: str, card: Card, policy: Policy) -> Floats:
    """A verdict as a distribution over the model's classes, (C,).

    All weight goes to the classes that the card maps to `label`; where the model has none, to all classes on the same
    side of the policy, in the proportions of its old answer.
    """
    fits = np.array([card.class_map[name] == label for name in card.classes])
    if not fits.any():
        side = policy.is_flagged(label)
        fits = np.array([policy.is_flagged(card.class_map[name]) == side for name in card.classes])
    chosen: NDArray[np.float32] = np.where(fits, np.maximum(old, 1e-6), 0.0).astype(np.float32)
    result: Floats = chosen / chosen.sum()
    return result
