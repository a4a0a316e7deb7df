"""Measures what the gate's last requirement wants to know about a candidate's files.

Reads `models/`, a few evaluation pictures and the mixes; writes nothing.
"""

from __future__ import annotations

import functools
import json
import statistics
import time
import zipfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mine.preprocess import prepare, scaled_px
from mine.runtime import OUTPUTS, Runtime
from store.cards import KERAS_FILE, Card
from store.catalog import Snapshot
from store.home import Home
from store.pictures import decode
from train.evidence import Evidence
from train.export import verify
from train.integrity import Integrity

# Enough to see an unequal export or a slow file; each costs a Keras call in a fresh process.
PICTURES = 6
# Of one and the same net against itself on a machine with twice the load it has cores for, the median of 25 ratios
# stayed within .86–1.12 in 25 trials; the ratio of two medians of 9 went to 1.29.
TIMED_RUNS = 25
PROBABILITIES = """
    SELECT picture, probabilities FROM raw_scores
    WHERE version = :version AND view = 'as_shown' AND picture IN (SELECT unnest(CAST(:pictures AS VARCHAR[])))"""


def measure_facts(home: Home, snapshot: Snapshot, champion: Card, candidate: Card, evidence: Evidence) -> Integrity:
    """Everything `integrity` judges, measured now. Models run in this process; the export is compared in another."""
    ours, theirs = Runtime(home.models / candidate.version), Runtime(home.models / champion.version)
    same_base = champion.base == candidate.base
    suite = [p for p, role in zip(evidence.pictures, evidence.roles.tolist(), strict=True) if role == "ordinary"]
    # Dropped bytes (`retain`) are passed over: what is measured here does not depend on which pictures are looked at.
    chosen = list(islice(filter(home.blobs().has, suite or evidence.pictures), PICTURES))
    own, others = (prepared(home, card, chosen) for card in (candidate, champion))
    foreign = foreign_code(home.models / candidate.version)
    # A file with foreign code is rejected for that, and not loaded.
    difference = _export_difference(home, snapshot, ours, chosen, own) if chosen and not foreign else None
    latencies = _latencies(ours, own, theirs, others)
    wanted = champion if same_base else candidate
    return Integrity(
        labels=candidate.classes,
        labels_wanted=wanted.classes,
        signature=signature(ours),
        signature_wanted=signature(theirs) if same_base else signature(ours),
        scores=len(evidence.candidate),
        not_finite=evidence.not_finite,
        foreign_code=foreign,
        evaluated=len(evidence.pictures),
        in_mix=evidence.learned,
        exported=len(chosen),
        export_difference=difference,
        latency_s=latencies[0],
        champion_latency_s=latencies[1],
        keras_file=KERAS_FILE in candidate.files,
    )


def prepared(home: Home, card: Card, pictures: Sequence[str]) -> list[NDArray[np.float32]]:
    """What a version gets to see of these pictures: one (S, S, 3) float32 each."""
    decoded = (decode(home.blobs().get(picture), at_least_px=scaled_px(card.preprocessing)) for picture in pictures)
    return [prepare(one.rgb, card.preprocessing) for one in decoded]


def signature(runtime: Runtime) -> str:
    """Input and outputs of an inference file as one line."""
    side = runtime.card.input_px
    outputs = runtime.run(np.zeros((1, side, side, 3), np.float32))
    told = {name: getattr(outputs, name) for name in OUTPUTS}
    answers = ", ".join(f"{name} {values.shape[1]}" for name, values in told.items() if values is not None)
    return f"picture {side}x{side}x3 float32 to {answers}"


def foreign_code(folder: Path) -> tuple[str, ...]:
    """What in a version's files would run code of somebody's: Lambda layers, custom classes, pickles."""
    found = {path.name for path in folder.iterdir() if path.suffix in (".pkl", ".pickle", ".joblib", ".py", ".so")}
    keras_file = folder / KERAS_FILE
    if keras_file.exists():
        with zipfile.ZipFile(keras_file) as archive:
            found |= {name for name in archive.namelist() if name.endswith((".pkl", ".pickle"))}
            found |= set(_custom_classes(json.loads(archive.read("config.json"))))
    return tuple(sorted(found))


def _custom_classes(node: Any) -> Sequence[str]:
    if isinstance(node, list):
        return [name for item in node for name in _custom_classes(item)]
    if not isinstance(node, dict):
        return []
    inside = [name for value in node.values() for name in _custom_classes(value)]
    kind, module = node.get("class_name"), node.get("module")
    known = str(module or "keras").split(".")[0] == "keras"
    if isinstance(kind, str) and ("lambda" in kind.lower() or not known):
        inside.append(f"{module}.{kind}")
    return inside


def _export_difference(
    home: Home, snapshot: Snapshot, runtime: Runtime, pictures: list[str], prepared: list[NDArray[np.float32]]
) -> float:
    """The inference file against the Keras file, and against the scores in the catalog, whichever differs more."""
    batch = np.stack(prepared)
    stored = {
        row["picture"]: row["probabilities"]
        for row in snapshot.rows(PROBABILITIES, version=runtime.card.version, pictures=pictures)
    }
    now = runtime.run(batch).probabilities
    # A score that was refused for not being finite differs from everything.
    lacking = [np.nan] * now.shape[1]
    drift = float(np.abs(now - np.array([stored.get(picture, lacking) for picture in pictures])).max())
    if KERAS_FILE not in runtime.card.files:
        return drift
    return max(drift, _verified(home.models / runtime.card.version, batch.tobytes(), batch.shape))


@functools.cache
def _verified(folder: Path, pictures: bytes, shape: tuple[int, ...]) -> float:
    """`verify`, once per version and pictures: a version never changes, and the fresh process takes seconds."""
    return verify(folder, np.frombuffer(pictures, np.float32).reshape(shape))


def _latencies(
    ours: Runtime, own: list[NDArray[np.float32]], theirs: Runtime, their: list[NDArray[np.float32]]
) -> tuple[float | None, float | None]:
    """Seconds per picture of both: theirs the median, ours that times the median of ratios taken side by side."""
    if not own:
        return None, None
    ratios, seconds = [], []
    for turn in range(TIMED_RUNS):
        seconds.append(_seconds(theirs, their[turn % len(their)]))
        ratios.append(_seconds(ours, own[turn % len(own)]) / seconds[-1])
    return statistics.median(ratios) * statistics.median(seconds), statistics.median(seconds)


def _seconds(runtime: Runtime, picture: NDArray[np.float32]) -> float:
    start = time.perf_counter()
    runtime.run(picture)
    return time.perf_counter() - start
