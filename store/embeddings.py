"""Embeddings of pictures, as Parquet shards per frozen base: `embeddings/<base>/<time>-<unique>.parquet`.

Versions that share a frozen base share embeddings. Shards are immutable; reading puts them together.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from store.files import TEMPORARY, write_durably
from store.home import Home

Vectors = NDArray[np.float32]


def append_embeddings(home: Home, base: str, pictures: Sequence[str], vectors: Vectors) -> None:
    """Add one durable shard: `vectors` (N, D) float32, one for each of the N pictures."""
    if not len(pictures):
        return
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel(), pa.float32())
    column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"picture": pa.array(pictures), "embedding": column}), sink, compression="zstd")
    folder = _folder(home, base)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{time.time_ns():020d}-{uuid.uuid4().hex}.parquet"
    write_durably(folder / name, bytes(sink.getvalue()))


def read_embeddings(home: Home, base: str) -> tuple[list[str], Vectors]:
    """All pictures embedded under `base`, with vectors (N, D); of one embedded twice the first counts."""
    shards = sorted(p for p in _folder(home, base).glob("*.parquet") if not p.name.startswith(TEMPORARY))
    if not shards:
        return [], np.zeros((0, 0), np.float32)
    tables = [pq.read_table(path) for path in shards]
    pictures = [picture for table in tables for picture in table["picture"].to_pylist()]
    vectors = np.concatenate([_vectors(table) for table in tables])
    first: dict[str, int] = {}
    for index, picture in enumerate(pictures):
        first.setdefault(picture, index)
    return list(first), vectors[list(first.values())]


def _vectors(table: pa.Table) -> Vectors:
    column = table["embedding"].combine_chunks()
    width = column.type.list_size
    flat: Vectors = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(-1, width).astype(np.float32)


def _folder(home: Home, base: str) -> Path:
    return home.embeddings / base[:16]
