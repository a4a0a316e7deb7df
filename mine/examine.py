"""Looks at one picture once: decode, measure, hash, score by every version asked for.

Runs inside the sandbox's workers: a hostile picture costs its worker and a row in `refusals`, never the run. Each
worker keeps one interpreter per version; decoding and inference overlap because workers do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mine.hashes import hash_picture
from mine.measure import measure
from mine.preprocess import prepare
from mine.runtime import Runtime
from store.blobs import Blobs
from store.errors import PictureError, PictureMissing
from store.pictures import Limits, decode

BLANK = np.zeros((1, 1, 3), np.uint8)


@dataclass(frozen=True)
class Task:
    """What is missing of one picture: its measurements, and scores by these versions."""

    picture: str
    measured: bool
    versions: tuple[str, ...]


@dataclass(frozen=True)
class Look:
    """What one look gave. Per version: probabilities (C,) and embedding (D,), float32."""

    measurements: dict[str, Any] | None
    hashes: dict[str, Any] | None
    probabilities: dict[str, NDArray[np.float32]]
    embeddings: dict[str, NDArray[np.float32]]
    refusals: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Examine:
    """Makes the function that a worker runs; picklable."""

    pictures_url: str
    models: Path
    versions: tuple[str, ...]
    limits: Limits = field(default_factory=Limits)

    def __call__(self) -> Callable[[Task], Look]:
        blobs = Blobs(self.pictures_url)
        runtimes = {version: Runtime(self.models / version) for version in self.versions}
        for runtime in runtimes.values():
            # A version that cannot answer at all fails here, and not on every picture, which would be refused for good.
            runtime.run(prepare(BLANK, runtime.card.preprocessing))
        return lambda task: examine(task, blobs, runtimes, self.limits)


def examine(task: Task, blobs: Blobs, runtimes: dict[str, Runtime], limits: Limits) -> Look:
    """Look at one picture. What cannot be done becomes a refusal (stage, reason, detail) and not an exception."""
    try:
        decoded = decode(blobs.get(task.picture), limits)
    except PictureError as error:
        return Look(None, None, {}, {}, (("decode", error.reason, error.detail),))
    except PictureMissing as error:
        return Look(None, None, {}, {}, (("decode", "missing", str(error)),))
    probabilities, embeddings, refusals = {}, {}, []
    for version in task.versions:
        runtime = runtimes[version]
        outputs = runtime.run(prepare(decoded.rgb, runtime.card.preprocessing))
        if np.isfinite(outputs.probabilities).all() and np.isfinite(outputs.embedding).all():
            probabilities[version], embeddings[version] = outputs.probabilities[0], outputs.embedding[0]
        else:
            refusals.append(("score", "not_finite", version))
    return Look(
        None if task.measured else measure(decoded),
        None if task.measured else hash_picture(decoded),
        probabilities,
        embeddings,
        tuple(refusals),
    )
