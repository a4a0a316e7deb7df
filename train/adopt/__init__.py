"""Adopts foreign models: reads their weights where they are published, writes them as model versions of ours.

Writes `models/<version>/`. Adopting the same model with the same class map again finds that version and
changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from store.cards import CARD_FILE, Card, read_card
from store.errors import CardError, UnknownModel
from store.policy import Policy
from train.adopt import nsfwjs, open_nsfw
from train.adopt.layers import HEAD, Foreign, build
from train.publish import publish, version_of

ADOPTERS: dict[str, Callable[[], Foreign]] = {
    "nsfwjs/mobilenet_v2": nsfwjs.read,
    "open_nsfw": open_nsfw.read,
}


def adopt(name: str, models: Path, class_map: dict[str, str] | None = None, policy: Policy | None = None) -> Card:
    """Adopt the foreign model `name` into the folder `models` and return its card.

    `class_map` sends each of its classes to a policy class, `flagged` or `not_flagged` (default: the
    adopter's own). Raises UnknownModel for an unknown name, AdoptionError for a source that cannot be read, CardError
    for a map that is incomplete or does not fit `policy`; then nothing was written.
    """
    reader = ADOPTERS.get(name)
    if reader is None:
        raise UnknownModel(f"wanted one of {', '.join(sorted(ADOPTERS))} to adopt. Received: {name!r}")
    foreign = reader()
    mapped = foreign.class_map if class_map is None else class_map
    if set(mapped) != set(foreign.classes):
        raise CardError(f"{name}: class map must name each of {list(foreign.classes)}, received {sorted(mapped)}")
    if policy is not None:
        policy.mask_of(name, foreign.classes, mapped)
    version = version_of(name, foreign.weights, foreign.preprocessing, mapped)
    if (models / version / CARD_FILE).is_file():
        return read_card(models / version)
    (embedding,) = {layer.weights[0].shape[0] for layer in foreign.layers if layer.name == HEAD}
    fields = {
        "name": name,
        "classes": foreign.classes,
        "class_map": mapped,
        "preprocessing": foreign.preprocessing,
        "input_px": foreign.input_px,
        "embedding_size": embedding,
        "origin": foreign.origin,
        "licence": foreign.licence,
        "notes": foreign.notes,
    }
    return publish(build(foreign), models, fields)
