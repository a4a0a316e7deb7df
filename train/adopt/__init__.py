"""Adopts foreign models: published ones by name, the owner's own by file, folder or URL with a card.

Writes `models/<version>/`. Adopting the same model with the same class map again finds that version and
changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from store.cards import CARD_FILE, Card, read_card
from store.errors import UnknownModel, UsageError
from store.policy import Policy
from train.adopt import nsfwjs, open_nsfw
from train.adopt.layers import HEAD, Foreign, build
from train.adopt.owner import fields_of, mapped, read_owner_card
from train.adopt.proof import prove
from train.publish import publish, version_of

ADOPTERS: dict[str, Callable[[], Foreign]] = {
    **{f"nsfwjs/{name}": reader for name, reader in nsfwjs.READERS.items()},
    "open_nsfw": open_nsfw.read,
}


def is_own(what: str) -> bool:
    """Whether `what` is a model of the owner's, to be adopted with a card: a URL, or a file or folder there is."""
    return what not in ADOPTERS and ("://" in what or Path(what).exists() or what.endswith((".keras", ".onnx")))


def adopt(name: str, models: Path, class_map: dict[str, str] | None = None, policy: Policy | None = None) -> Card:
    """Adopt the published model `name` into the folder `models` and return its card.

    `class_map` sends each of its classes to a policy class, `flagged` or `not_flagged` (default: the
    adopter's own). Raises UnknownModel for an unknown name, AdoptionError for a source that cannot be read, CardError
    for a map that is incomplete or does not fit `policy`; then nothing was written.
    """
    reader = ADOPTERS.get(name)
    if reader is None:
        kinds = "a .keras or .onnx file, a folder with a SavedModel, or a URL"
        raise UnknownModel(f"wanted one of {', '.join(ADOPTERS)} to adopt, {kinds}. Received: {name!r}")
    foreign = reader()
    ours = mapped(name, foreign.classes, foreign.class_map if class_map is None else class_map, policy)
    version = version_of(name, foreign.weights, foreign.preprocessing, ours)
    if (models / version / CARD_FILE).is_file():
        return read_card(models / version)
    (embedding,) = {layer.weights[0].shape[0] for layer in foreign.layers if layer.name == HEAD}
    fields = {
        "name": name,
        "classes": foreign.classes,
        "class_map": ours,
        "preprocessing": foreign.preprocessing,
        "input_px": foreign.input_px,
        "embedding_size": embedding,
        "origin": foreign.origin,
        "licence": foreign.licence,
        "notes": foreign.notes,
    }
    return publish(build(foreign), models, fields)


def adopt_own(
    what: str,
    card: Path | None,
    models: Path,
    class_map: dict[str, str] | None = None,
    policy: Policy | None = None,
) -> Card:
    """Adopt the owner's model `what`, a .keras or .onnx file, a folder with a SavedModel or a URL, by his card file.

    A .keras file becomes trainable, the others only score. `class_map` goes before the card file's. Raises UsageError
    for words that are off, UnknownModel for what is none of these, AdoptionError for a model that cannot be used,
    CardError for a card that does not fit it; then nothing was written.
    """
    adopter = _own_adopter(what)
    if card is None:
        raise UsageError(f"{what}: wanted --card FILE.toml with its classes, map and preprocessing, received none")
    owner = read_owner_card(card)
    fields = fields_of(owner, what, class_map, policy)
    return adopter(what, owner, fields, models, lambda folder: prove(folder, owner, card.parent))


def _own_adopter(what: str) -> Callable[..., Card]:
    """What adopts it, called with (what, owner's card, fields, models, proof)."""
    path = Path(what)
    if "://" in what:
        from train.adopt.served import adopt_url

        return adopt_url
    if not path.exists():
        raise UnknownModel(f"wanted a model at {path}, found none")
    if path.is_dir() and (path / "saved_model.pb").is_file():
        from train.adopt.saved_model import adopt_saved_model

        return adopt_saved_model
    if path.is_file() and path.suffix == ".keras":
        from train.adopt.keras_file import adopt_keras

        return adopt_keras
    if path.is_file() and path.suffix == ".onnx":
        from train.adopt.onnx_file import adopt_onnx

        return adopt_onnx
    raise UnknownModel(f"wanted a .keras or .onnx file, a folder with saved_model.pb, or a URL. Received: {path}")
