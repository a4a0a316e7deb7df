"""Collapse and the facts about the candidate's files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from store.policy import Policy
from train.integrity import Integrity, SentinelLevel, collapse, integrity

POLICY = Policy.model_validate(
    {
        "name": "shop",
        "rule": "is it a dress?",
        "classes": {"dress": {"flagged": True}, "other": {"flagged": False}},
    }
)
FACTS = Integrity(
    labels=("dress", "other"),
    labels_wanted=("dress", "other"),
    signature="(1, 28, 28, 1) float32 -> (1, 2) float32",
    signature_wanted="(1, 28, 28, 1) float32 -> (1, 2) float32",
    scores=500,
    not_finite=0,
    foreign_code=(),
    evaluated=300,
    in_mix=0,
    exported=32,
    export_difference=7e-7,
    latency_s=0.012,
    champion_latency_s=0.01,
)


def levels(**changes: int) -> list[SentinelLevel]:
    """Three levels with 200 sentinels each; the changes go to the one made at .75."""
    whole = [SentinelLevel(level, 200, 200, 150, 150) for level in (0.55, 0.75, 0.95)]
    return [replace(row, **changes) if row.level == 0.75 else row for row in whole]


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({}, "pass"),
        ({"kept": 198}, "pass"),
        ({"kept": 197}, "reject"),
        ({"kept_own": 148}, "reject"),
        ({"flagged_own": 99, "kept_own": 0}, "pass"),
        ({"flagged_own": 100, "kept_own": 98}, "reject"),
        ({"flagged": 0, "kept": 0, "flagged_own": 0, "kept_own": 0}, "not_enough_evidence"),
    ],
)
def test_collapse(changes: dict[str, int], answer: str) -> None:
    assert collapse(levels(**changes), same_base=True, positives=0).answer == answer


def test_collapse_needs_all_three_levels() -> None:
    result = collapse(levels()[:2], same_base=True, positives=500)
    assert result.answer == "not_enough_evidence"
    assert "0.95" in result.reason
    assert collapse([], same_base=True, positives=0).answer == "not_enough_evidence"
    assert collapse(levels(kept=0)[:2], same_base=True, positives=0).answer == "reject"


def test_collapse_on_another_base_needs_a_positives_suite() -> None:
    assert collapse(levels(kept=0), same_base=False, positives=40).answer == "pass"
    assert collapse(levels(), same_base=False, positives=0).answer == "not_enough_evidence"


def test_everything_in_order_passes() -> None:
    results = integrity(FACTS, POLICY)
    assert [result.answer for result in results] == ["pass"] * 7
    assert len({result.key for result in results}) == 7


@pytest.mark.parametrize(
    ("key", "changes", "answer"),
    [
        ("label_order", {"labels": ("other", "dress")}, "reject"),
        ("signature", {"signature": "(1, 32, 32, 3) float32 -> (1, 2) float32"}, "reject"),
        ("finite", {"not_finite": 1}, "reject"),
        ("finite", {"scores": 0}, "not_enough_evidence"),
        ("no_code", {"foreign_code": ("Lambda layer 'scale'",)}, "reject"),
        ("separation", {"in_mix": 1}, "reject"),
        ("separation", {"evaluated": 0}, "not_enough_evidence"),
        ("separation", {"nearest": 0.0}, "pass"),
        ("export", {"export_difference": 1.1e-5}, "reject"),
        ("export", {"export_difference": float("nan")}, "reject"),
        ("export", {"export_difference": None}, "not_enough_evidence"),
        ("export", {"export_difference": None, "keras_file": False}, "pass"),
        ("latency", {"latency_s": 0.0121}, "reject"),
        ("latency", {"champion_latency_s": None}, "not_enough_evidence"),
    ],
)
def test_one_fact_changes_one_answer(key: str, changes: dict[str, Any], answer: str) -> None:
    results = {result.key: result for result in integrity(replace(FACTS, **changes), POLICY)}
    assert results.pop(key).answer == answer
    assert {result.answer for result in results.values()} == {"pass"}
    json.dumps([result.numbers for result in results.values()], allow_nan=False)


def test_the_policy_raises_the_latency_limit_and_the_reason_prints_it() -> None:
    wide = POLICY.model_copy(update={"latency_ratio": 3.0})
    result = integrity(replace(FACTS, latency_s=0.029), wide)[-1]
    assert result.answer == "pass"
    assert "2.90 times the champion's 10.0 ms; the policy allows 3 times" in result.reason
