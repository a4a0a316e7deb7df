"""The gate's answers from counts: the three answers of each requirement, and that more errors never help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.errors import EvidenceError
from store.policy import Policy
from train.checks import (
    WAIVED,
    Check,
    Difference,
    FalsePositives,
    Paired,
    decide,
    false_positives,
    families,
    improvement,
    misses,
    sources,
    threshold_only,
)
from train.statistics import clopper_pearson_upper, paired_upper

QUICK = settings(max_examples=80, deadline=None)
RANK = {"reject": 0, "not_enough_evidence": 1, "pass": 2, "release": 2}
PAIRED = st.integers(0, 500).flatmap(
    lambda n: (
        st.tuples(st.integers(0, n), st.integers(0, n), st.integers(0, n))
        .filter(lambda t: sum(t) <= n)
        .map(lambda t: Paired(n, *t))
    )
)


def policy(**changes: Any) -> Policy:
    classes = {"dress": {"flagged": True}, "other": {"flagged": False}}
    return Policy.model_validate({"name": "shop", "rule": "is it a dress?", "classes": classes, **changes})


def halves(errors: int, n: int = 1000, threshold: float | None = 0.7, set_on: int = 1000) -> FalsePositives:
    return FalsePositives(threshold=threshold, set_on=set_on, errors=errors, n=n)


def check(answer: str) -> Check:
    return Check("key", "title", answer, "reason")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answers", "decision"),
    [
        (["pass", "pass"], "release"),
        (["pass", "not_enough_evidence"], "not_enough_evidence"),
        (["not_enough_evidence", "reject", "pass"], "reject"),
        ([], "not_enough_evidence"),
    ],
)
def test_decide(answers: list[str], decision: str) -> None:
    assert decide(check(answer) for answer in answers) == decision


@pytest.mark.parametrize(
    ("errors", "answer"),
    [(0, "pass"), (4, "pass"), (5, "not_enough_evidence"), (15, "not_enough_evidence"), (17, "reject")],
)
def test_false_positives(errors: int, answer: str) -> None:
    result = false_positives(halves(errors), policy())
    assert result.answer == answer
    assert f"{errors} of 1,000" in result.reason
    assert "1.00 %" in result.reason


def test_false_positives_says_how_many_more_negatives_would_settle() -> None:
    result = false_positives(halves(5), policy())
    more = result.numbers["more"]
    assert f"{more:,} more ordinary negatives (both halves together)" in result.reason
    assert clopper_pearson_upper(5 * (1 + more / 2000), 1000 + more / 2) <= 0.01
    assert "against the candidate" in false_positives(halves(14), policy()).reason
    assert "no number of labels" in false_positives(halves(10), policy()).reason


def test_false_positives_without_an_operating_point() -> None:
    result = false_positives(halves(0, n=300, threshold=None, set_on=300), policy())
    assert result.answer == "not_enough_evidence"
    assert "needs 598 negatives" in result.reason
    assert result.numbers["more"] == 2 * 598 - 600
    assert false_positives(halves(0, n=300, set_on=300), policy()).answer == "not_enough_evidence"
    assert false_positives(halves(0, n=0), policy()).answer == "not_enough_evidence"


def test_a_threshold_that_flags_nothing_is_refused() -> None:
    result = false_positives(halves(0, threshold=1.0), policy())
    assert (result.answer, result.reason.endswith("nothing would be flagged")) == ("reject", True)


@pytest.mark.parametrize(
    ("improved", "worsened", "answer"),
    [
        (5, 0, "pass"),
        (4, 0, "not_enough_evidence"),
        (0, 4, "not_enough_evidence"),
        (0, 0, "not_enough_evidence"),
        (6, 3, "not_enough_evidence"),
        (6, 6, "not_enough_evidence"),
        (3, 6, "not_enough_evidence"),
        (0, 5, "reject"),
        (30, 60, "reject"),
        (60, 30, "pass"),
    ],
)
def test_improvement(improved: int, worsened: int, answer: str) -> None:
    result = improvement(Paired(200, worsened, improved, 7))
    assert result.answer == answer
    assert f"{improved} improved, {worsened} worsened of 200" in result.reason


def test_improvement_says_what_is_lacking() -> None:
    assert "label at least 50 more" in improvement(Paired(200, 0, 4, 0)).reason
    assert improvement(Paired(200, 0, 0, 0)).numbers["more"] == 137  # 5 at 1.49 %, the most not yet excluded
    assert improvement(Paired(0, 0, 0, 0)).numbers["more"] == 5
    assert improvement(Paired(200, 3, 6, 0)).numbers["more"] > 0
    assert "no number of labels" in improvement(Paired(200, 6, 3, 0)).reason


@pytest.mark.parametrize(
    ("evidence", "answer"),
    [
        (Difference(same_weights=True, compared=500, order_changes=90), "reject"),
        (Difference(same_weights=False, compared=500, order_changes=0), "reject"),
        (Difference(same_weights=False, compared=20, order_changes=0), "not_enough_evidence"),
        (Difference(same_weights=False, compared=500, order_changes=90), "pass"),
    ],
)
def test_threshold_only(evidence: Difference, answer: str) -> None:
    assert threshold_only(evidence).answer == answer


@pytest.mark.parametrize(
    ("evidence", "answer"),
    [
        (Paired(99, 0, 0, 9), "pass"),
        (Paired(98, 0, 0, 9), "not_enough_evidence"),
        (Paired(300, 2, 3, 10), "pass"),
        (Paired(300, 12, 3, 10), "not_enough_evidence"),
        (Paired(300, 40, 3, 10), "reject"),
    ],
)
def test_misses_on_a_suite(evidence: Paired, answer: str) -> None:
    result = misses(evidence, policy(miss_evidence="sentinels_only"), same_base=True)
    assert (result.answer, result.numbers["measured"]) == (answer, True)
    assert f"{evidence.candidate_wrong} of {evidence.n}" in result.reason


@pytest.mark.parametrize("evidence", [None, Paired(0, 0, 0, 0)])
def test_misses_without_a_suite(evidence: Paired | None) -> None:
    waiver = policy(miss_evidence="sentinels_only")
    waived = misses(evidence, waiver, same_base=True)
    assert (waived.answer, waived.reason) == ("pass", WAIVED)
    assert misses(evidence, waiver, same_base=False).answer == "not_enough_evidence"
    assert misses(evidence, policy(), same_base=True).answer == "not_enough_evidence"


def test_guarded_families() -> None:
    rules = policy(guarded_families=("digits", "faces", "strips", "absent"))
    counts = {
        "digits": Paired(150, 1, 40, 2),
        "faces": Paired(60, 1, 0, 0),
        "strips": Paired(59, 59, 0, 0),
    }
    digits, faces, strips, absent = families(counts, rules)
    assert digits.answer == "pass"
    assert (faces.answer, round(faces.numbers["upper"], 3)) == ("not_enough_evidence", 0.077)
    assert (strips.answer, absent.answer) == ("not_enough_evidence", "not_enough_evidence")
    assert absent.numbers["more"] == 60
    assert families({"digits": Paired(150, 40, 1, 2)}, policy(guarded_families=("digits",)))[0].answer == "reject"


def test_unguarded_families_are_refused_only_when_shown_to_be_worse() -> None:
    counts = {
        "small": Paired(59, 59, 0, 0),
        "straddles": Paired(100, 6, 0, 0),
        "worse": Paired(100, 30, 0, 0),
    }
    results = {result.key: result for result in families(counts, policy())}
    assert set(results) == {"families", "family:straddles", "family:worse"}
    assert results["family:worse"].answer == "reject"
    assert (results["family:straddles"].answer, results["family:straddles"].numbers["judged"]) == (
        "pass",
        False,
    )


def test_sources_under_sixty_are_judged_together() -> None:
    counts = {"big.example": Paired(200, 1, 2, 0), **{f"s{i}.example": Paired(30, 0, 1, 0) for i in range(4)}}
    big, small = sources(counts, policy())
    assert (big.key, big.answer) == ("source:big.example", "pass")
    assert (small.key, small.answer, small.numbers["n"]) == ("small_sources", "pass", 120)
    assert len(sources({"big.example": Paired(60, 0, 0, 0)}, policy())) == 1


def test_a_small_pool_of_sources_or_none_is_no_evidence() -> None:
    few = sources({"big.example": Paired(200, 0, 0, 0), "s.example": Paired(20, 0, 0, 0)}, policy())
    assert [result.answer for result in few] == ["pass", "not_enough_evidence"]
    assert few[1].numbers["more"] == 39
    (none,) = sources({}, policy())
    assert (none.answer, none.numbers["more"]) == ("not_enough_evidence", 59)


def test_counts_that_contradict_themselves() -> None:
    for wrong in ((10, 6, 5, 0), (10, -1, 0, 0)):
        with pytest.raises(EvidenceError, match="fit into n"):
            Paired(*wrong)
    with pytest.raises(EvidenceError, match="Received: 1001 of 1000"):
        false_positives(halves(1001), policy())


@QUICK
@given(st.integers(0, 60), st.integers(0, 30), st.integers(900, 4000))
def test_more_false_positives_never_help(errors: int, extra: int, n: int) -> None:
    fewer, more = (false_positives(halves(k, n), policy()).answer for k in (errors, errors + extra))
    assert RANK[more] <= RANK[fewer]


@QUICK
@given(PAIRED, st.integers(0, 40))
def test_more_errors_of_the_candidate_never_turn_reject_into_release(evidence: Paired, extra: int) -> None:
    """Right pictures become wrong first, then pictures only the champion got wrong become wrong for both."""
    right = evidence.n - evidence.candidate_only_wrong - evidence.champion_wrong
    a, b = min(extra, right), min(max(extra - right, 0), evidence.champion_only_wrong)
    worse = Paired(
        evidence.n,
        evidence.candidate_only_wrong + a,
        evidence.champion_only_wrong - b,
        evidence.both_wrong + b,
    )
    rules = policy(guarded_families=("family",))
    judges: tuple[Callable[[Paired], str], ...] = (
        lambda e: decide([improvement(e)]),
        lambda e: decide([misses(e, rules, same_base=True)]),
        lambda e: decide(families({"family": e}, rules)),
        lambda e: decide(families({"other": e, "family": Paired(500, 0, 0, 0)}, rules)),
        lambda e: decide(sources({"source": e}, rules)),
    )
    for judge in judges:
        before, after = judge(evidence), judge(worse)
        assert not (before == "reject" and after == "release")
        if evidence.candidate_only_wrong + evidence.champion_only_wrong >= 5 and b == 0:
            assert RANK[after] <= RANK[before]


@QUICK
@given(PAIRED)
def test_a_pass_is_a_bound_within_the_margin(evidence: Paired) -> None:
    (result,) = sources({"source": evidence}, policy())
    bound = paired_upper(evidence.candidate_only_wrong, evidence.champion_only_wrong, evidence.n)
    assert (result.answer == "pass") == (bound <= 0.05)
