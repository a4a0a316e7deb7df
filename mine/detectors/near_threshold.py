"""`near_threshold`: pictures on which the champion nearly answers the other way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from mine.detectors.base import Example, Finding


@dataclass(frozen=True)
class NearThreshold:
    """`exp(-|flag_score - threshold| / tau)`; found within `tau` of the operating point. `tau` chosen by eye."""

    key: str = "near_threshold"
    reads: str = """
        SELECT s.picture, s.version, s.flag_score, s.threshold
        FROM scores s JOIN pool p ON p.picture = s.picture
        WHERE s.version = :champion AND s.view = 'as_shown'"""
    threshold: float = math.exp(-1)
    tau: float = 0.1

    def find(self, table: pa.Table) -> Iterator[Finding]:
        for row in table.to_pylist():
            score = math.exp(-abs(row["flag_score"] - row["threshold"]) / self.tau)
            if score >= self.threshold:
                reason = f"flag score {row['flag_score']:.3f} beside the threshold {row['threshold']:.3f}"
                yield Finding(row["picture"], score, self.threshold, reason, row["version"])

    def examples(self) -> list[Example]:
        def at(flag_score: float, threshold: float = 0.5) -> tuple[dict[str, object], ...]:
            return ({"picture": "p", "version": "a", "flag_score": flag_score, "threshold": threshold},)

        return [
            Example("just below", True, rows=at(0.47)),
            Example("just above an operating point", True, rows=at(0.93, 0.91)),
            Example("far below", False, rows=at(0.05)),
            Example("sure", False, rows=at(0.99)),
        ]
