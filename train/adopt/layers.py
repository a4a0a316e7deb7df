"""A foreign model as plain data: layers, wiring and weights, and how they become a functional Keras model.

Reads and writes nothing. Adopters produce a `Foreign`; only `build` needs Keras.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mine.quiet import quiet_natives

if TYPE_CHECKING:
    import keras

# The layers that every rebuilt model has, by name.
LAST_CONV, EMBEDDING, HEAD, PROBABILITIES = "last_conv", "embedding", "head", "probabilities"


@dataclass(frozen=True)
class Layer:
    """One layer: `kind` names a class of Keras, `inputs` earlier layers; `weights` are in Keras's order."""

    name: str
    kind: str
    config: dict[str, Any]
    inputs: tuple[str, ...]
    weights: tuple[NDArray[np.float32], ...] = ()


@dataclass(frozen=True)
class Foreign:
    """A foreign model, read but not built: everything its model version needs."""

    name: str
    layers: tuple[Layer, ...]
    classes: tuple[str, ...]
    class_map: dict[str, str]
    preprocessing: dict[str, Any]
    input_px: int
    origin: str
    licence: str
    notes: str = ""

    @property
    def weights(self) -> dict[str, tuple[NDArray[np.float32], ...]]:
        """The weights of every layer that has some, by the layer's name."""
        return {layer.name: layer.weights for layer in self.layers if layer.weights}


def build(foreign: Foreign) -> keras.Model:
    """A functional Keras model of stock layers: (B, S, S, 3) float32 to probabilities, logits, embedding."""
    with quiet_natives():
        import keras

    side = foreign.input_px
    first, *rest = foreign.layers
    tensors: dict[str, Any] = {first.name: keras.Input((side, side, 3), name=first.name)}
    made: list[tuple[keras.layers.Layer, Layer]] = []
    for layer in rest:
        stock = getattr(keras.layers, layer.kind)(name=layer.name, **layer.config)
        sources = [tensors[name] for name in layer.inputs]
        tensors[layer.name] = stock(sources if len(sources) > 1 else sources[0])
        made.append((stock, layer))
    outputs = {"probabilities": PROBABILITIES, "logits": HEAD, "embedding": EMBEDDING}
    named = {output: tensors[layer_name] for output, layer_name in outputs.items()}
    model = keras.Model(tensors[first.name], named, name=foreign.name.replace("/", "_"))
    for stock, layer in made:
        stock.set_weights(list(layer.weights))
    return model
