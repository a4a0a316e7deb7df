from __future__ import annotations

import numpy as np
import pytest

from train.data import Arrays
from train.head import Head
from train.stages import Stage, fit_head, loss_of

QUICK = (Stage("adam", "adam", 2e-2, 8, 4),)


def splits(seed: int = 0, n: int = 160) -> dict[str, Arrays]:
    """Two features that decide between three classes, and four that do not."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(2 * n, 6)).astype(np.float32)
    answers = np.where(features[:, 0] > 0.5, 0, np.where(features[:, 1] > 0, 1, 2))
    targets = np.eye(3, dtype=np.float32)[answers]
    weights = rng.choice([1.0, 3.0], 2 * n).astype(np.float32)
    halves = {"train": slice(0, n), "validation": slice(n, 2 * n)}
    return {name: Arrays(features[part], targets[part], weights[part]) for name, part in halves.items()}


START = Head(np.zeros((6, 3), np.float32), np.zeros(3, np.float32))


@pytest.fixture(scope="module")
def fitted() -> tuple[Head, float]:
    return fit_head(START, splits(), QUICK)


def test_fitting_improves_the_validation_loss_and_is_repeatable(fitted: tuple[Head, float]) -> None:
    arrays, said = splits(), list[str]()
    first, loss = fitted
    assert loss < 0.8 * loss_of(START, arrays["validation"])
    assert loss == loss_of(first, arrays["validation"])
    second, again = fit_head(START, arrays, QUICK, said.append)
    assert [line.split(":")[0] for line in said] == ["start", "adam"]
    assert np.array_equal(first.kernel, second.kernel)
    assert np.array_equal(first.bias, second.bias)
    assert loss == again


def test_the_result_is_never_worse_than_the_start(fitted: tuple[Head, float]) -> None:
    arrays, (good, at) = splits(), fitted
    train = arrays["train"]
    lying = Arrays(train.features, np.roll(train.targets, 1, axis=1), train.weights)
    kept, loss = fit_head(good, {**arrays, "train": lying}, (Stage("adam", "adam", 1.0, 1, 1),))
    assert kept is good
    assert loss == at


def test_the_loss_is_the_weighted_mean_cross_entropy() -> None:
    head = Head(np.zeros((1, 2), np.float32), np.log(np.array([0.8, 0.2], np.float32)))
    arrays = Arrays(np.zeros((2, 1), np.float32), np.eye(2, dtype=np.float32), np.array([3, 1], np.float32))
    assert loss_of(head, arrays) == pytest.approx(-(3 * np.log(0.8) + np.log(0.2)) / 4)
