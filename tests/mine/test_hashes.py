from __future__ import annotations

from typing import Any

import imagehash
import numpy as np
import pdqhash
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mine.hashes import (
    GAP,
    LOW_ENERGY,
    ORIENTATIONS,
    THUMBNAIL_PX,
    TURNED_BYTES,
    hash_picture,
    turned,
)
from store.pictures import Decoded, decode
from tests.mine.squares import draw
from tests.train.adopt.pictures import PICTURES, pixels


def row(rgb: NDArray[np.uint8]) -> dict[str, Any]:
    return hash_picture(Decoded(np.ascontiguousarray(rgb), rgb.shape[1], rgb.shape[0], "PNG", 1, False, False))


def bits(one: bytes, other: bytes) -> int:
    return int(np.bitwise_count(np.frombuffer(one, np.uint8) ^ np.frombuffer(other, np.uint8)).sum())


@pytest.mark.parametrize("name", PICTURES)
def test_the_hash_is_that_of_imagehash(name: str) -> None:
    rgb = pixels(name)
    small = Image.fromarray(rgb).convert("L").resize((32, 32), Image.Resampling.LANCZOS, reducing_gap=GAP)
    found = f"{row(rgb)['phash']:016x}"
    assert found == str(imagehash.phash(small))
    # Of the whole of a larger picture a few bits are others.
    assert imagehash.hex_to_hash(found) - imagehash.phash(Image.fromarray(rgb)) <= 4


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


@pytest.mark.parametrize("name", PICTURES)
def test_it_is_known_how_the_turned_picture_would_hash(name: str) -> None:
    """But for a bit or two: the decoder's kernel rounds lines before columns."""
    rgb = pixels(name)
    every = np.frombuffer(row(rgb)["turned"], "<u8").tolist()
    assert len(every) * 8 == TURNED_BYTES
    for orientation, expected in enumerate(every, 1):
        assert (row(turned(rgb, orientation))["phash"] ^ expected).bit_count() <= 2


def test_orientations_are_quarter_turns_against_the_clock_and_four_more_mirrored() -> None:
    corners = np.array([[1, 2], [3, 4]])
    assert [turned(corners, orientation).ravel().tolist() for orientation in range(ORIENTATIONS)] == [
        [1, 2, 3, 4], [2, 4, 1, 3], [4, 3, 2, 1], [3, 1, 4, 2], [2, 1, 4, 3], [1, 3, 2, 4], [3, 4, 1, 2], [4, 2, 3, 1],
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["chelsea", "coffee", "astronaut", "coins"])
def test_pdq_is_that_of_the_reference_but_for_a_few_bits(name: str) -> None:
    rgb = pixels(name)
    expected, quality = pdqhash.compute(rgb)
    found = row(rgb)
    assert bits(found["pdq"], np.packbits(expected.astype(np.uint8)).tobytes()) <= 6
    assert abs(found["pdq_quality"] - quality) <= 5


def test_the_thumbnail_is_grey_row_by_row() -> None:
    rgb = np.zeros((32, 32, 3), np.uint8)
    rgb[:16] = 255
    thumbnail = np.frombuffer(row(rgb)["thumbnail"], np.uint8).reshape(THUMBNAIL_PX, THUMBNAIL_PX)
    assert (thumbnail[:8] == 255).all()
    assert (thumbnail[8:] == 0).all()
