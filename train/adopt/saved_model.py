"""Adopts a SavedModel as a version that only scores: converted once, it then runs like every other version.

Reads its directory; writes `models/<version>/`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from mine.quiet import quiet_natives
from mine.runtime import Runtime
from mine.runtimes.answers import Floats, as_probabilities
from mine.runtimes.tf_serving import probe_picture
from store.cards import INFERENCE_FILE, Card
from store.errors import AdoptionError, CardError
from train.adopt.onnx_file import layout_of
from train.adopt.owner import OwnerCard, runs_of
from train.integrity import EXPORT_TOLERANCE
from train.publish import Proof, publish_score_only

SIGNATURE = "serving_default"
GRAPH = "saved_model.pb"


def adopt_saved_model(what: str, owner: OwnerCard, fields: dict[str, Any], models: Path, proof: Proof) -> Card:
    """Convert the signature `serving_default`. Raises AdoptionError when it cannot be, CardError for the card."""
    path = Path(what)
    held, signature = _signature(path)
    (name, spec), output = _input(signature, path), _output(signature, owner, path)
    layout = layout_of(list(spec.shape), fields["input_px"], str(path))
    if owner.layout not in (None, layout):
        raise CardError(f"{path}: takes pictures as {layout}, {spec.shape}; the card says {owner.layout}")
    content = _converted(signature, held, name, output, layout, fields["input_px"], path)
    noise = probe_picture(fields["input_px"])
    laid = noise.transpose(0, 3, 1, 2) if layout == "NCHW" else noise
    raw = _asked(signature, name, output, laid)

    def files(folder: Path) -> None:
        (folder / INFERENCE_FILE).write_bytes(content)

    def compared(folder: Path) -> None:
        runtime = Runtime(folder)
        gap = float(np.abs(runtime.run(noise).probabilities - as_probabilities(raw, runtime.card)).max())
        if not gap <= EXPORT_TOLERANCE:
            raise AdoptionError(f"{path}: converted, it answers otherwise by {gap:.1g}, limit {EXPORT_TOLERANCE:.0e}")
        proof(folder)

    runs = runs_of(owner).model_copy(update={"layout": "NHWC"})  # the inference file turns what has to be turned
    return publish_score_only(models, {**fields, "runs": runs}, digest(path), files, compared)


def digest(path: Path) -> str:
    """sha256 hex over the graph and the variables, by their names."""
    found = hashlib.sha256()
    for file in [path / GRAPH, *sorted((path / "variables").glob("variables.*"))]:
        found.update(f"{file.name} {file.stat().st_size}\n".encode())
        found.update(file.read_bytes())
    return found.hexdigest()


def _signature(path: Path) -> tuple[Any, Any]:
    """The loaded model, which must live as long as its signature, and the signature."""
    with quiet_natives():
        import tensorflow as tf

        try:
            held = tf.saved_model.load(str(path))
        except Exception as error:  # TensorFlow's own exceptions share no base but this
            raise AdoptionError(f"{path}: TensorFlow cannot load it: {_one_line(error)}") from None
    found = getattr(held, "signatures", {})
    if SIGNATURE not in found:
        raise AdoptionError(f"{path}: wanted the signature {SIGNATURE!r}, received {sorted(found)}")
    return held, found[SIGNATURE]


def _input(signature: Any, path: Path) -> tuple[str, Any]:
    inputs = signature.structured_input_signature[1]
    said = ", ".join(f"{name} {spec.dtype.name}" for name, spec in inputs.items())
    if len(inputs) != 1 or next(iter(inputs.values())).dtype.name != "float32":
        raise AdoptionError(f"{path}: wanted one input of float32 pictures, received {said}")
    name, spec = next(iter(inputs.items()))
    if spec.shape.rank != 4:
        raise AdoptionError(f"{path}: wanted an input of four dimensions, received {spec.shape}")
    return name, spec


def _output(signature: Any, owner: OwnerCard, path: Path) -> str:
    names = sorted(signature.structured_outputs)
    if owner.output is None and len(names) > 1:
        raise CardError(f"{path}: has the outputs {names}; the card's `output` must name the one that answers")
    if owner.output is not None and owner.output not in names:
        raise CardError(f"{path}: has the outputs {names}, the card says {owner.output!r}")
    return owner.output or str(names[0])


def _converted(signature: Any, held: Any, name: str, output: str, layout: str, side_px: int, path: Path) -> bytes:
    """The inference file: (1, S, S, 3) prepared pictures to the output. `held` owns the variables."""
    import tensorflow as tf

    def serve(picture: Any) -> Any:
        laid = tf.transpose(picture, (0, 3, 1, 2)) if layout == "NCHW" else picture
        return {"probabilities": tf.cast(signature(**{name: laid})[output], tf.float32)}

    with quiet_natives():
        try:
            spec = tf.TensorSpec((1, side_px, side_px, 3), tf.float32, name="picture")
            traced = tf.function(serve, input_signature=[spec]).get_concrete_function()
            return bytes(tf.lite.TFLiteConverter.from_concrete_functions([traced], held).convert())
        except Exception as error:
            raise AdoptionError(f"{path}: cannot be converted to LiteRT: {_one_line(error)}") from None


def _asked(signature: Any, name: str, output: str, pictures: Floats) -> Floats:
    """What the SavedModel itself answers."""
    import tensorflow as tf

    return np.asarray(signature(**{name: tf.constant(pictures)})[output].numpy(), np.float32)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
