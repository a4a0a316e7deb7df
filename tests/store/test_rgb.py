"""Pixels shared with Pillow: the same values there and back, and nothing that outlives its memory."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from store.rgb import image_of, pixels_of, whole

SIDES = st.integers(1, 70)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), np.uint8)


@given(SIDES, SIDES)
def test_there_and_back(height: int, width: int) -> None:
    rgb = noise(height, width)
    shared = pixels_of(Image.fromarray(rgb))
    assert np.array_equal(shared, rgb)
    assert whole(shared).shape == (height, width, 4)
    assert np.shares_memory(whole(shared), shared)
    assert whole(rgb) is rgb
    for pixels in (rgb, shared, shared[: height // 2 + 1], shared[:, width // 2 :], shared[::-1], shared[:, ::-1]):
        assert np.array_equal(np.asarray(image_of(pixels)), pixels)


@pytest.mark.parametrize("size", [(1, 1), (3000, 2000), (20_000, 300)])
def test_nothing_is_copied_and_the_memory_stays(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (1, 2, 3))
    shared = pixels_of(image)
    image.putpixel((0, 0), (9, 9, 9))  # the same memory
    assert shared[0, 0].tolist() == [9, 9, 9]
    again = image_of(shared)
    del image, shared
    gc.collect()
    Image.new("RGB", size, (200, 200, 200))
    assert again.getpixel((0, 0)) == (9, 9, 9)
    assert again.getpixel((size[0] - 1, size[1] - 1)) == ((1, 2, 3) if size != (1, 1) else (9, 9, 9))


def test_what_others_see_cannot_be_written() -> None:
    shared = pixels_of(Image.new("RGB", (4, 4)))
    with pytest.raises(ValueError, match="read-only"):
        shared[0, 0] = 1


def test_in_several_pieces_it_is_a_copy() -> None:
    before = Image.core.get_block_size()
    Image.core.set_block_size(4096)
    try:
        image = Image.fromarray(noise(300, 200))
    finally:
        Image.core.set_block_size(before)
    assert np.array_equal(pixels_of(image), noise(300, 200))
    assert whole(pixels_of(image)).shape[2] == 3
