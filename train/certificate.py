"""The certificate of one decision of the gate: what was compared, how it came out, and what it does not show.

Made by `gate` from checks and counts and kept beside the candidate, as JSON for programs and as a page of
text for people. Nothing here measures, reads or writes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from train.checks import NO_POSITIVES, WAIVED, Check, Decision, Paired, decide
from train.integrity import JUDGED_SENTINELS, SentinelLevel
from train.statistics import DELTA, clopper_pearson, holm, mcnemar

COLUMNS = 100
# Chosen by eye, so that a certificate stays about a page; the JSON has everything.
MOST_FAMILIES = 12
PLAIN = ("label_order", "signature", "finite", "no_code")
WORDS = {"release": "RELEASE", "reject": "REJECT", "not_enough_evidence": "NOT ENOUGH EVIDENCE"}
MARKS = {"reject": "REJECT", "not_enough_evidence": "lacking", "pass": "pass"}


@dataclass(frozen=True)
class OperatingPoint:
    """A model version and the threshold that the rule gave it on so many negatives; None: it gave none."""

    version: str
    threshold: float | None
    negatives: int


@dataclass(frozen=True)
class FamilyRow:
    """Errors on one family's n pictures.

    before: by the champion as it serves; paired: the candidate against "threshold only", the champion at the
    operating point that the same rule sets on the same negatives.
    """

    name: str
    before: int
    paired: Paired
    guarded: bool = False
    aimed_at: bool = False


@dataclass(frozen=True)
class Certificate:
    """Everything one decision rests on.

    champion: at the operating point set like the candidate's; serving_threshold: the one it serves with.
    ordinary: false positives of both on the half of the ordinary negatives that judged. openings: how often
    each sealed suite has been opened, this time included. made_at: UTC.
    """

    candidate: OperatingPoint
    champion: OperatingPoint
    serving_threshold: float
    policy: str
    review_s: float
    checks: tuple[Check, ...]
    made_at: datetime
    ordinary: Paired | None = None
    families: tuple[FamilyRow, ...] = ()
    sentinels: tuple[SentinelLevel, ...] = ()
    openings: Mapping[str, int] = field(default_factory=dict)

    @property
    def decision(self) -> Decision:
        return decide(self.checks)

    @property
    def misses_measured(self) -> bool:
        return any(check.key == "misses" and check.numbers.get("measured") for check in self.checks)

    @property
    def waived(self) -> bool:
        """Whether the policy's waiver stands in for a measurement of misses."""
        answers = {check.key: check.answer for check in self.checks}
        return not self.misses_measured and answers.get("misses") == "pass"

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values that `json.dumps` takes; rates are in [0, 1]."""
        return {
            "decision": self.decision,
            "misses_measured": self.misses_measured,
            "waiver": self.waived,
            **{key: asdict(getattr(self, key)) for key in ("candidate", "champion")},
            "serving_threshold": self.serving_threshold,
            "policy": self.policy,
            "made_at": self.made_at.astimezone(UTC).isoformat(),
            "checks": [asdict(check) for check in self.checks],
            "families": [_family_json(row, p) for row, p in _with_p(self.families)],
            "sentinels": [asdict(level) for level in self.sentinels],
            "costs": costs(self.ordinary, self.review_s),
            "not_shown": not_shown(self),
            "openings": dict(self.openings),
        }

    def as_text(self) -> str:
        """About a page of at most 100 columns; its first line is the decision, and whether misses were
        measured."""
        parts = [
            [_first_line(self), *_heading(self)],
            _checks(self.checks),
            _families(self.families),
            _sentinels(self.sentinels),
            _costs(costs(self.ordinary, self.review_s)),
            ["THIS DOES NOT SHOW", *(line for point in not_shown(self) for line in _wrap(point, "- ", "  "))],
        ]
        return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def costs(ordinary: Paired | None, review_s: float) -> dict[str, Any]:
    """False positives per 1,000 ordinary pictures of both models, with 95 % intervals, and the review they
    cost.

    Every false positive is one review of `review_s` seconds. Empty without any ordinary negative.
    """
    if ordinary is None or ordinary.n == 0:
        return {}
    rows: dict[str, Any] = {"review_s": review_s, "n": ordinary.n}
    for key, wrong in (("candidate", ordinary.candidate_wrong), ("champion", ordinary.champion_wrong)):
        low, high = clopper_pearson(wrong, ordinary.n)
        per_1000 = [1000 * rate for rate in (wrong / ordinary.n, low, high)]
        rows[key] = {
            "false_positives": wrong,
            "per_1000": per_1000[0],
            "per_1000_interval": per_1000[1:],
            "review_s_per_1000": per_1000[0] * review_s,
        }
    return rows


def not_shown(certificate: Certificate) -> list[str]:
    """What the reader must not conclude, one sentence each."""
    judged = {check.key for check in certificate.checks if check.numbers.get("judged", True)}
    unjudged = [row.name for row in certificate.families if f"family:{row.name}" not in judged]
    points = []
    if not certificate.misses_measured:
        points.append("Misses: no picture that must be flagged was tested; any share may be missed.")
    if certificate.sentinels:
        points.append("Sentinels are feature vectors without pictures: they show collapse, not recall.")
    if unjudged:
        points.append(f"Unguarded families with too few pictures to judge: {', '.join(unjudged)}.")
    points += [
        "Pictures unlike those of the suites, families and sources above.",
        "Backdoors: a trigger that nobody knows was tested by nothing here.",
        "Wrong verdicts: every rate counts the labels as they stand.",
        "All bounds together: each holds with 95 % by itself.",
    ]
    for name, times in certificate.openings.items():
        if times > 1:
            points.append(f"A fresh look: suite {name} was opened {times:,} times, each use wears it out.")
    return points


def _with_p(rows: Iterable[FamilyRow]) -> list[tuple[FamilyRow, float]]:
    """Each family with the p-value of the claim that it improved, Holm-adjusted over all families given."""
    rows = list(rows)
    p_values = [mcnemar(row.paired.champion_only_wrong, row.paired.candidate_only_wrong) for row in rows]
    return list(zip(rows, holm(p_values), strict=True))


def _family_json(row: FamilyRow, p_improved: float) -> dict[str, Any]:
    """One row of the table: errors before, threshold only and after, with two-sided 95 % intervals."""
    n = row.paired.n
    stages = {
        "before": row.before,
        "threshold_only": row.paired.champion_wrong,
        "after": row.paired.candidate_wrong,
    }
    return {
        "name": row.name,
        "n": n,
        "guarded": row.guarded,
        "aimed_at": row.aimed_at,
        **{stage: {"errors": k, "interval": list(clopper_pearson(k, n))} for stage, k in stages.items()},
        "worsened": row.paired.candidate_only_wrong,
        "improved": row.paired.champion_only_wrong,
        "p_improved_holm": p_improved,
    }


def _first_line(certificate: Certificate) -> str:
    line = f"{WORDS[certificate.decision]}."
    if certificate.misses_measured:
        return line
    return f"{line} {WAIVED if certificate.waived else NO_POSITIVES}"


def _heading(certificate: Certificate) -> list[str]:
    lines = []
    for word, point in (("candidate", certificate.candidate), ("champion", certificate.champion)):
        at = "no threshold" if point.threshold is None else f"threshold {point.threshold:.6g}"
        serving = f" (serves with {certificate.serving_threshold:.6g})" if word == "champion" else ""
        lines += _wrap(f"{point.version}  {at} on {point.negatives:,} negatives{serving}", f"{word:<11}")
    made = certificate.made_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    opened = ", ".join(f"{name} opened {times:,}x" for name, times in certificate.openings.items())
    facts = [certificate.policy, made, *([opened] if opened else [])]
    return lines + _wrap("  ".join(facts), f"{'policy':<11}")


def _checks(checks: tuple[Check, ...]) -> list[str]:
    """Rejects, then what lacks evidence, then passes; of passes alike only the closest to the margin."""
    passed: dict[str, list[Check]] = {}
    for check in checks:
        if check.answer == "pass":
            passed.setdefault("plain" if check.key in PLAIN else check.key.split(":")[0], []).append(check)
    failed = [check for mark in ("reject", "not_enough_evidence") for check in checks if check.answer == mark]
    lines = [f"CHECKS  {len(failed):,} of {len(checks):,} do not pass; differences and bounds are one-sided 95 %"]
    lines += [line for check in failed for line in _check(check)]
    for kind, group in passed.items():
        if kind == "plain":
            lines += _wrap(", ".join(check.title for check in group), f"{MARKS['pass']:<8}")
            continue
        closest = max(group, key=lambda check: check.numbers.get("upper", 0.0))
        also = f" ({len(group) - 1:,} more pass, further from the margin)" if len(group) > 1 else ""
        lines += _check(closest, also)
    return lines


def _check(check: Check, also: str = "") -> list[str]:
    title = "" if check.reason.lower().startswith(check.title) else f"{check.title}: "
    return _wrap(f"{title}{check.reason}{also}", f"{MARKS[check.answer]:<8}")


def _families(rows: tuple[FamilyRow, ...]) -> list[str]:
    if not rows:
        return []
    lines = [
        "FAMILIES: errors, in percent, with 95 % intervals  (* guarded, > what the cycle was for)",
        f"   {'family':<14}{'n':>6}  {'before':<21}{'threshold only':<21}{'after':<21}improved",
    ]
    ranked = sorted(_with_p(rows), key=lambda pair: (not pair[0].aimed_at, not pair[0].guarded, pair[0].name))
    for row, p in ranked[:MOST_FAMILIES]:
        name = row.name if len(row.name) <= 13 else row.name[:12] + "…"
        errors = (row.before, row.paired.champion_wrong, row.paired.candidate_wrong)
        cells = "".join(f"{_cell(k, row.paired.n):<21}" for k in errors)
        mark = (">" if row.aimed_at else " ") + ("*" if row.guarded else " ")
        claim = f"p {p:.2g}" if p <= DELTA else "not shown"
        lines.append(f"{mark} {name:<14}{row.paired.n:>6,}  {cells}{claim}")
    if len(rows) > MOST_FAMILIES:
        lines.append(f"  and {len(rows) - MOST_FAMILIES:,} more (see the JSON)")
    return lines


def _cell(errors: int, n: int) -> str:
    low, high = clopper_pearson(errors, n)
    return f"{errors:,} {100 * errors / max(n, 1):.1f} ({100 * low:.1f}–{100 * high:.1f})"


def _sentinels(levels: tuple[SentinelLevel, ...]) -> list[str]:
    if not levels:
        return []
    lines = [
        "SENTINELS kept, of those the champion flags",
        f"  {'made at':<9}{'both at .5':<18}each at its own operating point",
    ]
    for row in sorted(levels, key=lambda level: level.level):
        judged = "" if row.flagged_own >= JUDGED_SENTINELS else f"  (shown: under {JUDGED_SENTINELS})"
        half = f"{row.kept:,} of {row.flagged:,}"
        lines.append(f"  {row.level:<9g}{half:<18}{row.kept_own:,} of {row.flagged_own:,}{judged}")
    return lines


def _costs(rows: dict[str, Any]) -> list[str]:
    if not rows:
        return []
    lines = [f"COST of 1,000 ordinary pictures, {rows['review_s']:g} s a review, at the operating points above"]
    for word in ("candidate", "champion"):
        row = rows[word]
        low, high = row["per_1000_interval"]
        lines.append(
            f"  {word:<11}{row['per_1000']:.1f} false positives (95 % interval {low:.1f}–{high:.1f}), "
            f"{row['review_s_per_1000']:.0f} s of review"
        )
    return lines


def _wrap(text: str, first: str, rest: str | None = None) -> list[str]:
    indent = " " * len(first) if rest is None else rest
    return textwrap.wrap(text, COLUMNS, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False)
