"""Proves that an adopted model answers as its card says, before the version is kept.

Reads the version's folder and the pictures that the owner's card names; writes nothing.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mine.preprocess import prepare, scaled_px
from mine.runtime import Runtime
from mine.runtimes.tf_serving import probe_picture
from store.errors import CardError, PictureError
from store.pictures import decode
from train.adopt.owner import OwnerCard, Probe

# How far from 1 the probabilities of a picture may add up, by float32 alone. Chosen by eye.
SUM_TOLERANCE = 1e-3
# Orders of at most so many classes are tried to name the one that would fit: 5,040.
TRIED_CLASSES = 7


def prove(folder: Path, owner: OwnerCard, beside: Path) -> None:
    """Let the version in `folder` answer noise and every check of the owner's card, whose paths start at `beside`.

    Raises CardError for answers that are no probabilities or not those expected, ModelError where it cannot run.
    """
    runtime = Runtime(folder)
    noise = runtime.run(probe_picture(runtime.card.input_px)).probabilities[0]
    if not np.isfinite(noise).all():
        raise CardError(f"{runtime.card.name}: answers NaN or infinity to plain noise; the model is broken")
    if abs(float(noise.sum()) - 1) > SUM_TOLERANCE:
        raise CardError(
            f"{runtime.card.name}: wanted probabilities that add up to 1, received {_said(noise)}; of logits "
            'the card says answers = "logits"; classes that do not exclude each other cannot be adopted'
        )
    for probe in owner.check:
        _compare(probe, _answer(runtime, beside / probe.picture), owner.classes)


def _answer(runtime: Runtime, path: Path) -> NDArray[np.float32]:
    try:
        rgb = decode(path.read_bytes(), at_least_px=scaled_px(runtime.card.preprocessing)).rgb
    except (OSError, PictureError) as error:
        raise CardError(f"check: wanted a picture at {path}: {error}") from None
    found: NDArray[np.float32] = runtime.run(prepare(rgb, runtime.card.preprocessing)).probabilities[0]
    return found


def _compare(probe: Probe, found: NDArray[np.float32], classes: tuple[str, ...]) -> None:
    top = classes[int(found.argmax())]
    if probe.probabilities is None:
        if top != probe.top:
            raise CardError(f"check: {probe.picture}: wanted {probe.top!r} on top, received {top!r}; mind class order")
        return
    wanted = np.array([probe.probabilities[name] for name in classes])
    gap = float(np.abs(found - wanted).max())
    if gap <= probe.tolerance:
        return
    fitting = _fitting_order(probe, found, classes)
    hint = f"; the classes fit in the order {list(fitting)}" if fitting else "; mind preprocessing and class order"
    raise CardError(f"check: {probe.picture}: wanted {_said(wanted)}, received {_said(found)}{hint}")


def _fitting_order(probe: Probe, found: NDArray[np.float32], classes: tuple[str, ...]) -> tuple[str, ...] | None:
    """The order of the classes under which the answer would be the expected one, when there is just one."""
    if probe.probabilities is None or len(classes) > TRIED_CLASSES:
        return None
    orders = list(itertools.permutations(classes))
    values = np.array([[probe.probabilities[name] for name in order] for order in orders])
    fits = np.flatnonzero(np.abs(values - found).max(axis=1) <= probe.tolerance)
    return orders[int(fits[0])] if len(fits) == 1 else None


def _said(values: NDArray[np.floating]) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in values) + "]"
