"""Runs the ONNX file of a version by onnxruntime, on the processor, one picture at a time.

Reads `models/<version>/model.onnx`; writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from mine.quiet import quiet_natives
from mine.runtimes.answers import Floats, Runner, as_probabilities, checked
from store.cards import ONNX_FILE, Card
from store.errors import ModelError


def opened(folder: Path, card: Card, threads: int) -> Runner:
    """Load the version in `folder`, with `threads` threads inside one picture. Raises ModelError."""
    content = checked(folder / ONNX_FILE, card.files.get(ONNX_FILE))
    return _Onnx(session(content, f"{card.version}: {ONNX_FILE}", threads), card)


def session(content: bytes, name: str, threads: int = 1) -> Any:
    """An onnxruntime session for the file's bytes; one may serve many threads. Raises ModelError in one line."""
    try:
        onnxruntime = import_module("onnxruntime")
    except ImportError:
        raise ModelError(f"{name}: wanted onnxruntime to run it, found none; pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    try:
        with quiet_natives():
            return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base but this
        said = " ".join(str(error).split())[:200]
        raise ModelError(f"{name}: onnxruntime cannot run it: {said}") from None


class _Onnx:
    def __init__(self, run: Any, card: Card) -> None:
        self._session, self._card = run, card
        (self._input,) = (one.name for one in run.get_inputs())
        names = [one.name for one in run.get_outputs()]
        self._output = card.runs.output or names[0]
        if self._output not in names:
            raise ModelError(f"{card.version}: {ONNX_FILE} has no output {self._output!r}; it has {names}")

    def __call__(self, batch: Floats) -> Mapping[str, Floats]:
        pictures = batch.transpose(0, 3, 1, 2) if self._card.runs.layout == "NCHW" else batch
        answers = [self._one(np.ascontiguousarray(pictures[i : i + 1], np.float32)) for i in range(len(pictures))]
        return {"probabilities": as_probabilities(np.concatenate(answers), self._card)}

    def _one(self, picture: Floats) -> Floats:
        try:
            (answer,) = self._session.run([self._output], {self._input: picture})
        except Exception as error:
            said = " ".join(str(error).split())[:200]
            raise ModelError(f"{self._card.version}: {ONNX_FILE} failed: {said}") from None
        return np.asarray(answer, np.float32).reshape(1, -1)
