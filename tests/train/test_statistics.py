"""The gate's statistics against their definitions, scipy's own tests, and simulation with fixed seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom, binom, binomtest, false_discovery_control, multinomial

from store.errors import EvidenceError
from train import statistics as s

COUNTS = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
QUICK = settings(max_examples=60, deadline=None)


@QUICK
@given(COUNTS)
def test_clopper_pearson_inverts_the_binomial(counts: tuple[int, int]) -> None:
    errors, n = counts
    upper, lower = s.clopper_pearson_upper(errors, n), s.clopper_pearson_lower(errors, n)
    assert lower <= errors / n <= upper
    assert upper == 1 if errors == n else binom.cdf(errors, n, upper) == pytest.approx(0.05)
    assert lower == 0 if errors == 0 else binom.sf(errors - 1, n, lower) == pytest.approx(0.05)


@QUICK
@given(COUNTS)
def test_two_sided_intervals_equal_scipys(counts: tuple[int, int]) -> None:
    test = binomtest(*counts)
    assert s.clopper_pearson(*counts) == pytest.approx(tuple(test.proportion_ci(method="exact")))
    assert s.wilson(*counts) == pytest.approx(tuple(test.proportion_ci(method="wilson")), abs=1e-12)


def test_intervals_know_nothing_without_pictures() -> None:
    assert s.clopper_pearson(0, 0) == s.wilson(0, 0) == (0.0, 1.0)
    assert (s.paired_lower(0, 0, 0), s.paired_upper(0, 0, 0)) == (-1.0, 1.0)
    for call in (s.clopper_pearson, s.wilson, lambda k, n: s.paired_upper(k, 1, n)):
        with pytest.raises(EvidenceError, match="Received: "):
            call(3, 2)


def test_negatives_needed_has_the_known_figures() -> None:
    assert [s.negatives_needed(alpha) for alpha in (0.005, 0.001, 0.01)] == [598, 2995, 299]
    for bad in (0.0, 1.0):
        with pytest.raises(EvidenceError, match="alpha"):
            s.negatives_needed(bad)


@QUICK
@given(st.floats(0.002, 0.5))
def test_negatives_needed_is_the_smallest(alpha: float) -> None:
    n = s.negatives_needed(alpha)
    assert (1 - alpha) ** n <= 0.05 < (1 - alpha) ** (n - 1)
    assert s.umbrella_threshold(np.arange(n - 1) / n, alpha) is None
    assert s.umbrella_threshold(np.arange(n) / n, alpha) == (n - 1) / n


@QUICK
@given(st.integers(60, 800), st.sampled_from([0.05, 0.1, 0.3]))
def test_umbrella_takes_the_smallest_rank_of_the_definition(n: int, alpha: float) -> None:
    ranks = np.arange(1, n + 1)
    smallest = ranks[binom.sf(ranks - 1, n, 1 - alpha) <= 0.05][0]
    assert s.umbrella_threshold(ranks[::-1] / n, alpha) == smallest / n


def test_umbrella_keeps_its_promise_and_the_plain_quantile_does_not() -> None:
    rng, alpha, draws = np.random.default_rng(7), 0.01, 400
    kept = plain = 0
    for _ in range(draws):
        scores = rng.random(1000)  # uniform: the true rate of a threshold t is 1 - t
        kept += 1 - (s.umbrella_threshold(scores, alpha) or 0.0) <= alpha
        plain += 1 - float(np.quantile(scores, 1 - alpha)) <= alpha
    assert kept / draws >= 0.93
    assert plain / draws <= 0.60


def test_umbrella_keeps_its_promise_with_ties() -> None:
    rng, alpha, draws = np.random.default_rng(8), 0.02, 400
    kept = 0
    for _ in range(draws):
        threshold = s.umbrella_threshold(np.floor(rng.random(500) * 120) / 120, alpha)
        assert threshold is not None
        true_rate = 1 - (threshold + 1 / 120)  # only scores strictly above the tied value are flagged
        kept += true_rate <= alpha + 1e-12
    assert kept / draws >= 0.93
    assert s.umbrella_threshold(np.full(500, 0.4), alpha) == 0.4


def test_umbrella_refuses_scores_that_are_no_numbers() -> None:
    with pytest.raises(EvidenceError, match="NaN"):
        s.umbrella_threshold([0.1] * 999 + [math.nan], 0.01)


@QUICK
@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_is_the_binomial_test(improved: int, worsened: int) -> None:
    n = improved + worsened
    expected = binomtest(improved, n, 0.5, alternative="greater").pvalue if n else 1.0
    assert s.mcnemar(improved, worsened) == pytest.approx(expected)


def test_paired_bound_has_the_anchors() -> None:
    for n in (1, 59, 60, 150, 2000):
        assert s.paired_upper(0, 0, n) == pytest.approx(1 - 0.05 ** (1 / n))
    assert s.paired_upper(0, 0, 150) == pytest.approx(3 / 150, rel=0.02)
    assert s.paired_upper(1, 0, 60) == pytest.approx(s.clopper_pearson_upper(1, 60))
    assert round(100 * s.paired_upper(1, 0, 60), 1) == 7.7


@pytest.mark.parametrize("n", [1, 2, 7, 30, 60])
def test_paired_bound_rises_with_every_worsened_and_falls_with_every_improved_picture(n: int) -> None:
    bound = _bounds(n)
    assert (np.nan_to_num(np.diff(bound, axis=0), nan=1) > 0).all()
    assert (np.nan_to_num(np.diff(bound, axis=1), nan=-1) < 0).all()


@pytest.mark.parametrize("n", [60, 120])
def test_paired_bound_covers_by_enumeration(n: int) -> None:
    bound = _bounds(n)
    rates = (0.002, 0.01, 0.03, 0.05, 0.1, 0.2, 0.4)
    for b in rates:
        for c in (0.0, *rates):
            assert _coverage(bound, n, b, c) >= 0.9499, (b, c)


@pytest.mark.parametrize(("n", "b", "c"), [(60, 0.05, 0.02), (150, 0.03, 0.03), (400, 0.4, 0.4), (1000, 0.02, 0.1)])
def test_paired_bound_covers_by_simulation(n: int, b: float, c: float) -> None:
    draws = np.random.default_rng(3).multinomial(n, [b, c, 1 - b - c], size=3000)
    covered = np.mean([s.paired_upper(int(x), int(y), n) >= b - c for x, y, _ in draws])
    assert covered >= 0.945


def test_labels_that_would_settle_a_rate() -> None:
    assert s.labels_for_rate(0, 1000, 0.01) == 0
    assert s.labels_for_rate(0, 0, 0.01) == 299
    assert s.labels_for_rate(0, 100, 0.01) == 199
    assert s.labels_for_rate(5, 500, 0.01) is None


@QUICK
@given(st.integers(1, 30), st.integers(40, 2000), st.sampled_from([0.005, 0.01, 0.05]))
def test_labels_for_a_rate_are_the_fewest(errors: int, n: int, limit: float) -> None:
    more = s.labels_for_rate(errors, n, limit)
    if more:
        assert _rate_settled(errors / n, n + more, limit)
        assert not _rate_settled(errors / n, n + more - 1, limit)


def test_labels_that_would_settle_a_paired_bound() -> None:
    assert s.labels_for_paired(0, 0, 0, 0.05) == 59
    assert s.labels_for_paired(0, 0, 60, 0.05) == 0
    assert s.labels_for_paired(0, 0, 60, 0.03) == 39
    more = s.labels_for_paired(3, 1, 100, 0.05)
    assert more is not None
    assert s.paired_upper(3 * (1 + more / 100), 1 + more / 100, 100 + more) <= 0.05
    assert s.labels_for_paired(10, 0, 100, 0.1) is None


def test_labels_that_would_settle_mcnemar() -> None:
    assert s.labels_for_mcnemar(5, 0, 50) == 0
    assert s.labels_for_mcnemar(4, 0, 40) == 10
    assert s.labels_for_mcnemar(0, 4, 40) == 10
    assert s.labels_for_mcnemar(6, 6, 40) is None
    more = s.labels_for_mcnemar(8, 4, 100)
    assert more is not None
    improved, worsened = 8 * (100 + more) // 100, -(-4 * (100 + more) // 100)
    assert s.mcnemar(improved, worsened) <= 0.05 < s.mcnemar(improved - 1, worsened)


@QUICK
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_no_looser_than_benjamini_hochberg_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = s.holm(p_values)
    assert all(0 <= p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    assert all(a >= f - 1e-12 for a, f in zip(adjusted, false_discovery_control(p_values), strict=True))
    assert np.all(np.diff(np.asarray(adjusted)[np.argsort(p_values, kind="stable")]) >= 0)


def test_holm_by_hand() -> None:
    assert s.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert s.holm([]) == []


def test_order_changes_sees_through_a_shift_and_not_through_a_retrained_model() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=500)
    before, shifted = 1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(-2 * logits - 1))
    assert s.order_changes(before, shifted) == 0
    assert s.order_changes(before, before + rng.uniform(-3e-7, 3e-7, 500)) == 0
    assert s.order_changes(before, 1 / (1 + np.exp(-logits - rng.normal(size=500)))) > 100
    assert s.order_changes([], []) == 0
    with pytest.raises(EvidenceError, match="two rows"):
        s.order_changes([0.1], [0.1, 0.2])


def test_rate_text_names_numerator_denominator_and_interval() -> None:
    assert s.rate_text(3, 1000) == "3 of 1,000 (0.30 %, 95 % interval 0.062–0.87 %)"
    assert s.rate_text(0, 0) == "0 of 0"


@pytest.mark.parametrize(
    ("negatives", "target", "share", "passes"),
    [
        (2000, 0.01, 1.0, 0.50),
        (2000, 0.01, 0.5, 0.89),
        (4000, 0.01, 0.5, 0.98),
        (20_000, 0.001, 0.5, 0.89),
    ],
)
def test_half_the_target_on_one_half_lets_honest_candidates_pass_the_other(
    negatives: int, target: float, share: float, passes: float
) -> None:
    """The design's simulated figures, exact: the true rate of the k-th of n scores is Beta(n - k + 1, k)."""
    n = negatives // 2
    threshold = s.umbrella_threshold(np.arange(1, n + 1), target * share)
    assert threshold is not None
    above = n - int(threshold)
    allowed = max(k for k in range(200) if s.clopper_pearson_upper(k, n) <= target)
    assert betabinom.cdf(allowed, n, above + 1, n - above) == pytest.approx(passes, abs=0.005)


def _bounds(n: int) -> np.ndarray:
    """(n + 1, n + 1) bounds by worsened and improved pictures, NaN where both together pass n."""
    bound = np.full((n + 1, n + 1), np.nan)
    for b in range(n + 1):
        for c in range(n + 1 - b):
            bound[b, c] = s.paired_upper(b, c, n)
    return bound


def _coverage(bound: np.ndarray, n: int, b: float, c: float) -> float:
    worsened, improved = np.nonzero(bound >= b - c - 1e-12)
    cells = np.stack([worsened, improved, n - worsened - improved], axis=1)
    return float(multinomial.pmf(cells, n, [b, c, 1 - b - c]).sum())


def _rate_settled(rate: float, n: int, limit: float) -> bool:
    return s.clopper_pearson_upper(rate * n, n) <= limit or s.clopper_pearson_lower(rate * n, n) > limit
