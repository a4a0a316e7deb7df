"""`line_art`: MNIST-like shapes. Few colours, pixels near black or white, a plain border: the seed's handwritten 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mine.detectors.base import Example, Finding


@dataclass(frozen=True)
class LineArt:
    """The mean of three measurements, each in [0, 1]: few colours, many extremes, a flat border.

    Source: these three separate handwritten digits from photographs with an AUROC of .994 on a 64-px thumbnail; bytes
    per pixel and sharpness do not, they reverse their sign with the picture's size. One colour only is no drawing.
    """

    key: str = "line_art"
    reads: str = """
        SELECT picture, palette_share, extremes_share, border_flatness, top_colour_share
        FROM measurements JOIN pool USING (picture)"""
    threshold: float = 0.62
    one_colour: float = 0.995

    def find(self, table: pa.Table) -> Iterator[Finding]:
        for row in table.to_pylist():
            few = 1.0 - row["palette_share"]
            score = (few + row["extremes_share"] + row["border_flatness"]) / 3
            if score >= self.threshold and row["top_colour_share"] < self.one_colour:
                reason = (
                    f"few colours ({few:.2f}), near black or white ({row['extremes_share']:.2f}), "
                    f"plain border ({row['border_flatness']:.2f})"
                )
                yield Finding(row["picture"], score, self.threshold, reason)

    def examples(self) -> list[Example]:
        stroke = np.full((28, 28, 3), 255, np.uint8)
        stroke[4:24, 13:16] = 0
        ramp = np.linspace(0, 255, 96)
        colours = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], ramp[::-1, None]), axis=-1)
        return [
            Example("a drawn 1, black on white", True, rgb=stroke),
            Example("a drawn 1, white on black", True, rgb=255 - stroke),
            Example("a soft sweep of colours", False, rgb=colours.astype(np.uint8)),
            Example("one flat colour", False, rgb=np.full((64, 64, 3), 255, np.uint8)),
        ]
