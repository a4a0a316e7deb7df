"""Embeddings of pictures, as Parquet shards per frozen base: `embeddings/<base>/<time>-<unique>.parquet`.

Versions that share a frozen base share embeddings. Shards are immutable but for a purge, which writes them anew;
reading puts them together.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from store.files import TEMPORARY, write_durably
from store.forgetting.tombstones import Tombstones
from store.home import Home

Vectors = NDArray[np.float32]


def append_embeddings(home: Home, base: str, pictures: Sequence[str], vectors: Vectors) -> None:
    """Add one durable shard: `vectors` (N, D) float32, one for each of the N pictures; purged ones are left out."""
    if not len(pictures):
        return
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel(), pa.float32())
    column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    table = pa.table({"picture": pa.array(pictures), "embedding": column})
    folder = _folder(home, base)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{time.time_ns():020d}-{uuid.uuid4().hex}.parquet"
    write_durably(folder / name, _encoded(table))
    # Looked for after the write: a purge rewrites what was there before it, so whoever comes last sees the other.
    tombstones = Tombstones.load(home)
    if tombstones:
        without_pictures(folder / name, tombstones.forbids_picture)


def shards(home: Home, base: str | None = None) -> list[Path]:
    """The shards of one base or of all, oldest first within a base."""
    found = home.embeddings.glob("*/*.parquet") if base is None else _folder(home, base).glob("*.parquet")
    return sorted(path for path in found if not path.name.startswith(TEMPORARY))


def without_pictures(shard: Path, forbidden: Callable[[str], bool]) -> int:
    """Write a shard anew without the forbidden pictures, or remove it when none is left; how many went."""
    table = pq.read_table(shard)
    kept = table.filter(pa.array([not forbidden(picture) for picture in table["picture"].to_pylist()], pa.bool_()))
    if not kept.num_rows:
        shard.unlink()
    elif kept.num_rows < table.num_rows:
        write_durably(shard, _encoded(kept))
    return int(table.num_rows - kept.num_rows)


def embedded(home: Home, base: str) -> Iterator[tuple[list[str], Vectors]]:
    """What is embedded under `base`, shard by shard: pictures and vectors (N, D); of one embedded twice the first."""
    seen: set[str] = set()
    for path in shards(home, base):
        table = pq.read_table(path)
        pictures = table["picture"].to_pylist()
        first = {picture: index for index, picture in reversed(list(enumerate(pictures))) if picture not in seen}
        chosen = sorted(first.values())
        seen.update(first)
        yield [pictures[index] for index in chosen], _vectors(table)[chosen]


def read_embeddings(home: Home, base: str) -> tuple[list[str], Vectors]:
    """All of `embedded` in one: pictures, and vectors (N, D)."""
    blocks = list(embedded(home, base))
    if not blocks:
        return [], np.zeros((0, 0), np.float32)
    return [picture for pictures, _ in blocks for picture in pictures], np.concatenate([block for _, block in blocks])


def _encoded(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def _vectors(table: pa.Table) -> Vectors:
    column = table["embedding"].combine_chunks()
    width = column.type.list_size
    flat: Vectors = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(-1, width).astype(np.float32)


def _folder(home: Home, base: str) -> Path:
    return home.embeddings / base[:16]
