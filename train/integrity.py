"""The gate's last requirement: the candidate has not collapsed and its files are what they claim to be.

Pure functions of facts that `evaluate` has measured; no store and no model here. A fact that was not measured
(None, or nothing compared) is no evidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from store.policy import Policy
from train.checks import Answer, Check

# Source for the three: design of the gate, item 5, and of the words ("sentinel").
SENTINEL_LEVELS = (0.55, 0.75, 0.95)
JUDGED_SENTINELS = 100
KEPT_PERCENT = 99
# LiteRT fp32 differs from Keras by 7e-7 on the models measured; int8 by .1.
EXPORT_TOLERANCE = 1e-5


@dataclass(frozen=True)
class SentinelLevel:
    """Sentinels made at one level: flagged by the champion, and of those kept (flagged) by the candidate.

    At .5 for both, and (`_own`) each at its own operating point.
    """

    level: float
    flagged: int
    kept: int
    flagged_own: int
    kept_own: int


@dataclass(frozen=True)
class Integrity:
    """Facts about the candidate's files.

    labels, signature: as the inference file has them; wanted: the champion's (on another base: the
    candidate's card's). scores: how many were computed, not_finite of them NaN or infinite. foreign_code:
    Lambda layers, pickles, custom classes found. in_mix: evaluation pictures that share a split group with a
    sample of any mix the candidate was trained on, of `evaluated`; nearest: smallest embedding distance
    between the two, reported only. export_difference: largest difference of a probability between exported
    and Keras file, computed in a fresh process on `exported` pictures; keras_file False where there is none.
    Latencies in seconds per picture, measured side by side.
    """

    labels: tuple[str, ...]
    labels_wanted: tuple[str, ...]
    signature: str
    signature_wanted: str
    scores: int
    not_finite: int
    foreign_code: tuple[str, ...]
    evaluated: int
    in_mix: int
    exported: int
    export_difference: float | None
    latency_s: float | None
    champion_latency_s: float | None
    nearest: float | None = None
    keras_file: bool = True


def collapse(levels: Sequence[SentinelLevel], same_base: bool, positives: int) -> Check:
    """At least 99 % of the sentinels that the champion flags are kept, at every level.

    At .5 every level counts; at the operating points those where the champion flags 100 or more. positives:
    size of the positives suite, which a candidate on another base needs because sentinels mean nothing there.
    """
    key, title = "collapse", "collapse"
    if not same_base:
        numbers: dict[str, Any] = {"same_base": False, "positives": positives}
        if positives:
            reason = f"undefined on another base; the suite's {positives:,} positives stand in for sentinels"
            return Check(key, title, "pass", reason, numbers)
        reason = "undefined on another base: bring a positives suite (sentinels_only is not accepted)"
        return Check(key, title, "not_enough_evidence", reason, numbers)
    rows = sorted(levels, key=lambda row: row.level)
    half = [(row.level, row.kept, row.flagged) for row in rows]
    own = [(row.level, row.kept_own, row.flagged_own) for row in rows if row.flagged_own >= JUDGED_SENTINELS]
    lost = any(100 * kept < KEPT_PERCENT * flagged for _, kept, flagged in half + own)
    absent = sorted(set(SENTINEL_LEVELS) - {level for level, _, flagged in half if flagged})
    reason = f"kept at .5: {_kept(half) or 'none made'}; "
    reason += f"at the operating points: {_kept(own) or 'too few to judge'}; wanted {KEPT_PERCENT} % of each"
    if absent and not lost:
        reason += f"; the champion flags none made at {', '.join(map(str, absent))}: make more"
    answer: Answer = "reject" if lost else "not_enough_evidence" if absent else "pass"
    numbers = {"same_base": True, "levels": [asdict(row) for row in rows], "limit": KEPT_PERCENT / 100}
    return Check(key, title, answer, reason, numbers)


def integrity(facts: Integrity, policy: Policy) -> tuple[Check, ...]:
    """Seven checks: label_order, signature, finite, no_code, separation, export, latency."""
    return (
        _same("label_order", "label order", ", ".join(facts.labels), ", ".join(facts.labels_wanted)),
        _same("signature", "signature", facts.signature, facts.signature_wanted),
        _none("finite", "finite scores", facts.not_finite, facts.scores, "scores are NaN or infinite"),
        _no_code(facts.foreign_code),
        _separation(facts),
        _export(facts),
        _latency(facts.latency_s, facts.champion_latency_s, policy.latency_ratio),
    )


def _kept(rows: Sequence[tuple[float, int, int]]) -> str:
    return ", ".join(f"{kept:,} of {flagged:,} at {level:g}" for level, kept, flagged in rows)


def _same(key: str, title: str, found: str, wanted: str) -> Check:
    numbers = {"found": found, "wanted": wanted}
    if found == wanted:
        return Check(key, title, "pass", f"{found}, as wanted", numbers)
    return Check(key, title, "reject", f"wanted {wanted}, found {found}", numbers)


def _none(key: str, title: str, bad: int, n: int, what: str) -> Check:
    """Nothing bad among n things looked at; 0 looked at is no evidence."""
    answer: Answer = "reject" if bad else "pass" if n else "not_enough_evidence"
    return Check(key, title, answer, f"{bad:,} of {n:,} {what}", {"bad": bad, "n": n})


def _no_code(found: tuple[str, ...]) -> Check:
    answer: Answer = "reject" if found else "pass"
    reason = f"the files hold {', '.join(found)}" if found else "no Lambda layer, pickle or custom class"
    return Check("no_code", "no foreign code", answer, reason, {"found": list(found)})


def _separation(facts: Integrity) -> Check:
    what = "evaluation pictures are in a mix"
    check = _none("separation", "evaluation apart", facts.in_mix, facts.evaluated, what)
    check.numbers["nearest"] = facts.nearest
    if facts.nearest is None:
        return check
    reason = f"{check.reason}; nearest embedding distance {facts.nearest:.3g} (shown, not judged)"
    return Check(check.key, check.title, check.answer, reason, check.numbers)


def _export(facts: Integrity) -> Check:
    key, title, difference = "export", "exported file", facts.export_difference
    finite = difference is not None and math.isfinite(difference)
    numbers = {
        "difference": difference if finite else None,
        "pictures": facts.exported,
        "limit": EXPORT_TOLERANCE,
    }
    if not facts.keras_file:
        return Check(key, title, "pass", "there is no Keras file to differ from", numbers)
    if difference is None or not facts.exported:
        return Check(key, title, "not_enough_evidence", "not compared with the Keras file: run it again", numbers)
    # Written so that a NaN is a reject.
    answer: Answer = "pass" if difference <= EXPORT_TOLERANCE else "reject"
    reason = f"differs from the Keras file by {difference:.1g} on {facts.exported:,} pictures"
    return Check(key, title, answer, f"{reason}, limit {EXPORT_TOLERANCE:.0e}", numbers)


def _latency(own_s: float | None, champion_s: float | None, limit: float) -> Check:
    key, title = "latency", "latency"
    numbers = {"seconds": own_s, "champion_seconds": champion_s, "limit": limit}
    if own_s is None or not champion_s:
        return Check(key, title, "not_enough_evidence", "not measured beside the champion: run it again", numbers)
    ratio = own_s / champion_s
    answer: Answer = "pass" if ratio <= limit else "reject"
    reason = f"{1000 * own_s:.1f} ms a picture, {ratio:.2f} times the champion's {1000 * champion_s:.1f} ms"
    return Check(key, title, answer, f"{reason}; the policy allows {limit:g} times", numbers | {"ratio": ratio})
