"""What can run a model version: one backend per file, found by the card's `runs.backend`.

A backend's `opened(folder, card, threads)` loads the version and returns its runner: prepared pictures in, outputs by
name out. Adding one touches one file, one line of `BACKENDS` and one word in `store.cards.Runs`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mine.runtimes import litert, onnx_file, tf_serving
from mine.runtimes.answers import Runner
from store.cards import Card

BACKENDS: dict[str, Callable[[Path, Card, int], Runner]] = {
    "litert": litert.opened,
    "onnx": onnx_file.opened,
    "tf_serving": tf_serving.opened,
}
