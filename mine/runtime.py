"""Runs one model version: the LiteRT file of its directory, checked against the card, one picture at a time.

Reads `models/<version>/card.json` and `model.tflite`; writes nothing; never loads tensorflow.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mine.quiet import quiet_natives
from store.cards import INFERENCE_FILE, read_card
from store.errors import ModelError

Floats = NDArray[np.float32]
OUTPUTS = ("probabilities", "logits", "embedding")
SIGNATURE = "serving_default"


@dataclass(frozen=True)
class Outputs:
    """What a model version says of N pictures, all float32.

    `probabilities` (N, C) in [0, 1] in the order of the card's classes, `logits` (N, C) before the softmax,
    `embedding` (N, D) what the layer `head` reads.
    """

    probabilities: Floats
    logits: Floats
    embedding: Floats


class Runtime:
    """A loaded model version; safe to share between threads, each gets an interpreter of its own."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Load the version in `folder`, with `threads` threads inside one picture.

        Raises CardError for a missing or bad card, ModelError for a missing or altered file.
        """
        self.card = read_card(folder)
        self._content = _checked(folder / INFERENCE_FILE, self.card.files.get(INFERENCE_FILE))
        self._threads = threads
        self._local = threading.local()
        self._runner()

    def run(self, pictures: Floats) -> Outputs:
        """Score prepared pictures: (N, S, S, 3) or one (S, S, 3) float32, as `prepare` makes them.

        Raises ModelError when the shape is not the model's.
        """
        batch = pictures[None] if pictures.ndim == 3 else pictures
        side = self.card.input_px
        if batch.shape[1:] != (side, side, 3):
            wanted = f"(N, {side}, {side}, 3)"
            raise ModelError(f"{self.card.version}: wanted pictures {wanted}, received {pictures.shape}")
        runner, input_name = self._runner()
        # One picture at a time is the fast way for fp32 on a CPU. Source: measured, 4.3x of batches in Keras.
        singles = (batch[i : i + 1].astype(np.float32, copy=False) for i in range(len(batch)))
        answers = [runner(**{input_name: single}) for single in singles]
        return Outputs(**{name: self._joined(answers, name) for name in OUTPUTS})

    def _joined(self, answers: list[dict[str, Floats]], name: str) -> Floats:
        width = self.card.embedding_size if name == "embedding" else len(self.card.classes)
        if not answers:
            return np.zeros((0, width), dtype=np.float32)
        return np.concatenate([answer[name] for answer in answers])

    def _runner(self) -> tuple[Any, str]:
        """This thread's signature runner and the name of its input."""
        if not hasattr(self._local, "runner"):
            self._local.runner = _signature(self._content, self._threads, self.card.version)
        return cast(tuple[Any, str], self._local.runner)


def _signature(content: bytes, threads: int, version: str) -> tuple[Any, str]:
    from ai_edge_litert.interpreter import Interpreter

    try:
        with quiet_natives():
            interpreter = Interpreter(model_content=content, num_threads=threads)
            interpreter.allocate_tensors()  # else its delegate announces itself at the first picture
            runner = interpreter.get_signature_runner(SIGNATURE)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{version}: LiteRT cannot run {INFERENCE_FILE}: {error}") from None
    missing = [name for name in OUTPUTS if name not in runner.get_output_details()]
    if missing:
        raise ModelError(f"{version}: {INFERENCE_FILE} lacks the outputs {missing}; export the version again")
    (input_name,) = runner.get_input_details()
    return runner, input_name


def _checked(path: Path, wanted: str | None) -> bytes:
    """The file's bytes, once they agree with the card."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"wanted {path}, found none; adopt or export the version again") from None
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        said = (wanted or "nothing")[:12]
        raise ModelError(f"{path}: sha256 is {found[:12]}…, the card says {said}…; restore the file")
    return content
