"""Keeps the copies relation up to date: pictures that are hashed but in no star yet.

Reads `hashes` and `copies` from the snapshot, appends `copies` to the inbox.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mine.copies import Hashed, in_reach, join_stars
from mine.hashes import HASH_VERSION, THUMBNAIL_PX
from store.catalog import Snapshot
from store.home import Home

NEW = """
    SELECT h.picture, h.phash, h.energy, h.thumbnail FROM hashes h
    ANTI JOIN copies c ON c.picture = h.picture AND c.hash_version = h.hash_version
    WHERE h.hash_version = :hash_version ORDER BY h.picture"""
# Of a million representatives only what the first look needs: 25 MB.
REPRESENTATIVES = """
    SELECT h.rowid AS place, h.phash, h.energy FROM hashes h
    SEMI JOIN (SELECT picture, hash_version FROM copies WHERE representative = picture) c
    ON c.picture = h.picture AND c.hash_version = h.hash_version
    WHERE h.hash_version = :hash_version ORDER BY place"""
REACHED = """
    SELECT picture, phash, energy, thumbnail FROM hashes
    WHERE hash_version = :hash_version AND rowid IN (SELECT unnest(CAST(:places AS BIGINT[]))) ORDER BY picture"""
HASHED = """
    SELECT picture, phash, energy, thumbnail FROM hashes WHERE hash_version = :hash_version ORDER BY picture"""


def join_copies(home: Home) -> int:
    """Put every newly hashed picture into a star; how many there were.

    Thumbnails are read of the newcomers and of the representatives that one of them may join, not of all pictures.
    """
    with Snapshot(home) as snapshot:
        new = read_hashes(snapshot, NEW)
        old = _reached(snapshot, new)
    stars = join_stars(new, old)
    rows = [{"picture": p, "representative": r, "distance_bits": d, "hash_version": HASH_VERSION} for p, r, d in stars]
    home.inbox().append("copies", rows)
    return len(rows)


def _reached(snapshot: Snapshot, new: Hashed) -> Hashed:
    if not len(new.ids):
        return new
    stored = snapshot.table(REPRESENTATIVES, {"hash_version": HASH_VERSION})
    near = in_reach(new, _numbers(stored["phash"], np.uint64), _numbers(stored["energy"], np.float64))
    return read_hashes(snapshot, REACHED, places=_numbers(stored["place"], np.int64)[near].tolist())


def read_hashes(snapshot: Snapshot, query: str = HASHED, **parameters: Any) -> Hashed:
    """The hashes that a SELECT of picture, phash, energy, thumbnail gives."""
    table = snapshot.table(query, {"hash_version": HASH_VERSION, **parameters})
    thumbnails = [_bytes(chunk) for chunk in table["thumbnail"].chunks]
    return Hashed(
        np.array(table["picture"].to_pylist(), dtype=np.str_),
        _numbers(table["phash"], np.uint64),
        _numbers(table["energy"], np.float64),
        np.concatenate([np.empty(0, np.uint8), *thumbnails]).reshape(-1, THUMBNAIL_PX**2),
    )


def _bytes(column: pa.Array) -> NDArray[np.uint8]:
    """All bytes of a binary column, one value after the other, without a Python object each."""
    if not len(column):
        return np.empty(0, np.uint8)
    ends = np.frombuffer(column.buffers()[1], np.int64 if pa.types.is_large_binary(column.type) else np.int32)
    first, last = ends[column.offset], ends[column.offset + len(column)]
    return np.frombuffer(column.buffers()[2], np.uint8)[first:last]


def _numbers(column: pa.ChunkedArray, dtype: Any) -> Any:
    return column.to_numpy().astype(dtype)
