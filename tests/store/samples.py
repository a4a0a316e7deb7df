"""Small hand-made records for the store's tests."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from store.cards import Card, write_card
from store.catalog import Snapshot
from store.fold import fold
from store.home import Home

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def later(minutes: float) -> dt.datetime:
    """A time after NOW."""
    return NOW + dt.timedelta(minutes=minutes)


def card(**changes: Any) -> Card:
    """The card of a small model: bag, shoe, hat; bag is the policy's bag, the others its other."""
    fields: dict[str, Any] = {
        "version": "small.00000001",
        "name": "small",
        "classes": ("bag", "shoe", "hat"),
        "class_map": {"bag": "bag", "shoe": "shoe", "hat": "other"},
        "preprocessing": {"recipe": "squash"},
        "input_px": 28,
        "embedding_size": 4,
        "base": "b" * 64,
        "files": {"model.tflite": "0" * 64},
        "origin": "drawn by hand",
        "licence": "CC0-1.0",
        "made_at": "2026-11-23T12:00:00+00:00",
    }
    return Card(**(fields | changes))


def install(home: Home, made: Card) -> Path:
    """Put a version's folder into the home."""
    folder = home.models / made.version
    folder.mkdir(parents=True)
    write_card(made, folder)
    return folder


def picture(name: str, **changes: Any) -> dict[str, Any]:
    """A row of `pictures`."""
    return {"picture": name, "size_bytes": 1, "source": "a.test", "first_seen_at": NOW} | changes


def catalog(home: Home, **rows: list[dict[str, Any]]) -> None:
    """Fold rows into the home's catalog, by kind."""
    for kind, records in rows.items():
        home.inbox().append(kind, records)
    fold(home)


def select(home: Home, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a query on the snapshot as tuples."""
    with Snapshot(home) as snapshot:
        return [tuple(row.values()) for row in snapshot.rows(query, **parameters)]
