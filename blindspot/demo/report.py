"""What the demo found, counted from the catalog: the contract's object and a page of text."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from blindspot.cycle import summary_of
from store.cards import Card
from store.catalog import Snapshot
from store.home import Home
from train.gate import Judgement

COUNTS = {
    "pictures": "SELECT count(*) FROM pictures",
    "sightings": "SELECT count(*) FROM sightings",
    "copies_groups": "SELECT count(*) FROM copies_groups",
    "verdicts": "SELECT count(*) FROM verdicts",
}
FINDINGS = "SELECT detector, count(DISTINCT picture) AS n FROM findings GROUP BY detector ORDER BY detector"
REFUSALS = "SELECT stage, reason, count(*) AS n FROM refusals GROUP BY ALL ORDER BY ALL"
SHEET = """
    SELECT name AS family, any_value(n) AS n,
           max(errors) FILTER (WHERE version = :champion AND threshold_kind = 'fixed') AS flagged_before,
           max(errors) FILTER (WHERE version = :candidate AND threshold_kind = 'fixed') AS flagged_after,
           max(errors) FILTER (WHERE threshold_kind = 'threshold_only') AS flagged_threshold_only,
           max(errors) FILTER (WHERE threshold_kind = 'operating_point') AS flagged_operating_point
    FROM evaluations
    WHERE evaluation = :evaluation AND slice = 'family' AND error = 'false_positive'
      AND name IN (SELECT family FROM family_definitions WHERE kind = 'label')
    GROUP BY name ORDER BY name"""
QUERIES = (
    ("Which hosts show most blind spots?",
     "SELECT p.source, count(*) AS findings FROM findings f JOIN pictures p USING (picture) "
     "GROUP BY 1 ORDER BY 2 DESC LIMIT 5"),
    ("How do the model versions differ on the families?",
     "SELECT family, version, n, false_positives FROM families ORDER BY family, version LIMIT 12"),
    ("What did the gate decide, and on what?",
     "SELECT label, decision, candidate FROM certificates ORDER BY made_at"),
)  # fmt: skip


def count_everything(home: Home, champion: Card, repaired: Card, judged: dict[str, Judgement]) -> dict[str, Any]:
    """The contract's object: counts, held-out families at .5 and at the operating points, sentinels, the gate."""
    last = judged["repaired"]
    with Snapshot(home) as snapshot:
        data: dict[str, Any] = {name: snapshot.value(query) for name, query in COUNTS.items()}
        data["findings"] = {row["detector"]: row["n"] for row in snapshot.rows(FINDINGS)}
        data["refusals"] = snapshot.rows(REFUSALS)
        names = {"champion": champion.version, "candidate": repaired.version, "evaluation": last.identity}
        data["families"] = snapshot.rows(SHEET, **names)
    levels = last.certificate.sentinels
    data["sentinels"] = [{"level": s.level, "kept": s.kept, "total": s.flagged} for s in levels]
    data["gate"] = [summary_of(judgement.certificate, label) for label, judgement in judged.items()]
    data["threshold"] = {
        "threshold_only": last.certificate.champion.threshold,
        "repaired": last.certificate.candidate.threshold,
    }
    return data


def summary_text(data: dict[str, Any]) -> str:
    """The object as a page for a terminal."""
    lines = [
        f"{data['pictures']} pictures in {data['copies_groups']} copies groups, {data['sightings']} sightings, "
        f"{data['verdicts']} verdicts",
        "findings: " + ", ".join(f"{n} {key}" for key, n in data["findings"].items()),
        "",
        f"{'held-out family':26}{'n':>6}{'before':>9}{'after':>8}   at .5      own points: threshold only, repaired",
    ]
    for row in data["families"]:
        lines.append(
            f"{row['family']:26}{row['n']:>6}{row['flagged_before']:>9}{row['flagged_after']:>8}"
            f"{row['flagged_threshold_only']:>27}{row['flagged_operating_point']:>10}"
        )
    kept = ", ".join(f"{s['kept']} of {s['total']} at {s['level']:g}" for s in data["sentinels"])
    lines += ["", f"sentinels kept: {kept}", ""]
    for entry in data["gate"]:
        lines.append(f"gate: {entry['candidate']:28} {entry['decision']}")
        for reason in entry["reasons"][:2]:
            lines += textwrap.wrap(reason, 100, initial_indent="      ", subsequent_indent="        ")
    champion = data["champion"]
    if data["note"]:
        lines += ["", data["note"]]
    lines += ["", f"champion: {champion['before']} -> {champion['after']}", f"report: {data['report']}"]
    return "\n".join(lines)


def write_report(home: Home, data: dict[str, Any], judged: dict[str, Judgement]) -> Path:
    """Write `runs/report.html`; its path."""
    from blindspot.demo.page import write_page

    return write_page(home.runs / "report.html", home, data, judged)
