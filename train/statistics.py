"""The gate's statistics: exact bounds, the umbrella threshold, paired comparisons, labels still needed.

Pure functions of counts and scores; nothing is read from or written to the store. Bounds are one-sided 95 %
unless a function says otherwise (Source: design of the gate). Counts may be fractional where a function
scales them to another number of pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, betaincinv, ndtri
from scipy.stats import binom

from store.errors import EvidenceError

DELTA = 0.05
# Past this many pictures "more labels" is no advice any more (chosen by eye).
MOST_LABELS = 10_000_000


def clopper_pearson_upper(errors: float, n: float, confidence: float = 1 - DELTA) -> float:
    """One-sided upper bound of a rate: the largest p with P(Binomial(n, p) ≤ errors) ≥ 1 − confidence.

    1.0 where n is 0. Raises EvidenceError for counts that contradict each other.
    Source: Clopper & Pearson 1934, Biometrika 26; as the Beta(errors + 1, n − errors) quantile.
    """
    _possible(errors, n)
    return 1.0 if errors >= n else float(betaincinv(errors + 1, n - errors, confidence))


def clopper_pearson_lower(errors: float, n: float, confidence: float = 1 - DELTA) -> float:
    """One-sided lower bound of a rate: the mirror image of the upper one; 0.0 where n is 0."""
    _possible(errors, n)
    return 0.0 if errors <= 0 else float(betaincinv(errors, n - errors + 1, 1 - confidence))


def clopper_pearson(errors: float, n: float, confidence: float = 1 - DELTA) -> tuple[float, float]:
    """Two-sided exact interval of a rate: both one-sided bounds at half the error; (0, 1) where n is 0."""
    each = 1 - (1 - confidence) / 2
    return clopper_pearson_lower(errors, n, each), clopper_pearson_upper(errors, n, each)


def wilson(errors: float, n: float, confidence: float = 1 - DELTA) -> tuple[float, float]:
    """Two-sided score interval of a rate: shorter than Clopper–Pearson, right on average only.

    Source: Wilson 1927, JASA 22: the p with |errors/n − p| = z·sqrt(p(1 − p)/n). (0, 1) where n is 0.
    """
    _possible(errors, n)
    if n == 0:
        return 0.0, 1.0
    z, rate = float(ndtri(1 - (1 - confidence) / 2)), errors / n
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def negatives_needed(alpha: float, delta: float = DELTA) -> int:
    """The fewest negatives with which the umbrella rule can promise `alpha`: (1 − alpha)^n ≤ delta.

    598 for 0.5 %, 2,995 for 0.1 %. Source: Tong, Feng & Li 2018, Science Advances 4, eaao1659, section on the
    minimum sample size.
    """
    if not (0 < alpha < 1 and 0 < delta < 1):
        raise EvidenceError(f"wanted alpha and delta between 0 and 1. Received: {alpha!r}, {delta!r}")
    return math.ceil(math.log(delta) / math.log1p(-alpha))


def umbrella_threshold(flag_scores: ArrayLike, alpha: float, delta: float = DELTA) -> float | None:
    """The smallest order statistic t of the negatives' scores with P(false-positive rate > alpha) ≤ delta.

    flag_scores: (N,) in [0, 1], one per negative, independent draws. A picture is flagged when its score is
    strictly greater than t, so that ties at t only lower the rate and the promise holds for any distribution.
    None where N is too small (see `negatives_needed`). Raises EvidenceError for NaN or infinite scores.
    Source: Tong, Feng & Li 2018, the umbrella algorithm: t is the k-th smallest score for the smallest k with
    P(Binomial(N, 1 − alpha) ≥ k) ≤ delta. With m = N − k that is the largest m with
    P(Binomial(N, alpha) ≤ m) ≤ delta: at most m negatives lie above t.
    """
    scores = np.sort(np.asarray(flag_scores, dtype=np.float64).ravel())
    if not np.isfinite(scores).all():
        raise EvidenceError("wanted finite flag scores to set a threshold on; the negatives' hold NaN or infinity")
    if scores.size < negatives_needed(alpha, delta):
        return None
    above = int(binom.ppf(delta, scores.size, alpha))
    above -= bool(binom.cdf(above, scores.size, alpha) > delta)
    return float(scores[scores.size - 1 - above])


def mcnemar(improved: int, worsened: int) -> float:
    """One-sided exact p-value of the claim that more pictures improve than worsen.

    P(Binomial(improved + worsened, ½) ≥ improved); 1.0 without any discordant pair.
    Source: McNemar 1947, Psychometrika 12, in its exact binomial form.
    """
    _possible(improved, improved + worsened)
    return 1.0 if improved <= 0 else float(betainc(improved, worsened + 1, 0.5))


def paired_upper(worsened: float, improved: float, n: float) -> float:
    """One-sided 95 % upper bound of the difference of two paired error rates, new minus old, in [−1, 1].

    worsened: pictures only the new model gets wrong (rate b); improved: only the old one (rate c); n: all.
    With Clopper–Pearson limits U_b and L_c, x = U_b − b and y = c − L_c:
    bound = b − c + sqrt(x² + y² + 2 r x y),  r = sqrt(b c / ((1 − b)(1 − c))).
    r is minus the correlation of two cells of one multinomial. Without it (plain square-and-add) the bound
    covers only 90 % where the models disagree on most pictures; with it at least 95.0 % over n = 20–1,000 and
    b, c up to .5 (by enumeration; the tests repeat a part). With no improved picture the bound is U_b:
    1 − .05^(1/n) ≈ 3/n for no discordant pair, 7.7 points for one among 60. It falls with every improved
    picture and rises with every worsened one. 1.0 where n is 0.
    Source: Newcombe 1998, Stat. Med. 17:2635 (square-and-add for paired proportions); Zou & Donner 2008,
    Stat. Med. 27:1693 (any limits, correlated estimates: MOVER).
    """
    _possible(worsened + improved, n)
    if n == 0:
        return 1.0
    b, c = worsened / n, improved / n
    x, y = clopper_pearson_upper(worsened, n) - b, c - clopper_pearson_lower(improved, n)
    r = math.sqrt(b * c / ((1 - b) * (1 - c))) if b < 1 and c < 1 else 0.0
    return b - c + math.sqrt(x * x + y * y + 2 * r * x * y)


def paired_lower(worsened: float, improved: float, n: float) -> float:
    """One-sided 95 % lower bound of the same difference: `paired_upper` with the models exchanged."""
    return -paired_upper(improved, worsened, n)


def labels_for_rate(errors: int, n: int, limit: float) -> int | None:
    """How many more pictures, at the present rate of errors, bring a rate's bound to one side of `limit`.

    0 when it is settled already; None when more than MOST_LABELS would not do. Without any picture the
    present rate counts as 0, so the answer is the least possible.
    """

    def settled(m: int) -> bool:
        scaled = errors * (m / n) if n else 0.0
        return clopper_pearson_upper(scaled, m) <= limit or clopper_pearson_lower(scaled, m) > limit

    return _fewest_more(settled, n)


def labels_for_paired(worsened: int, improved: int, n: int, margin: float) -> int | None:
    """The same for the paired difference and its margin."""

    def settled(m: int) -> bool:
        scale = m / n if n else 0.0
        b, c = worsened * scale, improved * scale
        return paired_upper(b, c, m) <= margin or paired_lower(b, c, m) > margin

    return _fewest_more(settled, n)


def labels_for_mcnemar(improved: int, worsened: int, n: int) -> int | None:
    """The same for the paired test: until p ≤ .05 in the direction the present counts point to.

    Counts at a larger n are whole: the leading side rounded down, the other up. None when neither side leads
    or when more than MOST_LABELS would not do.
    """
    _possible(improved + worsened, n)
    lead, trail = max(improved, worsened), min(improved, worsened)
    if mcnemar(lead, trail) <= DELTA:
        return 0
    if lead == trail:
        return None
    leading = np.arange(lead + 1, max(lead + 2, min(MOST_LABELS * lead // n, 1_000_000)), dtype=np.int64)
    pictures = -(-leading * n // lead)
    p_values = betainc(leading, -(-trail * pictures // n) + 1, 0.5)
    first = int(np.argmax(p_values <= DELTA))
    return int(pictures[first]) - n if p_values[first] <= DELTA else None


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the given order: for claims that several families *improved*.

    Source: Holm 1979, Scand. J. Statist. 6: the i-th smallest of m times (m − i + 1), made monotone, at most
    1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(p) for p in adjusted]


def order_changes(before: ArrayLike, after: ArrayLike, tolerance: float = 1e-6) -> int:
    """How many pictures lose rank: their new score is below that of a picture the old scores ranked lower.

    before, after: (N,) flag scores of the same pictures; falls within `tolerance` do not count: it is above
    what two exports of one model differ by (measured: 7e-7). 0 means that the new model is the old one with
    another threshold. Raises EvidenceError for different shapes.
    """
    old, new = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if old.shape != new.shape or old.ndim != 1:
        raise EvidenceError(f"wanted two rows of scores of the same pictures. Received: {old.shape} and {new.shape}")
    if old.size == 0:
        return 0
    ranked = new[np.lexsort((new, old))]
    return int(np.count_nonzero(ranked < np.maximum.accumulate(ranked) - tolerance))


def percent(rate: float) -> str:
    """A rate in percent without the sign, with as many digits as its size deserves: 12.3, 0.30, 0.062."""
    value = 100 * rate
    return f"{value:.{1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 or value == 0 else 3}f}"


def rate_text(errors: int, n: int) -> str:
    """`3 of 1,000 (0.30 %, 95 % interval 0.062–0.87 %)`, the interval exact and two-sided; `0 of 0` without
    any."""
    if n == 0:
        return "0 of 0"
    low, high = clopper_pearson(errors, n)
    return f"{errors:,} of {n:,} ({percent(errors / n)} %, 95 % interval {percent(low)}–{percent(high)} %)"


def _possible(errors: float, n: float) -> None:
    # Fractional counts that were scaled may pass n by a rounding error.
    if not 0 <= errors <= n * (1 + 1e-9):
        raise EvidenceError(f"wanted counts with 0 ≤ errors ≤ pictures. Received: {errors!r} of {n!r}")


def _fewest_more(settled: Callable[[int], bool], n: int) -> int | None:
    """The fewest pictures beyond n with `settled`, which stays true once it is true: double, then bisect."""
    if n and settled(n):
        return 0
    low, high = n, max(2 * n, 1)
    while not settled(high):
        if high > MOST_LABELS:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle, high)
    return high - n
