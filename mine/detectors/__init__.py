"""Every kind of blind spot that is looked for. Adding one: one file here, one line below, one row in the README."""

from __future__ import annotations

from mine.detectors.base import Detector, Example, Finding
from mine.detectors.disagreement import Disagreement
from mine.detectors.line_art import LineArt
from mine.detectors.near_threshold import NearThreshold
from mine.detectors.odd_size import OddSize

DETECTORS: tuple[Detector, ...] = (
    OddSize(),
    LineArt(),
    Disagreement(),
    NearThreshold(),
)

__all__ = ["DETECTORS", "Detector", "Example", "Finding"]
