"""Walks the topology that an old Keras wrote as JSON, which Keras 3 refuses: two of nsfwjs's models have it.

Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store.errors import AdoptionError
from train.adopt.layers import EMBEDDING, HEAD, LAST_CONV, PROBABILITIES, Layer

# The originals' names for the layers that ours must call by a fixed name. Two more dense layers follow the pooled
# features (`pooled`), so what `head` reads, our embedding, is the 128 of the second.
NAMES = {
    "out_relu": LAST_CONV,
    "mixed10": LAST_CONV,
    "flatten_1": "pooled",
    "dense_2": EMBEDDING,
    "dense_3": HEAD,
}
SETTINGS: dict[str, tuple[str, ...]] = {
    "InputLayer": (),
    "ZeroPadding2D": ("padding",),
    "Conv2D": ("filters", "kernel_size", "strides", "padding", "use_bias"),
    "DepthwiseConv2D": ("kernel_size", "strides", "padding", "depth_multiplier", "use_bias"),
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale"),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "AveragePooling2D": ("pool_size", "strides", "padding"),
    "Dense": ("units", "activation", "use_bias"),
    "Dropout": ("rate",),
    "Flatten": (),
    "Add": (),
    "Activation": ("activation",),
    "Concatenate": ("axis",),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
}
WEIGHTS = {
    "Conv2D": ("kernel",),
    "DepthwiseConv2D": ("depthwise_kernel",),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "Dense": ("kernel", "bias"),
}


def layers(topology: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]]) -> list[Layer]:
    """The old topology as layers, each after those it reads.

    The last activation is split off, so that logits can be read. Raises AdoptionError for a layer of another kind.
    """
    waiting = [_layer(old, weights) for old in topology["model_config"]["config"]["layers"]]
    found: dict[str, Layer] = {}
    while waiting:
        ready = [layer for layer in waiting if all(name in found for name in layer.inputs)]
        if not ready:
            raise AdoptionError(f"wanted layers that follow from an input, received a circle at {waiting[0].name!r}")
        found |= {layer.name: layer for layer in ready}
        waiting = [layer for layer in waiting if layer.name not in found]
    return [*found.values(), Layer(PROBABILITIES, "Activation", {"activation": "softmax"}, (HEAD,))]


def _layer(old: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]]) -> Layer:
    kind, name = old["class_name"], old["name"]
    if kind not in SETTINGS:
        raise AdoptionError(f"received a layer {kind!r}, wanted only {sorted(SETTINGS)}")
    inputs = tuple(NAMES.get(node[0], node[0]) for nodes in old["inbound_nodes"] for node in nodes)
    config = {key: _frozen(old["config"][key]) for key in SETTINGS[kind]}
    if NAMES.get(name) == HEAD:
        config["activation"] = "linear"
    # A batch norm without scale has no gamma, without centre no beta.
    parts = [f"{name}/{part}" for part in WEIGHTS.get(kind, ())]
    return Layer(NAMES.get(name, name), kind, config, inputs, tuple(weights[one] for one in parts if one in weights))


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
