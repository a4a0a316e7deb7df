"""Look-alikes: the nearest by brute force, few for each picture, and thousands of blank ones are one."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mine import lookalikes
from mine.lookalikes import NEAREST, join_look_alikes, nearest
from store.catalog import Snapshot
from store.embeddings import Vectors, append_embeddings
from store.fold import fold
from store.home import Home

BASE = "a" * 64


def some(count: int, seed: int = 0, width: int = 8) -> Vectors:
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def ids(first: int, count: int) -> list[str]:
    return [f"{first + index:064x}" for index in range(count)]


def stored(home: Home, names: list[str], vectors: Vectors, leads: list[str] | None = None) -> None:
    append_embeddings(home, BASE, names, vectors)
    pairs = zip(names, leads or names, strict=True)
    shared = {"distance_bits": 0, "hash_version": "h", "path_version": 1}
    home.inbox().append("copies", [{"picture": name, "representative": lead, **shared} for name, lead in pairs])
    now = dt.datetime.now(dt.UTC)
    home.inbox().append(
        "pictures", [{"picture": n, "size_bytes": 1, "source": "s", "first_seen_at": now} for n in names]
    )
    fold(home)


def rows(home: Home) -> dict[str, list[str]]:
    with Snapshot(home) as snapshot:
        found = snapshot.rows("SELECT picture, list(look_alike ORDER BY cosine DESC) AS l FROM look_alikes GROUP BY 1")
        return {row["picture"]: row["l"] for row in found}


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32), st.integers(1, 50))
def test_the_nearest_are_those_of_brute_force(before: int, new: int, seed: int, shard: int) -> None:
    names, vectors = ids(0, before + new), some(before + new, seed)
    blocks = [(names[at : at + shard], vectors[at : at + shard]) for at in range(0, len(names), shard)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lookalikes, "ROWS", 7)
        patched.setattr(lookalikes, "COLUMNS", 11)
        found, cosines = nearest(names[before:], vectors[before:], blocks)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for index, (its, near) in enumerate(zip(found, cosines, strict=True), before):
        every = unit @ unit[index]
        every[index] = -np.inf
        wanted = np.argsort(-every)[: min(NEAREST, len(names) - 1)]
        assert its == [names[one] for one in wanted] + [""] * (NEAREST - len(wanted))
        assert np.allclose(near[: len(wanted)], every[wanted], atol=1e-6)


def test_newcomers_are_compared_with_all_and_asked_once(home: Home) -> None:
    vectors = some(30)
    stored(home, ids(0, 20), vectors[:20])
    assert join_look_alikes(home, BASE) == 20
    fold(home)
    assert join_look_alikes(home, BASE) == 0
    stored(home, ids(20, 10), vectors[20:])
    seen: list[tuple[int, int]] = []
    assert join_look_alikes(home, BASE, lambda done, total: seen.append((done, total))) == 10
    fold(home)
    assert seen == [(10, 10)]
    assert {len(one) for one in rows(home).values()} == {NEAREST}
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    wanted = [ids(index, 1)[0] for index in np.argsort(-(unit @ unit[25])) if index != 25][:NEAREST]
    assert rows(home)[ids(25, 1)[0]] == wanted


def test_thousands_of_blank_pages_are_one(home: Home) -> None:
    blank, others = ids(0, 5_000), ids(10_000, 8)
    stored(home, blank, np.repeat(some(1), 5_000, axis=0), [blank[0]] * 5_000)
    stored(home, others, some(8, 1))
    assert join_look_alikes(home, BASE) == 9
    fold(home)
    found = rows(home)
    assert set(found) == {blank[0], *others}
    assert set().union(*found.values()) <= set(found)


def test_a_picture_embedded_twice_counts_once(home: Home) -> None:
    stored(home, ids(0, 3), some(3))
    append_embeddings(home, BASE, ids(0, 2), some(2, 9))
    assert join_look_alikes(home, BASE) == 3
    fold(home)
    assert rows(home)[ids(0, 1)[0]] in ([ids(1, 1)[0], ids(2, 1)[0]], [ids(2, 1)[0], ids(1, 1)[0]])


def test_without_embeddings_or_others_there_are_none(home: Home) -> None:
    fold(home)
    assert join_look_alikes(home, BASE) == 0
    stored(home, ids(0, 1), np.zeros((1, 8), np.float32))
    assert join_look_alikes(home, BASE) == 1
    fold(home)
    assert rows(home) == {}
