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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mine.copies import split_groups
from mine.preprocess import prepare
from mine.runtime import OUTPUTS, Runtime
from mine.stars import read_hashes
from store.cards import KERAS_FILE, Card
from store.catalog import Snapshot
from store.home import Home
from store.pictures import decode
from train.evidence import Evidence
from train.export import verify
from train.integrity import Integrity

# Enough to see an unequal export or a slow file; each costs a Keras call in a fresh process.
PICTURES = 6
TIMED_RUNS = 9
# Every mix a version was trained on, its ancestors' too.
LINEAGE = """
    WITH RECURSIVE line AS (
        SELECT version, parent, mix FROM models WHERE version = :version
        UNION SELECT m.version, m.parent, m.mix FROM models m JOIN line l ON m.version = l.parent)
    SELECT DISTINCT s.picture FROM line l JOIN mix_samples s ON s.mix = l.mix
    WHERE s.split <> 'test'"""
PROBABILITIES = """
    SELECT picture, probabilities FROM raw_scores
    WHERE version = :version AND view = 'as_shown' AND picture IN (SELECT unnest(CAST(:pictures AS VARCHAR[])))"""


def measure_facts(
    home: Home, snapshot: Snapshot, champion: Card, candidate: Card, evidence: Evidence
) -> Integrity:
    """Everything `integrity` judges, measured now. Models run in this process; the export is compared in another."""
    ours, theirs = Runtime(home.models / candidate.version), Runtime(home.models / champion.version)
    same_base = champion.base == candidate.base
    suite = [p for p, role in zip(evidence.pictures, evidence.roles.tolist(), strict=True) if role == "ordinary"]
    chosen = (suite or evidence.pictures)[:PICTURES]
    pixels = [decode(home.blobs().get(picture)).rgb for picture in chosen]
    own = [prepare(rgb, candidate.preprocessing) for rgb in pixels]
    difference = _export_difference(home, snapshot, ours, chosen, own) if chosen else None
    latencies = _latencies(ours, own, theirs, [prepare(rgb, champion.preprocessing) for rgb in pixels])
    in_mix = _in_mix(snapshot, candidate.version, evidence.pictures)
    wanted = champion if same_base else candidate
    return Integrity(
        labels=candidate.classes,
        labels_wanted=wanted.classes,
        signature=signature(ours),
        signature_wanted=signature(theirs) if same_base else signature(ours),
        scores=len(evidence.candidate),
        not_finite=int((~np.isfinite(evidence.candidate)).sum()),
        foreign_code=foreign_code(home.models / candidate.version),
        evaluated=len(evidence.pictures),
        in_mix=in_mix,
        exported=len(chosen),
        export_difference=difference,
        latency_s=latencies[0],
        champion_latency_s=latencies[1],
        keras_file=KERAS_FILE in candidate.files,
    )


def signature(runtime: Runtime) -> str:
    """Input and outputs of an inference file as one line."""
    side = runtime.card.input_px
    outputs = runtime.run(np.zeros((1, side, side, 3), np.float32))
    answers = ", ".join(f"{name} {getattr(outputs, name).shape[1]}" for name in OUTPUTS)
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
    if isinstance(kind, str) and ("Lambda" in kind or (module and not str(module).startswith("keras"))):
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
    drift = float(np.abs(now - np.array([stored[picture] for picture in pictures])).max())
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
    """Median seconds per picture of both, timed in turns because machines are noisy."""
    if not own:
        return None, None
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(TIMED_RUNS):
        for runtime, pictures, spent in ((ours, own, times[0]), (theirs, their, times[1])):
            start = time.perf_counter()
            runtime.run(pictures[turn % len(pictures)])
            spent.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def _in_mix(snapshot: Snapshot, version: str, pictures: Sequence[str]) -> int:
    """How many evaluation pictures share a split group with anything the version or its ancestors learned from."""
    learned = {row["picture"] for row in snapshot.rows(LINEAGE, version=version)}
    if not learned:
        return 0
    groups = split_groups(read_hashes(snapshot))
    taken = {groups[picture] for picture in learned if picture in groups}
    return sum(groups.get(picture) in taken for picture in pictures)
