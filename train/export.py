"""Turns a Keras model into the inference file of a model version, and proves that the two answer alike.

Reads model directories, writes `model.tflite`. `python -m train.export check FOLDER [PICTURES.npy]` compares
the two model files in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mine.quiet import quiet_natives
from mine.runtime import OUTPUTS, Runtime
from store.cards import INFERENCE_FILE, KERAS_FILE, read_card
from store.errors import BlindspotError, ModelError

if TYPE_CHECKING:
    import keras

Floats = NDArray[np.float32]
HEAD = "head"


def export(model: keras.Model, folder: Path) -> Path:
    """Write the model's inference file into `folder`: TFLite, float32, builtin operators, batches of 1."""
    with quiet_natives():
        import tensorflow as tf

    side = model.inputs[0].shape[1]

    def serve(picture: object) -> object:
        return model(picture, training=False)

    picture = tf.TensorSpec((1, side, side, 3), tf.float32, name="picture")
    traced = tf.function(serve, input_signature=[picture]).get_concrete_function()

    # The converter freezes only variables that hang on a trackable object; a Keras 3 model is none to it.
    holder = tf.Module()
    holder.held = [variable.value for variable in model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], holder)
    path = folder / INFERENCE_FILE
    path.write_bytes(converter.convert())
    return path


def export_head(base: Path, kernel: Floats, bias: Floats, folder: Path) -> Path:
    """Write into `folder` the inference file of the version in `base` with another head.

    `kernel` (D, C), `bias` (C,) float32. Only the two buffers of the last dense operator change, so this
    takes milliseconds and no TensorFlow. Raises ModelError when the head has another shape, or shares a
    buffer with another layer.
    """
    card = read_card(base)
    wanted = [(card.embedding_size or 0, len(card.classes)), (len(card.classes),)]
    _fits(base, wanted, kernel, bias)
    content = bytearray((base / INFERENCE_FILE).read_bytes())
    places = head_buffers(content)
    for place, value in zip(places, (kernel.T, bias), strict=True):
        place[:] = np.frombuffer(np.ascontiguousarray(value, dtype="<f4").tobytes(), dtype=np.uint8)
    path = folder / INFERENCE_FILE
    path.write_bytes(content)
    return path


def head_buffers(content: bytearray) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Writable views of the kernel (C, D) and the bias (C,) of the operator that makes the logits."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    graph, signature = model.Subgraphs(0), model.SignatureDefs(0)
    tensors = (signature.Outputs(i) for i in range(signature.OutputsLength()))
    (logits,) = [one.TensorIndex() for one in tensors if one.Name() == b"logits"]
    operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    (dense,) = [one for one in operators if logits in one.OutputsAsNumpy()]
    code = model.OperatorCodes(dense.OpcodeIndex()).BuiltinCode()
    if code != schema.BuiltinOperator.FULLY_CONNECTED or dense.InputsLength() != 3:
        raise ModelError(f"{INFERENCE_FILE}: wanted a dense layer with a bias to make the logits; convert anew")
    buffers = [graph.Tensors(i).Buffer() for i in range(graph.TensorsLength())]
    ours = [graph.Tensors(i).Buffer() for i in dense.InputsAsNumpy()[1:]]
    if any(buffers.count(one) != 1 for one in ours):
        raise ModelError(f"{INFERENCE_FILE}: the head shares its weights with another layer; convert it anew")
    kernel, bias = (np.asarray(model.Buffers(one).DataAsNumpy()) for one in ours)
    return kernel, bias


def with_head(base: Path, kernel: Floats, bias: Floats) -> keras.Model:
    """The Keras model of the version in `base` with another head: kernel (D, C), bias (C,).

    Raises ModelError when the shapes are not those of the version's head.
    """
    model = load(base)
    head = model.get_layer(HEAD)
    _fits(base, [value.shape for value in head.get_weights()], kernel, bias)
    head.set_weights([kernel, bias])
    return model


def _fits(base: Path, wanted: list[tuple[int, ...]], kernel: Floats, bias: Floats) -> None:
    found = [kernel.shape, bias.shape]
    if found != wanted:
        raise ModelError(f"{base.name}: wanted a head of {wanted}, received {found}")
    if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
        raise ModelError(f"{base.name}: wanted a head of finite numbers, received NaN or infinity")


def load(folder: Path) -> keras.Model:
    """The Keras model of the version in `folder`, loaded without code of ours. Raises ModelError."""
    with quiet_natives():
        import keras

    path = folder / KERAS_FILE
    if not path.is_file():
        raise ModelError(f"wanted {path}, found none; this version can score but not be trained")
    return keras.saving.load_model(path, compile=False)


def verify(folder: Path, pictures: Floats | None = None) -> float:
    """The largest difference between a version's Keras file and its inference file, found in a fresh process.

    `pictures` (N, S, S, 3) float32 as prepared for the model (default: four of seeded noise). The difference
    of each output is divided by the largest magnitude in it where that exceeds 1: for probabilities it is
    absolute. Raises ModelError when the comparison cannot be made.
    """
    with tempfile.TemporaryDirectory() as scratch:
        # -P: a train.py in the folder we happen to be in is none of ours.
        words = [sys.executable, "-P", "-m", "train.export", "check", str(folder)]
        if pictures is not None:
            np.save(Path(scratch) / "pictures.npy", pictures)
            words.append(f"{scratch}/pictures.npy")
        done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ModelError(f"{folder.name}: the exported file could not be compared: {said}")
    return float(json.loads(done.stdout.splitlines()[-1])["difference"])


def check(folder: Path, pictures: Floats | None = None) -> dict[str, float]:
    """Compare the two model files of `folder` here; `difference` is the largest of those of the outputs."""
    runtime = Runtime(folder)
    side = runtime.card.input_px
    if pictures is None:
        pictures = np.random.default_rng(0).random((4, side, side, 3), dtype=np.float32)
    fast, model = runtime.run(pictures), load(folder)
    slow = [model(pictures[i : i + 1], training=False) for i in range(len(pictures))]
    found = {}
    for name in OUTPUTS:
        ours = np.concatenate([np.asarray(one[name]) for one in slow])
        theirs = getattr(fast, name)
        gap = float(np.abs(ours - theirs).max()) / max(1.0, float(np.abs(ours).max()))
        found[name] = gap if np.isfinite(theirs).all() else float("inf")
    return {"difference": max(found.values()), **found}


def main(words: list[str]) -> int:
    """`check FOLDER [PICTURES.npy]`: print the differences as one JSON object."""
    if words[:1] != ["check"] or len(words) not in (2, 3):
        print("usage: python -m train.export check FOLDER [PICTURES.npy]", file=sys.stderr)
        return 2
    pictures = np.load(words[2]) if len(words) == 3 else None
    try:
        print(json.dumps(check(Path(words[1]), pictures)))
    except BlindspotError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
