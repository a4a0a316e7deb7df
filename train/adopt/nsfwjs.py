"""Adopts the mobilenet_v2 of nsfwjs: weights and old Keras topology in minified JavaScript, without node.

Reads the package's tarball (`fetch.py`); writes nothing.
"""

from __future__ import annotations

import base64
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store.errors import AdoptionError
from train.adopt.fetch import npm_tarball
from train.adopt.layers import EMBEDDING, HEAD, LAST_CONV, PROBABILITIES, Foreign, Layer

FOLDER = "package/dist/models/mobilenet_v2"
CLASSES = ("drawing", "hentai", "neutral", "porn", "sexy")
# The original's names for the layers that ours must call by a fixed name. Two more dense layers follow the
# 1280 pooled features (`pooled`), so what `head` reads, our embedding, is the 128 of the second.
NAMES = {"out_relu": LAST_CONV, "flatten_1": "pooled", "dense_2": EMBEDDING, "dense_3": HEAD}
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
}
WEIGHTS = {
    "Conv2D": ("kernel",),
    "DepthwiseConv2D": ("depthwise_kernel",),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "Dense": ("kernel", "bias"),
}
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z_$][\w$]*(?=:)|![01]|(?<![\w.])\.\d')


def read() -> Foreign:
    """Read mobilenet_v2 of nsfwjs 4.4.0. Raises AdoptionError when it cannot be fetched or understood."""
    topology, weights = _opened(npm_tarball())
    layers = tuple(_layers(topology["model_config"]["config"]["layers"], weights))
    return Foreign(
        name="nsfwjs/mobilenet_v2",
        layers=layers,
        classes=CLASSES,
        class_map={name: name for name in CLASSES},
        preprocessing={"recipe": "nsfwjs", "size": 224},
        input_px=224,
        origin="npm nsfwjs 4.4.0, dist/models/mobilenet_v2",
        licence="MIT",
        notes="embedding: the 128 features before the last dense layer; layer `pooled`: the 1280 pooled ones",
    )


def _opened(tarball: Path) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    try:
        with tarfile.open(tarball) as archive:
            model = literal(_member(archive, "model"))
            groups = model["weightsManifest"]
            parts = [shard(_member(archive, path)) for group in groups for path in group["paths"]]
    except (KeyError, ValueError, tarfile.TarError) as error:
        raise AdoptionError(f"{tarball}: wanted nsfwjs's {FOLDER}, cannot read it: {error}") from None
    specs = [spec for group in groups for spec in group["weights"]]
    return model["modelTopology"], dequantised(b"".join(parts), specs)


def _member(archive: tarfile.TarFile, name: str) -> str:
    handle = archive.extractfile(f"{FOLDER}/{name}.min.js")
    if handle is None:
        raise KeyError(name)
    return handle.read().decode("utf-8")


def literal(script: str) -> dict[str, Any]:
    """The object literal that a minified module exports, as data: bare keys quoted, `!0` true, `.5` 0.5."""
    start = script.index(".exports={modelTopology") + len(".exports=")
    value, _ = json.JSONDecoder().raw_decode(_TOKEN.sub(_as_json, script[start:]))
    return dict(value)


def _as_json(match: re.Match[str]) -> str:
    token = match.group()
    if token[0] == '"':
        return token
    if token[0] == ".":
        return "0" + token
    return {"!0": "true", "!1": "false"}.get(token) or f'"{token}"'


def shard(script: str) -> bytes:
    """The bytes of a weight shard: the one long base64 string of its module."""
    start = script.index('.exports="') + len('.exports="')
    return base64.b64decode(script[start : script.index('"', start)], validate=True)


def dequantised(data: bytes, specs: list[dict[str, Any]]) -> dict[str, NDArray[np.float32]]:
    """Weights by name from consecutive uint8 values: q * scale + min in double, then float32."""
    weights, position = {}, 0
    for spec in specs:
        count = int(np.prod(spec["shape"]))
        stored = np.frombuffer(data, dtype=np.uint8, count=count, offset=position).astype(np.float64)
        how = spec["quantization"]
        value = (stored * how["scale"] + how["min"]).astype(np.float32)
        weights[spec["name"]] = value.reshape(spec["shape"])
        position += count
    if position != len(data):
        raise AdoptionError(f"nsfwjs: wanted {position} bytes of weights, received {len(data)}")
    return weights


def _layers(topology: list[dict[str, Any]], weights: dict[str, NDArray[np.float32]]) -> list[Layer]:
    """The old Keras topology as layers; the last activation is split off, so that logits can be read."""
    found = []
    for old in topology:
        kind, name = old["class_name"], old["name"]
        inputs = tuple(NAMES.get(node[0], node[0]) for nodes in old["inbound_nodes"] for node in nodes)
        config = {key: _frozen(old["config"][key]) for key in SETTINGS[kind]}
        if NAMES.get(name) == HEAD:
            config["activation"] = "linear"
        values = tuple(weights[f"{name}/{part}"] for part in WEIGHTS.get(kind, ()))
        found.append(Layer(NAMES.get(name, name), kind, config, inputs, values))
    return [*found, Layer(PROBABILITIES, "Activation", {"activation": "softmax"}, (HEAD,))]


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
