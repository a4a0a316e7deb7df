"""The gate, end to end, in the world of squares: candidates whose files are not what they claim to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from store.cards import INFERENCE_FILE, KERAS_FILE
from store.errors import ModelError
from store.fold import fold
from tests.mine.squares import CLASSES, REPAIRED, head, inference_with, net, variant
from tests.train.judging import answers, judged, keras_with, one, scored
from tests.train.world import EVALUATED, World
from train.export import export

pytestmark = pytest.mark.usefixtures("compared_here")


@pytest.mark.parametrize("how", ["refused", "scored"])
def test_a_candidate_that_answers_nan_is_rejected(own_world: World, tmp_path: Path, how: str) -> None:
    home = own_world.home
    kernel, bias = head(REPAIRED)
    weights = kernel, bias * np.float32("nan")
    card = variant(home.models, "nan.1", inference_with(*weights), keras_with(weights, tmp_path))
    if how == "scored":
        scored(own_world, card, weights)
    else:
        rows = [
            {"picture": picture, "stage": "score", "reason": "not_finite", "detail": card.version}
            for group in ("ordinary", "positives", "held_out")
            for picture in own_world.pictures[group]
        ]
        home.inbox().append("refusals", rows)
        fold(home)
    certificate = judged(own_world, card).certificate
    assert certificate.decision == "reject"
    assert answers(certificate)["finite"] == "reject"
    assert one(certificate, "finite").reason.startswith(f"{EVALUATED} of {EVALUATED} ")
    assert answers(certificate)["export"] == "reject"


def test_swapped_labels_are_rejected(own_world: World, tmp_path: Path) -> None:
    kernel, bias = head(REPAIRED)
    weights = np.ascontiguousarray(kernel[:, ::-1]), np.ascontiguousarray(bias[::-1])
    backwards = variant(
        own_world.home.models, "back.1", inference_with(*weights), keras_with(weights, tmp_path), classes=CLASSES[::-1]
    )
    certificate = judged(own_world, scored(own_world, backwards, weights)).certificate
    assert certificate.decision == "reject"
    assert one(certificate, "label_order").reason == "wanted square, disc, texture, found texture, disc, square"


def test_a_lambda_layer_is_rejected_without_being_loaded(own_world: World) -> None:
    import keras

    model = net(REPAIRED)
    same = keras.layers.Lambda(lambda x: x * 1.0, name="same")(model.input)
    target = own_world.home.root / "lambda.keras"
    keras.Model(model.input, {"same": same, **model.output}).save(target)
    card = variant(own_world.home.models, "lambda.1", inference_with(*head(REPAIRED)), target.read_bytes())
    certificate = judged(own_world, scored(own_world, card, head(REPAIRED))).certificate
    assert answers(certificate) == {"no_code": "reject", "export": "not_enough_evidence"}
    assert "Lambda" in one(certificate, "no_code").reason


def test_an_exported_file_that_differs_from_the_keras_file_is_rejected(own_world: World) -> None:
    # The Keras file stays the fooled one's.
    card = variant(own_world.home.models, "unequal.1", inference_with(*head(REPAIRED)))
    certificate = judged(own_world, scored(own_world, card, head(REPAIRED))).certificate
    assert answers(certificate) == {"export": "reject"}


def test_scores_that_another_file_made_are_rejected(own_world: World, tmp_path: Path) -> None:
    weights = head(REPAIRED)
    card = variant(own_world.home.models, "stale.1", inference_with(*weights), keras_with(weights, tmp_path))
    kernel, bias = weights
    certificate = judged(own_world, scored(own_world, card, (kernel * 1.05, bias))).certificate
    assert answers(certificate) == {"export": "reject"}


def test_a_slow_candidate_is_rejected(own_world: World, tmp_path: Path) -> None:
    model = net(REPAIRED, slow=True)
    model.save(tmp_path / KERAS_FILE)
    files = export(model, tmp_path).read_bytes(), (tmp_path / KERAS_FILE).read_bytes()
    card = variant(own_world.home.models, "slow.1", *files)
    certificate = judged(own_world, scored(own_world, card, head(REPAIRED))).certificate
    assert answers(certificate) == {"latency": "reject"}
    assert one(certificate, "latency").numbers["ratio"] > 25


def test_the_inference_file_is_looked_at_and_not_only_the_card(own_world: World) -> None:
    card = own_world.candidates["repaired"]
    path = own_world.home.models / card.version / INFERENCE_FILE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="sha256"):
        judged(own_world, card)
