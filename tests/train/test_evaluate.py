from __future__ import annotations

import numpy as np
import pytest

from train.evaluate import sheet
from train.evidence import Evidence
from train.statistics import clopper_pearson


@pytest.fixture
def evidence() -> Evidence:
    """Three ordinary pictures, and five of held-out families from two sources, one of which was trained on."""
    names = ["o1", "o2", "o3", "f1", "f2", "f3", "f4", "f5"]
    return Evidence(
        pictures=names,
        roles=np.array(["ordinary"] * 3 + ["families"] * 5),
        sources=["suite"] * 3 + ["new", "new", "new", "old", "old"],
        truth=np.array([False] * 3 + [False, False, True, False, True]),
        champion=np.zeros(8),
        candidate=np.array([0.1, 0.6, 0.2, 0.7, 0.2, 0.1, 0.9, 0.9]),
        families={"rings": np.array([False, True, False, True, True, True, False, False])},
        suites=("ordinary", "held-out"),
        trained_sources=frozenset({"old"}),
    )


def test_every_slice_has_its_errors_with_an_interval(evidence: Evidence) -> None:
    rows = {(r["slice"], r["name"], r["error"]): r for r in sheet(evidence, evidence.candidate, 0.5)}
    assert {key: (row["errors"], row["n"]) for key, row in rows.items()} == {
        ("role", "ordinary", "false_positive"): (1, 3),
        ("role", "families", "false_positive"): (2, 3),
        ("role", "families", "miss"): (1, 2),
        ("family", "rings", "false_positive"): (1, 2),
        ("family", "rings", "miss"): (1, 1),
        ("source", "new", "false_positive"): (1, 2),
        ("source", "new", "miss"): (1, 1),
    }
    for row in rows.values():
        assert row["rate"] == row["errors"] / row["n"]
        assert (row["low_rate"], row["high_rate"]) == clopper_pearson(row["errors"], row["n"])


def test_a_score_at_the_threshold_is_not_flagged(evidence: Evidence) -> None:
    rows = {(r["slice"], r["name"], r["error"]): r["errors"] for r in sheet(evidence, evidence.candidate, 0.9)}
    assert rows["role", "ordinary", "false_positive"] == 0
    assert rows["role", "families", "miss"] == 2
