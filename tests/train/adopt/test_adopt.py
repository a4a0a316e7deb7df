from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from store.cards import CARD_FILE, INFERENCE_FILE, KERAS_FILE, read_card
from store.errors import CardError, UnknownModel
from tests.models import adopted
from train.adopt import ADOPTERS, adopt
from train.export import load


@pytest.mark.parametrize("name", ADOPTERS)
def test_adopting_again_changes_nothing(name: str) -> None:
    folder = adopted(name)
    before = {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.iterdir()}
    assert set(before) == {CARD_FILE, INFERENCE_FILE, KERAS_FILE}
    card = adopt(name, folder.parent)
    assert card == read_card(folder)
    assert before == {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.iterdir()}


def test_the_version_is_the_same_everywhere() -> None:
    assert adopted("open_nsfw").name == "open_nsfw.b7a4dbfd"


def test_another_class_map_is_another_version_on_the_same_base(tmp_path: Path) -> None:
    card = adopt("open_nsfw", tmp_path, {"sfw": "neutral", "nsfw": "porn"})
    usual = read_card(adopted("open_nsfw"))
    assert card.version != usual.version
    assert card.base == usual.base
    assert [path.name for path in tmp_path.iterdir()] == [card.version]


@pytest.mark.parametrize("class_map", [{"sfw": "neutral"}, {"sfw": "a", "nsfw": "b", "other": "c"}])
def test_an_incomplete_class_map_is_refused(tmp_path: Path, class_map: dict[str, str]) -> None:
    with pytest.raises(CardError, match="must name each of"):
        adopt("open_nsfw", tmp_path, class_map)
    assert not any(tmp_path.iterdir())


def test_an_unknown_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="nsfwjs/mobilenet_v2"):
        adopt("nsfwjs/mobilenet_v9", tmp_path)


@pytest.mark.parametrize("name", ADOPTERS)
def test_rebuilt_models_are_functional_and_have_the_named_parts(name: str) -> None:
    import keras

    card, model = read_card(adopted(name)), load(adopted(name))
    assert isinstance(model, keras.src.models.functional.Functional)
    assert not [layer for layer in model.layers if type(layer).__name__ == "Lambda"]
    assert all(getattr(keras.layers, type(layer).__name__) is type(layer) for layer in model.layers)
    parts = keras.Model(model.input, [model.get_layer("last_conv").output, model.output])
    rng = np.random.default_rng(1)
    conv, outputs = parts(rng.random((2, card.input_px, card.input_px, 3), dtype=np.float32))
    assert set(outputs) == {"probabilities", "logits", "embedding"}
    side = 8 if card.input_px == 299 else 7
    assert conv.shape[:3] == (2, side, side)
    kernel, bias = model.get_layer("head").get_weights()
    assert kernel.shape == (card.embedding_size, len(card.classes))
    by_hand = np.asarray(outputs["embedding"]) @ kernel + bias
    np.testing.assert_allclose(outputs["logits"], by_hand, atol=1e-4)
    np.testing.assert_allclose(keras.ops.softmax(outputs["logits"]), outputs["probabilities"], atol=1e-6)
