"""`disagreement`: the champion and a second opinion answer differently. No two of the models tried here fail alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from mine.detectors.base import Example, Finding


@dataclass(frozen=True)
class Disagreement:
    """The distance of two flag scores, over every other version that has scored the picture as shown."""

    key: str = "disagreement"
    reads: str = """
        SELECT a.picture, a.version, a.flag_score AS ours, b.version AS other, b.flag_score AS theirs
        FROM scores a
        JOIN scores b ON b.picture = a.picture AND b.view = a.view AND b.version <> a.version
        JOIN models m ON m.version = b.version
        JOIN models c ON c.version = a.version AND c.base <> m.base
        JOIN pool p ON p.picture = a.picture
        WHERE a.version = :champion AND a.view = 'as_shown'
        ORDER BY a.picture, b.version"""
    threshold: float = 0.5

    def find(self, table: pa.Table) -> Iterator[Finding]:
        widest: dict[str, Finding] = {}
        for row in table.to_pylist():
            score = abs(row["ours"] - row["theirs"])
            reason = f"{row['version']} says {row['ours']:.2f}, {row['other']} says {row['theirs']:.2f}"
            finding = Finding(row["picture"], score, self.threshold, reason, row["version"])
            if score >= self.threshold and score > getattr(widest.get(row["picture"]), "score", 0.0):
                widest[row["picture"]] = finding
        yield from widest.values()

    def examples(self) -> list[Example]:
        def pair(ours: float, theirs: float) -> tuple[dict[str, object], ...]:
            return ({"picture": "p", "version": "a", "ours": ours, "other": "b", "theirs": theirs},)

        return [
            Example("one sure, the other sure of the opposite", True, rows=pair(0.93, 0.02)),
            Example("both sure", False, rows=pair(0.93, 0.88)),
            Example("both unsure", False, rows=pair(0.55, 0.40)),
        ]
