from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mine import copies, hamming
from mine.copies import (
    ALIKE_THUMBNAIL,
    SAME_THUMBNAIL,
    SHARE_BITS,
    SPLIT_BITS,
    Hashed,
    alike_flat,
    in_reach,
    join_stars,
    join_turned,
    near_pairs,
    split_groups,
    turned_pairs,
)
from mine.hamming import Pairs
from mine.hashes import LOW_ENERGY, ORIENTATIONS, turned

FLAT, LIVELY = LOW_ENERGY / 4, LOW_ENERGY * 10


def hashed(names: list[str], bits: list[int], levels: list[int], energy: list[float]) -> Hashed:
    """Pictures with even thumbnails of the given grey levels."""
    thumbnails = np.array([[level] * 256 for level in levels], np.uint8).reshape(-1, 256)
    unknown = np.zeros((len(names), ORIENTATIONS - 1), np.uint64)
    return Hashed(
        np.array(names, np.str_), np.array(bits, np.uint64), np.array(energy, np.float64), thumbnails, unknown
    )


def crowd(seed: int, n: int, first: int = 0) -> Hashed:
    """Random pictures around a few centres: near and far ones, flat ones, some with thumbnails that disagree.

    Of most it is known how they would hash when turned: some of them near a centre too.
    """
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**63, 3, dtype=np.uint64)
    flips = [
        np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, k, dtype=np.uint64)) for k in rng.integers(1, 9, n)
    ]
    middles = rng.integers(100, 140, 2)
    thumbnails = middles[rng.integers(0, 2, n), None] + rng.integers(-6, 7, (n, 256))
    thumbnails[:, 128:] += rng.choice([0, 30], (n, 1))
    energy = np.where(rng.random(n) < 0.3, FLAT, LIVELY)
    phash = centres[rng.integers(0, 3, n)] ^ np.array(flips, np.uint64)
    names = [f"{first + i:03d}" for i in range(n)]
    every = rng.choice([*centres, *centres, *rng.integers(0, 2**63, 2, dtype=np.uint64)], (n, ORIENTATIONS - 1))
    every = (every ^ np.uint64(1) << rng.integers(0, 64, every.shape, dtype=np.uint64)) * (rng.random((n, 1)) < 0.8)
    return Hashed(np.array(names, np.str_), phash, energy, thumbnails.astype(np.uint8), every.astype(np.uint64))


def near(a: Hashed, i: int, b: Hashed, j: int, radius: int, levels: float) -> int | None:
    """The definition, for one pair: the distance in bits of two near-copies, else None."""
    distance = int(a.phash[i] ^ b.phash[j]).bit_count()
    gap = np.abs(a.thumbnails[i].astype(int) - b.thumbnails[j].astype(int)).mean()
    both_flat = a.energy[i] < LOW_ENERGY and b.energy[j] < LOW_ENERGY
    if both_flat:
        return distance if gap <= levels / 2 else None
    return distance if distance <= radius and gap <= levels else None


def near_turned(a: Hashed, i: int, b: Hashed, j: int, radius: int, levels: float) -> list[int]:
    """The definition, for one picture turned and another: bits · 8 + orientation for each that makes them near."""
    found = []
    for orientation in range(1, ORIENTATIONS):
        bits = int(a.turned[i, orientation - 1] ^ b.phash[j]).bit_count()
        lies = turned(a.thumbnails[i].reshape(16, 16), orientation).ravel()
        gap = np.abs(lies.astype(int) - b.thumbnails[j].astype(int)).mean()
        if a.turned[i].any() and a.energy[i] >= LOW_ENERGY and bits <= radius and gap <= levels:
            found.append(bits * ORIENTATIONS + orientation)
    return sorted(found)


def pairs(found: Iterator[Pairs]) -> list[tuple[int, int, int]]:
    return sorted(pair for block in found for pair in zip(*(part.tolist() for part in block), strict=True))


SEEDS, SIZES = st.integers(0, 2**32 - 1), st.integers(0, 14)
RADII = st.sampled_from([(SHARE_BITS, SAME_THUMBNAIL), (SPLIT_BITS, ALIKE_THUMBNAIL)])


@settings(max_examples=80, deadline=None)
@given(SEEDS, SIZES, SIZES, RADII, st.sampled_from([1, 20, 1 << 16]))
def test_near_pairs_are_those_of_the_definition(
    seed: int, n: int, m: int, radius: tuple[int, float], block: int
) -> None:
    new, old = crowd(seed, n), crowd(seed, m, first=500)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming, "SLICE", block)
        between, among = pairs(near_pairs(new, old, *radius)), pairs(near_pairs(new, new, *radius))
    wanted = [(i, j, near(new, i, old, j, *radius)) for i in range(n) for j in range(m)]
    assert between == [pair for pair in wanted if pair[2] is not None]
    wanted = [(i, j, near(new, i, new, j, *radius)) for i in range(n) for j in range(i + 1, n)]
    assert among == [pair for pair in wanted if pair[2] is not None]


@settings(max_examples=60, deadline=None)
@given(SEEDS, SIZES, SIZES, RADII)
def test_turned_pairs_are_those_of_the_definition(seed: int, n: int, m: int, radius: tuple[int, float]) -> None:
    new, old = crowd(seed, n), crowd(seed, m, first=500)
    wanted = [(i, j, far) for i in range(n) for j in range(m) for far in near_turned(new, i, old, j, *radius)]
    assert pairs(turned_pairs(new, old, *radius)) == wanted
    wanted = [(i, j, far) for i in range(n) for j in range(i + 1, n) for far in near_turned(new, j, new, i, *radius)]
    assert pairs(turned_pairs(new, new, *radius)) == wanted


def check_stars(everybody: Hashed, stars: list[tuple[str, str, int]]) -> None:
    place = {name: index for index, name in enumerate(everybody.ids.tolist())}
    leads = {picture for picture, representative, _ in stars if picture == representative}
    for picture, representative, distance in stars:
        assert representative in leads, "no chaining"
        i, j = place[picture], place[representative]
        assert distance == near(everybody, i, everybody, j, SHARE_BITS, SAME_THUMBNAIL)
    for first in leads:
        for second in leads - {first}:
            assert near(everybody, place[first], everybody, place[second], SHARE_BITS, SAME_THUMBNAIL) is None


@settings(max_examples=60, deadline=None)
@given(SEEDS, SIZES, SIZES)
def test_stars_do_not_chain_and_newcomers_join_the_old(seed: int, n: int, m: int) -> None:
    both = crowd(seed, n + m)
    old, new = (both.take(np.arange(*span, dtype=np.int64)) for span in ((0, n), (n, n + m)))
    nobody = both.take(np.arange(0, dtype=np.int64))
    first = join_stars(old, nobody)
    assert [picture for picture, _, _ in first] == old.ids.tolist()
    check_stars(old, first)
    leads = {representative for _, representative, _ in first}
    second = join_stars(new, old.take(np.flatnonzero(np.isin(old.ids, list(leads))).astype(np.int64)))
    assert [picture for picture, _, _ in second] == new.ids.tolist()
    check_stars(both, first + second)


def test_a_newcomer_joins_the_nearest_of_two() -> None:
    old = hashed(["far", "near"], [0b111, 0b100000000], [100, 100], [LIVELY, LIVELY])
    new = hashed(["new"], [0b100000001], [100], [LIVELY])
    assert join_stars(new, old) == [("new", "near", 1)]


def test_equal_hashes_of_different_pictures_are_no_copies() -> None:
    both = hashed(["a", "b"], [7, 7], [100, 100 + int(SAME_THUMBNAIL) + 1], [LIVELY, LIVELY])
    assert [representative for _, representative, _ in join_stars(both, both.take(np.arange(0)))] == ["a", "b"]


def test_flat_pictures_are_copies_by_their_grey_alone() -> None:
    both = hashed(["a", "b", "c"], [0, 2**64 - 1, 0], [200, 201, 250], [FLAT] * 3)
    assert join_stars(both, both.take(np.arange(0))) == [("a", "a", 0), ("b", "a", 64), ("c", "c", 0)]


def test_split_groups_chain_where_stars_do_not() -> None:
    bits = [0, 0xFF, 0xFFFF, 0xFFFFFF, 1 << 63 | 0xFFFF << 40]
    row = hashed(["b", "c", "d", "e", "x"], bits, [100] * 5, [LIVELY] * 5)
    assert split_groups(row) == {"b": "b", "c": "b", "d": "b", "e": "b", "x": "x"}
    assert len({representative for _, representative, _ in join_stars(row, row.take(np.arange(0)))}) == 5
    assert split_groups(row.take(np.arange(0))) == {}


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIZES)
def test_split_groups_are_the_connected_components(seed: int, n: int) -> None:
    everybody = crowd(seed, n)
    group = list(range(n))
    leads = {lead for _, lead, _ in one_by_one(everybody, everybody.take(np.arange(0)))}
    for i in range(n):
        for j in range(i):
            both_lead = {str(everybody.ids[i]), str(everybody.ids[j])} <= leads
            if near(everybody, i, everybody, j, SPLIT_BITS, ALIKE_THUMBNAIL) is not None or (
                both_lead and near_turned(everybody, i, everybody, j, SPLIT_BITS, ALIKE_THUMBNAIL)
            ):
                low, high = sorted((group[i], group[j]))
                group = [low if g == high else g for g in group]
    names = everybody.ids.tolist()
    assert split_groups(everybody) == {names[i]: names[group[i]] for i in range(n)}


def one_by_one(new: Hashed, old: Hashed, turning: bool = False) -> list[tuple[str, str, int]]:
    """The definition of the stars: every newcomer in turn, or that turned, against all that stand."""
    both, leads, stars = old.beside(new), list(range(len(old.ids))), []

    def distances(i: int, j: int) -> list[int]:
        if turning:
            return near_turned(both, i, both, j, SHARE_BITS, SAME_THUMBNAIL)
        bits = near(both, i, both, j, SHARE_BITS, SAME_THUMBNAIL)
        return [] if bits is None else [bits]

    for i in range(len(old.ids), len(both.ids)):
        close = [(far, str(both.ids[j])) for j in leads for far in distances(i, j)]
        if not close:
            leads.append(i)
        bits, lead = min(close, default=(0, str(both.ids[i])))
        stars.append((str(both.ids[i]), lead, bits))
    return stars


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIZES, SIZES, st.sampled_from([1, 3, 1 << 10]))
def test_stars_are_those_of_the_definition_in_blocks_of_any_size(seed: int, n: int, m: int, block: int) -> None:
    everybody = crowd(seed, n + m).take(np.random.default_rng(seed).permutation(n + m))
    old, new = everybody.take(np.arange(n)), everybody.take(np.arange(n, n + m))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies, "FIRST", block)
        assert join_stars(new, old) == one_by_one(new, old)
        turned_copies = [
            (picture, lead, bits * ORIENTATIONS + turn) for picture, lead, turn, bits in join_turned(new, old)
        ]
    assert turned_copies == [star for star in one_by_one(new, old, turning=True) if star[0] != star[1]]


@settings(max_examples=30, deadline=None)
@given(SEEDS, SIZES, SIZES)
def test_only_representatives_in_reach_matter(seed: int, n: int, m: int) -> None:
    everybody = crowd(seed, n + m)
    old, new = everybody.take(np.arange(n)), everybody.take(np.arange(n, n + m))
    near = in_reach(new.phash, old.phash)
    others = np.setdiff1d(np.flatnonzero(old.flat), near)
    reached = old.take(near).beside(alike_flat(new, old.take(others)))
    assert join_stars(new, reached) == join_stars(new, old)
    near = in_reach(new.turned[new.turnable].ravel(), old.phash)
    assert join_turned(new, old.take(near)) == join_turned(new, old)


def throng(n: int, energy: float, hashes: int) -> Hashed:
    """n near-copies of one picture, of as many hashes within two bits of its own, which is the same all ways round."""
    rng = np.random.default_rng(n)
    one, other = (np.uint64(1) << rng.integers(0, hashes, n, dtype=np.uint64) for _ in range(2))
    thumbnails = (200 + rng.integers(-2, 3, (n, 256))).astype(np.uint8)
    every = np.tile((one ^ other)[:, None], ORIENTATIONS - 1)
    return Hashed(np.array([f"{i:06d}" for i in range(n)]), one ^ other, np.full(n, energy), thumbnails, every)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("energy", "hashes"), [(FLAT, 64), (LIVELY, 1), (LIVELY, 64)])
def test_twenty_thousand_near_copies_are_quickly_one_star_and_one_group(energy: float, hashes: int) -> None:
    """Their 200 million pairs would take a minute."""
    many = throng(20_000, energy, hashes)
    began = time.process_time()
    stars = join_stars(many, many.take(np.arange(0)))
    assert {representative for _, representative, _ in stars if hashes == 1 or energy == FLAT} <= {"000000"}
    assert len({representative for _, representative, _ in stars}) < 100
    assert set(split_groups(many).values()) == {"000000"}
    assert time.process_time() - began < 10
