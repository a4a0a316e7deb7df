"""The results on the demo's page: errors before and after, the gate, sentinels, flag scores.

Each part takes what was counted or judged and gives its HTML; nothing is read from the store or written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindspot.demo.charts import Errors, Mark, Series, histogram, interval_chart, reach
from blindspot.demo.markup import Markup, element, join, section, table
from train.evidence import Bools, Evidence
from train.gate import FIXED, Judgement
from train.integrity import JUDGED_SENTINELS
from train.statistics import clopper_pearson, percent

Rows = Sequence[Mapping[str, Any]]
Floats = NDArray[np.float64]
BINS = 20
REASONS = 2
CANDIDATES = {
    "careless": "Trained on the reviewer's benign answers alone; nothing of what must stay flagged was replayed.",
    "threshold only": "The champion itself: nothing differs but the threshold.",
    "repaired without the waiver": "The repaired model, under a policy that wants misses measured.",
    "repaired": "The champion's head, trained anew on the reviewer's answers while what it must not forget is "
    "replayed; the policy waives the measurement of misses.",
}
DECISIONS = {
    "release": ("✔", "Release", "good"),
    "reject": ("✖", "Reject", "bad"),
    "not_enough_evidence": ("?", "Not enough evidence", "unsure"),
}


def errors(families: Rows, thresholds: Mapping[str, float | None], target: float) -> Markup:
    """Held-out errors per planted family: at .5, and at each version's own operating point."""
    fixed = [_errors(row, "flagged_before", "flagged_after") for row in families]
    own = [_errors(row, "flagged_threshold_only", "flagged_operating_point") for row in families]
    most = reach([*fixed, *own])
    names = (f"threshold only ({point(thresholds['threshold_only'])})", f"repaired ({point(thresholds['repaired'])})")
    charts = element(
        "div",
        interval_chart("Both at the same threshold, .5", ("before: champion", "after: repaired"), fixed, most),
        interval_chart("Each at its own operating point", names, own, most),
        class_="pair",
    )
    about = (
        "Every picture below is harmless, so every flag on it is an error. They were kept out of training with all "
        "their near-copies, which the gate checks; nearly all come from hosts that training never saw. A model gives "
        "each picture a flag score from 0 to 1 and flags it above a threshold. A version's own operating point is the "
        "threshold that one rule sets for it on the same ordinary pictures, so that at most "
        f"{100 * target:g} % of such pictures are flagged. “Threshold only” is the champion with nothing but that "
        "changed: what can be had without training. Lines are exact 95 % intervals."
    )
    if not families:
        return section("errors", "Before and after", element("p", "No planted family was held out."))
    return section(
        "errors", "Before and after, per planted family", element("p", about), charts, _errors_table(fixed, own, names)
    )


def _errors(row: Mapping[str, Any], first: str, second: str) -> Errors:
    return Errors(str(row["family"]), int(row["n"]), row.get(first), row.get(second))


def _errors_table(fixed: Sequence[Errors], own: Sequence[Errors], names: tuple[str, str]) -> Markup:
    head = (("", "", ("at the threshold .5", 2), ("each at its own operating point", 2)),
            ("held-out family", "n", "before", "after", *names))  # fmt: skip
    rows = [(a.name, f"{a.n:,}", *(rate(k, a.n) for k in (a.first, a.second, b.first, b.second)))
            for a, b in zip([*fixed, total(fixed)], [*own, total(own)], strict=True)]  # fmt: skip
    return table("Errors per held-out family", head, rows)


def total(rows: Sequence[Errors]) -> Errors:
    """All families together; a count that one of them lacks is lacking."""

    def added(counts: list[int | None]) -> int | None:
        return None if None in counts else sum(count for count in counts if count is not None)

    return Errors(
        "all of them", sum(row.n for row in rows), added([r.first for r in rows]), added([r.second for r in rows])
    )


def gate(entries: Rows, judged: Mapping[str, Judgement]) -> Markup:
    """The candidates with the gate's answers, and the repaired one's certificate in full."""
    cards = [_candidate(entry, judged.get(entry["candidate"])) for entry in entries]
    text = judged["repaired"].certificate.as_text()
    about = (
        "A candidate replaces the champion only with a certificate, for which every check must hold: one that is "
        "beyond its limit rejects, one that straddles it lacks evidence. The demo shows the gate four candidates; the "
        "first three are there to be stopped."
    )
    return section(
        "gate",
        "The candidates at the gate",
        element("p", about),
        element("div", *cards, class_="pair"),
        element("h3", "The certificate of “repaired”, in full"),
        element("pre", text, class_="scroll", tabindex=0, role="region", aria_label="Certificate"),
    )


def decision_badge(decision: str) -> Markup:
    """A decision as a sign, a word and a colour."""
    sign, word, style = DECISIONS.get(decision, ("", decision, "unsure"))
    return element("strong", element("span", sign, aria_hidden="true"), f" {word}", class_=f"badge {style}")


def _candidate(entry: Mapping[str, Any], judgement: Judgement | None) -> Markup:
    label = str(entry["candidate"])
    reasons = [_reason(str(reason)) for reason in entry["reasons"]]
    if not reasons and judgement is not None:
        reasons = [element("li", f"All {len(judgement.certificate.checks)} checks hold.")]
    rest = element("details", element("summary", f"{len(reasons) - REASONS} more"), element("ul", *reasons[REASONS:]))
    return element(
        "article",
        element("h3", label, " ", decision_badge(str(entry["decision"]))),
        element("p", CANDIDATES[label], class_="soft") if label in CANDIDATES else None,
        element("ul", *reasons[:REASONS]),
        rest if len(reasons) > REASONS else None,
        class_="card",
    )


def _reason(text: str) -> Markup:
    title, _, words = text.partition(": ")
    return element("li", element("b", title), f": {words}") if words else element("li", text)


def sentinels(counted: Rows, judged: Mapping[str, Judgement]) -> Markup:
    """How many sentinels the repaired model keeps, beside what the careless one keeps."""
    own = {level.level: level for level in judged["repaired"].certificate.sentinels}
    others = judged["careless"].certificate.sentinels if "careless" in judged else ()
    careless = {level.level: level for level in others}
    rows = []
    for row in counted:
        level, other = own.get(row["level"]), careless.get(row["level"])
        rows.append((
            f"{row['level']:g}",
            _kept(row["kept"], row["total"]),
            _kept(level.kept_own, level.flagged_own, JUDGED_SENTINELS) if level else "–",
            _kept(other.kept, other.flagged) if other else "–",
        ))  # fmt: skip
    about = (
        "A sentinel is a point in the model's feature space that the champion flags; no picture belongs to it. A model "
        "that no longer flags sentinels has forgotten what it was for, however few harmless pictures it flags. "
        "Keeping them shows only that this did not happen: it is no evidence of recall."
    )
    head = (("made at", "kept by repaired, both at .5", "each at its own operating point", "kept by careless, at .5"),)
    shown = table("Sentinels per level", head, rows) if rows else element("p", "None could be made.")
    return section("sentinels", "Sentinels: has the detector collapsed?", element("p", about), shown)


def _kept(kept: int, flagged: int, judged: int = 1) -> str:
    if not flagged:
        return "the champion flags none"
    return f"{kept:,} of {flagged:,}" + (" (too few to judge)" if flagged < judged else "")


def scores(evidence: Evidence, thresholds: Mapping[str, float | None]) -> Markup:
    """How both models' flag scores are spread over ordinary pictures and held-out blind spots."""
    ordinary, held_out = (evidence.role(role) & ~evidence.truth for role in ("ordinary", "families"))
    chosen, own = (ordinary, held_out), (thresholds["threshold_only"], thresholds["repaired"])
    charts = [
        _spread("Before: the champion", evidence.champion, chosen, "first", own[0]),
        _spread("After: the repaired model", evidence.candidate, chosen, "second", own[1]),
    ]
    about = (
        "Each bar is a band of flag scores; its height is how many pictures fall there, on a logarithmic scale, so "
        "that a single one still shows. What lies right of a line is flagged at that threshold, and all of it "
        "wrongly: the dashed line is the fixed threshold .5, the other each version's own operating point."
    )
    return section(
        "scores", "Flag scores of harmless pictures", element("p", about), element("div", *charts, class_="pair")
    )


def _spread(title: str, values: Floats, chosen: tuple[Bools, Bools], style: str, own: float | None) -> Markup:
    """One model's flag scores over ordinary and held-out pictures, with .5 and its own operating point."""
    ordinary, held_out = chosen
    series = (
        Series(f"ordinary pictures ({int(ordinary.sum()):,})", "hollow", _bins(values[ordinary])),
        Series(f"held-out blind spots ({int(held_out.sum()):,})", style, _bins(values[held_out])),
    )
    marks = [Mark("fixed .5", "dashed", FIXED, left=own is not None and own > FIXED)]
    if own is not None:
        # Away from the other line, unless the edge is near.
        marks.append(Mark(f"own {point(own)}", "solid", own, left=0.2 < own < FIXED or own > 0.8))
    return histogram(title, series, marks)


def _bins(values: Floats) -> tuple[int, ...]:
    counts, _ = np.histogram(values, bins=BINS, range=(0.0, 1.0))
    return tuple(int(count) for count in counts)


def rate(errors: int | None, n: int) -> Markup:
    """A count with its rate and exact 95 % interval, for a cell."""
    if errors is None or not n:
        return element("span", "–")
    low, high = clopper_pearson(errors, n)
    words = f"{percent(errors / n)} % ({percent(low)}–{percent(high)})"
    return join([element("b", f"{errors:,}"), " ", element("small", words)])


def point(threshold: float | None) -> str:
    """A threshold for a heading: `.687`, or none."""
    return "none" if threshold is None else f"{threshold:.3f}".removeprefix("0")
