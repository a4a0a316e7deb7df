from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from mine.preprocess import prepare
from mine.runtime import Floats
from store.cards import INFERENCE_FILE, read_card, write_card
from store.errors import ModelError
from tests.models import adopted
from tests.train.adopt.pictures import pixels
from train.export import check, export_head, load, main, verify, with_head


def _head(folder: Path, seed: int = 3) -> tuple[Floats, Floats]:
    card = read_card(folder)
    rng = np.random.default_rng(seed)
    kernel = rng.normal(0, 0.1, (card.embedding_size, len(card.classes))).astype(np.float32)
    return kernel, rng.normal(size=len(card.classes)).astype(np.float32)


def test_the_exported_file_equals_the_keras_file_in_a_fresh_process() -> None:
    folder = adopted("nsfwjs/mobilenet_v2")
    preprocessing = read_card(folder).preprocessing
    pictures = np.stack([prepare(pixels(one), preprocessing) for one in ("chelsea", "digit_4_small")])
    assert verify(folder, pictures) <= 1e-5


@pytest.mark.parametrize("name", ["nsfwjs/mobilenet_v2", "open_nsfw"])
def test_a_head_can_be_swapped_in_both_files(name: str, tmp_path: Path) -> None:
    folder = adopted(name)
    kernel, bias = _head(folder)
    exported = export_head(folder, kernel, bias, tmp_path)
    before, after = (folder / INFERENCE_FILE).read_bytes(), exported.read_bytes()
    assert len(before) == len(after)
    changed = np.flatnonzero(np.frombuffer(before, np.uint8) != np.frombuffer(after, np.uint8))
    assert len(changed) <= kernel.nbytes + bias.nbytes
    model = with_head(folder, kernel, bias)
    found = model.get_layer("head").get_weights()
    assert np.array_equal(found[0], kernel)
    assert np.array_equal(found[1], bias)
    others = {layer.name: layer.get_weights() for layer in load(folder).layers if layer.name != "head"}
    for layer, weights in others.items():
        assert all(map(np.array_equal, weights, model.get_layer(layer).get_weights()))


def test_a_head_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    folder = adopted("open_nsfw")
    kernel, bias = _head(folder)
    with pytest.raises(ModelError, match=r"wanted a head of \[\(1024, 2\), \(2,\)\]"):
        export_head(folder, kernel.T, bias, tmp_path)
    with pytest.raises(ModelError, match="wanted a head of"):
        with_head(folder, kernel[:-1], bias)
    with pytest.raises(ModelError, match="NaN"):
        export_head(folder, kernel * np.float32(np.nan), bias, tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_version_without_a_keras_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="can score but not be trained"):
        load(tmp_path)
    assert main(["check", str(tmp_path)]) == 1
    with pytest.raises(ModelError, match="could not be compared: wanted a model card"):
        verify(tmp_path)


def test_a_difference_between_the_files_is_seen(tmp_path: Path) -> None:
    folder = adopted("open_nsfw")
    assert check(folder)["difference"] <= 1e-5
    wrong = tmp_path / folder.name
    shutil.copytree(folder, wrong)
    export_head(folder, *_head(folder), wrong)
    sha256 = hashlib.sha256((wrong / INFERENCE_FILE).read_bytes()).hexdigest()
    card = read_card(folder)
    write_card(card.model_copy(update={"files": {**card.files, INFERENCE_FILE: sha256}}), wrong)
    found = check(wrong)
    assert found["difference"] > 0.1
    assert found["embedding"] <= 1e-5


def test_the_module_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare"]) == 2
    assert "usage" in capsys.readouterr().err
