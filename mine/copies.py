"""Near-copies as stars: every picture points at a representative within r bits that a second check confirms.

Reads `hashes` and `copies`, gives rows of `copies`. No chaining: a member resembles its representative, not only some
neighbour. Splits of a training need the opposite, groups that chain: `split_groups`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mine.hashes import LOW_ENERGY

# A verdict is shared within 4 bits of 64; splits of a training are kept apart at 8.
SHARE_BITS = 4
SPLIT_BITS = 8
# Mean difference of two 16x16 grey thumbnails, in grey levels. Chosen by eye on digits, tiles and re-encodes.
SAME_THUMBNAIL = 8.0
ALIKE_THUMBNAIL = 12.0
# Pairs looked at in one go: at 10 bytes each about 40 MB, however many pictures there are.
_PAIRS = 1 << 22


@dataclass(frozen=True)
class Hashed:
    """Pictures with their hashes: `ids` (N), `phash (N,) uint64`, `energy (N,)`, `thumbnails (N, 256) uint8`."""

    ids: NDArray[np.str_]
    phash: NDArray[np.uint64]
    energy: NDArray[np.float64]
    thumbnails: NDArray[np.uint8]

    def take(self, chosen: NDArray[np.int64]) -> Hashed:
        return Hashed(self.ids[chosen], self.phash[chosen], self.energy[chosen], self.thumbnails[chosen])


def near_pairs(
    new: Hashed, old: Hashed, radius_bits: int, thumbnail_levels: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """All pairs (index in `new`, index in `old`, distance in bits) within the radius that the second check confirms.

    With one and the same object twice: each pair once, the smaller index first, none with itself.

    Two pictures whose hashes carry no energy are paired by the second check alone at half its tolerance, because
    their bits are noise.
    """
    lefts, rights, bits = [], [], []
    old_flat = old.energy < LOW_ENERGY
    new_mean, old_mean = new.thumbnails.mean(axis=1), old.thumbnails.mean(axis=1)
    rows = max(1, _PAIRS // max(1, len(old.ids)))
    for start in range(0, len(new.ids), rows):
        block = slice(start, start + rows)
        # Among themselves each pair counts once, the earlier picture on the left.
        first = start if new is old else 0
        distance = np.bitwise_count(new.phash[block, None] ^ old.phash[None, first:])
        near = distance <= radius_bits
        new_flat = new.energy[block] < LOW_ENERGY
        near[new_flat] |= old_flat[first:]
        left, right = np.nonzero(near)
        apart = distance[left, right]
        left, right = left + start, right + first
        # The means of two thumbnails never differ by more than the thumbnails do: a cheap look first.
        close = np.abs(new_mean[left] - old_mean[right]) <= thumbnail_levels
        if new is old:
            close &= left < right
        left, right, apart = left[close], right[close], apart[close]
        limit = np.where(new_flat[left - start] & old_flat[right], thumbnail_levels / 2, thumbnail_levels)
        same = _thumbnail_gap(new.thumbnails[left], old.thumbnails[right]) <= limit
        lefts.append(left[same])
        rights.append(right[same])
        bits.append(apart[same].astype(np.int64))
    if not lefts:
        empty = np.empty(0, np.int64)
        return empty, empty, empty
    return np.concatenate(lefts), np.concatenate(rights), np.concatenate(bits)


def join_stars(new: Hashed, representatives: Hashed) -> list[tuple[str, str, int]]:
    """(picture, representative, distance in bits) for every new picture, in the order given.

    A newcomer joins the nearest representative within `SHARE_BITS`, an old one or one that an earlier newcomer has
    become; else it becomes a representative itself.
    """
    left, right, bits = near_pairs(new, representatives, SHARE_BITS, SAME_THUMBNAIL)
    best: dict[int, tuple[int, str]] = {}
    for i, j, distance in zip(left.tolist(), right.tolist(), bits.tolist(), strict=True):
        best[i] = min(best.get(i, (65, "")), (distance, str(representatives.ids[j])))
    left, right, bits = near_pairs(new, new, SHARE_BITS, SAME_THUMBNAIL)
    among: dict[int, list[tuple[int, int]]] = {}
    for i, j, distance in zip(left.tolist(), right.tolist(), bits.tolist(), strict=True):
        among.setdefault(j, []).append((distance, i))
    stars: list[tuple[str, str, int]] = []
    leads: set[int] = set()
    for i, picture in enumerate(new.ids.tolist()):
        fresh = min(((d, str(new.ids[j])) for d, j in among.get(i, ()) if j in leads), default=(65, ""))
        distance, representative = min(best.get(i, (65, "")), fresh)
        if distance > 64:
            leads.add(i)
            distance, representative = 0, picture
        stars.append((picture, representative, distance))
    return stars


def split_groups(hashed: Hashed) -> dict[str, str]:
    """Picture → its split group, named after the group's first picture: connected within `SPLIT_BITS`, chaining."""
    left, right, _ = near_pairs(hashed, hashed, SPLIT_BITS, ALIKE_THUMBNAIL)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = len(hashed.ids)
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    first: dict[int, str] = {}
    for picture, label in zip(hashed.ids.tolist(), labels.tolist(), strict=True):
        first.setdefault(label, picture)
    return {p: first[label] for p, label in zip(hashed.ids.tolist(), labels.tolist(), strict=True)}


def _thumbnail_gap(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean absolute difference of thumbnails `(M, 256)` pair by pair, in grey levels (0–255)."""
    gaps = np.empty(len(a))
    for start in range(0, len(a), 65_536):
        part = slice(start, start + 65_536)
        gaps[part] = np.abs(a[part].astype(np.int16) - b[part].astype(np.int16)).mean(axis=1)
    return gaps
