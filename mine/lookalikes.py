"""Keeps the look-alikes up to date: for each representative of a star, those that a network sees as nearest to it.

Another relation than copies: no verdict is shared, no split follows from it. It is for people and queries: what else
looks like this blind spot. Reads `copies` and the embeddings of one frozen base, appends `look_alikes` to the inbox.

Representatives only, and `NEAREST` of each, so that ten thousand blank pages are one picture here and the relation
never outgrows the pictures. Exact: a newcomer is compared with all that is stored, a shard at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from store.catalog import Snapshot
from store.embeddings import Vectors, embedded
from store.home import Home

NEAREST = 5
# Newcomers held at a time, and of them compared at a time: 400 MB at 1,280 numbers a picture, and 16 MB of cosines.
PAGE, ROWS, COLUMNS = 1 << 16, 1 << 10, 1 << 12
Neighbours = tuple[NDArray[np.int64], NDArray[np.float32]]

REPRESENTATIVES = "SELECT picture FROM copies WHERE picture = representative"
PLACED = "SELECT DISTINCT picture FROM look_alikes WHERE base = :base"


def join_look_alikes(home: Home, base: str, progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Find the look-alikes of every representative embedded under `base` that has none yet; how many there were.

    `progress(done, total)` counts them. A killed run loses at most a page of `PAGE` newcomers.
    """
    with Snapshot(home) as snapshot:
        leads = {str(row["picture"]) for row in snapshot.rows(REPRESENTATIVES)}
        placed = {str(row["picture"]) for row in snapshot.rows(PLACED, base=base)}
    new = [name for names, _ in embedded(home, base) for name in names if name in leads and name not in placed]
    inbox, done = home.inbox(), 0
    while done < len(new):
        page = set(new[done : done + PAGE])
        names, vectors = _gathered(_of(home, base, page))
        others, cosines = nearest(names, vectors, _of(home, base, leads))
        rows = [
            {"picture": name, "base": base, "look_alike": other, "cosine": float(cosine)}
            for name, its, near in zip(names, others, cosines.tolist(), strict=True)
            for other, cosine in zip(its, near, strict=True)
            if other
        ]
        inbox.append("look_alikes", rows)
        done += len(page)
        progress(done, len(new))
    return len(new)


def nearest(
    names: list[str], vectors: Vectors, stored: Iterable[tuple[list[str], Vectors]]
) -> tuple[list[list[str]], NDArray[np.float32]]:
    """Of each of N named pictures the `NEAREST` others among `stored`, nearest first, and their cosines (N, 5).

    Where there are fewer others, names are empty and cosines -inf. A vector of zeros has cosine 0 with everybody.
    """
    ours, places = _unit(vectors), {name: index for index, name in enumerate(names)}
    best = np.full((len(names), NEAREST), -np.inf, np.float32)
    who = np.full((len(names), NEAREST), -1, np.int64)
    everybody: list[str] = []
    for theirs, block in stored:
        for start in range(0, len(theirs), COLUMNS):
            part, unit = theirs[start : start + COLUMNS], _unit(block[start : start + COLUMNS])
            own = np.array([places.get(name, -1) for name in part])
            for low in range(0, len(names), ROWS):
                rows = slice(low, low + ROWS)
                _merge(best[rows], who[rows], ours[rows] @ unit.T, own - low, len(everybody))
            everybody += part
    found = [[everybody[index] if index >= 0 else "" for index in row] for row in who.tolist()]
    return found, best


def _merge(
    best: NDArray[np.float32],
    who: NDArray[np.int64],
    cosines: NDArray[np.float32],
    own: NDArray[np.int64],
    before: int,
) -> None:
    """Put what is nearer than the last of the best so far among them: few, after the first blocks."""
    itself = np.flatnonzero((own >= 0) & (own < len(best)))
    cosines[own[itself], itself] = -np.inf
    rows = np.flatnonzero(cosines.max(axis=1) > best[:, -1])
    if not len(rows):
        return
    kept = min(NEAREST, cosines.shape[1])
    top = np.argpartition(-cosines[rows], kept - 1, axis=1)[:, :kept]
    near = np.take_along_axis(cosines[rows], top, axis=1)
    both = np.hstack([best[rows], near])
    names = np.hstack([who[rows], np.where(near > -np.inf, top + before, -1)])
    order = np.argsort(-both, axis=1, kind="stable")[:, :NEAREST]
    best[rows], who[rows] = np.take_along_axis(both, order, axis=1), np.take_along_axis(names, order, axis=1)


def _unit(vectors: Vectors) -> Vectors:
    """Of length one, but for those of zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _of(home: Home, base: str, wanted: set[str]) -> Iterator[tuple[list[str], Vectors]]:
    """The embeddings of those that are wanted, shard by shard."""
    for names, vectors in embedded(home, base):
        chosen = [index for index, name in enumerate(names) if name in wanted]
        if chosen:
            yield [names[index] for index in chosen], vectors[chosen]


def _gathered(blocks: Iterable[tuple[list[str], Vectors]]) -> tuple[list[str], Vectors]:
    parts = list(blocks)
    return [name for names, _ in parts for name in names], np.concatenate([vectors for _, vectors in parts])
