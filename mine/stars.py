"""Keeps the copies relation up to date: pictures that are hashed but in no star yet.

Reads `hashes` and `copies` from the snapshot, appends `copies` to the inbox.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from mine.copies import Hashed, join_stars
from mine.hashes import HASH_VERSION
from store.catalog import Snapshot
from store.home import Home

NEW = """
    SELECT h.picture, h.phash, h.energy, h.thumbnail FROM hashes h
    ANTI JOIN copies c ON c.picture = h.picture AND c.hash_version = h.hash_version
    WHERE h.hash_version = :hash_version ORDER BY h.picture"""
REPRESENTATIVES = """
    SELECT h.picture, h.phash, h.energy, h.thumbnail FROM hashes h
    JOIN copies c ON c.picture = h.picture AND c.hash_version = h.hash_version AND c.representative = c.picture
    WHERE h.hash_version = :hash_version ORDER BY h.picture"""
HASHED = """
    SELECT picture, phash, energy, thumbnail FROM hashes WHERE hash_version = :hash_version ORDER BY picture"""


def join_copies(home: Home) -> int:
    """Put every newly hashed picture into a star; how many there were."""
    with Snapshot(home) as snapshot:
        new, old = read_hashes(snapshot, NEW), read_hashes(snapshot, REPRESENTATIVES)
    stars = join_stars(new, old)
    rows = [{"picture": p, "representative": r, "distance_bits": d, "hash_version": HASH_VERSION} for p, r, d in stars]
    home.inbox().append("copies", rows)
    return len(rows)


def read_hashes(snapshot: Snapshot, query: str = HASHED) -> Hashed:
    """The hashes that a SELECT of picture, phash, energy, thumbnail gives."""
    table = snapshot.table(query, {"hash_version": HASH_VERSION})
    thumbnails = b"".join(table["thumbnail"].to_pylist())
    return Hashed(
        np.array(table["picture"].to_pylist(), dtype=np.str_),
        _numbers(table["phash"], np.uint64),
        _numbers(table["energy"], np.float64),
        np.frombuffer(thumbnails, np.uint8).reshape(table.num_rows, -1)
        if table.num_rows
        else np.zeros((0, 256), np.uint8),
    )


def _numbers(column: pa.ChunkedArray, dtype: Any) -> Any:
    return column.to_numpy().astype(dtype)
