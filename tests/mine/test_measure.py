from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mine.measure import FULL_PALETTE, measure, thumbnail
from store.pictures import Decoded
from tests.train.adopt.pictures import pixels


def decoded(rgb: NDArray[np.uint8]) -> Decoded:
    return Decoded(rgb, rgb.shape[1], rgb.shape[0], "PNG", 1, False, False)


def flat(*colour: int) -> NDArray[np.uint8]:
    return np.full((40, 30, 3), colour, np.uint8)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 256), st.integers(0, 2**32 - 1))
def test_every_measurement_stays_in_its_range(height: int, width: int, levels: int, seed: int) -> None:
    rgb = np.random.default_rng(seed).integers(0, levels, (height, width, 3)).astype(np.uint8)
    found = measure(decoded(rgb))
    assert (found["width_px"], found["height_px"]) == (width, height)
    assert 0 <= found["entropy_bits"] <= 8
    assert found["colourfulness"] >= 0
    for share in ("palette_share", "extremes_share", "border_flatness", "top_colour_share"):
        assert 0 <= found[share] <= 1, share
    assert found["palette_share"] >= 1 / FULL_PALETTE
    assert all(math.isfinite(value) for value in found.values() if isinstance(value, float))


@pytest.mark.parametrize("level", [0, 255])
def test_one_extreme_colour(level: int) -> None:
    found = measure(decoded(flat(level, level, level)))
    assert found["entropy_bits"] == found["colourfulness"] == 0
    assert found["extremes_share"] == found["border_flatness"] == found["top_colour_share"] == 1
    assert found["palette_share"] == 1 / FULL_PALETTE


def test_half_black_half_white() -> None:
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[:, 32:] = 255
    found = measure(decoded(rgb))
    assert found["entropy_bits"] == pytest.approx(1)
    assert found["top_colour_share"] == 0.5
    assert found["palette_share"] == 2 / FULL_PALETTE
    assert found["border_flatness"] == pytest.approx(0, abs=1e-9)
    assert found["extremes_share"] == 1


def test_colourfulness_by_its_formula() -> None:
    assert measure(decoded(flat(120, 120, 120)))["colourfulness"] == pytest.approx(0)
    # One colour has no spread: .3 times the length of (red - green, yellow - blue) is left.
    assert measure(decoded(flat(255, 0, 0)))["colourfulness"] == pytest.approx(0.3 * math.hypot(255, 127.5))


def test_a_photograph_is_no_drawing() -> None:
    photo, digit = measure(decoded(pixels("chelsea"))), measure(decoded(pixels("digit_1_dark_on_light")))
    assert photo["entropy_bits"] > digit["entropy_bits"]
    assert photo["palette_share"] > 4 * digit["palette_share"]
    assert photo["extremes_share"] < digit["extremes_share"]


def test_the_size_is_that_of_the_original_also_when_the_decode_was_reduced() -> None:
    found = measure(Decoded(flat(9, 9, 9), 9_000, 6_000, "JPEG", 1, False, True))
    assert (found["width_px"], found["height_px"], found["reduced"]) == (9_000, 6_000, True)


def test_a_thumbnail_is_the_mean_of_areas() -> None:
    rgb = np.random.default_rng(5).integers(0, 256, (128, 192, 3), dtype=np.uint8)
    means = rgb.reshape(64, 2, 64, 3, 3).mean(axis=(1, 3))
    assert np.abs(thumbnail(rgb) - means).max() <= 1
    assert (thumbnail(rgb[:1, :1]) == rgb[0, 0]).all()


# ---- ink and texture --------------------------------------------------------------------------------------


def with_squares(count: int, ground: int = 255, ink: int = 0) -> NDArray[np.uint8]:
    """64x64 with so many separate squares of 6x6, up to 36."""
    rgb = np.full((64, 64, 3), ground, np.uint8)
    for number in range(count):
        top, left = 2 + 10 * (number // 6), 2 + 10 * (number % 6)
        rgb[top : top + 6, left : left + 6] = ink
    return rgb


@pytest.mark.parametrize("count", [0, 1, 2, 7, 36])
@pytest.mark.parametrize(("ground", "ink"), [(255, 0), (0, 255), (200, 90)])
def test_pieces_of_ink_are_counted_on_light_and_dark_ground(count: int, ground: int, ink: int) -> None:
    found = measure(decoded(with_squares(count, ground, ink)))
    assert found["components"] == count
    assert found["ink_share"] == count * 36 / 64**2


def test_what_hardly_differs_from_its_ground_is_no_ink() -> None:
    found = measure(decoded(with_squares(9, ground=120, ink=110)))
    assert (found["components"], found["ink_share"]) == (0, 0)


def test_a_digit_is_one_piece_and_a_photograph_is_many() -> None:
    assert measure(decoded(pixels("digit_1_dark_on_light")))["components"] == 1
    assert measure(decoded(pixels("coffee")))["components"] > 5


def test_a_flat_picture_has_no_texture() -> None:
    found = measure(decoded(flat(7, 90, 200)))
    assert (found["sharpness"], found["grain"], found["flat_share"]) == (0, 0, 1)


@pytest.mark.parametrize("deviation", [4, 12])
def test_grain_is_the_deviation_of_the_noise(deviation: int) -> None:
    noise = np.random.default_rng(deviation).normal(128, deviation, (300, 300))
    grey = np.repeat(noise.round().clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    found = measure(decoded(grey))
    assert found["grain"] == pytest.approx(deviation, rel=0.05)
    assert found["flat_share"] < 0.05


def test_a_blurred_picture_is_less_sharp_and_more_flat() -> None:
    sharp = pixels("chelsea")
    blurred = np.asarray(Image.fromarray(sharp).filter(ImageFilter.GaussianBlur(3)))
    before, after = measure(decoded(sharp)), measure(decoded(blurred))
    assert after["sharpness"] < before["sharpness"] / 2
    assert after["flat_share"] > before["flat_share"]


def test_texture_wants_the_pixels_of_the_original() -> None:
    found = measure(Decoded(pixels("chelsea"), 9_000, 6_000, "JPEG", 1, False, False))
    assert (found["sharpness"], found["grain"], found["flat_share"]) == (None, None, None)
    assert found["components"] is not None


@pytest.mark.parametrize("shape", [(1, 5_000), (5_000, 1), (1, 1), (2, 3), (64, 65)])
def test_odd_shapes_are_measured_too(shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = measure(decoded(rgb))
    assert all(value is not None for value in found.values())
    assert 0 <= found["flat_share"] <= 1
    assert 0 <= found["ink_share"] <= 1
