"""Keeps the copies relations up to date: pictures that are hashed but in no star yet.

Reads `hashes`, `copies` and `turned_copies` from the snapshot, appends `turned_copies` and `copies` to the inbox.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mine.copies import Hashed, alike_flat, in_reach, join_stars, join_turned
from mine.hamming import Hashes
from mine.hashes import HASH_VERSION, LOW_ENERGY, PATH_VERSION, THUMBNAIL_PX, TURNED_BYTES
from store.catalog import Snapshot
from store.home import Home

COLUMNS = "h.picture, h.phash, h.energy, h.thumbnail, h.turned"
NEW = f"""
    SELECT {COLUMNS} FROM hashes h
    ANTI JOIN copies c ON c.picture = h.picture AND c.hash_version = h.hash_version
    WHERE h.hash_version = :hash_version ORDER BY h.picture"""
# Of a million representatives only what the first look needs: 25 MB.
REPRESENTATIVES = """
    SELECT h.rowid AS place, h.phash, h.energy, t.picture IS NOT NULL AS turned FROM hashes h
    SEMI JOIN (SELECT picture, hash_version FROM copies WHERE representative = picture) c
    ON c.picture = h.picture AND c.hash_version = h.hash_version
    LEFT JOIN turned_copies t ON t.picture = h.picture AND t.hash_version = h.hash_version
    WHERE h.hash_version = :hash_version ORDER BY place"""
REACHED = f"""
    SELECT {COLUMNS} FROM hashes h
    WHERE hash_version = :hash_version AND h.rowid IN (SELECT unnest(CAST(:places AS BIGINT[]))) ORDER BY h.picture"""
HASHED = f"SELECT {COLUMNS} FROM hashes h WHERE hash_version = :hash_version ORDER BY h.picture"


# Flat pictures looked at in one go: 30 MB with their names.
PAGE = 50_000


def join_copies(home: Home) -> int:
    """Put every picture newly hashed into a star; how many there were.

    What becomes a representative is then looked for among the other ones mirrored and rotated. Thumbnails are kept of
    the newcomers and of the representatives that one of them may join, not of all pictures.
    """
    with Snapshot(home) as snapshot:
        new = read_hashes(snapshot, NEW)
        stored = _Stored(snapshot)
        stars = join_stars(new, stored.reached(new)) if len(new.ids) else []
        leads = new.take(np.flatnonzero([picture == lead for picture, lead, _ in stars]))
        turned = join_turned(leads, stored.reached_turned(leads)) if leads.turnable.any() else []
    inbox, shared = home.inbox(), {"hash_version": HASH_VERSION, "path_version": PATH_VERSION}
    # The stars last: who is in one is not looked at again.
    inbox.append(
        "turned_copies",
        [
            {"picture": picture, "representative": lead, "orientation": orientation, "distance_bits": bits, **shared}
            for picture, lead, orientation, bits in turned
        ],
    )
    rows = [
        {"picture": picture, "representative": lead, "distance_bits": bits, **shared} for picture, lead, bits in stars
    ]
    inbox.append("copies", rows)
    return len(rows)


class _Stored:
    """The stored representatives, of which only those that newcomers may join are read whole."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        stored = snapshot.table(REPRESENTATIVES, {"hash_version": HASH_VERSION})
        self._places, self._phash = _numbers(stored["place"], np.int64), _numbers(stored["phash"], np.uint64)
        self._flat = _numbers(stored["energy"], np.float64) < LOW_ENERGY
        self._turned = _numbers(stored["turned"], np.bool_)

    def reached(self, new: Hashed) -> Hashed:
        """Those that one of `new` may join as it is."""
        near = in_reach(new.phash, self._phash)
        reached = self._read(near)
        if not new.flat.any():
            return reached
        # Flat ones are joined by their grey, whatever their hashes, so all of those need a look: a page at a time.
        flat = np.setdiff1d(np.flatnonzero(self._flat), near)
        for start in range(0, len(flat), PAGE):
            reached = reached.beside(alike_flat(new, self._read(flat[start : start + PAGE])))
        return reached

    def reached_turned(self, new: Hashed) -> Hashed:
        """Those that one of `new` may join mirrored or rotated: no turned copies themselves."""
        near = in_reach(new.turned[new.turnable].ravel(), self._phash)
        return self._read(near[~self._turned[near]])

    def _read(self, chosen: NDArray[np.int64]) -> Hashed:
        return read_hashes(self._snapshot, REACHED, places=self._places[chosen].tolist())


def read_hashes(snapshot: Snapshot, query: str = HASHED, **parameters: Any) -> Hashed:
    """The hashes that a SELECT of picture, phash, energy, thumbnail, turned gives."""
    table = snapshot.table(query, {"hash_version": HASH_VERSION, **parameters})
    turned: Hashes = _bytes(table["turned"].fill_null(bytes(TURNED_BYTES))).view("<u8")
    return Hashed(
        np.array(table["picture"].to_pylist(), dtype=np.str_),
        _numbers(table["phash"], np.uint64),
        _numbers(table["energy"], np.float64),
        _bytes(table["thumbnail"]).reshape(-1, THUMBNAIL_PX**2),
        turned.reshape(-1, TURNED_BYTES // 8),
    )


def _bytes(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    """All bytes of a binary column, one value after the other, without a Python object each."""
    return np.concatenate([np.empty(0, np.uint8), *(_chunk_bytes(chunk) for chunk in column.chunks)])


def _chunk_bytes(column: pa.Array) -> NDArray[np.uint8]:
    if not len(column):
        return np.empty(0, np.uint8)
    ends = np.frombuffer(column.buffers()[1], np.int64 if pa.types.is_large_binary(column.type) else np.int32)
    first, last = ends[column.offset], ends[column.offset + len(column)]
    return np.frombuffer(column.buffers()[2], np.uint8)[first:last]


def _numbers(column: pa.ChunkedArray, dtype: Any) -> Any:
    return column.to_numpy().astype(dtype)
