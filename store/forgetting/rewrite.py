"""Writes the catalog anew: every table through the sieve into a fresh DuckDB file that takes the old one's place.

DuckDB keeps the bytes of deleted rows in its file, so a row that must be forgotten cannot just be deleted. Killed at
any moment, the old catalog or the whole new one is there; a half-made file is swept by the next fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from store.catalog import insert_new, open_catalog, registered
from store.errors import CatalogError
from store.files import publish, temporary_beside
from store.forgetting.sieve import Sieve
from store.forgetting.tombstones import read_tombstones
from store.home import Home
from store.schema import forget_requests, metadata, mixes, tombstones

BATCH_ROWS = 200_000


def rewrite(home: Home, sieve: Sieve, record: Callable[[Sieve], pa.Table], step: Callable[[], object]) -> None:
    """Replace the catalog by one that holds what `sieve` passes, the tombstones and the rows that `record` gives.

    `record` is asked last, for rows of `forget_requests`. With the fold's lock held and the catalog closed.
    """
    log = home.catalog.with_name(f"{home.catalog.name}.wal")
    if log.exists():  # it would be played into the new file
        raise CatalogError(f"{log} is left of a broken fold; run `blindspot fold`, then again")
    fresh = temporary_beside(home.catalog)
    with duckdb.connect(str(home.catalog), read_only=True) as old:
        definitions = _tables(old)
        with duckdb.connect(str(fresh)) as empty:  # as they are, with whatever columns other versions gave them
            for definition in definitions.values():
                empty.execute(definition)
        with open_catalog(fresh) as new:
            for name in definitions:
                for rows in _batches(old, name):
                    _insert(new, name, sieve.passes(name, rows))
                step()
            new.execute(sa.update(mixes).where(mixes.c.mix.in_(sieve.broken_mixes)).values(replayable=False))
            insert_new(new, tombstones, read_tombstones(home))
            insert_new(new, forget_requests, record(sieve))
            new.commit()
            new.exec_driver_sql("CHECKPOINT")
            new.commit()
    publish(fresh, home.catalog)


def rewriting_steps() -> int:
    """How many steps a rewriting takes, for a progress bar."""
    return len(metadata.tables)


def _tables(old: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Name → definition of every table but the one that `open_catalog` fills itself."""
    query = "SELECT table_name, sql FROM duckdb_tables() WHERE database_name = current_database() ORDER BY table_name"
    found: dict[str, str] = dict(old.execute(query).fetchall())
    found.pop("views_version", None)
    return found


def _batches(old: duckdb.DuckDBPyConnection, name: str) -> Iterator[pa.Table]:
    reader: Any = old.execute(f'SELECT * FROM "{name}"').to_arrow_reader(BATCH_ROWS)
    for batch in reader:
        yield pa.Table.from_batches([batch])


def _insert(new: sa.Connection, name: str, rows: pa.Table) -> None:
    if rows.num_rows:
        with registered(new, "incoming", rows):
            new.exec_driver_sql(f'INSERT INTO "{name}" BY NAME SELECT * FROM incoming')
        new.commit()
