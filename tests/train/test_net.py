"""The small net: answers for any size, no batch statistics, the layers by the names that others rely on."""

from __future__ import annotations

import numpy as np
import pytest

from train.adopt.layers import EMBEDDING, HEAD, LAST_CONV, PROBABILITIES
from train.net import small_net


@pytest.mark.parametrize(("side", "classes"), [(28, 2), (64, 4)])
def test_its_answers(side: int, classes: int) -> None:
    net = small_net(side, classes, (8, 16))
    told = net(np.random.default_rng(0).random((3, side, side, 3), np.float32))
    assert told["probabilities"].shape == told["logits"].shape == (3, classes)
    assert np.allclose(told["probabilities"].numpy().sum(axis=1), 1, atol=1e-5)
    assert told["embedding"].shape == (3, 32)
    assert {EMBEDDING, HEAD, LAST_CONV, PROBABILITIES} <= {layer.name for layer in net.layers}


def test_a_picture_is_answered_alike_in_any_company() -> None:
    net = small_net(32, 2, (8,))
    pictures = np.random.default_rng(1).random((8, 32, 32, 3), np.float32)
    together, alone = net(pictures)["logits"].numpy(), net(pictures[:1])["logits"].numpy()
    assert np.allclose(together[:1], alone, atol=1e-5)
    assert net(pictures, training=True)["logits"].numpy() == pytest.approx(together, abs=1e-5), "no batch statistics"
