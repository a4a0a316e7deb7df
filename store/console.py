"""SQL for anybody: one statement on the snapshot that can neither touch other files nor run for ever."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from store.catalog import attach_snapshot
from store.errors import QueryError
from store.home import Home

# The statements that only look. Everything else is refused before it runs.
LOOKING = frozenset({"SELECT", "EXPLAIN", "RELATION", "LOGICAL_PLAN"})


@dataclass(frozen=True)
class Answer:
    """Columns by name and the rows, at most `limit` of them; `truncated` says whether there were more."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    truncated: bool


def ask(
    home: Home,
    query: str,
    limit: int | None = 100,
    time_s: float = 60.0,
    parameters: Mapping[str, str | int | None] | None = None,
) -> Answer:
    """Run one statement on the snapshot, with `parameters` bound to its `$name`s.

    Raises QueryError in one line for wrong SQL, for a statement that does more than look, for one that
    reaches for other files, and after `time_s`; CatalogError when there is no snapshot.
    """
    with duckdb.connect() as connection:
        attach_snapshot(connection.execute, home)
        # A read-only connection of DuckDB still reads and writes other files until these two are set.
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        try:
            _check(connection, query)
            return _fetch(connection, query, limit, time_s, dict(parameters or {}))
        except duckdb.InterruptException:
            raise QueryError(
                f"the query ran longer than {time_s:g} s and was stopped; add a LIMIT or --timeout"
            ) from None
        except duckdb.Error as error:
            raise QueryError(f"SQL: {_first_lines(str(error))}") from None


def _check(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        raise QueryError(f"wanted one SQL statement. Received: {len(statements)}")
    kind = statements[0].type.name.removesuffix("_STATEMENT")
    if kind not in LOOKING:
        raise QueryError(f"this console only looks: wanted SELECT or EXPLAIN. Received: {kind}")


def _fetch(
    connection: duckdb.DuckDBPyConnection, query: str, limit: int | None, time_s: float, parameters: dict[str, Any]
) -> Answer:
    timer = threading.Timer(time_s, connection.interrupt)
    timer.start()
    try:
        cursor = connection.execute(query, parameters)
        rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit + 1)
        columns = [column[0] for column in cursor.description or []]
    finally:
        timer.cancel()
    truncated = limit is not None and len(rows) > limit
    return Answer(columns, rows[:limit] if limit is not None else rows, truncated)


def _first_lines(message: str) -> str:
    """DuckDB's message without its drawing of the statement, on one line."""
    text = " ".join(message.split("\nLINE ")[0].split())[:400]
    return f"{text}; SHOW TABLES lists what there is" if "Table with name" in text else text
