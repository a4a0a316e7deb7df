"""Writes model versions: `models/<version>/` with card.json and the files that run it.

A new directory is built beside its place and renamed into it: whole or absent, and never changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from store.cards import CARD_FILE, KERAS_FILE, Card, Runs, read_card, write_card
from store.files import sync_folder, temporary_beside
from train.archive import replaced, stored_weights
from train.export import HEAD, Floats, export, export_head

if TYPE_CHECKING:
    import keras

Weights = Mapping[str, Sequence[Floats]]
Proof = Callable[[Path], None]
# What a version with another head keeps of its parent's card.
KEPT = {"name", "classes", "class_map", "preprocessing", "input_px", "embedding_size", "origin", "licence"}


def _pass(folder: Path) -> None:
    pass


def weights_of(model: keras.Model) -> dict[str, list[Floats]]:
    """The weights of every layer that has some, by the layer's name."""
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def base_of(weights: Weights, preprocessing: Mapping[str, Any]) -> str:
    """sha256 hex over the frozen base (all layers but `head`) and the preprocessing.

    Versions with the same base give the same embeddings.
    """
    return _digest({name: values for name, values in weights.items() if name != HEAD}, preprocessing)


def version_of(
    name: str,
    weights: Weights,
    preprocessing: Mapping[str, Any],
    class_map: Mapping[str, str],
    more: Mapping[str, Any] | None = None,
) -> str:
    """The version's name: a slug of the model's name, and 8 hex digits over all that decides its answers.

    `more` is what else decides, as JSON: the order of classes where the owner states it, a file's digest, a URL.
    """
    slug = "".join(letter if letter.isalnum() or letter in "_-" else "-" for letter in name)
    facts = {"preprocessing": preprocessing, "class_map": class_map, **(more or {})}
    return f"{slug}.{_digest(weights, facts)[:8]}"


def _digest(weights: Weights, facts: Mapping[str, Any]) -> str:
    """sha256 hex, independent of the order in which layers or keys were written down."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(weights):
        for value in weights[name]:
            digest.update(f"{name} {value.shape} {value.dtype.str}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def publish(
    model: keras.Model,
    models: Path,
    card: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
    proof: Proof = _pass,
) -> Card:
    """Write a trainable version under `models` and return its card; one that is there stays as it is.

    `card` holds the card's fields without `version`, `base`, `files` and `made_at`; `more` as in `version_of`. `proof`
    looks at the finished folder and raises where it must not be kept.
    """

    def files(folder: Path) -> None:
        model.save(folder / KERAS_FILE)
        export(model, folder)

    return _publish(models, _named(card, weights_of(model), more), files, proof)


def publish_head(parent: Path, kernel: Floats, bias: Floats, mix: str | None = None) -> Card:
    """Write the version in the folder `parent` with another head, beside it; returns its card.

    Needs no TensorFlow. `kernel` (D, C), `bias` (C,) float32. The new card names its parent and has the same
    base: embeddings are shared. Raises ModelError when the head does not fit.
    """
    weights = {**stored_weights(parent / KERAS_FILE), HEAD: [kernel, bias]}

    def files(folder: Path) -> None:
        replaced(parent / KERAS_FILE, HEAD, [kernel, bias], folder / KERAS_FILE)
        export_head(parent, kernel, bias, folder)

    fields = {**read_card(parent).model_dump(include=KEPT), "parent": parent.name, "mix": mix}
    return _publish(parent.parent, _named(fields, weights), files)


def publish_score_only(
    models: Path, card: Mapping[str, Any], content: str, files: Callable[[Path], None] = _pass, proof: Proof = _pass
) -> Card:
    """Write a version that only scores; `files` writes what runs it. The rest is as for `publish`.

    `content` identifies the foreign model: a digest of its files, or its URL.
    """
    runs: Runs = card["runs"]
    more = {"content": content, "classes": list(card["classes"]), "runs": runs.model_dump(mode="json")}
    version = version_of(card["name"], {}, card["preprocessing"], card["class_map"], more)
    base = _digest({}, {"preprocessing": card["preprocessing"], **more})
    return _publish(models, {**card, "level": "score_only", "version": version, "base": base}, files, proof)


def _named(card: Mapping[str, Any], weights: Weights, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    version = version_of(card["name"], weights, card["preprocessing"], card["class_map"], more)
    return {**card, "version": version, "base": base_of(weights, card["preprocessing"])}


def _publish(models: Path, card: Mapping[str, Any], files: Callable[[Path], None], proof: Proof = _pass) -> Card:
    target = models / card["version"]
    if target.is_dir():
        proof(target)
        return read_card(target)
    building = temporary_beside(target)
    building.mkdir(parents=True)
    try:
        files(building)
        _write_card(building, card)
        proof(building)
        _settle(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return read_card(target)


def _write_card(folder: Path, fields: Mapping[str, Any]) -> None:
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    write_card(Card(**fields, files=files, made_at=datetime.now(UTC).isoformat(timespec="seconds")), folder)


def _settle(building: Path, target: Path) -> None:
    """Make the files durable, then give the directory its name; another process may have been faster."""
    for path in building.iterdir():
        with path.open("rb") as handle:
            os.fsync(handle.fileno())
    sync_folder(building)
    try:
        building.rename(target)
    except OSError:
        if not (target / CARD_FILE).is_file():
            raise
    sync_folder(target.parent)
