"""The stages of a training, top to bottom: the head on cached features with Adam, then SGD with a small rate.

The base stays frozen, so a stage is seconds on a small machine. Only the best weights by validation loss are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mine.quiet import quiet_natives
from train.data import Arrays
from train.head import Head


@dataclass(frozen=True)
class Stage:
    """One stage: optimiser, rate, and how many epochs without a better validation loss end it (all chosen by eye)."""

    name: str
    optimizer: str
    rate: float
    epochs: int
    patience: int


STAGES: tuple[Stage, ...] = (
    Stage("adam", "adam", 5e-3, 30, 6),
    Stage("sgd", "sgd", 1e-2, 10, 3),
)
BATCH = 128
SEED = 20190600  # the month of the seed article; any number would do


def fit_head(
    head: Head,
    splits: dict[str, Arrays],
    stages: tuple[Stage, ...] = STAGES,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Head, float]:
    """Train a head from `head` on; the best one and its validation loss (weighted cross entropy, nats).

    The same arrays give the same head on the same machine.
    """
    with quiet_natives():
        import keras

    keras.utils.set_random_seed(SEED)
    width, classes = head.kernel.shape
    model = keras.Sequential([keras.Input((width,)), keras.layers.Dense(classes, name="head")])
    model.layers[0].set_weights([head.kernel, head.bias])
    train, validation = splits["train"], splits["validation"]
    best, best_loss = head, loss_of(head, validation)
    say(f"start: validation loss {best_loss:.4f}")
    for stage in stages:
        model.layers[0].set_weights([best.kernel, best.bias])
        optimizer = keras.optimizers.get({"class_name": stage.optimizer, "config": {"learning_rate": stage.rate}})
        # A mean over the batch's samples, each with its weight: rates do not depend on how many there are.
        model.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True))
        stop = keras.callbacks.EarlyStopping(patience=stage.patience, min_delta=1e-5, restore_best_weights=True)
        ran = model.fit(
            train.features,
            train.targets,
            batch_size=BATCH,
            epochs=stage.epochs,
            sample_weight=train.weights,
            validation_data=(validation.features, validation.targets, validation.weights),
            callbacks=[stop],
            verbose=0,
        )
        now = Head(*(np.asarray(weight) for weight in model.layers[0].get_weights()))
        loss = loss_of(now, validation)
        if loss < best_loss:
            best, best_loss = now, loss
        say(f"{stage.name}: {len(ran.epoch)} epochs, best validation loss {best_loss:.4f}")
    return best, best_loss


def loss_of(head: Head, arrays: Arrays) -> float:
    """Weighted mean cross entropy of the head's answers against the targets, in nats."""
    answers = np.log(np.maximum(head.probabilities(arrays.features), 1e-12))
    losses = -(arrays.targets * answers).sum(axis=1)
    return float((losses * arrays.weights).sum() / max(float(arrays.weights.sum()), 1e-12))
