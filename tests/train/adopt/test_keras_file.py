from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mine.runtime import Runtime
from store.cards import KERAS_FILE, read_card
from store.errors import AdoptionError, BlindspotError, CardError
from tests.train.adopt.own_models import CARD, SIDE_PX, TWO, card, in_a_row, net, noise, transferred
from train.adopt import adopt_own
from train.archive import stored_weights
from train.export import check, load
from train.publish import publish_head


def saved(model: Any, folder: Path) -> str:
    path = folder / "own.keras"
    model.save(path)
    return str(path)


MODELS: dict[str, tuple[Callable[[], Any], str, str, int]] = {  # how it is made, its card, features
    "functional": (net, CARD, "", 6),
    "of any size": (lambda: net(side_px=None), CARD, "", 6),
    "nested": (transferred, CARD, "", 7 * 49),
    "sequential": (in_a_row, CARD, "", 5 * 14 * 14),
    "one sigmoid": (lambda: net("sigmoid", 1), TWO, "", 6),
    "logits": (lambda: net("linear"), CARD, 'answers = "logits"\n', 6),
}


@pytest.mark.parametrize("kind", MODELS)
def test_what_is_written_anew_answers_as_the_original(kind: str, tmp_path: Path) -> None:
    make, text, more, features = MODELS[kind]
    original = make()
    made = adopt_own(saved(original, tmp_path), card(tmp_path, text, more), tmp_path / "models")
    folder = tmp_path / "models" / made.version
    outputs, wanted = Runtime(folder).run(noise()), np.asarray(original(noise(), training=False))
    ours = outputs.logits if kind == "logits" else outputs.probabilities
    assert ours is not None
    np.testing.assert_allclose(ours[:, -wanted.shape[1] :], wanted, rtol=1e-6, atol=1e-5)
    assert np.ptp(outputs.probabilities, axis=0).max() > 1e-4, "the pictures differ, so should the answers"
    assert (made.level, made.embedding_size, made.name, made.licence) == ("trainable", features, "own", "not stated")
    assert outputs.embedding is not None
    assert outputs.embedding.shape == (3, features)
    assert check(folder)["difference"] <= 1e-5


def test_its_parts_have_names_and_its_head_can_be_replaced(tmp_path: Path) -> None:
    import keras

    made = adopt_own(saved(net(), tmp_path), card(tmp_path), tmp_path / "models")
    folder = tmp_path / "models" / made.version
    model = load(folder)
    assert model.get_layer("last_conv").output.shape == (None, 5, 5, 12)
    assert model.get_layer("embedding").output.shape == (None, 6)
    assert all(getattr(keras.layers, type(layer).__name__) is type(layer) for layer in model.layers)
    kernel, bias = stored_weights(folder / KERAS_FILE)["head"]
    other = publish_head(folder, kernel[:, ::-1], bias[::-1], mix="m")
    assert other.base == made.base
    assert other.level == "trainable"
    ours, theirs = (Runtime(tmp_path / "models" / one.version).run(noise()) for one in (made, other))
    np.testing.assert_allclose(theirs.probabilities, ours.probabilities[:, ::-1], atol=1e-6)


def test_nested_models_lie_flat_and_their_map_is_found(tmp_path: Path) -> None:
    made = adopt_own(saved(transferred(), tmp_path), card(tmp_path), tmp_path / "models")
    model = load(tmp_path / "models" / made.version)
    assert model.get_layer("last_conv").output.shape == (None, 14, 14, 7), "the map before the pooling"
    assert not [layer for layer in model.layers if hasattr(layer, "layers")]
    assert "head" in stored_weights(tmp_path / "models" / made.version / KERAS_FILE)


def test_adopting_again_changes_nothing_and_another_order_is_another_version(tmp_path: Path) -> None:
    path, models = saved(net(), tmp_path), tmp_path / "models"
    made = adopt_own(path, card(tmp_path), models)
    assert adopt_own(path, card(tmp_path), models) == made == read_card(models / made.version)
    turned = CARD.replace('"cat", "dog", "owl"', '"dog", "cat", "owl"')
    assert adopt_own(path, card(tmp_path, turned), models).version != made.version
    assert len(list(models.iterdir())) == 2


def lambdas() -> Any:
    from keras import layers

    return in_a_row(layers.Lambda(lambda picture: picture * 2))


def custom() -> Any:
    import keras

    @keras.saving.register_keras_serializable("tests")
    class Twice(keras.layers.Layer):
        def call(self, picture: Any) -> Any:
            return picture * 2

    return in_a_row(Twice())


def two_inputs() -> Any:
    import keras

    one, other = keras.Input((SIDE_PX, SIDE_PX, 3)), keras.Input((SIDE_PX, SIDE_PX, 3))
    flow = keras.layers.Flatten()(one + other)
    return keras.Model([one, other], keras.layers.Dense(3, activation="softmax")(flow))


def without_features() -> Any:
    import keras

    picture = keras.Input((SIDE_PX, SIDE_PX, 3))
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(3, 3)(picture))
    return keras.Model(picture, keras.layers.Softmax()(mean))


@pytest.mark.parametrize(
    ("make", "text", "error", "told"),
    [
        (lambdas, CARD, AdoptionError, "wanted stock Keras layers, received .*Lambda"),
        (custom, CARD, AdoptionError, "wanted stock Keras layers, received .*Twice"),
        (two_inputs, CARD, AdoptionError, "wanted one input of pictures"),
        (without_features, CARD, AdoptionError, "ends in a dense layer with softmax or sigmoid, not in Global"),
        (lambda: net("sigmoid"), CARD, AdoptionError, "wanted 'softmax' at its end, received 'sigmoid'"),
        (lambda: net("linear"), CARD, AdoptionError, "wanted 'softmax' at its end, received 'linear'"),
        (lambda: net(units=5), CARD, CardError, "answers 5 numbers, the card names 3 classes"),
        (net, CARD.replace("size = 16", "size = 32"), CardError, r"takes pictures of \(16, 16, 3\).*\(32, 32, 3\)"),
        (net, CARD + 'layout = "NCHW"\n', CardError, "the card says NCHW"),
    ],
)
def test_what_cannot_be_trained_is_one_line(
    make: Callable[[], Any], text: str, error: type[BlindspotError], told: str, tmp_path: Path
) -> None:
    path = saved(make(), tmp_path)
    with pytest.raises(error, match=told) as caught:
        adopt_own(path, card(tmp_path, text), tmp_path / "models")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "models").exists()


def test_weights_that_are_not_finite_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    broken = net()
    kernel, bias = broken.get_layer("answer").get_weights()
    broken.get_layer("answer").set_weights([kernel * np.nan, bias])
    with pytest.raises((AdoptionError, CardError)) as caught:
        adopt_own(saved(broken, tmp_path), card(tmp_path), tmp_path / "models")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a zip", None], ids=["empty", "text", "another zip"])
def test_a_file_that_is_none_is_one_line(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "own.keras"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.txt", "{}")
    else:
        path.write_bytes(content)
    with pytest.raises(AdoptionError, match=r"is not a \.keras file of Keras 3") as caught:
        adopt_own(str(path), card(tmp_path), tmp_path / "models")
    assert "\n" not in str(caught.value)


def test_a_pickle_inside_is_refused(tmp_path: Path) -> None:
    path = saved(net(), tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("assets/vocabulary.pkl", b"\x80\x04.")
    with pytest.raises(AdoptionError, match=r"vocabulary\.pkl"):
        adopt_own(path, card(tmp_path), tmp_path / "models")
