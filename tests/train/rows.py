"""Homes from rows alone: pictures without bytes, whose hashes, scores and verdicts a test chooses."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mine.hashes import HASH_VERSION
from store.fold import fold
from store.home import Home
from store.policy import read_policy
from store.suites import add_to_suite
from store.verdicts import record_verdicts
from tests.mine.squares import champion

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Known:
    """A picture: its hash, the probability of a square that the champion gives it, its source and its star."""

    name: str
    phash: int
    flag: float = 0.1
    source: str = "a.example"
    star: str | None = None


def crowd(prefix: str, n: int, seed: int, **same: object) -> list[Known]:
    """n pictures that resemble nothing, with names in their order."""
    bits = np.random.default_rng(seed).integers(0, 2**63, n, dtype=np.uint64)
    return [Known(f"{prefix}{i:03d}", int(value), **same) for i, value in enumerate(bits)]  # type: ignore[arg-type]


def write(home: Home, known: Sequence[Known], hashed: bool = True, versions: Sequence[str] = ()) -> None:
    """Rows of pictures, hashes, copies and scores, folded. All versions give the same scores."""
    inbox = home.inbox()
    inbox.append(
        "pictures",
        [{"picture": k.name, "size_bytes": 1, "source": k.source, "first_seen_at": NOW} for k in known],
    )
    thumbnail = bytes([90] * 256)
    rows = [{"picture": k.name, "hash_version": HASH_VERSION} for k in known if hashed]
    numbers = [{"phash": k.phash, "energy": 20.0, "thumbnail": thumbnail} for k in known]
    inbox.append("hashes", [row | more for row, more in zip(rows, numbers, strict=False)])
    stars = [{"representative": k.star or k.name, "distance_bits": 0} for k in known]
    inbox.append("copies", [row | star for row, star in zip(rows, stars, strict=False)])
    for version in versions or (champion().name,):
        score(home, version, {k.name: k.flag for k in known})
    fold(home)


def score(home: Home, version: str, flags: dict[str, float]) -> None:
    """Rows of scores: so much for a square, the rest for a texture. Not folded."""
    rows = [
        {
            "picture": name,
            "version": version,
            "view": "as_shown",
            "probabilities": [flag, 0, 1 - flag],
            "scored_at": NOW,
        }
        for name, flag in flags.items()
    ]
    home.inbox().append("raw_scores", rows)


def review(home: Home, pictures: Iterable[str], label: str, lane: str = "flagged", minutes: float = 0) -> None:
    """Verdicts of one person on pictures. Not folded."""
    at = (NOW + dt.timedelta(minutes=minutes)).isoformat()
    answer = {"class": label, "reviewer": "tests", "lane": lane, "decided_at": at}
    record_verdicts(home, read_policy(home.policy), [{"picture": picture, **answer} for picture in pictures])


def suite(home: Home, name: str, label: str, pictures: Iterable[str], role: str | None = None) -> None:
    """Pictures of a suite. Not folded."""
    add_to_suite(home, read_policy(home.policy), name, label, pictures, role)
