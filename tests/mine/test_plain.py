"""The recipe with parameters: ranges, orders, and how a picture is fitted into a square."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from mine.plain import plain
from store.errors import CardError

HALVES = np.zeros((20, 60, 3), np.uint8)
HALVES[:, 20:40] = (250, 100, 50)


def test_the_default_is_pillows_resize_in_0_to_1() -> None:
    wanted = np.asarray(Image.fromarray(HALVES).resize((16, 16), Image.Resampling.BILINEAR), np.float32) / 255
    np.testing.assert_allclose(plain(HALVES, 16), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ({"low": -1}, [2 * 250 / 255 - 1, 2 * 100 / 255 - 1, 2 * 50 / 255 - 1]),
        ({"high": 255}, [250, 100, 50]),
        ({"high": 255, "order": "BGR", "mean": [104, 117, 123]}, [50 - 104, 100 - 117, 250 - 123]),
        ({"mean": [0.5, 0.25, 0], "std": [0.5, 0.25, 2]}, [(250 / 255 - 0.5) * 2, 400 / 255 - 1, 25 / 255]),
    ],
)
def test_ranges_means_and_orders(parameters: dict[str, Any], wanted: list[float]) -> None:
    found = plain(HALVES, 8, fit="crop", **parameters)
    assert (found.shape, found.dtype) == ((8, 8, 3), np.float32)
    np.testing.assert_allclose(found[4, 4], wanted, rtol=1e-5, atol=1e-6)


def test_a_crop_sees_the_middle_and_a_letterbox_all() -> None:
    assert (plain(HALVES, 6, fit="crop")[:, 1:5] > 0).all()
    boxed = plain(HALVES, 6, fit="letterbox")
    assert (boxed[:2] == 0).all()
    assert (boxed[4:] == 0).all()
    assert (boxed[2:4, 2:4] > 0.1).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 30_000, 3), (30_000, 1, 3)])
@pytest.mark.parametrize("fit", ["squash", "crop", "letterbox"])
def test_any_shape_becomes_a_square(shape: tuple[int, ...], fit: str) -> None:
    assert plain(np.full(shape, 255, np.uint8), 5, fit).shape == (5, 5, 3)


@pytest.mark.parametrize(
    "parameters",
    [
        {"fit": "stretch"}, {"kernel": "magic"}, {"order": "GRB"}, {"size": 0}, {"mean": [1, 2]}, {"std": [1, 1, 0]},
        {"low": 1},
    ],
)  # fmt: skip
def test_other_words_and_numbers_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(CardError, match="wanted"):
        plain(HALVES, **{"size": 4, **parameters})
