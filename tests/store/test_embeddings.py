"""Embeddings come back as they were, shard by shard, one per picture."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from test_tombstones import set_marks

from store.embeddings import append_embeddings, read_embeddings, shards, without_pictures
from store.files import TEMPORARY
from store.home import Home

BASE, OTHER = "a" * 64, "b" * 64


def test_nothing_embedded_yet(home: Home) -> None:
    pictures, vectors = read_embeddings(home, BASE)
    assert pictures == []
    assert vectors.shape == (0, 0)
    assert vectors.dtype == np.float32
    append_embeddings(home, BASE, [], np.zeros((0, 4), np.float32))
    assert not home.embeddings.exists()


def test_vectors_come_back_bit_by_bit_in_order(home: Home) -> None:
    chance = np.random.default_rng(7)
    first, second = (chance.normal(size=(n, 256)).astype(np.float32) for n in (5, 3))
    first[0, :4] = [0.0, -0.0, np.float32(1e-45), np.float32(3.4e38)]
    append_embeddings(home, BASE, [f"p{n}" for n in range(5)], first)
    append_embeddings(home, BASE, [f"q{n}" for n in range(3)], second)
    append_embeddings(home, OTHER, ["p0"], first[:1])
    pictures, vectors = read_embeddings(home, BASE)
    assert pictures == ["p0", "p1", "p2", "p3", "p4", "q0", "q1", "q2"]
    assert vectors.dtype == np.float32
    assert vectors.tobytes() == np.concatenate([first, second]).tobytes()
    assert read_embeddings(home, OTHER)[0] == ["p0"]


def test_other_layouts_are_taken_by_value(home: Home) -> None:
    square = np.arange(12, dtype=np.float64).reshape(3, 4).T  # neither float32 nor contiguous
    append_embeddings(home, BASE, ["a", "b", "c", "d"], square)
    np.testing.assert_array_equal(read_embeddings(home, BASE)[1], square)


def test_of_a_picture_embedded_twice_the_first_counts(home: Home) -> None:
    append_embeddings(home, BASE, ["p", "q", "p"], np.array([[1], [2], [3]], np.float32))
    append_embeddings(home, BASE, ["q", "r"], np.array([[4], [5]], np.float32))
    pictures, vectors = read_embeddings(home, BASE)
    assert dict(zip(pictures, vectors[:, 0].tolist(), strict=True)) == {"p": 1, "q": 2, "r": 5}


def test_half_written_shards_are_passed_over(home: Home) -> None:
    append_embeddings(home, BASE, ["p"], np.ones((1, 2), np.float32))
    folder = next(home.embeddings.iterdir())
    (folder / f"{TEMPORARY}x.parquet").write_bytes(b"PAR1")
    assert read_embeddings(home, BASE)[0] == ["p"]


def test_a_vector_too_few_is_refused(home: Home) -> None:
    with pytest.raises((pa.ArrowInvalid, ValueError)):
        append_embeddings(home, BASE, ["p", "q"], np.ones((1, 2), np.float32))


# ---- what a purge does -------------------------------------------------------------------------------------


def test_a_shard_without_some_pictures_keeps_the_others_bit_by_bit(home: Home) -> None:
    vectors = np.random.default_rng(3).normal(size=(4, 8)).astype(np.float32)
    append_embeddings(home, BASE, ["a", "b", "c", "d"], vectors)
    (shard,) = shards(home)
    before = shard.stat().st_ino
    assert without_pictures(shard, lambda picture: False) == 0
    assert shard.stat().st_ino == before, "nothing to take out, so nothing is written"
    assert without_pictures(shard, {"b", "x"}.__contains__) == 1
    pictures, left = read_embeddings(home, BASE)
    assert pictures == ["a", "c", "d"]
    assert left.tobytes() == vectors[[0, 2, 3]].tobytes()
    assert without_pictures(shard, {"a", "c", "d"}.__contains__) == 3
    assert shards(home) == shards(home, BASE) == []


def test_a_purged_picture_is_not_embedded_again(home: Home) -> None:
    set_marks(home, ("picture", "ab" * 32))
    append_embeddings(home, BASE, ["p", "ab" * 32], np.eye(2, dtype=np.float32))
    append_embeddings(home, OTHER, ["ab" * 32], np.eye(1, dtype=np.float32))
    assert [read_embeddings(home, base)[0] for base in (BASE, OTHER)] == [["p"], []]
