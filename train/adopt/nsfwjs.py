"""Adopts the three models of nsfwjs: weights and topology in minified JavaScript, without node.

Reads the package's tarball (`fetch.py`); writes nothing.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store.errors import AdoptionError
from train.adopt import frozen_graph, keras_topology
from train.adopt.fetch import npm_tarball
from train.adopt.layers import Foreign, Layer

FOLDER = "package/dist/models"
CLASSES = ("drawing", "hentai", "neutral", "porn", "sexy")
Weights = dict[str, NDArray[np.float32]]
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z_$][\w$]*(?=:)|![01]|(?<![\w.])\.\d')


def _read(folder: str, side_px: int, layers: Callable[[dict[str, Any], Weights], list[Layer]], notes: str) -> Foreign:
    """Read one model of nsfwjs 4.4.0. Raises AdoptionError when it cannot be fetched or understood."""
    topology, weights = _opened(npm_tarball(), f"{FOLDER}/{folder}")
    return Foreign(
        name=f"nsfwjs/{folder}",
        layers=tuple(layers(topology, weights)),
        classes=CLASSES,
        class_map={name: name for name in CLASSES},
        preprocessing={"recipe": "nsfwjs", "size": side_px},
        input_px=side_px,
        origin=f"npm nsfwjs 4.4.0, dist/models/{folder}",
        licence="MIT",
        notes=notes,
    )


def _opened(tarball: Path, folder: str) -> tuple[dict[str, Any], Weights]:
    try:
        with tarfile.open(tarball) as archive:
            model = literal(_member(archive, f"{folder}/model"))
            groups = model["weightsManifest"]
            parts = [shard(_member(archive, f"{folder}/{path}")) for group in groups for path in group["paths"]]
    except (KeyError, ValueError, tarfile.TarError) as error:
        raise AdoptionError(f"{tarball}: wanted nsfwjs's {folder}, cannot read it: {error}") from None
    specs = [spec for group in groups for spec in group["weights"]]
    return model["modelTopology"], dequantised(b"".join(parts), specs)


def _member(archive: tarfile.TarFile, name: str) -> str:
    handle = archive.extractfile(f"{name}.min.js")
    if handle is None:
        raise KeyError(name)
    return handle.read().decode("utf-8")


def literal(script: str) -> dict[str, Any]:
    """The object literal that a minified module exports, as data: bare keys quoted, `!0` true, `.5` 0.5."""
    start = script.index(".exports={") + len(".exports=")
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


def dequantised(data: bytes, specs: list[dict[str, Any]]) -> Weights:
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


# Largest first. An embedding is what the layer `head` reads; other pooled features before it are the layer `pooled`.
READERS: dict[str, Callable[[], Foreign]] = {
    "inception_v3": functools.partial(
        _read,
        "inception_v3",
        299,
        keras_topology.layers,
        "embedding: the 128 features before the last dense layer; layer `pooled`: the 2048 pooled ones",
    ),
    "mobilenet_v2_mid": functools.partial(
        _read, "mobilenet_v2_mid", 224, frozen_graph.layers, "embedding: the 1792 pooled features"
    ),
    "mobilenet_v2": functools.partial(
        _read,
        "mobilenet_v2",
        224,
        keras_topology.layers,
        "embedding: the 128 features before the last dense layer; layer `pooled`: the 1280 pooled ones",
    ),
}
