"""Looks at one picture once: measure, hash, score by every version and view asked for, from one decode of each path.

Runs inside the sandbox's workers: a hostile picture costs its worker and a row in `refusals`, never the run. Each
worker keeps one interpreter per version; decoding and inference overlap because workers do. Reads pictures and
`models/`; writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mine.ask import VersionFails, Versions
from mine.hashes import hash_picture
from mine.measure import measure
from mine.pixels import Pixels
from mine.preprocess import scaled_px
from mine.views import AS_SHOWN, VIEWS
from store.blobs import Blobs
from store.errors import PictureError, PictureMissing
from store.pictures import Limits

# A version and a view.
Question = tuple[str, str]


@dataclass(frozen=True)
class Task:
    """What is missing of one picture: its measurements, and scores by these versions of these views.

    Of a picture that is not measured yet any view may be asked for: those that cannot differ are left out here.
    `again`: asked before, together with more, and then the worker died.
    """

    picture: str
    measured: bool
    questions: tuple[Question, ...]
    again: bool = False


@dataclass(frozen=True)
class Look:
    """What one look gave, in float32: per question probabilities (C,), per version that has one an embedding (D,).

    `refusals`: (stage, reason, detail); `failures`: (version, line) of versions that could not answer.
    """

    measurements: dict[str, Any] | None = None
    hashes: dict[str, Any] | None = None
    probabilities: dict[Question, NDArray[np.float32]] = field(default_factory=dict)
    embeddings: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    refusals: tuple[tuple[str, str, str], ...] = ()
    failures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Examine:
    """Makes the function that a worker runs; picklable."""

    pictures_url: str
    models: Path
    versions: tuple[str, ...]
    limits: Limits = field(default_factory=Limits)

    def __call__(self) -> Callable[[Task], Look]:
        blobs, versions = Blobs(self.pictures_url), Versions(self.models, self.versions)
        return lambda task: examine(task, blobs, versions, self.limits)


def examine(task: Task, blobs: Blobs, versions: Versions, limits: Limits) -> Look:
    """Look at one picture. What cannot be done becomes a refusal or a failure and not an exception."""
    try:
        pixels = Pixels(blobs.get(task.picture), limits)
        measurements, hashes = (None, None) if task.measured else _measured(pixels)
        return _answered(task, pixels, versions, Look(measurements, hashes))
    except PictureError as error:
        return refused(error.reason, error.detail)
    except PictureMissing as error:
        return refused("missing", str(error))


def refused(reason: str, detail: str) -> Look:
    """The look at a picture that cannot be decoded."""
    return Look(refusals=(("decode", reason, detail),))


def refusal_detail(version: str, view: str) -> str:
    """How `refusals.detail` names a question that has no answer: the version, and the view if it is not as shown."""
    return version if view == AS_SHOWN else f"{version} {view}"


def _measured(pixels: Pixels) -> tuple[dict[str, Any], dict[str, Any]]:
    picture = pixels.shown()
    return measure(picture), hash_picture(picture)


def _answered(task: Task, pixels: Pixels, versions: Versions, look: Look) -> Look:
    """The look with what the versions say, view after view. Raises PictureError when nothing can be decoded."""
    refusals: list[tuple[str, str, str]] = []
    failures: dict[str, str] = {}
    for version, view in _in_order(task, pixels):
        if version in failures:
            continue  # what has just failed is not asked about the next view: waiting for a server takes seconds
        try:
            problem = _scored(version, view, pixels, versions, look)
        except VersionFails as error:
            failures[version] = str(error)
            continue
        if problem:
            refusals.append(("score", problem, refusal_detail(version, view)))
    return replace(look, refusals=tuple(refusals), failures=tuple(failures.items()))


def _in_order(task: Task, pixels: Pixels) -> list[Question]:
    """The questions view by view, `as_shown` first, without views that a new picture turns out not to have."""
    asked = task.questions
    if task.again or not task.measured:
        asked = tuple(q for q in asked if q[1] == AS_SHOWN or VIEWS[q[1]].differs(pixels.shown()))
    order = list(VIEWS)
    return sorted(asked, key=lambda question: order.index(question[1]))


def _scored(version: str, view: str, pixels: Pixels, versions: Versions, look: Look) -> str | None:
    """Put one answer into the look; the reason why there is none, or None. Raises VersionFails, PictureError."""
    at_least_px = scaled_px(versions.loaded(version).card.preprocessing)
    try:
        rgb = pixels.view(view, at_least_px)
    except PictureError as error:
        if view == AS_SHOWN:
            raise
        return error.reason
    try:
        outputs = versions.ask(version, rgb)
    except PictureError as error:
        return error.reason
    answers = [outputs.probabilities] + ([outputs.embedding] if outputs.embedding is not None else [])
    if not all(np.isfinite(answer).all() for answer in answers):
        return "not_finite"
    look.probabilities[version, view] = outputs.probabilities[0]
    if view == AS_SHOWN and outputs.embedding is not None and outputs.embedding.shape[1]:
        look.embeddings[version] = outputs.embedding[0]
    return None
