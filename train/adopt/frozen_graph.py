"""Walks a frozen TensorFlow graph of TensorFlow.js as Keras layers: the mobilenet_v2_mid of nsfwjs.

Reads and writes nothing. Batch norms are already folded into the convolutions there, and activations fused.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store.errors import AdoptionError
from train.adopt.layers import EMBEDDING, HEAD, LAST_CONV, PROBABILITIES, Layer

Node = Mapping[str, Any]


def layers(topology: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]]) -> list[Layer]:
    """The graph's nodes as layers, the input first. Raises AdoptionError for an operator that is not known."""
    walk = Walk(weights)
    for node in topology["node"]:
        if node["op"] == "Const":
            continue
        step = STEPS.get(node["op"])
        if step is None:
            raise AdoptionError(f"received an operator {node['op']!r}, wanted only {sorted(STEPS)}")
        walk.layer_of[node["name"]] = step(walk, node)
    last = walk.layer_of[topology["node"][-1]["name"]]
    if last != PROBABILITIES:
        raise AdoptionError(f"wanted a graph that ends in a softmax, received one that ends in {last!r}")
    return walk.made


class Walk:
    """Goes through the nodes in order and writes down layers."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self.weights = weights
        self.made: list[Layer] = []
        self.layer_of: dict[str, str] = {}

    def add(self, node: Node, name: str, kind: str, config: dict[str, Any], *weights: NDArray[np.float32]) -> str:
        """Write down a layer that reads the node's inputs; returns its name."""
        inputs = tuple(self.layer_of[one] for one in node.get("input", ()) if one not in self.weights)
        self.made.append(Layer(name, kind, config, inputs, weights))
        return name

    def same(self, node: Node) -> str:
        """A node for which Keras needs no layer."""
        return self.layer_of[node["input"][0]]

    def placeholder(self, node: Node) -> str:
        """The input."""
        return self.add(node, "picture", "InputLayer", {})

    def product(self, node: Node) -> str:
        """The scale of the first layer; the next node brings its offset."""
        (scale,) = [self.weights[one] for one in node["input"] if one in self.weights]
        return self.add(node, "rescaling", "Rescaling", {"scale": float(scale), "offset": 0.0})

    def difference(self, node: Node) -> str:
        """The offset of the scale just written down."""
        scale, offset = self.made.pop(), float(self.weights[node["input"][1]])
        self.made.append(Layer(scale.name, scale.kind, {**scale.config, "offset": -offset}, scale.inputs))
        return str(scale.name)

    def conv(self, node: Node) -> str:
        """A convolution with its bias and, fused to it, perhaps a rectifier; the last of these is the last map."""
        kernel, bias = (self.weights[one] for one in node["input"][1:])
        deep = node["op"].startswith("FusedDepthwise")
        name = str(node["input"][1]).partition("MobilenetV2/")[2].rpartition("/")[0].replace("/", "_")
        facts = node["attr"]
        config = {
            "kernel_size": kernel.shape[:2],
            "strides": tuple(int(one) for one in facts["strides"]["list"]["i"][1:3]),
            "padding": _text(facts["padding"]["s"]).lower(),
            **({"depth_multiplier": kernel.shape[3]} if deep else {"filters": kernel.shape[3]}),
        }
        self.add(node, name, "DepthwiseConv2D" if deep else "Conv2D", config, kernel, bias)
        fused = [_text(one) for one in facts["fused_ops"]["list"]["s"]]
        if fused == ["BiasAdd"]:
            return name
        if fused != ["BiasAdd", "Relu6"]:
            raise AdoptionError(f"{name}: wanted a bias and perhaps a Relu6 fused to it, received {fused}")
        relu = LAST_CONV if name == "Conv_1" else f"{name}_relu"
        self.made.append(Layer(relu, "ReLU", {"max_value": 6.0}, (name,)))
        return relu

    def sum(self, node: Node) -> str:
        """A residual addition."""
        return self.add(node, node["name"].partition("MobilenetV2/")[2].replace("/", "_"), "Add", {})

    def average_pool(self, node: Node) -> str:
        """The average over the whole last map: the embedding."""
        return self.add(node, EMBEDDING, "GlobalAveragePooling2D", {})

    def dense(self, node: Node) -> str:
        """The one dense layer."""
        kernel, bias = (self.weights[one] for one in node["input"][1:])
        return self.add(node, HEAD, "Dense", {"units": kernel.shape[1]}, kernel, bias)

    def softmax(self, node: Node) -> str:
        """The probabilities."""
        return self.add(node, PROBABILITIES, "Activation", {"activation": "softmax"})


STEPS = {
    "Placeholder": Walk.placeholder,
    "Mul": Walk.product,
    "Sub": Walk.difference,
    "_FusedConv2D": Walk.conv,
    "FusedDepthwiseConv2dNative": Walk.conv,
    "AddV2": Walk.sum,
    "AvgPool": Walk.average_pool,
    "Squeeze": Walk.same,
    "_FusedMatMul": Walk.dense,
    "Softmax": Walk.softmax,
    "Identity": Walk.same,
}


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode("ascii")
