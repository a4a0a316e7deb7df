"""`odd_size`: pictures that are tiny, huge, or extreme strips. The seed met all three first in its test in bulk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mine.detectors.base import Example, Finding, share


@dataclass(frozen=True)
class OddSize:
    """A score of .5 is reached at `tiny_px` (longest side), `huge_px` (longest side) or `strip` (aspect).

    Chosen by eye: 32 px is the largest common icon, 8,000 px beyond most cameras, 6:1 beyond panoramas.
    """

    key: str = "odd_size"
    reads: str = "SELECT picture, width_px, height_px FROM measurements JOIN pool USING (picture)"
    threshold: float = 0.5
    tiny_px: int = 32
    huge_px: int = 8_000
    strip: float = 6.0

    def find(self, table: pa.Table) -> Iterator[Finding]:
        for row in table.to_pylist():
            width, height = row["width_px"], row["height_px"]
            longest, aspect = max(width, height), max(width, height) / min(width, height)
            score, kind = max(
                (share(self.tiny_px, longest), "tiny"),
                (share(longest, self.huge_px), "huge"),
                (share(aspect, self.strip), f"a strip of {aspect:.0f}:1"),
            )
            if score >= self.threshold:
                yield Finding(row["picture"], score, self.threshold, f"{kind}: {width}x{height} px")

    def examples(self) -> list[Example]:
        def grey(height: int, width: int) -> Example:
            found = max(height, width) <= 32 or max(height, width) / min(height, width) >= 6
            return Example(f"{width}x{height}", found, rgb=np.full((height, width, 3), 127, np.uint8))

        huge = {"picture": "huge", "width_px": 9_000, "height_px": 6_000}
        return [grey(28, 28), grey(16, 600), grey(240, 320), grey(64, 64), Example("9000x6000", True, rows=(huge,))]
