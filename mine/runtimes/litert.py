"""Runs the LiteRT file of a version, one picture at a time.

Reads `models/<version>/model.tflite`; writes nothing; never loads tensorflow.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from mine.quiet import quiet_natives
from mine.runtimes.answers import Floats, Runner, as_probabilities, checked
from store.cards import INFERENCE_FILE, Card
from store.errors import ModelError

SIGNATURE = "serving_default"


def opened(folder: Path, card: Card, threads: int) -> Runner:
    """Load the version in `folder`, with `threads` threads inside one picture. Raises ModelError."""
    return _LiteRt(checked(folder / INFERENCE_FILE, card.files.get(INFERENCE_FILE)), card, threads)


class _LiteRt:
    """Safe to share between threads: each gets an interpreter of its own."""

    def __init__(self, content: bytes, card: Card, threads: int) -> None:
        self._content, self._card, self._threads = content, card, threads
        self._local = threading.local()
        self._signature()

    def __call__(self, batch: Floats) -> Mapping[str, Floats]:
        runner, input_name = self._signature()
        # One picture at a time is the fast way for fp32 on a CPU. Source: measured, 4.3x of batches in Keras.
        singles = (batch[i : i + 1].astype(np.float32, copy=False) for i in range(len(batch)))
        answers = [runner(**{input_name: single}) for single in singles]
        found = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
        if self._card.level == "score_only":
            found["probabilities"] = as_probabilities(found["probabilities"], self._card)
        return found

    def _signature(self) -> tuple[Any, str]:
        """This thread's signature runner and the name of its input."""
        if not hasattr(self._local, "runner"):
            self._local.runner = _loaded(self._content, self._threads, self._card)
        return cast(tuple[Any, str], self._local.runner)


def _loaded(content: bytes, threads: int, card: Card) -> tuple[Any, str]:
    from ai_edge_litert.interpreter import Interpreter

    try:
        with quiet_natives():
            interpreter = Interpreter(model_content=content, num_threads=threads)
            interpreter.allocate_tensors()  # else its delegate announces itself at the first picture
            runner = interpreter.get_signature_runner(SIGNATURE)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{card.version}: LiteRT cannot run {INFERENCE_FILE}: {error}") from None
    wanted = ("probabilities",) if card.embedding_size is None else ("probabilities", "logits", "embedding")
    missing = [name for name in wanted if name not in runner.get_output_details()]
    if missing:
        raise ModelError(f"{card.version}: {INFERENCE_FILE} lacks the outputs {missing}; export the version again")
    (input_name,) = runner.get_input_details()
    return runner, input_name
