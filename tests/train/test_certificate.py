"""The certificate as a page and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from store.policy import Policy
from train.certificate import Certificate, FamilyRow, OperatingPoint, costs
from train.checks import (
    Check,
    FalsePositives,
    Paired,
    false_positives,
    families,
    improvement,
    misses,
    sources,
)
from train.integrity import SentinelLevel, collapse

POLICY = Policy.model_validate(
    {
        "name": "shop",
        "rule": "is it a dress?",
        "classes": {"dress": {"flagged": True}, "other": {"flagged": False}},
        "guarded_families": ["digits"],
        "miss_evidence": "sentinels_only",
    }
)
FAMILIES = {
    "digits": Paired(400, 0, 31, 2),
    "faces": Paired(151, 1, 3, 4),
    "strips": Paired(24, 0, 1, 1),
    "thumbnails of scanned letters": Paired(80, 3, 0, 0),
}
SOURCES = {f"site{i}.example": Paired(80 + i, 0, i, 1) for i in range(12)}
LEVELS = (
    SentinelLevel(0.55, 120, 120, 8, 7),
    SentinelLevel(0.75, 120, 120, 90, 88),
    SentinelLevel(0.95, 120, 119, 118, 118),
)


def certificate(positives: Paired | None = None, errors: int = 3, policy: Policy = POLICY) -> Certificate:
    checks = (
        false_positives(FalsePositives(0.731, 1000, errors, 1000), policy),
        improvement(FAMILIES["digits"]),
        misses(positives, policy, same_base=True),
        *families(FAMILIES, policy),
        *sources(SOURCES, policy),
        collapse(LEVELS, same_base=True, positives=0),
    )
    return Certificate(
        candidate=OperatingPoint("shoebox-7", 0.731, 1000),
        champion=OperatingPoint("shoebox-6", 0.698, 1000),
        serving_threshold=0.5,
        policy=policy.version,
        review_s=6.0,
        checks=checks,
        made_at=datetime(2026, 11, 3, 14, 5, tzinfo=UTC),
        ordinary=Paired(1000, 1, 6, errors - 1),
        families=tuple(
            FamilyRow(name, e.champion_wrong, e, name == "digits", name == "digits") for name, e in FAMILIES.items()
        ),
        sentinels=LEVELS,
        openings={"sealed@2": 4, "positives@1": 1},
    )


def test_a_waiver_stands_in_the_first_line() -> None:
    text = certificate().as_text()
    assert text.splitlines()[0] == "RELEASE. Misses are NOT measured: the policy accepts sentinels_only."
    assert "- Misses: no picture that must be flagged was tested" in text


def test_a_rejected_candidate_has_the_waiver_in_its_first_line_too() -> None:
    first = certificate(errors=40).as_text().splitlines()[0]
    assert first == "REJECT. Misses are NOT measured: the policy accepts sentinels_only."


def test_measured_misses_need_no_words() -> None:
    measured = certificate(Paired(300, 1, 2, 10))
    assert measured.as_text().splitlines()[0] == "RELEASE."
    assert "- Misses" not in measured.as_text()
    assert (measured.misses_measured, measured.waived) == (True, False)


def test_no_suite_and_no_waiver() -> None:
    text = certificate(policy=POLICY.model_copy(update={"miss_evidence": "positives_suite"})).as_text()
    assert text.splitlines()[0] == "NOT ENOUGH EVIDENCE. Misses are NOT measured: there is no positives suite."


def test_the_page_is_a_page() -> None:
    lines = certificate(errors=8).as_text().splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) <= 66
    assert [line.split()[0] for line in lines if line and line[0].isupper()][:2] == ["NOT", "CHECKS"]


def test_long_names_do_not_widen_the_page() -> None:
    long = replace(certificate(), candidate=OperatingPoint("v" * 100, None, 0), policy="p" * 49)
    assert max(map(len, long.as_text().splitlines())) <= 100
    assert "no threshold" in long.as_text()


def test_the_page_holds_what_a_reader_needs() -> None:
    text = certificate().as_text()
    for wanted in (
        "shoebox-7  threshold 0.731 on 1,000 negatives",
        "shoebox-6  threshold 0.698 on 1,000 negatives (serves with 0.5)",
        POLICY.version,
        "sealed@2 opened 4x",
        "threshold only",
        "(11 more pass, further from the margin)",
        ">* digits           400  33 8.2 (5.7–11.4)",
        "88 of 90  (shown: under 100)",
        "3.0 false positives (95 % interval 0.6–8.7), 18 s of review",
        "Unguarded families with too few pictures to judge: strips, thumbnails of scanned letters.",
        "Backdoors",
        "suite sealed@2 was opened 4 times",
    ):
        assert wanted in text


def test_what_fails_comes_first_and_whole() -> None:
    failed = replace(
        certificate(),
        checks=(Check("finite", "finite scores", "pass", "fine"), *certificate(errors=40).checks),
    )
    lines = failed.as_text().splitlines()
    assert lines[lines.index(next(line for line in lines if line.startswith("CHECKS"))) + 1].startswith(
        "REJECT  false positives"
    )


def test_json_is_plain_and_agrees_with_the_page() -> None:
    data = json.loads(json.dumps(certificate().as_json(), allow_nan=False))
    assert (data["decision"], data["waiver"], data["misses_measured"]) == ("release", True, False)
    assert data["made_at"] == "2026-11-03T14:05:00+00:00"
    digits = data["families"][0]
    assert (
        digits["n"],
        digits["before"]["errors"],
        digits["threshold_only"]["errors"],
        digits["after"]["errors"],
    ) == (400, 33, 33, 2)
    assert digits["p_improved_holm"] <= 1e-6
    assert len(data["checks"]) == len(certificate().checks)
    assert data["openings"] == {"sealed@2": 4, "positives@1": 1}


def test_costs() -> None:
    rows = costs(Paired(1000, 1, 6, 2), review_s=6.0)
    assert rows["candidate"]["per_1000"] == pytest.approx(3.0)
    assert rows["champion"]["review_s_per_1000"] == pytest.approx(48.0)
    assert costs(None, 6.0) == costs(Paired(0, 0, 0, 0), 6.0) == {}


def test_a_bare_certificate_is_not_a_release() -> None:
    bare = replace(certificate(), checks=(), families=(), sentinels=(), ordinary=None, openings={})
    assert bare.as_text().startswith("NOT ENOUGH EVIDENCE.")
    assert bare.as_json()["costs"] == {}
