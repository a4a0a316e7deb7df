"""Reads and changes the weights inside a `.keras` file without loading Keras.

Reads `models/<version>/model.keras`, writes a changed copy elsewhere. The file is a zip archive with an
HDF5 file of weights, where the group of each layer carries the layer's name.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from store.errors import ModelError

if TYPE_CHECKING:
    import h5py

Floats = NDArray[np.float32]
WEIGHTS = "model.weights.h5"


def stored_weights(path: Path) -> dict[str, list[Floats]]:
    """The weights in the `.keras` file at `path` by the layer's name, in Keras's order. Raises ModelError."""
    with _opened(io.BytesIO(_content(path)), path) as layers:
        return {name: [np.asarray(group[key]) for key in _keys(group)] for name, group in layers.items()}


def replaced(path: Path, layer: str, values: Sequence[Floats], target: Path) -> Path:
    """Copy the `.keras` file at `path` to `target` with other weights in one layer.

    Raises ModelError when there is no such layer or its weights have other shapes.
    """
    buffer = io.BytesIO(_content(path))
    with _opened(buffer, path) as layers:
        group = layers.get(layer, {})
        wanted, found = [group[key].shape for key in _keys(group)], [value.shape for value in values]
        if not wanted or wanted != found:
            raise ModelError(f"{path}: layer {layer!r}: wanted weights of {wanted}, received {found}")
        for key, value in zip(_keys(group), values, strict=True):
            group[key][...] = value
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            new.writestr(entry, buffer.getvalue() if entry.filename == WEIGHTS else old.read(entry))
    return target


def _content(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(WEIGHTS)
    except FileNotFoundError:
        raise ModelError(f"wanted {path}, found none; this version can score but not be trained") from None
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} is not a .keras file that we understand: {error}") from None


@contextmanager
def _opened(buffer: io.BytesIO, path: Path) -> Iterator[dict[str, h5py.Group]]:
    """The groups of variables by the layer's name; what is written to them reaches `buffer`."""
    import h5py

    with h5py.File(buffer, "r+") as file:
        groups = [layer["vars"] for layer in file["layers"].values() if len(layer.get("vars", ()))]
        if not all("name" in group.attrs for group in groups):
            raise ModelError(f"{path}: its layers are not named inside; save it again with Keras 3.12 or newer")
        yield {str(group.attrs["name"]): group for group in groups}


def _keys(group: Mapping[str, Any]) -> list[str]:
    """The variables' names, which are numbers, in their order."""
    return sorted(group, key=int)
