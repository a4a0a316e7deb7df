from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mine import hamming
from mine.hamming import BLOCK, Hashes, Pairs, chunks, distinct, distinct_pairs, pairs_among, pairs_between, spans

ENGINES = [False, pytest.param(True, marks=pytest.mark.skipif(not hamming.FAST, reason="numba is not installed"))]
RADII = st.integers(0, 12)
# 0 stands for all against all.
CUTS = st.sampled_from([0, 3, 4, 5, 7])


def crowd(seed: int, n: int, spread: int) -> Hashes:
    """Hashes around four centres, up to `spread` bits away: equal ones, near ones, far ones, all bits in use."""
    rng = np.random.default_rng(seed)
    hashes = np.random.default_rng(spread).integers(0, 2**64, 4, dtype=np.uint64)[rng.integers(0, 4, n)]
    for _ in range(spread):
        hashes = hashes ^ (np.uint64(1) << rng.integers(0, 64, n, dtype=np.uint64))
    return hashes


def brute(left: Hashes, right: Hashes, radius: int) -> list[tuple[int, int, int]]:
    bits = np.bitwise_count(left[:, None] ^ right).astype(int)
    return [(i, j, int(bits[i, j])) for i, j in np.argwhere(bits <= radius).tolist()]


def listed(blocks: Iterator[Pairs]) -> list[tuple[int, int, int]]:
    return sorted(
        itertools.chain.from_iterable(zip(*(part.tolist() for part in block), strict=True) for block in blocks)
    )


@pytest.mark.parametrize("fast", ENGINES)
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(0, 60), m=st.integers(0, 60), spread=st.integers(0, 9),
    radius=RADII, cut=CUTS, few=st.booleans(), block=st.sampled_from([1, 7, BLOCK]),
)  # fmt: skip
def test_the_pairs_are_those_of_brute_force(
    fast: bool, seed: int, n: int, m: int, spread: int, radius: int, cut: int, few: bool, block: int
) -> None:
    left, right = crowd(seed, n, spread), crowd(seed + 1, m, spread)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming, "FAST", fast)
        patch.setattr(hamming, "SLICE", block)
        patch.setattr(hamming, "FEW", 1 << 14 if few else -1)
        patch.setattr(hamming, "FEWER", 1)
        patch.setattr(hamming, "chunks", lambda *_: hamming._cut(radius, cut) if cut else ())
        if fast:
            patch.setattr("mine.hamming_compiled.BLOCK", block)
        assert listed(pairs_between(left, right, radius)) == brute(left, right, radius)
        assert listed(pairs_among(left, radius)) == [pair for pair in brute(left, left, radius) if pair[0] < pair[1]]
        once = distinct(left).values
        assert listed((np.minimum(i, j), np.maximum(i, j), bits) for i, j, bits in distinct_pairs(once, radius)) == [
            pair for pair in brute(once, once, radius) if pair[0] < pair[1]
        ]


@pytest.mark.parametrize("fast", ENGINES)
@pytest.mark.parametrize("radius", [0, 4, 8, 10])
def test_as_many_as_need_buckets_and_blocks(fast: bool, radius: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands, so that the sizes themselves choose the way; half of them crowd into the buckets of one centre."""
    monkeypatch.setattr(hamming, "FAST", fast)
    rng = np.random.default_rng(radius)
    hashes = rng.permutation(
        np.concatenate([rng.integers(0, 2**64, 15_000, dtype=np.uint64), crowd(1, 500, 5), crowd(1, 50, 1)])
    )
    found = listed(pairs_among(hashes, radius))
    wanted = []
    for start in range(0, len(hashes), 1_000):
        wanted += [
            (i + start, j, d) for i, j, d in brute(hashes[start : start + 1_000], hashes, radius) if i + start < j
        ]
    assert wanted
    assert found == wanted
    few = hashes[:200] ^ np.uint64(1)
    assert listed(pairs_between(few, hashes, radius)) == brute(few, hashes, radius)
    assert listed(pairs_between(hashes, few, radius)) == brute(hashes, few, radius)


@pytest.mark.parametrize("fast", ENGINES)
def test_a_hundred_thousand_equal_hashes_stay_in_small_blocks(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hamming, "FAST", fast)
    flat = np.full(100_000, 2**64 - 1, np.uint64)
    among = pairs_among(flat, 8)
    for left, right, bits in itertools.islice(among, 3):
        assert 0 < len(left) <= BLOCK
        assert (left < right).all()
        assert not bits.any()
    assert listed(pairs_among(np.append(distinct(flat).values, np.uint64(2**64 - 2)), 8)) == [(0, 1, 1)]
    assert sum(len(left) for left, _, _ in pairs_between(flat[:2], flat, 8)) == 200_000


def test_distinct_hashes_say_where_they_are() -> None:
    group = distinct(np.array([7, 3, 7, 2**63, 3, 7], np.uint64))
    assert group.values.tolist() == [3, 7, 2**63]
    assert group.sizes.tolist() == [2, 3, 1]
    assert [part.tolist() for part in np.split(group.order, group.starts[1:-1])] == [[1, 4], [0, 2, 5], [3]]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=9), st.integers(1, 12))
def test_spans_count_every_range_through(ranges: list[tuple[int, int]], block: int) -> None:
    low, high = (np.array([pair[side] for pair in ranges], np.int64) for side in (0, 1))
    blocks: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = list(spans(low, high, block))
    assert all(0 < len(row) <= block for row, _ in blocks)
    found = [pair for row, place in blocks for pair in zip(row.tolist(), place.tolist(), strict=True)]
    assert found == [(row, place) for row, (first, end) in enumerate(ranges) for place in range(first, end)]


@pytest.mark.parametrize("fast", [True, False])
@given(radius=RADII, left=st.integers(0, 10**8), right=st.integers(0, 10**8))
def test_every_cut_covers_the_radius(fast: bool, radius: int, left: int, right: int) -> None:
    """Radii, each and one more, that add up to more than the radius; chunks that do not overlap."""
    plan = chunks(radius, left, right, fast)
    assert not plan or sum(chunk.radius + 1 for chunk in plan) == radius + 1
    assert sum(((1 << chunk.width) - 1) << chunk.shift for chunk in plan) < 2**64
    assert all(one.shift + one.width <= other.shift for one, other in itertools.pairwise(plan))
