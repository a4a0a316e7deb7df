"""Writes a functional Keras model anew: nested models laid flat, its end as `head` and `probabilities`, named parts.

Reads and writes nothing.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from store.errors import AdoptionError, CardError
from train.adopt.layers import EMBEDDING, HEAD, LAST_CONV, PROBABILITIES
from train.adopt.owner import OwnerCard

if TYPE_CHECKING:
    import keras

Floats = NDArray[np.float32]
RESERVED = (EMBEDDING, HEAD, LAST_CONV, PROBABILITIES)
# What changes no answer to a picture: the embedding is what comes before these.
SILENT = ("Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization")


def flattened(original: keras.Model, owner: OwnerCard, side_px: int, path: Path) -> keras.Model:
    """The model with the outputs probabilities, logits (B, C) and embedding (B, D), of stock layers, in float32.

    Raises AdoptionError for a graph that does not end in a dense layer with softmax or sigmoid, CardError where the
    card does not fit.
    """
    import keras

    _check_input(original, side_px, path)
    picture = keras.Input((side_px, side_px, 3), name="picture")
    copy = _Copy()
    before, kernel, bias = _head(chosen(copy.through(original, picture), original, owner, path), owner, path)
    features = before
    while type(_maker(features)).__name__ in SILENT:
        features = _sources(features)[0]
    if features is picture or len(features.shape) != 2:
        raise AdoptionError(f"{path}: its last dense layer reads {features.shape}; wanted features (B, D) before it")
    _maker(features).name = EMBEDDING
    conv = _last_map(features)
    if conv is not None:
        conv.name = LAST_CONV
    logits = keras.layers.Dense(len(bias), name=HEAD)(before)
    probabilities = keras.layers.Activation("softmax", name=PROBABILITIES)(logits)
    named = {"probabilities": probabilities, "logits": logits, "embedding": features}
    model = keras.Model(picture, named, name="adopted")
    model.get_layer(HEAD).set_weights([kernel, bias])
    return model


def chosen(answers: Any, original: keras.Model, owner: OwnerCard, path: Path) -> Any:
    """Of what the model answers, the output that the card names; it need not where there is one.

    Raises CardError when the card must name one and does not.
    """
    if isinstance(answers, list | tuple):
        answers = dict(zip(original.output_names, answers, strict=True))
    if not isinstance(answers, dict):
        return answers
    usual = next(iter(answers)) if len(answers) == 1 else "probabilities"
    wanted = owner.output or usual
    if wanted not in answers:
        raise CardError(f"{path}: has the outputs {sorted(answers)}; the card's `output` must name one, not {wanted!r}")
    return answers[wanted]


class _Copy:
    """Runs a model's graph with copies of its layers, weights and all."""

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}
        self._taken = {"picture", *RESERVED}

    def through(self, model: Any, picture: Any) -> Any:
        """What the copied layers of `model` make of `picture`, in the structure of its outputs."""
        import keras

        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                picture = self.copied(layer)(picture)
            return picture
        return model._run_through_graph(picture, operation_fn=self.copied)

    def copied(self, operation: Any) -> Any:
        """A stand-in for one operation of the graph: for a nested model its own graph, for a layer a copy."""
        import keras

        if isinstance(operation, keras.Model):
            return lambda picture, **_: self.through(operation, picture)
        if not isinstance(operation, keras.layers.Layer):
            return operation
        if id(operation) not in self._made:
            self._made[id(operation)] = self._copy(operation)
        return self._made[id(operation)]

    def _copy(self, layer: keras.layers.Layer) -> Any:
        config = {**layer.get_config(), "name": self._name(layer.name), "dtype": "float32"}
        made = type(layer).from_config(config)

        def called(*words: Any, **more: Any) -> Any:
            fresh, answer = not made.built, made(*words, **more)
            if (fresh or not made.weights) and layer.weights:
                made.set_weights(layer.get_weights())
            return answer

        return called

    def _name(self, wanted: str) -> str:
        """Its own name; one that is taken gets a number."""
        name, number = wanted, 1
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name


def _check_input(model: keras.Model, side_px: int, path: Path) -> None:
    import keras

    if not (isinstance(model, keras.Sequential) and model.built) and not hasattr(model, "_run_through_graph"):
        raise AdoptionError(f"{path}: wanted a functional graph, received {type(model).__name__}; export a SavedModel")
    shapes = [tuple(one.shape) for one in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise AdoptionError(f"{path}: wanted one input of pictures (B, S, S, 3), received {shapes}")
    wanted = (None, side_px, side_px, 3)
    if any(found not in (None, want) for found, want in zip(shapes[0][1:], wanted[1:], strict=True)):
        raise CardError(f"{path}: takes pictures of {shapes[0][1:]}, the card's preprocessing gives {wanted[1:]}")


def _head(answer: Any, owner: OwnerCard, path: Path) -> tuple[Any, Floats, Floats]:
    """What the last dense layer reads, and its kernel (D, C) and bias (C,); a single column becomes two."""
    layer, end = _maker(answer), "linear"
    if type(layer).__name__ in ("Activation", "Softmax"):
        end = "softmax" if type(layer).__name__ == "Softmax" else layer.activation.__name__
        (answer,) = _sources(answer)
        layer = _maker(answer)
    kind = type(layer).__name__
    if kind != "Dense" or (end != "linear" and layer.activation.__name__ != "linear"):
        raise AdoptionError(f"{path}: wanted a graph that ends in a dense layer with softmax or sigmoid, not in {kind}")
    end = layer.activation.__name__ if end == "linear" else end
    single = layer.units == 1 and len(owner.classes) == 2
    if layer.units != len(owner.classes) and not single:
        raise CardError(f"{path}: answers {layer.units} numbers, the card names {len(owner.classes)} classes")
    wanted = "linear" if owner.answers == "logits" else "sigmoid" if single else "softmax"
    if end != wanted:
        raise AdoptionError(f"{path}: wanted {wanted!r} at its end, received {end!r}; the card answers {owner.answers}")
    kernel, *rest = (np.asarray(one, np.float32) for one in layer.get_weights())
    bias = rest[0] if rest else np.zeros(layer.units, np.float32)
    if single:  # a sigmoid is the softmax of nothing and itself
        kernel, bias = np.pad(kernel, ((0, 0), (1, 0))), np.pad(bias, (1, 0))
    return _sources(answer)[0], kernel, bias


def _last_map(features: Any) -> Any | None:
    """The layer that made the last map before any pooling; None where there is none but the picture."""
    waiting = deque(_sources(features))
    while waiting:
        tensor = waiting.popleft()
        kind = type(_maker(tensor)).__name__
        spatial = len(tensor.shape) == 4 and (tensor.shape[1] or 2) > 1
        if spatial and kind not in SILENT and "Pool" not in kind and kind != "InputLayer":
            return _maker(tensor)
        waiting.extend(_sources(tensor))
    return None


def _maker(tensor: Any) -> Any:
    """The layer or operation that a symbolic tensor comes from."""
    return tensor._keras_history.operation


def _sources(tensor: Any) -> list[Any]:
    """The symbolic tensors that its maker read."""
    operation, node_index, _ = tensor._keras_history
    return list(operation._inbound_nodes[node_index].input_tensors)
