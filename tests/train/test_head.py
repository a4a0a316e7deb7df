from __future__ import annotations

import numpy as np
import pytest

from mine.preprocess import prepare
from mine.runtime import Runtime
from store.pictures import decode
from tests.mine.squares import CLASSES, FOOLED, champion, draw, head
from tests.models import adopted
from tests.train.adopt.pictures import pixels
from train.head import Head, read_head


@pytest.mark.parametrize("name", ["squares", "open_nsfw"])
def test_the_head_in_numpy_answers_as_the_inference_file(name: str) -> None:
    folder = champion() if name == "squares" else adopted(name)
    runtime, found = Runtime(folder), read_head(folder)
    pictures = [decode(draw(kind, seed)).rgb for kind in CLASSES for seed in range(3)] + [pixels("chelsea")]
    outputs = runtime.run(np.stack([prepare(rgb, runtime.card.preprocessing) for rgb in pictures]))
    assert found.kernel.shape == (runtime.card.embedding_size, len(runtime.card.classes))
    np.testing.assert_allclose(found.probabilities(outputs.embedding), outputs.probabilities, rtol=0, atol=1e-6)
    mask = np.array([1.0] + [0.0] * (len(runtime.card.classes) - 1), np.float32)
    np.testing.assert_allclose(found.flag_scores(outputs.embedding, mask), outputs.probabilities @ mask, atol=1e-6)


def test_the_head_is_the_one_that_was_published() -> None:
    kernel, bias = head(FOOLED)
    found = read_head(champion())
    assert np.array_equal(found.kernel, kernel)
    assert np.array_equal(found.bias, bias)


def test_large_logits_and_no_picture_at_all() -> None:
    large = Head(np.array([[1e4, -1e4]], np.float32), np.zeros(2, np.float32))
    assert large.probabilities(np.array([[1.0], [-1.0]], np.float32)).tolist() == [[1, 0], [0, 1]]
    assert large.probabilities(np.zeros((0, 1), np.float32)).shape == (0, 2)
    scores = large.flag_scores(np.random.default_rng(0).normal(size=(50, 1)).astype(np.float32), np.ones(2, np.float32))
    assert ((scores >= 0) & (scores <= 1)).all()
