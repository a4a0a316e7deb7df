"""The gate's decision: one pure function per requirement, from counts to an answer with its reason.

No store and no model here: who measures the evidence is `evaluate`, who acts on the decision is `gate`. Every
check answers `pass`, `reject` (the bound lies wholly beyond its limit) or `not_enough_evidence` (it straddles
the limit; the reason says how many more labels would settle it at the present rates).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from store.errors import EvidenceError
from store.policy import Policy
from train.statistics import (
    DELTA,
    clopper_pearson_lower,
    clopper_pearson_upper,
    labels_for_mcnemar,
    labels_for_paired,
    labels_for_rate,
    mcnemar,
    negatives_needed,
    paired_lower,
    paired_upper,
    percent,
    rate_text,
)

Answer = Literal["pass", "reject", "not_enough_evidence"]
Decision = Literal["release", "reject", "not_enough_evidence"]

# Five discordant pairs all one way give p = .031, four .0625. Source: the binomial distribution.
LEAST_DISCORDANT = 5
# Source: design of the gate, item 4; 59 pictures without a discordant pair are the least that 5 points allow.
SMALL = 60
WAIVED = "Misses are NOT measured: the policy accepts sentinels_only."
NO_POSITIVES = "Misses are NOT measured: there is no positives suite."
BOTH_HALVES = "ordinary negatives (both halves together)"


@dataclass(frozen=True)
class Check:
    """One requirement and how it came out; `numbers` holds only what JSON can."""

    key: str
    title: str
    answer: Answer
    reason: str
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Paired:
    """The same n pictures judged by both models, each at its own operating point; how many are wrong."""

    n: int
    candidate_only_wrong: int
    champion_only_wrong: int
    both_wrong: int

    def __post_init__(self) -> None:
        wrong = (self.candidate_only_wrong, self.champion_only_wrong, self.both_wrong)
        if min(wrong) < 0 or sum(wrong) > self.n:
            raise EvidenceError(f"wanted counts of wrong pictures that fit into n. Received: {self}")

    def __add__(self, other: Paired) -> Paired:
        return Paired(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))

    @property
    def candidate_wrong(self) -> int:
        return self.candidate_only_wrong + self.both_wrong

    @property
    def champion_wrong(self) -> int:
        return self.champion_only_wrong + self.both_wrong


@dataclass(frozen=True)
class FalsePositives:
    """Ordinary negatives, one per group of copies, in two halves.

    `set_on` of them set the candidate's threshold at half the target (None where `umbrella_threshold` gave
    none); of the `n` others `errors` are flagged.
    """

    threshold: float | None
    set_on: int
    errors: int
    n: int


@dataclass(frozen=True)
class Difference:
    """What candidate and champion differ in.

    same_weights: the same weights and preprocessing; order_changes: of the scores of `compared` pictures, as
    `statistics.order_changes` counts them.
    """

    same_weights: bool
    compared: int
    order_changes: int


def decide(checks: Iterable[Check]) -> Decision:
    """All must hold: any reject rejects, else any lack of evidence is one; no check at all is no evidence."""
    answers = {check.answer for check in checks}
    if "reject" in answers:
        return "reject"
    return "release" if answers == {"pass"} else "not_enough_evidence"


def false_positives(evidence: FalsePositives, policy: Policy) -> Check:
    """Item 1: the exact upper bound on the half that did not set the threshold is within the target."""
    key, title, target = "false_positives", "false positives", policy.targets.false_positive_rate
    need, e = negatives_needed(target / 2), evidence
    numbers: dict[str, Any] = {**asdict(e), "target": target, "set_at": target / 2, "set_needs": need}
    if e.threshold is None or e.set_on < need:
        more = max(1, 2 * need - e.set_on - e.n)
        reason = f"an operating point at half the target of {percent(target)} % needs {need:,} negatives, "
        reason += f"it has {e.set_on:,}: label {more:,} more {BOTH_HALVES}"
        return Check(key, title, "not_enough_evidence", reason, numbers | {"more": more})
    lower, upper = clopper_pearson_lower(e.errors, e.n), clopper_pearson_upper(e.errors, e.n)
    numbers |= {"lower": lower, "upper": upper}
    if e.threshold >= 1:
        reason = f"the threshold set on {e.set_on:,} negatives is {e.threshold:g}: nothing would be flagged"
        return Check(key, title, "reject", reason, numbers)
    found = f"flags {rate_text(e.errors, e.n)} of the other half's negatives; "
    if upper <= target:
        reason = f"the upper bound {percent(upper)} % is within the target {percent(target)} %"
        return Check(key, title, "pass", found + reason, numbers)
    if lower > target:
        reason = f"the lower bound {percent(lower)} % is beyond the target {percent(target)} %"
        return Check(key, title, "reject", found + reason, numbers)
    on_this_half = labels_for_rate(e.errors, e.n, target)
    numbers["more"] = None if on_this_half is None else 2 * on_this_half
    reason = f"the bounds {percent(lower)} % and {percent(upper)} % straddle the target {percent(target)} %: "
    reason += _more(numbers["more"], BOTH_HALVES, e.errors > target * e.n)
    return Check(key, title, "not_enough_evidence", found + reason, numbers)


def improvement(evidence: Paired) -> Check:
    """Item 2: of the held-out pictures the cycle was for more were improved than worsened, p ≤ .05.

    Reject only when the reverse is shown at the same level; as good as the champion is no evidence.
    """
    key, title = "improvement", "improvement"
    better, worse, n = evidence.champion_only_wrong, evidence.candidate_only_wrong, evidence.n
    p, reverse = mcnemar(better, worse), mcnemar(worse, better)
    numbers: dict[str, Any] = {**asdict(evidence), "p": p, "p_of_the_reverse": reverse, "limit": DELTA}
    found = f"{better:,} improved, {worse:,} worsened of {n:,} held-out pictures the cycle was for"
    if better + worse < LEAST_DISCORDANT:
        numbers["more"] = _for_discordant(better + worse, n)
        reason = f"{found}: p ≤ .05 needs {LEAST_DISCORDANT} on which the two differ; label at least "
        return Check(key, title, "not_enough_evidence", f"{reason}{numbers['more']:,} more", numbers)
    found += f", p = {p:.2g} (limit .05)"
    if p <= DELTA:
        return Check(key, title, "pass", found, numbers)
    if reverse <= DELTA:
        return Check(key, title, "reject", f"{found}; the reverse is shown, p = {reverse:.2g}", numbers)
    reason = "no number of labels shows an improvement at the present rates"
    if better > worse:
        numbers["more"] = labels_for_mcnemar(better, worse, n)
        reason = _more(numbers["more"], "of them")
    return Check(key, title, "not_enough_evidence", f"{found}: {reason}", numbers)


def threshold_only(evidence: Difference) -> Check:
    """Item 2: a candidate that differs from the champion in nothing but the threshold is no improvement."""
    key, title, numbers = "threshold_only", "more than a threshold", asdict(evidence)
    if evidence.same_weights:
        reason = "the champion's own weights and preprocessing: set a new operating point for it instead"
        return Check(key, title, "reject", reason, numbers)
    found = f"{evidence.order_changes:,} of {evidence.compared:,} pictures change their rank by flag score"
    if evidence.order_changes:
        return Check(key, title, "pass", found, numbers)
    if evidence.compared >= SMALL:
        return Check(key, title, "reject", f"{found}: another threshold would do the same", numbers)
    reason = f"{found}: score {SMALL - evidence.compared:,} more with both to see a difference"
    return Check(key, title, "not_enough_evidence", reason, numbers | {"more": SMALL - evidence.compared})


def misses(evidence: Paired | None, policy: Policy, same_base: bool) -> Check:
    """Item 3: non-inferior in misses within the margin, on a positives suite; or the policy's waiver.

    evidence: None or n = 0 where the owner has no suite. The waiver needs the champion's frozen base.
    """
    key, title = "misses", "misses"
    if evidence is not None and evidence.n:
        check = _non_inferior(key, title, evidence, policy.margins.misses, "positives of the suite")
        check.numbers.update(measured=True, target=policy.targets.miss_rate)
        return check
    numbers = {"measured": False, "waiver": policy.miss_evidence}
    if policy.miss_evidence != "sentinels_only":
        reason = f"{NO_POSITIVES} Bring one; or the policy may waive it: miss_evidence"
        return Check(key, title, "not_enough_evidence", reason, numbers)
    if not same_base:
        reason = f"{NO_POSITIVES} On another base sentinels_only is not accepted: bring one"
        return Check(key, title, "not_enough_evidence", reason, numbers)
    return Check(key, title, "pass", WAIVED, numbers)


def families(evidence: Mapping[str, Paired], policy: Policy) -> tuple[Check, ...]:
    """Item 4: each guarded family is non-inferior within the margin; one check per guarded or judged family.

    An unguarded family is only refused where 60 or more pictures show it worse by more than the margin: the
    policy asks for no evidence there. A smaller one is shown in the certificate's table, not judged.
    """
    margin, nothing = policy.margins.families, Paired(0, 0, 0, 0)
    checks = []
    for name in policy.guarded_families:
        checks.append(_guarded(name, evidence.get(name, nothing), margin))
    for name in sorted(set(evidence) - set(policy.guarded_families)):
        if evidence[name].n >= SMALL:
            checks.append(_unguarded(name, evidence[name], margin))
    if not policy.guarded_families:
        checks.append(Check("families", "families", "pass", "the policy guards no family", {"guarded": 0}))
    return tuple(checks)


def sources(evidence: Mapping[str, Paired], policy: Policy) -> tuple[Check, ...]:
    """Item 4: each held-out source is non-inferior within the margin, those under 60 pictures all together.

    The pool of small sources is judged whatever its size; without any held-out picture there is no evidence.
    """
    margin = policy.margins.sources
    large = {name: e for name, e in evidence.items() if e.n >= SMALL}
    small = sum((e for name, e in evidence.items() if name not in large), Paired(0, 0, 0, 0))
    checks = [
        _non_inferior(f"source:{name}", f"source {name}", e, margin, "held-out pictures")
        for name, e in sorted(large.items())
    ]
    if small.n or not large:
        title = f"small sources ({len(evidence) - len(large):,})"
        checks.append(_non_inferior("small_sources", title, small, margin, "held-out pictures"))
    return tuple(checks)


def _guarded(name: str, evidence: Paired, margin: float) -> Check:
    """A guarded family under 60 pictures is no evidence, whatever it shows."""
    check = _non_inferior(f"family:{name}", f"family {name}", evidence, margin, "pictures")
    if evidence.n >= SMALL:
        return check
    more = max(SMALL - evidence.n, check.numbers.get("more") or 0)
    reason = f"{evidence.n:,} held-out pictures, a guarded family needs {SMALL}, better 150: label {more:,} more"
    return Check(check.key, check.title, "not_enough_evidence", reason, check.numbers | {"more": more})


def _unguarded(name: str, evidence: Paired, margin: float) -> Check:
    check = _non_inferior(f"family:{name}", f"family {name} (unguarded)", evidence, margin, "pictures")
    if check.answer != "not_enough_evidence":
        return check
    reason = check.reason.rsplit(": ", 1)[0] + "; the policy does not guard it"
    return Check(check.key, check.title, "pass", reason, check.numbers | {"judged": False})


def _non_inferior(key: str, title: str, evidence: Paired, margin: float, what: str) -> Check:
    """The paired bound of the difference of error rates against a margin; both as parts of one."""
    worse, better, n = evidence.candidate_only_wrong, evidence.champion_only_wrong, evidence.n
    lower, upper = paired_lower(worse, better, n), paired_upper(worse, better, n)
    numbers: dict[str, Any] = {**asdict(evidence), "lower": lower, "upper": upper, "margin": margin}
    reason = (
        f"wrong on {rate_text(evidence.candidate_wrong, n)} {what}, "
        f"the champion on {evidence.champion_wrong:,}; {worse:,} worsened, {better:,} improved; "
    )
    limit = f"points, margin {100 * margin:g}"
    if upper <= margin:
        return Check(key, title, "pass", f"{reason}difference at most {100 * upper:+.1f} {limit}", numbers)
    if lower > margin:
        return Check(key, title, "reject", f"{reason}difference at least {100 * lower:+.1f} {limit}", numbers)
    numbers["more"] = labels_for_paired(worse, better, n, margin)
    reason += f"difference between {100 * lower:+.1f} and {100 * upper:+.1f} {limit}: "
    reason += _more(numbers["more"], what, worse - better > margin * n)
    return Check(key, title, "not_enough_evidence", reason, numbers)


def _for_discordant(discordant: int, n: int) -> int:
    """How many more pictures bring five discordant pairs at the present rate, or the highest not excluded."""
    if discordant:
        return max(1, -(-LEAST_DISCORDANT * n // discordant) - n)
    return max(1, math.ceil(LEAST_DISCORDANT / clopper_pearson_upper(0, n)) - n)


def _more(more: int | None, what: str, against: bool = False) -> str:
    """How many more labels, and whether the present rates would settle it against the candidate."""
    if more is None:
        return "no number of labels settles it at the present rates"
    settled = f"{more:,} more {what} would settle it at the present rates"
    return f"{settled}, against the candidate" if against else settled
