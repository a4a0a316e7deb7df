"""Durable files: what these functions have acknowledged survives a kill -9 and a power cut."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

TEMPORARY = ".tmp-"


def write_durably(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that readers see the old file or the whole new one, never a part.

    Temporary file in the same folder, fsync, atomic rename, fsync of the folder.
    """
    write_all_durably({path: data})


def write_all_durably(files: Mapping[Path, bytes]) -> None:
    """The same for several files, for less: what waits together a journal writes down together.

    When it raises, some of them may be there, each one whole.
    """
    temporaries = {path: temporary_beside(path) for path in files}
    try:
        with ExitStack() as opened:
            written = [opened.enter_context(temporary.open("xb")) for temporary in temporaries.values()]
            for file, data in zip(written, files.values(), strict=True):
                file.write(data)
                file.flush()
            for file in written:
                os.fsync(file.fileno())
        for path, temporary in temporaries.items():
            temporary.replace(path)
    except BaseException:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)
        raise
    for folder in {path.parent for path in files}:
        sync_folder(folder)


def publish(temporary: Path, path: Path) -> None:
    """Make a finished temporary file appear as `path`, durably and atomically."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def temporary_beside(path: Path) -> Path:
    """A fresh name in the folder of `path` that every reader of the folder passes over."""
    return path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}-{path.name}")


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
