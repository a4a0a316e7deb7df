"""Adopts a `.keras` file as a trainable version: its graph is written anew, flat, with the names that training needs.

Reads the file; writes `models/<version>/`. Nothing in the file runs: custom classes, Lambda layers and pickles are
refused before Keras sees it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mine.quiet import quiet_natives
from mine.runtimes.tf_serving import probe_picture
from store.cards import KERAS_FILE, Card
from store.errors import AdoptionError, CardError
from train.adopt.flat import chosen, flattened
from train.adopt.layers import LAST_CONV
from train.adopt.owner import OwnerCard
from train.export import check
from train.facts import foreign_code
from train.integrity import EXPORT_TOLERANCE
from train.publish import Proof, publish

if TYPE_CHECKING:
    import keras


def adopt_keras(what: str, owner: OwnerCard, fields: dict[str, Any], models: Path, proof: Proof) -> Card:
    """Write the model anew and keep it. Raises AdoptionError for the file, CardError for the card."""
    path = Path(what)
    _harmless(path)
    original = _loaded(path)
    if owner.layout == "NCHW":
        raise CardError(f"{path}: takes pictures as NHWC, as Keras files do; the card says NCHW")
    model = flattened(original, owner, fields["input_px"], path)
    _alike(original, model, owner, fields["input_px"], path)
    names = {layer.name for layer in model.layers}
    note = "" if LAST_CONV in names else "no map of a convolution: no heat maps"
    notes = "; ".join(one for one in (fields["notes"], note) if one)
    size = int(model.output["embedding"].shape[-1])

    def compared(folder: Path) -> None:
        gap = check(folder)["difference"]
        if not gap <= EXPORT_TOLERANCE:
            raise AdoptionError(f"{path}: exported, it answers otherwise by {gap:.1g}, limit {EXPORT_TOLERANCE:.0e}")
        proof(folder)

    more = {"classes": list(owner.classes)}
    return publish(model, models, {**fields, "embedding_size": size, "notes": notes}, more, compared)


def _harmless(path: Path) -> None:
    """Refuse what would run code of somebody's, without loading it."""
    try:
        with tempfile.TemporaryDirectory() as scratch:
            shutil.copyfile(path, Path(scratch) / KERAS_FILE)
            found = foreign_code(Path(scratch))
    except (KeyError, zipfile.BadZipFile, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise AdoptionError(f"{path} is not a .keras file of Keras 3: {error}; save it again with Keras 3") from None
    if found:
        said = ", ".join(found)
        raise AdoptionError(f"{path}: wanted stock Keras layers, received {said}; export a SavedModel instead")


def _loaded(path: Path) -> keras.Model:
    with quiet_natives():
        import keras

        try:
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # whatever Keras stumbles over in a file of somebody's
            raise AdoptionError(f"{path}: Keras cannot load it: {' '.join(str(error).split())[:200]}") from None


def _alike(original: keras.Model, model: keras.Model, owner: OwnerCard, side_px: int, path: Path) -> None:
    """Make sure that the model written anew answers noise as the original does."""
    noise = probe_picture(side_px)
    answer = chosen(original(noise, training=False), original, owner, path)
    wanted, ours = np.asarray(answer, np.float32), model(noise, training=False)
    if wanted.shape[-1] == 1:
        wanted = np.concatenate([np.zeros_like(wanted) if owner.answers == "logits" else 1 - wanted, wanted], axis=-1)
    found = np.asarray(ours["logits" if owner.answers == "logits" else "probabilities"])
    gap = float(np.abs(found - wanted).max())
    if np.isfinite(wanted).all() and not gap <= EXPORT_TOLERANCE * max(1.0, float(np.abs(wanted).max())):
        raise AdoptionError(f"{path}: written anew, it answers otherwise by {gap:.1g}; export a SavedModel instead")
