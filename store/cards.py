"""The card of a model version: what it is, which classes it answers, how a picture must be prepared for it.

Reads and writes `models/<version>/card.json`. A card whose class map is incomplete is refused here, before
any picture is scored.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from store.errors import CardError

FLAGGED, NOT_FLAGGED = "flagged", "not_flagged"
CARD_FILE, KERAS_FILE, INFERENCE_FILE, ONNX_FILE = "card.json", "model.keras", "model.tflite", "model.onnx"


class Runs(BaseModel):
    """What runs a version, and what that has to know about it.

    `output` names the output that answers, where there are several; `answers` says whether it gives probabilities or
    logits; `layout` is how the input lies. A version behind a `url` has no file here: `probe` is what it answered to
    `mine.runtimes.tf_serving.probe_picture` when it was adopted, so that another model in its place is noticed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: Literal["litert", "onnx", "tf_serving"] = "litert"
    layout: Literal["NHWC", "NCHW"] = "NHWC"
    output: str | None = None
    answers: Literal["probabilities", "logits"] = "probabilities"
    url: str | None = None
    probe: tuple[float, ...] | None = None

    @model_validator(mode="after")
    def _served_means_url(self) -> Runs:
        if (self.backend == "tf_serving") != (self.url is not None):
            raise ValueError("url and backend tf_serving go together")
        return self


class Card(BaseModel):
    """One model version, as written beside its files.

    `class_map` sends every class of the model to a policy class, or to `flagged` / `not_flagged`.
    `preprocessing` is `{"recipe": <name in mine.preprocess.RECIPES>, …its parameters}`.
    `embedding_size` is None where a version gives no embedding: it scores, and nothing more.
    `base` identifies the frozen weights that make the embedding: versions with the same base share
    embeddings.
    `parent` and `mix` say what it was trained from and on; an adopted version has neither.
    `files` maps each file's name to its sha256; the directory is immutable. `runs` says what runs it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    name: str
    classes: tuple[str, ...] = Field(min_length=2)
    class_map: dict[str, str]
    preprocessing: dict[str, Any]
    input_px: int = Field(gt=0)
    embedding_size: int | None = Field(None, gt=0)
    base: str
    parent: str | None = None
    mix: str | None = None
    level: Literal["trainable", "score_only"] = "trainable"
    runs: Runs = Runs()
    files: dict[str, str]
    origin: str
    licence: str
    made_at: str
    notes: str = ""

    @model_validator(mode="after")
    def _map_is_complete(self) -> Card:
        missing = [c for c in self.classes if c not in self.class_map]
        unknown = [c for c in self.class_map if c not in self.classes]
        if missing or unknown:
            raise ValueError(f"class_map must name each class once; missing {missing}, unknown {unknown}")
        if dt.datetime.fromisoformat(self.made_at).tzinfo is None:
            raise ValueError(f"made_at must be a time with a zone. Received: {self.made_at!r}")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes must differ. Received: {list(self.classes)}")
        if self.level == "trainable" and (self.embedding_size is None or self.runs.backend != "litert"):
            raise ValueError("a trainable version has an embedding_size and runs by litert")
        return self


def read_card(folder: Path) -> Card:
    """The card of the version in `folder`. Raises CardError when it is missing or does not fit."""
    path = folder / CARD_FILE
    try:
        return Card.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise CardError(f"wanted a model card at {path}, found none; adopt the model again") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "card"
        raise CardError(f"{path}: {where}: {first['msg']}") from None


def write_card(card: Card, folder: Path) -> None:
    """Write the card as readable JSON."""
    text = json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / CARD_FILE).write_text(text + "\n", encoding="utf-8")
