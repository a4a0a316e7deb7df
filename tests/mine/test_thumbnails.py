from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mine.thumbnails import Shelf, Thumbnails, alike, marks


def some(seed: int, n: int, spread: int) -> Thumbnails:
    """Thumbnails around a few slopes and extremes, up to `spread` grey levels off in every pixel."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(0, 255, 16, dtype=np.int64)
    looks = np.array([np.tile(slope, 16), np.repeat(slope, 16), np.zeros(256), np.full(256, 255), np.full(256, 120)])
    drift = rng.integers(-spread, spread + 1, (n, 1)) + rng.integers(-spread, spread + 1, (n, 256))
    return np.clip(looks[rng.integers(0, len(looks), n)] + drift, 0, 255).astype(np.uint8)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(0, 40), st.integers(0, 12),
    st.sampled_from([1.0, 4.0, 6.0, 12.0]), st.sampled_from([1, 8]),
)  # fmt: skip
def test_the_shelf_misses_nothing_and_names_nothing_twice(
    seed: int, n: int, m: int, spread: int, levels: float, columns: int
) -> None:
    ours, theirs = some(seed, n, spread), some(seed + 1, m, spread)
    cells, their_cells = (np.random.default_rng(seed).integers(0, 2, size) for size in (n, m))
    reach = int(levels * 256)
    shelf = Shelf(their_cells, marks(theirs)[:, :columns], reach)
    found: list[tuple[int, int]] = []
    for left, right in shelf.near(cells, marks(ours)[:, :columns], reach):
        same = alike(ours, left, theirs, right, levels)
        found += zip(left[same].tolist(), right[same].tolist(), strict=True)
    gaps = np.abs(ours[:, None].astype(int) - theirs).mean(axis=2) if n and m else np.empty((n, m))
    wanted = np.argwhere((gaps <= levels) & (cells[:, None] == their_cells))
    assert sorted(found) == [tuple(pair) for pair in wanted.tolist()]


def test_marks_are_totals_with_signs() -> None:
    left, top, middle = np.zeros((3, 16, 16), np.uint8)
    left[:, :8], top[:8], middle[4:12] = 255, 255, 255
    half = 128 * 255
    assert marks(np.stack([left, top, middle]).reshape(3, 256)).tolist() == [
        [half, half, 0, 0, 0, 0, 0, 0],
        [half, 0, 0, half, 0, 0, 0, 0],
        [half, 0, 0, 0, 0, 0, half, 0],
    ]
