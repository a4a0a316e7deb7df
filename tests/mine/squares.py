"""A small world with truth by construction: filled red squares are flagged, green discs and plain textures are not.

`champion` is a real model version of a net of ours: it sees how red and how green each of sixteen cells is, and its
head takes green for a square as well. That is its blind spot.
"""

from __future__ import annotations

import atexit
import datetime as dt
import functools
import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from store.cards import INFERENCE_FILE, KERAS_FILE, Card, read_card, write_card
from store.fold import fold
from store.home import Home
from store.policy import read_policy
from train.export import head_buffers
from train.promote import promote_first
from train.publish import publish

if TYPE_CHECKING:
    import keras

SIDE_PX, NET_PX, CELLS = 48, 16, 16
CLASSES = ("square", "disc", "texture")
COLOURS = {"square": (235, 70, 50), "disc": (60, 225, 70)}
POLICY = """\
name = "squares"
rule = "A picture of a filled red square is flagged. Everything else is not."
latency_ratio = 25.0

[classes.square]
flagged = true
words = "a filled red square"
[classes.disc]
flagged = false
words = "a filled green disc"
[classes.texture]
flagged = false
words = "neither"

[targets]
false_positive_rate = 0.1
"""
# Per cell: how much red and how much green count for a square. A repaired head does not count green.
FOOLED, REPAIRED = (0.25, 0.15), (0.5, -0.05)
FIELDS: dict[str, Any] = {
    "name": "squares",
    "classes": CLASSES,
    "class_map": {name: name for name in CLASSES},
    "preprocessing": {"recipe": "nsfwjs", "size": NET_PX},
    "input_px": NET_PX,
    "embedding_size": 2 * CELLS,
    "origin": "made by the tests",
    "licence": "Apache-2.0",
}


def draw(kind: str, seed: int) -> bytes:
    """One picture of a kind as PNG: a soft dark texture, and on it a shape of some size at some place."""
    rng = np.random.default_rng([seed, *kind.encode()])
    colours = rng.integers(0, 100, (6, 6, 1)) + rng.integers(0, 40, (6, 6, 3))
    image = Image.fromarray(colours.astype(np.uint8)).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
    if kind in COLOURS:
        side = int(rng.integers(20, 34))
        left, top = (int(value) for value in rng.integers(0, SIDE_PX - side, 2))
        pen = ImageDraw.Draw(image)
        shape = pen.rectangle if kind == "square" else pen.ellipse
        shape((left, top, left + side, top + side), fill=COLOURS[kind])
    return png(np.asarray(image))


def png(rgb: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "PNG")
    return out.getvalue()


def head(weights: tuple[float, float]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel (32, 3) and bias (3,) of a head that adds up red and green over all cells."""
    red, green = weights
    kernel = np.zeros((2 * CELLS, len(CLASSES)), np.float32)
    kernel[0::2, 0], kernel[1::2, 0] = red, green
    kernel[1::2, 1] = 0.1
    return kernel, np.array([-3.5, -3.0, 0.0], np.float32)


def net(weights: tuple[float, float], slow: bool = False) -> keras.Model:
    """The net: red minus green and green minus red, averaged per cell, and a softmax head on it.

    `slow` adds work that changes no answer.
    """
    import keras
    from keras import layers

    picture = keras.Input((NET_PX, NET_PX, 3))
    colours = layers.Conv2D(2, 1, activation="relu", name="colours")(picture)
    if slow:
        wide = layers.Conv2D(64, 7, padding="same", kernel_initializer="zeros", name="wide")(picture)
        for index in range(3):
            wide = layers.Conv2D(64, 7, padding="same", kernel_initializer="zeros", name=f"wide{index}")(wide)
        nothing = layers.Conv2D(2, 1, kernel_initializer="zeros", name="nothing")(wide)
        colours = layers.Add(name="sum")([colours, nothing])
    cells = layers.AveragePooling2D(NET_PX // 4, name="cells")(colours)
    embedding = layers.Flatten(name="embedding")(cells)
    logits = layers.Dense(len(CLASSES), name="head")(embedding)
    probabilities = layers.Softmax(name="probabilities")(logits)
    model = keras.Model(picture, {"probabilities": probabilities, "logits": logits, "embedding": embedding})
    red_and_green = np.array([[10, -10], [-10, 10], [0, 0]], np.float32)[None, None]
    model.get_layer("colours").set_weights([red_and_green, np.zeros(2, np.float32)])
    model.get_layer("head").set_weights(head(weights))
    return model


def champion() -> Path:
    """The directory of the fooled version, made once per session in a folder of its own."""
    return _models() / _champion().version


@functools.cache
def _champion() -> Card:
    return publish(net(FOOLED), _models(), FIELDS)


@functools.cache
def _models() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="blindspot-squares-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def variant(
    models: Path, name: str, inference: bytes | None = None, keras_file: bytes | None = None, **card: Any
) -> Card:
    """A version in `models` that differs from the fooled one in some file or field of its card; the hashes are true."""
    folder = models / name
    shutil.copytree(champion(), folder)
    for file, content in ((INFERENCE_FILE, inference), (KERAS_FILE, keras_file)):
        if content is not None:
            (folder / file).write_bytes(content)
    files = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in (INFERENCE_FILE, KERAS_FILE)}
    made = read_card(folder).model_copy(update={"version": name, "files": files, **card})
    write_card(made, folder)
    return made


def inference_with(kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> bytes:
    """The fooled version's inference file with another head, of whatever numbers."""
    content = bytearray((champion() / INFERENCE_FILE).read_bytes())
    for place, value in zip(head_buffers(content), (kernel.T, bias), strict=True):
        place[:] = np.frombuffer(np.ascontiguousarray(value, "<f4").tobytes(), np.uint8)
    return bytes(content)


def make_home(root: Path) -> Home:
    """A workspace with the policy in force and the fooled version serving; folded."""
    shutil.copytree(_template(), root)
    return Home(root)


@functools.cache
def _template() -> Path:
    """Such a workspace, made once: a first fold makes every table."""
    home = Home(_models() / "home")
    shutil.copytree(champion(), home.models / champion().name)
    home.policy.write_text(POLICY, encoding="utf-8")
    promote_first(home, read_policy(home.policy), read_card(champion()), "tests")
    fold(home)
    return home.root


def add_pictures(home: Home, pictures: Iterable[bytes], source: str) -> list[str]:
    """Store pictures and their rows; their ids in the order given."""
    ids = [home.blobs().put(data) for data in pictures]
    now = dt.datetime.now(dt.UTC)
    rows = [{"picture": picture, "size_bytes": 1, "source": source, "first_seen_at": now} for picture in ids]
    home.inbox().append("pictures", rows)
    return ids
