"""The catalog: one DuckDB file that only the fold writes, and the published snapshot that everybody reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from store.errors import CatalogBusy, CatalogError
from store.home import Home
from store.schema import metadata
from store.views import VIEWS, VIEWS_VERSION

# What to do about a file that is none of DuckDB's.
MENDING = {
    "snapshot.duckdb": "; `blindspot doctor --repair` publishes it anew",
    "catalog.duckdb": "; restore it, or put a copy of snapshot.duckdb in its place",
}


@contextmanager
def open_catalog(path: Path) -> Iterator[sa.Connection]:
    """A read-write connection to the catalog file, with tables and views in place. For the fold alone.

    Raises CatalogBusy when another process holds the file, CatalogError when it is not a DuckDB file.
    """
    engine = sa.create_engine(sa.URL.create("duckdb", database=str(path)), poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            _declare(connection)
            yield connection
    except (sa.exc.DBAPIError, duckdb.Error) as error:
        raise _one_line(error, path) from None
    finally:
        engine.dispose()


def _declare(connection: sa.Connection) -> None:
    metadata.create_all(connection)
    grown = _grow(connection)
    connection.execute(sa.text("CREATE TABLE IF NOT EXISTS views_version (version VARCHAR)"))
    if grown or connection.execute(sa.text("SELECT version FROM views_version")).scalar() != VIEWS_VERSION:
        for name, query in VIEWS.items():
            connection.exec_driver_sql(f"CREATE OR REPLACE VIEW {name} AS {query}")
        connection.execute(sa.text("DELETE FROM views_version"))
        connection.execute(sa.text("INSERT INTO views_version VALUES (:v)"), {"v": VIEWS_VERSION})
    connection.commit()


def _grow(connection: sa.Connection) -> bool:
    """Give the tables of a home that an older version made the columns they lack; whether any lacked one."""
    lacking = _lacking(connection)
    for column in lacking:
        definition = CreateColumn(column).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f'ALTER TABLE "{column.table.name}" ADD COLUMN {definition}')
    return bool(lacking)


def _lacking(connection: sa.Connection) -> list[sa.Column[Any]]:
    """The declared columns that the database of a connection does not have."""
    query = "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = current_database()"
    present = {(table, column) for table, column in connection.execute(sa.text(query))}
    return [c for table in metadata.tables.values() for c in table.columns if (table.name, c.name) not in present]


def insert_new(connection: sa.Connection, table: sa.Table, rows: pa.Table) -> int:
    """Insert the rows whose key is not in `table` yet, in bulk; how many there were.

    Arrow → one INSERT … SELECT. Of several new rows with one key the first in file order stays. Where the table's info
    names a column under `newest`, the highest number in it wins, also over the row that is there: that one goes, in the
    same transaction; there a null counts as 0. Elsewhere a null gives way to the default of its column.
    """
    incoming = sa.table("incoming", *(sa.column(column.name, column.type) for column in table.columns))
    key, newest = table.info["key"], table.info["newest"]
    order: list[sa.ColumnElement[Any]] = [sa.column("place_")]
    if newest:
        order.insert(0, sa.func.coalesce(incoming.c[newest], 0).desc())
    place = sa.func.row_number().over(partition_by=[incoming.c[name] for name in key], order_by=order)
    first = sa.select(*incoming.c, place.label("nth_")).select_from(incoming).subquery("first_")
    known = sa.and_(*(table.c[name].is_not_distinct_from(first.c[name]) for name in key))
    values = (_or_default(first.c[column.name], column) for column in table.columns)
    fresh = sa.select(*values).where(first.c.nth_ == 1, ~sa.exists().where(known))
    numbered = rows.append_column("place_", pa.array(range(rows.num_rows), pa.int64()))
    with registered(connection, "incoming", numbered):
        if newest:
            connection.execute(sa.delete(table).where(_outdone(table, incoming)))
        names = [column.name for column in table.columns]
        return int(connection.execute(sa.insert(table).from_select(names, fresh)).rowcount)


def _outdone(table: sa.Table, incoming: sa.TableClause) -> sa.ColumnElement[bool]:
    """Whether a row of `table` has its key among the incoming with a higher number."""
    same = (table.c[name].is_not_distinct_from(incoming.c[name]) for name in table.info["key"])
    ours, theirs = (sa.func.coalesce(side.c[table.info["newest"]], 0) for side in (table, incoming))
    return sa.exists().where(*same, theirs > ours)


def _or_default(value: sa.ColumnElement[Any], column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    default = column.server_default
    return sa.func.coalesce(value, default.arg) if isinstance(default, sa.DefaultClause) else value


def asking(connection: sa.Connection) -> Callable[..., list[dict[str, Any]]]:
    """`rows(query, **parameters)` of an open catalog, as a Snapshot has it."""

    def rows(query: str, **parameters: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in connection.execute(sa.text(query), parameters).mappings()]

    return rows


@contextmanager
def registered(connection: sa.Connection, name: str, rows: pa.Table) -> Iterator[None]:
    """Let SQL read an Arrow table by `name`; parameters would cost a millisecond per row."""
    raw: Any = connection.connection.driver_connection
    raw.register(name, rows)
    try:
        yield
    finally:
        raw.unregister(name)


def attach_snapshot(execute: Callable[[str], object], home: Home) -> None:
    """Make the snapshot the default database of a fresh in-memory connection, through its `execute`.

    Not opened by its path: DuckDB shares one instance per path inside a process, which would hand the old
    file to whoever opens a newer snapshot, and one reader's settings to all. Raises CatalogError when nothing
    has been folded yet or the file is none of DuckDB's.
    """
    if not home.snapshot.exists():
        raise CatalogError(f"no snapshot at {home.snapshot}; run `blindspot fold` first")
    path = str(home.snapshot).replace("'", "''")
    try:
        execute(f"SET temp_directory = '{path}.tmp'")
        execute(f"ATTACH '{path}' AS snapshot (READ_ONLY)")
        execute("USE snapshot")
    except (sa.exc.DBAPIError, duckdb.Error) as error:
        raise _one_line(error, home.snapshot) from None


class Snapshot:
    """The published snapshot as it is now, opened for reading; a context manager.

    `rows` and `table` take SQL with `:name` parameters. Keeps what it opened when the fold publishes a newer
    one; the next Snapshot sees that. Raises CatalogError when nothing has been folded yet, or nothing since an update
    that brought what is asked for.
    """

    def __init__(self, home: Home) -> None:
        self._path = home.snapshot
        self._engine = sa.create_engine("duckdb:///:memory:", poolclass=sa.NullPool)
        self._connection = self._engine.connect()
        try:
            attach_snapshot(self._connection.exec_driver_sql, home)
            self._connection.commit()
        except BaseException:
            self.close()
            raise

    def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        """The result as dicts."""
        return [dict(row) for row in self._execute(sa.text(query), parameters).mappings()]

    def value(self, query: str, **parameters: Any) -> Any:
        """The first column of the first row, or None."""
        return self._execute(sa.text(query), parameters).scalar()

    def table(self, query: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The result as an Arrow table, without a Python object per value."""
        statement = sa.text(query).execution_options(duckdb_arrow=True)
        return self._execute(statement, dict(parameters or {})).arrow

    def _execute(self, statement: sa.TextClause, parameters: dict[str, Any]) -> Any:
        try:
            return self._connection.execute(statement, parameters)
        except sa.exc.DBAPIError as error:
            self._connection.rollback()
            if isinstance(error.orig, duckdb.CatalogException | duckdb.BinderException) and _lacking(self._connection):
                raise CatalogError(f"{self._path} is of an older version; run `blindspot fold`") from None
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
        self._engine.dispose()

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _one_line(error: Exception, path: Path) -> CatalogError | CatalogBusy:
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
    text = " ".join(str(cause).split())
    if "set lock" in text.lower():
        holder = re.search(r"PID \d+", text)
        held = f"is held by another process ({holder[0]})" if holder else "is held by another process"
        return CatalogBusy(f"{path} {held}; close it and run again")
    # Only when the file itself is at fault: a query that is wrong is no reason to replace anything.
    advice = MENDING.get(path.name, "") if text.startswith(("IO Error", "Serialization Error")) else ""
    return CatalogError(f"{path} cannot be used: {text[:300]}{advice}")
