"""Real adopted models for the tests: made once per session, in a folder of its own."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import pytest

from train.adopt import adopt
from train.adopt.fetch import FILE, cache_folder, npm_command


def adopted(name: str) -> Path:
    """The directory of the adopted model `name`; skips where nsfwjs can neither be found nor fetched."""
    if name.startswith("nsfwjs"):
        need_nsfwjs()
    return _adopted(name)


def need_nsfwjs() -> None:
    """Skip a test that needs nsfwjs where there is no way to have it."""
    if npm_command() is None and not (cache_folder() / FILE).is_file():
        pytest.skip(f"nsfwjs needs an npm client, or {FILE} in the cache; neither is there")


@functools.cache
def _adopted(name: str) -> Path:
    models = _models()
    return models / adopt(name, models).version


@functools.cache
def _models() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="blindspot-models-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
