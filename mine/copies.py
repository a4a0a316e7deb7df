"""Near-copies as stars: every picture points at a representative within r bits that a second check confirms.

Pure functions; `mine/stars.py` feeds them from the store. No chaining: a member resembles its representative, not only
some neighbour. Splits of a training need the opposite, groups that chain: `split_groups`.

A mirrored or rotated copy is a star of its own, and a relation beside the stars says whose copy it is (`join_turned`):
a verdict is not shared with it, because letters, emblems and gestures can mean something else when turned, and because
a model that answers otherwise on the turned picture is what is looked for. Splits chain through all orientations. Flat
pictures have no orientation to speak of, and are left out of this.

Thousands of near-copies of one picture cost a comparison with its representative each, not one with each other: see
`join_stars`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from mine.chains import chained, merged
from mine.hamming import Hashes, Indices, Pairs, pairs_among, pairs_between
from mine.hashes import LOW_ENERGY, ORIENTATIONS
from mine.thumbnails import Shelf, Thumbnails, alike, marks

# A verdict is shared within 4 bits of 64; splits of a training are kept apart at 8.
SHARE_BITS = 4
SPLIT_BITS = 8
# Mean difference of two 16x16 grey thumbnails, in grey levels. Chosen by eye on digits, tiles and re-encodes.
SAME_THUMBNAIL = 8.0
ALIKE_THUMBNAIL = 12.0
# Newcomers compared with each other at first; then twice as many, and so on. Chosen by eye.
FIRST = 1 << 10
# A newcomer's best so far is one number, distance · 2⁴⁰ + the representative's rank among all names.
_RANK = 1 << 40
_NONE = 1024 * _RANK


@dataclass(frozen=True)
class Hashed:
    """Pictures with their hashes: `ids` (N), `phash (N,) uint64`, `energy (N,)`, `thumbnails (N, 256) uint8`.

    And `turned (N, 7) uint64`, their hashes in orientations 1 to 7; all 0 when not known.
    """

    ids: NDArray[np.str_]
    phash: Hashes
    energy: NDArray[np.float64]
    thumbnails: Thumbnails
    turned: Hashes

    @property
    def flat(self) -> NDArray[np.bool_]:
        """Whose bits are noise."""
        flat: NDArray[np.bool_] = self.energy < LOW_ENERGY
        return flat

    @property
    def turnable(self) -> NDArray[np.bool_]:
        """Of which mirrored and rotated copies can be found."""
        return ~self.flat & self.turned.any(axis=1)

    def take(self, chosen: Indices) -> Hashed:
        return Hashed(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def beside(self, other: Hashed) -> Hashed:
        """These and then those of another."""
        return Hashed(*(np.concatenate([getattr(side, f.name) for side in (self, other)]) for f in fields(self)))


def near_pairs(new: Hashed, old: Hashed, radius_bits: int, thumbnail_levels: float) -> Iterator[Pairs]:
    """All pairs (index in `new`, index in `old`, distance in bits) within the radius that the second check confirms.

    In blocks of bounded size. With one and the same object twice: each pair once, the smaller index first, none with
    itself. Two pictures whose hashes carry no energy are paired by the second check alone at half its tolerance,
    because their bits are noise.
    """
    for left, right, bits in _near_hashes(new, old, radius_bits):
        same = alike(new.thumbnails, left, old.thumbnails, right, thumbnail_levels)
        yield left[same], right[same], bits[same]
    ours, theirs = np.flatnonzero(new.flat), np.flatnonzero(old.flat)
    levels = thumbnail_levels / 2
    reach = int(levels * new.thumbnails.shape[1])
    shelf = Shelf(np.zeros_like(theirs), marks(old.thumbnails[theirs]), reach)
    for asked, found in shelf.near(np.zeros_like(ours), marks(new.thumbnails[ours]), reach):
        left, right = ours[asked], theirs[found]
        if new is old:
            left, right = left[left < right], right[left < right]
        same = alike(new.thumbnails, left, old.thumbnails, right, levels)
        left, right = left[same], right[same]
        yield left, right, np.bitwise_count(new.phash[left] ^ old.phash[right]).astype(np.int64)


def _near_hashes(new: Hashed, old: Hashed, radius_bits: int) -> Iterator[Pairs]:
    """Pairs within the radius, but for those of two flat pictures."""
    lively, flat = np.flatnonzero(~new.flat), np.flatnonzero(new.flat)
    if new is old:
        for one, other, bits in pairs_among(new.phash[lively], radius_bits):
            yield lively[one], lively[other], bits
        for one, other, bits in pairs_between(new.phash[lively], new.phash[flat], radius_bits):
            left, right = lively[one], flat[other]
            yield np.minimum(left, right), np.maximum(left, right), bits
        return
    for one, right, bits in pairs_between(new.phash[lively], old.phash, radius_bits):
        yield lively[one], right, bits
    theirs = np.flatnonzero(~old.flat)
    for one, other, bits in pairs_between(new.phash[flat], old.phash[theirs], radius_bits):
        yield flat[one], theirs[other], bits


def turned_pairs(new: Hashed, old: Hashed, radius_bits: int, thumbnail_levels: float) -> Iterator[Pairs]:
    """As `near_pairs`, of `new` mirrored or rotated and `old` as it is; the distance is bits · 8 + orientation.

    With one and the same object twice it is the picture of the larger index that is turned.
    """
    turnable = np.flatnonzero(new.turnable)
    for orientation in range(1, ORIENTATIONS):
        for one, right, bits in pairs_between(new.turned[turnable, orientation - 1], old.phash, radius_bits):
            left = turnable[one]
            if new is old:
                later = left > right
                left, right, bits = left[later], right[later], bits[later]
            same = alike(new.thumbnails, left, old.thumbnails, right, thumbnail_levels, orientation)
            left, right, distance = left[same], right[same], bits[same] * ORIENTATIONS + orientation
            yield (right, left, distance) if new is old else (left, right, distance)


def in_reach(hashes: Hashes, phash: Hashes) -> Indices:
    """Which stored representatives any of `hashes` may join: their thumbnails need a look."""
    near = np.zeros(len(phash), bool)
    for _, right, _ in pairs_between(hashes, phash, SHARE_BITS):
        near[right] = True
    return np.flatnonzero(near)


def alike_flat(new: Hashed, stored: Hashed) -> Hashed:
    """Of flat stored representatives those that a flat one of `new` may join, whatever its hash."""
    flat = new.take(np.flatnonzero(new.flat))
    found = [right for _, right, _ in near_pairs(flat, stored, SHARE_BITS, SAME_THUMBNAIL)]
    return stored.take(np.unique(np.concatenate([np.empty(0, np.int64), *found])))


def join_stars(new: Hashed, representatives: Hashed) -> list[tuple[str, str, int]]:
    """(picture, representative, distance in bits) for every new picture, in the order given.

    A newcomer joins the nearest representative within `SHARE_BITS`, an old one or one that an earlier newcomer has
    become (of equally near ones the first by name); else it becomes a representative itself.
    """
    return _joined(new, representatives, near_pairs)


def join_turned(new: Hashed, unturned: Hashed) -> list[tuple[str, str, int, int]]:
    """(picture, representative, orientation, distance in bits) for those new representatives that are turned copies.

    As `join_stars`, of representatives among themselves and in the seven other orientations: each joins the nearest
    that is no turned copy itself, an old one or an earlier newcomer. `orientation` is how the picture must be turned to
    lie like the representative (see `mine.hashes.ORIENTATIONS`).
    """
    joined = _joined(new, unturned, turned_pairs)
    return [(one, other, far % ORIENTATIONS, far // ORIENTATIONS) for one, other, far in joined if one != other]


def _joined(
    new: Hashed, representatives: Hashed, near: Callable[[Hashed, Hashed, int, float], Iterator[Pairs]]
) -> list[tuple[str, str, int]]:
    """(picture, representative, distance) for every new picture, in the order given.

    Newcomers come in blocks, each twice as large as the one before: compared with all representatives so far, and with
    each other only where they have none. So the near-copies of one picture, however many, meet it and not each other.
    """
    leads, size = representatives, len(representatives.ids)
    everybody = np.concatenate([representatives.ids, new.ids])
    names = np.argsort(everybody, kind="stable")
    rank = np.empty_like(names)
    rank[names] = np.arange(len(names))
    ranks, best = rank[:size], np.full(len(new.ids), _NONE)
    start, stop = 0, FIRST
    while start < len(new.ids):
        here = np.arange(start, min(stop, len(new.ids)))
        block = new.take(here)
        for left, right, bits in near(block, leads, SHARE_BITS, SAME_THUMBNAIL):
            np.minimum.at(best, here[left], bits * _RANK + ranks[right])
        free = np.flatnonzero(best[here] == _NONE)
        among = block.take(free)
        fresh = free[_leading(len(free), near(among, among, SHARE_BITS, SAME_THUMBNAIL))]
        for left, right, bits in near(block, block.take(fresh), SHARE_BITS, SAME_THUMBNAIL):
            earlier = fresh[right] < left
            left, right, bits = left[earlier], right[earlier], bits[earlier]
            np.minimum.at(best, here[left], bits * _RANK + rank[size + here[fresh[right]]])
        best[here[fresh]] = rank[size + here[fresh]]
        ranks = np.concatenate([ranks, rank[size + here[fresh]]])
        leads = leads.beside(block.take(fresh))
        start, stop = stop, stop + 2 * (stop - start)
    joined = everybody[names[best % _RANK]].tolist()
    return list(zip(new.ids.tolist(), joined, (best // _RANK).tolist(), strict=True))


def _leading(count: int, near: Iterator[Pairs]) -> Indices:
    """Which become representatives, of pictures that have none: in order, whoever is near none of those before."""
    before: dict[int, list[int]] = {}
    for left, right, _ in near:
        for one, other in zip(left.tolist(), right.tolist(), strict=True):
            before.setdefault(other, []).append(one)
    leads = np.ones(count, bool)
    for picture in sorted(before):
        leads[picture] = not leads[before[picture]].any()
    return np.flatnonzero(leads)


def split_groups(hashed: Hashed) -> dict[str, str]:
    """Picture → its split group, named after the group's first picture: connected within `SPLIT_BITS`, chaining.

    A mirrored copy of what was trained on is no fresh evidence, so groups are also one when representatives of their
    stars are connected once the later of the two is turned. Of representatives only, because a symmetric picture with
    thousands of near-copies would be connected with itself millions of times over.
    """
    labels = chained(hashed.phash, hashed.flat, hashed.thumbnails, SPLIT_BITS, ALIKE_THUMBNAIL)
    stars = join_stars(hashed, hashed.take(np.arange(0)))
    lead = np.flatnonzero([picture == representative for picture, representative, _ in stars])
    leads = hashed.take(lead)
    for left, right, _ in turned_pairs(leads, leads, SPLIT_BITS, ALIKE_THUMBNAIL):
        labels = merged(labels, labels[lead[left]], labels[lead[right]])
    _, first, group = np.unique(labels, return_index=True, return_inverse=True)
    return dict(zip(hashed.ids.tolist(), hashed.ids[first[group]].tolist(), strict=True))
