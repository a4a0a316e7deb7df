"""The scan: everything that is missing about the stored pictures, looked at in one decode each.

Reads the snapshot and the pictures; appends `measurements`, `hashes`, `raw_scores` and `refusals` to the inbox and
embeddings to their shards, in batches, so that a killed scan goes on where it stopped.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mine.examine import Examine, Look, Task
from mine.hashes import HASH_VERSION
from store.cards import Card
from store.catalog import Snapshot
from store.embeddings import append_embeddings
from store.fold import fold
from store.home import Home
from store.sandbox import Failure, Sandbox, SandboxLimits

BATCH = 1_000
# A long scan folds what it and others have written, else its own inbox would stop it.
FOLD_FILES = 200
VIEW = "as_shown"

# Second opinions feed the queue, which never holds a suite's picture: those are scored by the first version alone.
# What cannot be decoded is not tried again; what one version cannot score (`detail` names it) others still can. Dropped
# bytes (`retain`) cannot be looked at at all.
MISSING = """
    WITH asked AS (SELECT unnest(CAST(:versions AS VARCHAR[])) AS version),
    lacking AS (
        SELECT p.picture, list(a.version ORDER BY a.version) AS versions
        FROM pictures p JOIN asked a
          ON a.version = :first OR p.picture NOT IN (SELECT picture FROM suite_pictures)
        ANTI JOIN raw_scores s ON s.picture = p.picture AND s.version = a.version AND s.view = 'as_shown'
        ANTI JOIN refusals r ON r.picture = p.picture AND r.stage = 'score' AND r.detail = a.version
        GROUP BY p.picture)
    SELECT p.picture, h.picture IS NOT NULL AS measured, coalesce(l.versions, []) AS versions
    FROM pictures p
    LEFT JOIN lacking l ON l.picture = p.picture
    LEFT JOIN hashes h ON h.picture = p.picture AND h.hash_version = :hash_version
    ANTI JOIN refusals r ON r.picture = p.picture AND r.stage = 'decode'
    ANTI JOIN dropped_pictures d ON d.picture = p.picture
    WHERE l.picture IS NOT NULL OR h.picture IS NULL
    ORDER BY p.picture"""


@dataclass
class Scanned:
    """What one scan did; `refused` counts pictures by reason."""

    looked_at: int = 0
    refused: Counter[str] = field(default_factory=Counter)


@dataclass
class _Batch:
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    embeddings: dict[str, list[tuple[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    size: int = 0


def missing(home: Home, versions: Sequence[str]) -> list[Task]:
    """The pictures that lack measurements or a score by one of `versions` (the champion first), and what they lack."""
    with Snapshot(home) as snapshot:
        rows = snapshot.rows(MISSING, versions=list(versions), first=versions[0], hash_version=HASH_VERSION)
    return [Task(row["picture"], row["measured"], tuple(row["versions"])) for row in rows]


def scan(
    home: Home,
    cards: Sequence[Card],
    progress: Callable[[int, int], None] = lambda done, total: None,
    limits: SandboxLimits | None = None,
) -> Scanned:
    """Look at everything that is missing for these versions. `progress(done, total)` counts pictures."""
    tasks = missing(home, [card.version for card in cards])
    done, batch = Scanned(), _Batch()
    if not tasks:
        return done
    url = home.pictures_url or str(home.root / "pictures")
    make = Examine(url, home.models, tuple(card.version for card in cards))
    bases = {card.version: card.base for card in cards}
    try:
        with Sandbox(make, limits=limits) as sandbox:
            for task, answer in sandbox.map(tasks):
                look = _refused(answer) if isinstance(answer, Failure) else answer
                _collect(batch, task, look, bases)
                done.refused.update(reason for _, reason, _ in look.refusals)
                done.looked_at += 1
                progress(done.looked_at, len(tasks))
                if batch.size >= BATCH:
                    full, batch = batch, _Batch()
                    _flush(home, full)
                    if len(home.inbox().files()) >= FOLD_FILES:
                        fold(home)
    except KeyboardInterrupt:
        _flush(home, batch)  # half a minute's work of a person who wants to go on later
        raise
    _flush(home, batch)
    return done


def _refused(failure: Failure) -> Look:
    return Look(None, None, {}, {}, (("decode", failure.reason, failure.detail),))


def _collect(batch: _Batch, task: Task, look: Look, bases: dict[str, str]) -> None:
    now = dt.datetime.now(dt.UTC)
    batch.size += 1
    if look.measurements is not None:
        batch.rows["measurements"].append({"picture": task.picture, "measured_at": now, **look.measurements})
    if look.hashes is not None:
        batch.rows["hashes"].append({"picture": task.picture, **look.hashes})
    for version, probabilities in look.probabilities.items():
        row = {"picture": task.picture, "version": version, "view": VIEW, "scored_at": now}
        batch.rows["raw_scores"].append(row | {"probabilities": probabilities.tolist()})
        batch.embeddings[bases[version]].append((task.picture, look.embeddings[version]))
    for stage, reason, detail in look.refusals:
        refusal = {"picture": task.picture, "stage": stage, "reason": reason, "detail": detail, "refused_at": now}
        batch.rows["refusals"].append(refusal)


def _flush(home: Home, batch: _Batch) -> None:
    # Embeddings first: a score in the catalog then always has its embedding.
    for base, pairs in batch.embeddings.items():
        append_embeddings(home, base, [picture for picture, _ in pairs], np.stack([v for _, v in pairs]))
    inbox = home.inbox()
    for kind, rows in batch.rows.items():
        inbox.append(kind, rows)
