"""The head of a version: the dense layer on its embedding, small enough for NumPy: evaluation needs no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from store.cards import INFERENCE_FILE
from train.export import head_buffers

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """`kernel` (D, C) and `bias` (C,) float32: logits = embedding · kernel + bias, probabilities = softmax."""

    kernel: Floats
    bias: Floats

    def probabilities(self, embeddings: Floats) -> Floats:
        """Embeddings (N, D) as class probabilities (N, C) in [0, 1]."""
        logits = embeddings @ self.kernel + self.bias
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: Floats = shifted / shifted.sum(axis=1, keepdims=True)
        return result

    def flag_scores(self, embeddings: Floats, mask: Floats) -> Floats:
        """Embeddings (N, D) as flag scores (N,) in [0, 1]: the probabilities of the classes that `mask` (C,) flags."""
        result: Floats = np.clip(self.probabilities(embeddings) @ mask, 0.0, 1.0)
        return result


def read_head(folder: Path) -> Head:
    """The head in the inference file of a version. Raises ModelError when the file has none of that kind."""
    kernel, bias = head_buffers(bytearray((folder / INFERENCE_FILE).read_bytes()))
    width = len(bias) // 4
    flat = np.frombuffer(kernel.tobytes(), "<f4")
    return Head(flat.reshape(width, -1).T.copy(), np.frombuffer(bias.tobytes(), "<f4").copy())
