from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from store.cards import KERAS_FILE
from store.errors import ModelError
from tests.models import adopted
from train.adopt import ADOPTERS
from train.archive import replaced, stored_weights
from train.export import load
from train.publish import weights_of


@pytest.mark.parametrize("name", ADOPTERS)
def test_weights_are_those_that_keras_loads(name: str) -> None:
    stored, loaded = stored_weights(adopted(name) / KERAS_FILE), weights_of(load(adopted(name)))
    assert set(stored) == set(loaded)
    for layer, values in loaded.items():
        assert len(values) == len(stored[layer])
        assert all(map(np.array_equal, values, stored[layer]))


def test_one_layer_is_replaced_and_keras_reads_it(tmp_path: Path) -> None:
    path = adopted("open_nsfw") / KERAS_FILE
    before = stored_weights(path)
    values = [value + np.float32(1) for value in before["head"]]
    copy = replaced(path, "head", values, tmp_path / KERAS_FILE)
    found = weights_of(load(tmp_path))
    assert all(map(np.array_equal, found.pop("head"), values))
    assert all(all(map(np.array_equal, found[layer], before[layer])) for layer in found)
    with zipfile.ZipFile(copy) as new, zipfile.ZipFile(path) as old:
        assert new.read("config.json") == old.read("config.json")


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path, target = adopted("open_nsfw") / KERAS_FILE, tmp_path / KERAS_FILE
    with pytest.raises(ModelError, match=r"'head': wanted weights of \[\(1024, 2\), \(2,\)\]"):
        replaced(path, "head", [np.zeros((2, 2), np.float32)], target)
    with pytest.raises(ModelError, match="'tail'"):
        replaced(path, "tail", [np.zeros((2, 2), np.float32)], target)
    assert not target.exists()


def test_what_is_no_keras_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / KERAS_FILE
    with pytest.raises(ModelError, match="found none"):
        stored_weights(path)
    path.write_bytes(b"weights")
    with pytest.raises(ModelError, match=r"not a \.keras file"):
        stored_weights(path)
