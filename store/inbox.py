"""The inbox: how everybody but the fold adds to the catalog.

Appends immutable files of records to `inbox/`. A file's name is `<time>-<kind>-<unique>.<parquet|jsonl>`: the
kind is the table that the fold puts its rows into. When `append` returns, the rows survive a kill -9.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from store.errors import InboxFull, RecordError
from store.files import TEMPORARY, write_durably
from store.schema import KINDS
from store.types import arrow_schema

# Below this many rows a file is JSON lines, which a person can read; above, Parquet. Chosen by eye.
SMALL_ROWS = 50


@dataclass(frozen=True)
class InboxLimits:
    """Past either limit producers pause; after `patience_s` without relief they give up with InboxFull."""

    max_files: int = 2_000
    max_bytes: int = 2_000_000_000
    patience_s: float = 120.0


# For the fold itself, which must not wait for the fold.
NO_LIMITS = InboxLimits(max_files=sys.maxsize, max_bytes=sys.maxsize)


class Inbox:
    """The folder of records that wait for the fold."""

    def __init__(self, folder: Path, limits: InboxLimits | None = None) -> None:
        self.folder, self.limits = folder, limits or InboxLimits()

    def append(
        self,
        kind: str,
        rows: Sequence[dict[str, Any]] | pa.Table,
        on_pause: Callable[[str], None] = lambda message: None,
    ) -> Path | None:
        """Add records of one kind, durably; None when there are no rows.

        `rows` are dicts or an Arrow table with columns of the kind's table; absent columns become null.
        Waits while the inbox is full, telling `on_pause` once. Raises RecordError for an unknown kind or
        column or a value of the wrong type, InboxFull when nobody folds.
        """
        table = as_arrow(kind, rows)
        if not table.num_rows:
            return None
        self._wait_for_room(on_pause)
        small = table.num_rows < SMALL_ROWS and not _has_binary(table)
        suffix, encode = ("jsonl", _as_json_lines) if small else ("parquet", _as_parquet)
        path = self.folder / f"{time.time_ns():020d}-{kind}-{uuid.uuid4().hex}.{suffix}"
        self.folder.mkdir(parents=True, exist_ok=True)
        write_durably(path, encode(table))
        return path

    def files(self) -> list[Path]:
        """The waiting files, oldest first."""
        if not self.folder.is_dir():
            return []
        found = (path for path in self.folder.iterdir() if not path.name.startswith(TEMPORARY))
        return sorted(path for path in found if path.suffix in (".parquet", ".jsonl"))

    def is_full(self) -> str | None:
        """One line on which limit is passed, or None."""
        files = self.files()
        if len(files) >= self.limits.max_files:
            return f"{len(files)} files, inbox.max_files is {self.limits.max_files}"
        size = sum(_size(path) for path in files)
        if size >= self.limits.max_bytes:
            return f"{size} bytes, inbox.max_bytes is {self.limits.max_bytes}"
        return None

    def _wait_for_room(self, on_pause: Callable[[str], None]) -> None:
        complaint, deadline = self.is_full(), time.monotonic() + self.limits.patience_s
        if complaint:
            on_pause(f"inbox {self.folder} is full ({complaint}); waiting for `blindspot fold`")
        while complaint:
            if time.monotonic() > deadline:
                raise InboxFull(
                    f"inbox {self.folder} is full: {complaint}; nobody folded it for "
                    f"{self.limits.patience_s:g} s; run `blindspot fold`"
                )
            time.sleep(0.2)
            complaint = self.is_full()


def as_arrow(kind: str, rows: Sequence[dict[str, Any]] | pa.Table) -> pa.Table:
    """`rows` as an Arrow table with exactly the columns of `kind`, in order. Raises RecordError."""
    if kind not in KINDS:
        raise RecordError(f"unknown kind of record {kind!r}; known: {', '.join(KINDS)}")
    schema = arrow_schema(KINDS[kind])
    names = rows.column_names if isinstance(rows, pa.Table) else sorted({name for row in rows for name in row})
    unknown = [name for name in names if name not in schema.names]
    if unknown:
        raise RecordError(f"{kind} has no column {unknown[0]!r}; it has: {', '.join(schema.names)}")
    try:
        if isinstance(rows, pa.Table):
            length = rows.num_rows
            arrays = [
                rows[field.name].cast(field.type) if field.name in names else pa.nulls(length, field.type)
                for field in schema
            ]
            table = pa.table(arrays, schema=schema)
            table.validate(full=True)  # Parquet's texts come unchecked, and DuckDB refuses a whole batch for one
            return table
        return pa.Table.from_pylist([_utc(row) for row in rows], schema=schema)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise RecordError(f"a record of {kind} does not fit its columns: {error}") from None


def read_records(path: Path) -> pa.Table:
    """The records of an inbox file as an Arrow table of its kind. Raises RecordError."""
    kind = kind_of(path)
    try:
        if path.suffix == ".parquet":
            return as_arrow(kind, pq.read_table(path))
        # Not splitlines(): that breaks at U+2028 and U+0085 too, which JSON leaves inside its texts.
        rows = [json.loads(line) for line in path.read_bytes().decode("utf-8").split("\n") if line]
    except (pa.ArrowException, OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path.name} cannot be read: {' '.join(str(error).split())[:300]}") from None
    if not all(isinstance(row, dict) for row in rows):
        raise RecordError(f"{path.name} holds a line that is not a JSON object")
    return as_arrow(kind, [_revive(kind, row) for row in rows])


def kind_of(path: Path) -> str:
    """The kind of record in a file, from its name. Raises RecordError."""
    parts = path.stem.split("-")
    if len(parts) != 3 or parts[1] not in KINDS:
        raise RecordError(f"{path.name} is not named <time>-<kind>-<unique>.<parquet|jsonl>")
    return parts[1]


def _utc(row: dict[str, Any]) -> dict[str, Any]:
    """Times with a zone become UTC without one; those without are refused, because nobody knows theirs."""
    fixed = dict(row)
    for name, value in row.items():
        if isinstance(value, dt.datetime):
            if value.tzinfo is None:
                raise ValueError(f"{name} is a time without a zone: {value}")
            fixed[name] = value.astimezone(dt.UTC).replace(tzinfo=None)
    return fixed


def _revive(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    times = {field.name for field in arrow_schema(KINDS[kind]) if pa.types.is_timestamp(field.type)}
    try:
        return {
            name: _as_utc(dt.datetime.fromisoformat(value)) if name in times and value else value
            for name, value in row.items()
        }
    except (TypeError, ValueError) as error:
        raise RecordError(f"a record of {kind} holds a time that is none: {error}") from None


def _as_utc(time: dt.datetime) -> dt.datetime:
    """Times in our own files have no zone and are UTC; a file written by hand may name one."""
    return time.astimezone(dt.UTC) if time.tzinfo else time.replace(tzinfo=dt.UTC)


def _has_binary(table: pa.Table) -> bool:
    return any(pa.types.is_binary(field.type) for field in table.schema)


def _as_json_lines(table: pa.Table) -> bytes:
    lines = (json.dumps(row, default=_iso, ensure_ascii=False) for row in table.to_pylist())
    return "".join(f"{line}\n" for line in lines).encode()


def _iso(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    raise TypeError(f"not a value for JSON: {value!r}")


def _as_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # the fold took it between listing and looking
