"""What the backends share, and versions that have no embedding."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mine.runtime import Runtime
from mine.runtimes import BACKENDS
from mine.runtimes.answers import as_probabilities
from mine.runtimes.tf_serving import predict_url, probe_picture
from store.cards import CARD_FILE, INFERENCE_FILE, Card, Runs, read_card, write_card
from store.errors import CardError, ModelError, UsageError
from tests.mine.squares import NET_PX, champion, variant

NAN = float("nan")


def score_only(classes: tuple[str, ...] = ("a", "b", "c"), **runs: Any) -> Card:
    fields = {**read_card(champion()).model_dump(), "level": "score_only", "embedding_size": None}
    return Card(**{**fields, "classes": classes, "class_map": dict.fromkeys(classes, "flagged"), "runs": Runs(**runs)})


def asked(rows: list[list[float]], card: Card) -> Any:
    return as_probabilities(np.array(rows, np.float32), card)


def test_every_backend_of_a_card_can_be_opened() -> None:
    assert set(BACKENDS) == set(Runs.model_json_schema()["properties"]["backend"]["enum"])


def test_probabilities_stay_what_they_are() -> None:
    assert (
        asked([[0.2, 0.3, 0.5], [1, 0, 0]], score_only()).tolist() == np.float32([[0.2, 0.3, 0.5], [1, 0, 0]]).tolist()
    )
    rounded = asked([[1.0005, -0.0005, 0]], score_only())
    assert (rounded.min(), rounded.max()) == (0, 1)


def test_logits_become_probabilities() -> None:
    found = asked([[1000, 1000, 0], [0, 0, 0]], score_only(answers="logits"))
    np.testing.assert_allclose(found, [[0.5, 0.5, 0], [1 / 3] * 3], atol=1e-7)


def test_one_column_is_the_second_of_two_classes() -> None:
    np.testing.assert_allclose(asked([[0.9], [0]], score_only(("a", "b"))), [[0.1, 0.9], [1, 0]], atol=1e-7)
    found = asked([[0], [2]], score_only(("a", "b"), answers="logits"))
    np.testing.assert_allclose(found[:, 1], [0.5, 1 / (1 + np.exp(-2))], atol=1e-7)


@pytest.mark.parametrize("answers", ["probabilities", "logits"])
def test_nan_stays_nan_in_its_own_row(answers: str) -> None:
    found = asked([[NAN, 0.5, 0.5], [0.2, 0.3, 0.5]], score_only(answers=answers))
    assert np.isnan(found[0]).any()
    assert np.isfinite(found[1]).all()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([[0.5, 0.5]], r"wanted 3 numbers for \['a', 'b', 'c'\], received \(2,\)"),
        ([[0.5]], r"received \(1,\)"),
        ([[3.0, -2.0, 1.0]], "wanted probabilities, received -2 to 3; logits, perhaps"),
    ],
)
def test_what_are_no_probabilities_is_one_line(rows: list[list[float]], told: str) -> None:
    with pytest.raises(ModelError, match=told):
        asked(rows, score_only())


def test_a_version_without_an_embedding_only_scores(tmp_path: Path) -> None:
    variant(tmp_path, "plain.1", level="score_only", embedding_size=None)
    pictures = np.random.default_rng(1).random((3, NET_PX, NET_PX, 3), dtype=np.float32)
    found, usual = Runtime(tmp_path / "plain.1").run(pictures), Runtime(champion()).run(pictures)
    assert found.embedding is found.logits is None
    np.testing.assert_allclose(found.probabilities, usual.probabilities, atol=1e-7)
    none = Runtime(tmp_path / "plain.1").run(pictures[:0])
    assert (none.probabilities.shape, none.embedding) == ((0, 3), None)


def test_a_file_that_is_no_model_is_one_line(tmp_path: Path) -> None:
    variant(tmp_path, "broken.1", inference=b"no flatbuffer at all")
    with pytest.raises(ModelError, match=rf"LiteRT cannot run {INFERENCE_FILE}"):
        Runtime(tmp_path / "broken.1")


def test_a_card_of_another_backend_does_not_find_its_file(tmp_path: Path) -> None:
    variant(tmp_path, "wrong.1", level="score_only", embedding_size=None, runs=Runs(backend="onnx"))
    with pytest.raises(ModelError, match=r"wanted .*model\.onnx, found none"):
        Runtime(tmp_path / "wrong.1")
    path = tmp_path / "wrong.1" / CARD_FILE
    path.write_text(path.read_text().replace('"onnx"', '"magic"'))
    with pytest.raises(CardError, match=r"runs\.backend"):
        Runtime(tmp_path / "wrong.1")


def test_urls_are_made_whole() -> None:
    plain = "http://127.0.0.1:8501/v1/models/guard"
    assert predict_url(plain) == predict_url(f"{plain}:predict") == f"{plain}:predict"
    for more in ("/versions/3", "/labels/stable"):
        assert predict_url(plain + more) == f"{plain}{more}:predict"
    for bad in ("/versions/x", "/versions/", "//", "/../x", "#x"):
        with pytest.raises(UsageError):
            predict_url(plain + bad)


def test_the_probe_is_the_same_everywhere() -> None:
    np.testing.assert_allclose(probe_picture(2).ravel()[:3], [0.8506242, 0.6369616, 0.5111365], atol=1e-6)


def test_another_folder_of_the_same_version_answers_alike(tmp_path: Path) -> None:
    shutil.copytree(champion(), tmp_path / "copy")
    write_card(read_card(champion()), tmp_path / "copy")
    pictures = probe_picture(NET_PX)
    ours, theirs = Runtime(tmp_path / "copy").run(pictures), Runtime(champion()).run(pictures)
    assert np.array_equal(ours.probabilities, theirs.probabilities)
