from __future__ import annotations

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mine.hashes import LOW_ENERGY, THUMBNAIL_PX, hash_picture
from store.pictures import Decoded, decode
from tests.mine.squares import draw
from tests.train.adopt.pictures import PICTURES, pixels


def row(rgb: NDArray[np.uint8]) -> dict[str, object]:
    return hash_picture(Decoded(rgb, rgb.shape[1], rgb.shape[0], "PNG", 1, False, False))


@pytest.mark.parametrize("name", PICTURES)
def test_the_hash_is_imagehash_bit_for_bit(name: str) -> None:
    rgb = pixels(name)
    assert f"{row(rgb)['phash']:016x}" == str(imagehash.phash(Image.fromarray(rgb)))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_so_it_is_for_any_pixels(height: int, width: int, seed: int) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert f"{row(rgb)['phash']:016x}" == str(imagehash.phash(Image.fromarray(rgb)))


def test_energy_grows_from_flat_to_photographed() -> None:
    flat = np.full((100, 80, 3), 200, np.uint8)
    nearly = flat + np.random.default_rng(0).integers(0, 3, flat.shape, dtype=np.uint8)
    energies = [row(rgb)["energy"] for rgb in (flat, nearly, pixels("chelsea"))]
    assert energies == sorted(energies)
    assert energies[0] == pytest.approx(0, abs=1e-9)
    assert energies[1] < LOW_ENERGY < energies[2]
    assert row(decode(draw("square", 1)).rgb)["energy"] > LOW_ENERGY


def test_the_thumbnail_is_grey_row_by_row() -> None:
    rgb = np.zeros((32, 32, 3), np.uint8)
    rgb[:16] = 255
    thumbnail = np.frombuffer(row(rgb)["thumbnail"], np.uint8).reshape(THUMBNAIL_PX, THUMBNAIL_PX)
    assert (thumbnail[:8] == 255).all()
    assert (thumbnail[8:] == 0).all()
