"""The evaluation sheet: errors of both models on every slice, with intervals, as rows anybody can query.

Appends `evaluations`. Slices are suites' roles, families and sources; thresholds are the fixed .5, each model's own
operating point, and *threshold only*: the champion at the point that the candidate's rule gives it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store.cards import Card
from store.home import Home
from store.policy import Policy
from train.evidence import Bools, Evidence
from train.statistics import clopper_pearson

FIXED = 0.5


def record_evaluations(
    home: Home, evidence: Evidence, cards: tuple[Card, Card], policy: Policy, evaluation: str, at: tuple[float, float]
) -> None:
    """Append one row per slice, kind of error, model and threshold. `at`: operating points of champion, candidate."""
    champion, candidate = cards
    now = dt.datetime.now(dt.UTC)
    common = {"evaluation": evaluation, "policy_version": policy.version, "evaluated_at": now}
    judged = [
        (champion.version, "fixed", FIXED, evidence.champion),
        (champion.version, "threshold_only", at[0], evidence.champion),
        (candidate.version, "fixed", FIXED, evidence.candidate),
        (candidate.version, "operating_point", at[1], evidence.candidate),
    ]
    rows = [
        {**common, "version": version, "threshold_kind": kind, "threshold": threshold, **row}
        for version, kind, threshold, scores in judged
        for row in sheet(evidence, scores, threshold)
    ]
    home.inbox().append("evaluations", rows)


def sheet(evidence: Evidence, scores: NDArray[np.float64], threshold: float) -> Iterator[dict[str, Any]]:
    """Errors, n, rate and Clopper–Pearson interval per slice; negatives give false positives, positives misses."""
    for kind, name, chosen in _slices(evidence):
        for error, truth in (("false_positive", False), ("miss", True)):
            side = chosen & (evidence.truth == truth)
            n = int(side.sum())
            if n:
                errors = int(((scores[side] > threshold) != truth).sum())
                low, high = clopper_pearson(errors, n)
                rates = {"rate": errors / n, "low_rate": low, "high_rate": high}
                yield {"slice": kind, "name": name, "error": error, "errors": errors, "n": n, **rates}


def _slices(evidence: Evidence) -> Iterator[tuple[str, str, Bools]]:
    for role in sorted(set(evidence.roles.tolist())):
        yield "role", role, evidence.role(role)
    held_out = evidence.role("families")
    for family, inside in sorted(evidence.families.items()):
        yield "family", family, inside & held_out
    for source, inside in evidence.by_source(held_out).items():
        yield "source", source, inside
