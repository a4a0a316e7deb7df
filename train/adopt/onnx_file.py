"""Adopts an ONNX file as a version that only scores; onnxruntime runs it as it is.

Reads the file; writes `models/<version>/`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from mine.runtimes.onnx_file import session
from store.cards import ONNX_FILE, Card
from store.errors import AdoptionError, CardError
from train.adopt.owner import OwnerCard, runs_of
from train.publish import Proof, publish_score_only


def adopt_onnx(what: str, owner: OwnerCard, fields: dict[str, Any], models: Path, proof: Proof) -> Card:
    """Keep a copy of the file. Raises AdoptionError or ModelError for the file, CardError for the card."""
    path = Path(what)
    content = path.read_bytes()
    _whole(content, path)
    run = session(content, path.name)
    inputs, outputs = run.get_inputs(), run.get_outputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        said = ", ".join(f"{one.name} {one.type}" for one in inputs)
        raise AdoptionError(f"{path}: wanted one input of float32 pictures, received {said}")
    names = [one.name for one in outputs]
    if owner.output is None and len(names) > 1:
        raise CardError(f"{path}: has the outputs {names}; the card's `output` must name the one that answers")
    if owner.output is not None and owner.output not in names:
        raise CardError(f"{path}: has the outputs {names}, the card says {owner.output!r}")
    layout = layout_of(inputs[0].shape, fields["input_px"], str(path))
    if owner.layout not in (None, layout):
        raise CardError(f"{path}: takes pictures as {layout}, {inputs[0].shape}; the card says {owner.layout}")
    runs = runs_of(owner, backend="onnx").model_copy(update={"layout": layout})
    digest = hashlib.sha256(content).hexdigest()

    def files(folder: Path) -> None:
        (folder / ONNX_FILE).write_bytes(content)

    return publish_score_only(models, {**fields, "runs": runs}, digest, files, proof)


def layout_of(shape: list[Any], side_px: int, name: str) -> str:
    """How a four-dimensional input lies; whatever is no number there may be any. Raises CardError for another size."""
    fixed = [one if isinstance(one, int) and one > 0 else None for one in shape]
    for layout, wanted in (("NHWC", (1, side_px, side_px, 3)), ("NCHW", (1, 3, side_px, side_px))):
        if len(fixed) == 4 and all(one in (None, want) for one, want in zip(fixed, wanted, strict=True)):
            return layout
    raise CardError(f"{name}: takes {shape}, the card's preprocessing gives pictures of {side_px}x{side_px}x3")


def _whole(content: bytes, path: Path) -> None:
    """Refuse what is no ONNX file, and one whose weights lie in other files."""
    import onnx
    from onnx.external_data_helper import uses_external_data

    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own exceptions share no base but this
        raise AdoptionError(f"{path} is not an ONNX file: {' '.join(str(error).split())[:120]}") from None
    if not model.graph.node:
        raise AdoptionError(f"{path} is not an ONNX file: it has no graph")
    if any(uses_external_data(one) for one in model.graph.initializer):
        raise AdoptionError(f"{path}: keeps weights in other files; save it as one file (onnx.save_model does)")
