from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from train.head import Floats, Head
from train.sentinels import LEVELS, Sentinels, make_sentinels

MASK = np.array([1, 0, 0], np.float32)


def random_head(seed: int, width: int = 24) -> Head:
    rng = np.random.default_rng(seed)
    bias = np.array([-3, 0, 0], np.float32)
    return Head(rng.normal(0, rng.uniform(0.05, 1.5), (width, 3)).astype(np.float32), bias)


def made(head: Head, start: Floats) -> Sentinels:
    return make_sentinels(head, MASK, [str(i) for i in range(len(start))], start)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_every_level_is_reached_and_hardly_overshot(seed: int, relu: bool) -> None:
    head = random_head(seed)
    start = np.random.default_rng(seed + 1).normal(size=(12, 24)).astype(np.float32)
    found = made(head, np.maximum(start, 0) if relu else start)
    for level in LEVELS:
        scores = head.flag_scores(found.at(level), MASK)
        assert ((scores >= level) & (scores < level + 0.02)).all()
    if relu:
        assert found.vectors.min(initial=0) >= 0


def test_a_base_with_negative_features_keeps_them() -> None:
    start = np.random.default_rng(0).normal(size=(12, 24)).astype(np.float32)
    assert made(random_head(0), start).vectors.min() < 0


def test_what_is_above_a_level_at_the_start_gives_none_of_it() -> None:
    kernel = np.zeros((4, 3), np.float32)
    kernel[0, 0] = 1
    head = Head(kernel, np.zeros(3, np.float32))
    # Flag scores .33, .58, .79 and .99 with two other classes at zero.
    start = np.zeros((4, 4), np.float32)
    start[:, 0] = np.log([1.0, 2.8, 7.6, 200.0])
    start[:, 1] = 1
    found = made(head, start)
    by_level = {
        level: [p for p, at in zip(found.parents, found.levels, strict=True) if at == level] for level in LEVELS
    }
    assert by_level == {0.55: ["0"], 0.75: ["0", "1"], 0.95: ["0", "1", "2"]}
    assert len(found.vectors) == len(found.levels) == 6


def test_what_cannot_reach_a_level_gives_none() -> None:
    deaf = Head(np.zeros((4, 3), np.float32), np.zeros(3, np.float32))
    found = made(deaf, np.ones((3, 4), np.float32))
    assert found.vectors.shape == (0, 4)
    assert found.at(0.55).shape == (0, 4)


def test_no_start_gives_no_sentinel() -> None:
    assert made(random_head(1), np.zeros((0, 24), np.float32)).vectors.shape == (0, 24)


def test_the_same_start_gives_the_same_sentinels() -> None:
    start = np.abs(np.random.default_rng(3).normal(size=(6, 24))).astype(np.float32)
    first, second = made(random_head(3), start), made(random_head(3), start.copy())
    assert np.array_equal(first.vectors, second.vectors)
    assert first.parents == second.parents
