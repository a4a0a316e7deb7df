"""Makes a candidate: mix → cached features → head → a model version, scored on every picture that is embedded.

Reads the snapshot and embeddings; writes `models/<version>/`, appends `mixes`, `mix_samples` and `raw_scores`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from store.cards import Card
from store.embeddings import read_embeddings
from store.errors import ModelError
from store.home import Home
from store.policy import Policy
from store.versions import find_version
from train.data import load_arrays
from train.head import Head, read_head
from train.mix import Mix, MixSettings, make_mix, record_mix
from train.publish import publish_head
from train.stages import fit_head


@dataclass(frozen=True)
class Trained:
    """A candidate, the mix it learned from and its best validation loss in nats."""

    card: Card
    mix: Mix
    validation_loss: float


def train_candidate(
    home: Home,
    policy: Policy,
    parent: str,
    settings: MixSettings | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Retrain the head of `parent` on a fresh mix. Raises TooFewSamples, or ModelError for a score-only parent."""
    card = find_version(home, parent)
    if card.level != "trainable":
        raise ModelError(f"{card.version} is score-only: it has no Keras model to train; adopt a trainable one")
    mix = make_mix(home, card.version, policy.version, settings)
    record_mix(home, mix)
    say(f"mix {mix.name}: {len(mix.samples)} samples, {mix.dropped} dropped as near-copies of suite pictures")
    head = read_head(home.models / card.version)
    best, loss = fit_head(head, load_arrays(home, mix, card, head, policy), say=say)
    made = publish_head(home.models / card.version, best.kernel, best.bias, mix=mix.name)
    score_from_embeddings(home, made, best)
    return Trained(made, mix, loss)


def score_from_embeddings(home: Home, card: Card, head: Head) -> None:
    """Append the scores of a version on every picture embedded under its base: no picture is decoded again."""
    pictures, vectors = read_embeddings(home, card.base)
    probabilities = head.probabilities(vectors)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    flat = pa.array(np.ascontiguousarray(probabilities, np.float32).ravel(), pa.float32())
    offsets = pa.array(np.arange(len(pictures) + 1, dtype=np.int32) * probabilities.shape[1])
    n = len(pictures)
    table = pa.table(
        {
            "picture": pa.array(pictures, pa.string()),
            "version": pa.array([card.version] * n, pa.string()),
            "view": pa.array(["as_shown"] * n, pa.string()),
            "probabilities": pa.ListArray.from_arrays(offsets, flat),
            "scored_at": pa.array([now] * n, pa.timestamp("us")),
        }
    )
    home.inbox().append("raw_scores", table)
