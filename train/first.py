"""Trains a home's first version: a small net from scratch on everything that persons have decided.

For whoever has verdicts and no model to start from. Reads the snapshot and the pictures; has them measured and hashed
first, so that near-copies of suite pictures stay out; writes `models/<version>/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mine.copies import split_groups
from mine.preprocess import prepare, scaled_px
from mine.quiet import quiet_natives
from mine.scan import scan
from mine.stars import join_copies, read_hashes
from store.cards import Card
from store.catalog import Snapshot
from store.errors import TooFewSamples
from store.fold import fold
from store.home import Home
from store.pictures import decode
from store.policy import Policy
from train.head import Floats
from train.net import small_net
from train.publish import publish
from train.stages import SEED, Stage

if TYPE_CHECKING:
    import keras

# Decoded as small as the net wants it: several times faster than the whole, and no other version shares its pixels.
INPUT_PX = 96
PREPROCESSING: dict[str, Any] = {"recipe": "plain", "size": INPUT_PX, "scaled": True}
STAGES = (Stage("adam", "adam", 2e-3, 24, 6), Stage("sgd", "sgd", 5e-3, 6, 3))
BATCH = 64
# Below it a net from scratch learns nothing worth promoting; chosen by eye.
LEAST = 100
VALIDATION_SHARE = 0.12
LABELLED = """
    SELECT v.picture, any_value(l.class) AS class FROM verdicts v JOIN policy USING (policy_version)
    JOIN pool p ON p.picture = v.picture JOIN labels l ON l.picture = v.picture
    JOIN pictures b ON b.picture = v.picture ANTI JOIN dropped_pictures d ON d.picture = v.picture
    GROUP BY v.picture ORDER BY v.picture"""
SUITES = "SELECT DISTINCT picture FROM suite_pictures"


def train_first(
    home: Home,
    policy: Policy,
    name: str = "first",
    say: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Card, float]:
    """The published version and its validation loss in nats; one class of the model for every class of the policy.

    The same pictures and verdicts give the same net on the same machine, up to rounding. Raises TooFewSamples below
    `LEAST` pictures, or when a class of the policy has none.
    """
    scan(home, [], progress)
    fold(home)
    join_copies(home)
    fold(home)
    labels, groups = _labelled(home, policy)
    say(f"{len(labels)} reviewed pictures, none a near-copy of a suite's")
    classes = tuple(policy.classes)
    pixels = _prepared(home, list(labels), progress)
    targets = np.eye(len(classes), dtype=np.float32)[[classes.index(label) for label in labels.values()]]
    apart = np.array([_share(groups[picture]) < VALIDATION_SHARE for picture in labels])
    net, loss = _fit(classes, (pixels[~apart], targets[~apart]), (pixels[apart], targets[apart]), say)
    fields = {
        "name": name,
        "classes": classes,
        "class_map": {each: each for each in classes},
        "preprocessing": PREPROCESSING,
        "input_px": INPUT_PX,
        "embedding_size": int(net.get_layer("embedding").output.shape[-1]),
        "origin": f"trained from scratch on {len(labels)} verdicts",
        "licence": "the owner's",
        "notes": f"policy {policy.version}; validation loss {loss:.4f}",
    }
    return publish(net, home.models, fields), loss


def _labelled(home: Home, policy: Policy) -> tuple[dict[str, str], dict[str, str]]:
    """Picture → class, and every picture's group of near-copies."""
    with Snapshot(home) as snapshot:
        groups = split_groups(read_hashes(snapshot))
        rows, suites = snapshot.rows(LABELLED), snapshot.rows(SUITES)
    sealed = {groups[row["picture"]] for row in suites if row["picture"] in groups}
    labels = {
        row["picture"]: row["class"]
        for row in rows
        if row["picture"] in groups and groups[row["picture"]] not in sealed
    }
    lacking = [name for name in policy.classes if name not in labels.values()]
    if len(labels) < LEAST or lacking:
        none = f" and none of {', '.join(lacking)}" if lacking else ""
        raise TooFewSamples(
            f"wanted {LEAST} reviewed pictures and some of every class, found {len(labels)}{none}; "
            f"{len(rows) - len(labels)} more cannot be read or are near-copies of suite pictures; review more"
        )
    return labels, groups


def _share(group: str) -> float:
    """Where in [0, 1) a group lies: by its hash, so that none straddles the splits and a rerun splits alike."""
    return int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) / 16**8


def _prepared(home: Home, pictures: list[str], progress: Callable[[int, int], None]) -> Floats:
    """(N, S, S, 3) float32, what the net gets to see."""
    made = np.empty((len(pictures), INPUT_PX, INPUT_PX, 3), np.float32)
    for index, picture in enumerate(pictures):
        decoded = decode(home.blobs().get(picture), at_least_px=scaled_px(PREPROCESSING))
        made[index] = prepare(decoded.rgb, PREPROCESSING)
        progress(index + 1, len(pictures))
    return made


def _fit(
    classes: tuple[str, ...],
    train: tuple[Floats, Floats],
    validation: tuple[Floats, Floats],
    say: Callable[[str], None],
) -> tuple[keras.Model, float]:
    """The net after all stages, each from the best of the one before, and its validation loss."""
    with quiet_natives():
        import keras
    keras.utils.set_random_seed(SEED)
    net = small_net(INPUT_PX, len(classes))
    picture = keras.Input((INPUT_PX, INPUT_PX, 3))
    seen = keras.layers.RandomFlip("horizontal")(picture)
    seen = keras.layers.RandomTranslation(0.08, 0.08)(seen)
    trainer = keras.Model(picture, net(seen)["logits"])
    # Every class counts alike, however rare it is.
    counts = np.maximum(train[1].sum(axis=0), 1)
    weights = (train[1] @ (counts.sum() / (len(classes) * counts))).astype(np.float32)
    loss = float("inf")
    for stage in STAGES:
        optimizer = keras.optimizers.get({"class_name": stage.optimizer, "config": {"learning_rate": stage.rate}})
        trainer.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True))
        stop = keras.callbacks.EarlyStopping(patience=stage.patience, restore_best_weights=True)
        tell = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs, stage=stage: say(
                f"{stage.name}: epoch {epoch + 1} of at most {stage.epochs}, validation loss {logs['val_loss']:.4f}"
            )
        )
        fitted = trainer.fit(
            *train, batch_size=BATCH, epochs=stage.epochs, sample_weight=weights, validation_data=validation,
            callbacks=[stop, tell], verbose=0,
        )  # fmt: skip
        loss = min(loss, *fitted.history["val_loss"])
    return net, loss
