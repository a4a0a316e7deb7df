from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mine.ask import Versions
from mine.examine import Examine, Look, Question, Task, examine
from mine.preprocess import prepare
from mine.runtime import Runtime
from store.blobs import Blobs
from store.pictures import Limits, decode
from tests.mine.squares import FOOLED, champion, draw, head, inference_with, variant


def asked() -> Question:
    """The fooled version about the picture as shown."""
    return champion().name, "as_shown"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fooled version, and one whose head answers NaN."""
    folder = tmp_path_factory.mktemp("models")
    variant(folder, champion().name)
    kernel, bias = head(FOOLED)
    variant(folder, "nan.1", inference_with(kernel, bias * np.float32("nan")))
    return folder


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(str(tmp_path))


def look(picture: str, blobs: Blobs, models: Path, measured: bool = False) -> Look:
    versions = tuple(sorted(path.name for path in models.iterdir()))
    questions = tuple((version, "as_shown") for version in versions)
    return examine(Task(picture, measured, questions), blobs, Versions(models, versions), Limits())


def test_one_look_measures_hashes_and_scores(blobs: Blobs, models: Path) -> None:
    data = draw("disc", 3)
    found = look(blobs.put(data), blobs, models)
    assert found.measurements
    assert found.hashes
    assert found.measurements["format"] == "PNG"
    runtime = Runtime(champion())
    wanted = runtime.run(prepare(decode(data).rgb, runtime.card.preprocessing))
    assert np.array_equal(found.probabilities[asked()], wanted.probabilities[0])
    assert wanted.embedding is not None
    assert np.array_equal(found.embeddings[champion().name], wanted.embedding[0])


def test_a_version_that_answers_nan_is_a_refusal_and_no_score(blobs: Blobs, models: Path) -> None:
    found = look(blobs.put(draw("disc", 3)), blobs, models)
    assert found.refusals == (("score", "not_finite", "nan.1"),)
    assert list(found.probabilities) == [asked()]
    assert list(found.embeddings) == [champion().name]


def test_what_is_measured_is_not_measured_again(blobs: Blobs, models: Path) -> None:
    found = look(blobs.put(draw("disc", 3)), blobs, models, measured=True)
    assert found.measurements is found.hashes is None
    assert found.probabilities


@pytest.mark.parametrize(("data", "reason"), [(b"no picture at all", "not_a_picture"), (None, "missing")])
def test_what_cannot_be_decoded_is_a_refusal(blobs: Blobs, models: Path, data: bytes | None, reason: str) -> None:
    found = look("0" * 64 if data is None else blobs.put(data), blobs, models)
    assert [refusal[:2] for refusal in found.refusals] == [("decode", reason)]
    assert found.measurements is found.hashes is None
    assert not found.probabilities
    assert not found.embeddings


def test_a_worker_is_made_from_paths_alone(blobs: Blobs, models: Path) -> None:
    work = Examine(blobs.root, models, (champion().name,))()
    picture = blobs.put(draw("square", 8))
    assert work(Task(picture, False, (asked(),))).probabilities[asked()][0] > 0.5
