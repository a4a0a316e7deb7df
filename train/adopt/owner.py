"""What the owner of a model says of it: the card file that `models adopt --card` takes.

Reads that TOML file and the pictures that it names; writes nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mine.preprocess import prepare
from store.cards import Runs
from store.errors import CardError, PictureError
from store.policy import Policy, one_line

NAME = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,79}$"
Probability = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Probe(_Part):
    """A picture whose answer is known: by its probabilities per class, or by the class that has the largest.

    `picture` is a path beside the card file; `tolerance` bounds the difference of each probability.
    """

    picture: str
    probabilities: dict[str, Probability] | None = None
    top: str | None = None
    tolerance: float = Field(1e-3, gt=0, lt=1)

    @model_validator(mode="after")
    def _says_something(self) -> Probe:
        if (self.probabilities is None) == (self.top is None):
            raise ValueError("wanted either probabilities (one per class) or top (a class)")
        return self


class OwnerCard(_Part):
    """The card file: classes in the order of the model's outputs, where each belongs, and how pictures are prepared.

    A single output is the second of two classes.
    """

    name: str | None = Field(None, pattern=NAME)
    classes: tuple[str, ...]
    map: dict[str, str] = {}
    preprocessing: dict[str, Any]
    layout: Literal["NHWC", "NCHW"] | None = None
    output: str | None = None
    answers: Literal["probabilities", "logits"] = "probabilities"
    licence: str = "not stated"
    notes: str = ""
    check: tuple[Probe, ...] = ()

    @model_validator(mode="after")
    def _checks_fit(self) -> OwnerCard:
        if len(self.classes) < 2:
            raise ValueError(
                f"classes: wanted two or more, received {list(self.classes)}; of a model with one output name both, "
                'the one whose probability it gives last: ["fine", "nsfw"]'
            )
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes must differ. Received: {list(self.classes)}")
        for probe in self.check:
            named = {probe.top} if probe.probabilities is None else set(probe.probabilities)
            wanted = named <= set(self.classes) if probe.probabilities is None else named == set(self.classes)
            if not wanted:
                raise ValueError(f"check of {probe.picture} must name the classes {list(self.classes)}")
        return self


def read_owner_card(path: Path) -> OwnerCard:
    """The owner's card in the TOML file `path`. Raises CardError with one line when it cannot be used."""
    try:
        return OwnerCard.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CardError(f"wanted a card file at {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise CardError(f"{path}: {one_line(error)}") from None


def side_of(owner: OwnerCard) -> int:
    """The side in pixels of what the card's recipe prepares. Raises CardError for a recipe that cannot be used."""
    try:
        shape = prepare(np.zeros((1, 1, 3), np.uint8), owner.preprocessing).shape
    except (PictureError, ValueError, ArithmeticError, AttributeError, MemoryError) as error:
        raise CardError(f"card: preprocessing {owner.preprocessing} prepares nothing: {error}") from None
    if len(shape) != 3 or shape[0] != shape[1] or shape[2] != 3 or not shape[0]:
        raise CardError(f"card: preprocessing {owner.preprocessing} gives {shape}, wanted a square in three colours")
    return int(shape[0])


def mapped(
    name: str, classes: tuple[str, ...], class_map: Mapping[str, str] | None, policy: Policy | None
) -> dict[str, str]:
    """The class map in the order of the classes. Raises CardError when it is incomplete or does not fit the policy."""
    given = class_map or {}
    if set(given) != set(classes):
        raise CardError(f"{name}: class map must name each of {list(classes)}, received {sorted(given)}")
    ordered = {one: given[one] for one in classes}
    if policy is not None:
        policy.mask_of(name, classes, ordered)
    return ordered


def fields_of(
    owner: OwnerCard, what: str, class_map: Mapping[str, str] | None, policy: Policy | None
) -> dict[str, Any]:
    """What a version's card takes over from the owner's; `what` is the file, folder or URL that is adopted."""
    name = owner.name or (re.sub(r"[^A-Za-z0-9._-]+", "-", Path(what).stem).strip("-._")[:80] or "own")
    return {
        "name": name,
        "classes": owner.classes,
        "class_map": mapped(name, owner.classes, owner.map if class_map is None else class_map, policy),
        "preprocessing": owner.preprocessing,
        "input_px": side_of(owner),
        "origin": what,
        "licence": owner.licence,
        "notes": owner.notes,
    }


def runs_of(owner: OwnerCard, **more: Any) -> Runs:
    """How a score-only version of the owner's is run."""
    return Runs(layout=owner.layout or "NHWC", output=owner.output, answers=owner.answers, **more)
