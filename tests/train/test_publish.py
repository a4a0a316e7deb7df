from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mine.preprocess import prepare
from mine.runtime import Runtime
from store.cards import KERAS_FILE, ONNX_FILE, Runs, read_card
from store.errors import ModelError
from tests.models import adopted
from tests.train.adopt.pictures import pixels
from train.adopt import ADOPTERS
from train.archive import stored_weights
from train.export import check
from train.publish import Weights, base_of, publish_head, publish_score_only, version_of


@pytest.mark.parametrize("name", ADOPTERS)
def test_a_version_with_another_head_shares_the_base(name: str) -> None:
    parent = adopted(name)
    kernel, bias = stored_weights(parent / KERAS_FILE)["head"]
    kernel, bias = kernel[:, ::-1], bias[::-1] + np.float32(1)
    card, known = publish_head(parent, kernel, bias, mix="swapped"), read_card(parent)
    folder = parent.parent / card.version
    assert (card.base, card.parent, card.mix) == (known.base, known.version, "swapped")
    assert card.version != known.version
    assert publish_head(parent, kernel, bias) == card
    assert check(folder)["difference"] <= 1e-5
    picture = prepare(pixels("chelsea"), card.preprocessing)
    old, new = Runtime(parent).run(picture), Runtime(folder).run(picture)
    assert np.array_equal(old.embedding, new.embedding)
    np.testing.assert_allclose(new.logits, old.logits[:, ::-1] + 1, atol=1e-5)
    assert not [path for path in parent.parent.iterdir() if path.name.startswith(".")]


def test_a_head_that_does_not_fit_leaves_nothing_behind() -> None:
    parent = adopted("open_nsfw")
    before = sorted(parent.parent.iterdir())
    with pytest.raises(ModelError, match="wanted weights of"):
        publish_head(parent, np.zeros((1024, 3), np.float32), np.zeros(3, np.float32))
    with pytest.raises(ModelError, match="NaN"):
        publish_head(parent, np.full((1024, 2), np.nan, np.float32), np.zeros(2, np.float32))
    assert sorted(parent.parent.iterdir()) == before


def test_names_depend_on_everything_that_decides_the_answers() -> None:
    weights: Weights = {"conv": [np.ones((2, 2), np.float32)], "head": [np.zeros(2, np.float32)]}
    other_head: Weights = {**weights, "head": [np.ones(2, np.float32)]}
    usual, recipe, class_map = version_of("a/b c", weights, {}, {}), {"size": 1}, {"x": "y"}
    assert usual.startswith("a-b-c.")
    others = {version_of("a/b c", other_head, {}, {}), version_of("a/b c", weights, recipe, {})}
    assert len({usual, *others, version_of("a/b c", weights, {}, class_map)}) == 4
    assert base_of(weights, {}) == base_of(dict(reversed(list(other_head.items()))), {})
    assert base_of(weights, {}) != base_of(weights, recipe)


def test_another_head_needs_no_tensorflow() -> None:
    script = (
        "import sys, pathlib, numpy as np; from train.publish import publish_head\n"
        "publish_head(pathlib.Path(sys.argv[1]), np.ones((1024, 2), 'f4'), np.ones(2, 'f4'))\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, adopted("open_nsfw")], check=True, timeout=60)


def test_a_proof_that_fails_leaves_nothing_and_one_that_holds_is_asked_again(tmp_path: Path) -> None:
    fields = {
        **{"name": "own", "classes": ("a", "b"), "class_map": {"a": "flagged", "b": "not_flagged"}, "input_px": 8},
        **{"preprocessing": {"recipe": "nsfwjs", "size": 8}, "origin": "tests", "licence": "none"},
        "runs": Runs(backend="onnx"),
    }

    def write(folder: Path) -> None:
        (folder / ONNX_FILE).write_bytes(b"graph")

    def fails(folder: Path) -> None:
        assert read_card(folder).files.keys() == {ONNX_FILE}
        raise ModelError("no")

    with pytest.raises(ModelError, match="no"):
        publish_score_only(tmp_path, fields, "content", write, fails)
    assert list(tmp_path.iterdir()) == []
    asked: list[Path] = []
    made = publish_score_only(tmp_path, fields, "content", write, asked.append)
    assert publish_score_only(tmp_path, fields, "content", write, asked.append) == made
    assert (made.level, len(asked), asked[1]) == ("score_only", 2, tmp_path / made.version)
    turned = {**fields, "classes": ("b", "a")}
    logits = {**fields, "runs": Runs(backend="onnx", answers="logits")}
    others = [
        publish_score_only(tmp_path, one, what, write)
        for one, what in ((turned, "content"), (logits, "content"), (fields, "else"))
    ]
    assert len({made.version, *(one.version for one in others)}) == 4
    assert len({made.base, *(one.base for one in others)}) == 4
