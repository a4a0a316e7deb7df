"""The crawl jobs' frontiers as a purge sees them: SQLite files `frontier/<job>.sqlite` that hold URLs.

Knows nothing of their tables: a row goes when any of its values names what is to be forgotten, so a frontier may
change without anybody thinking of this. Whoever crawls for a job holds an flock on `frontier/<job>.lock`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from store.errors import JobRunning
from store.forgetting.traces import Traces
from store.home import Home

ROWS = 5_000


def frontiers(home: Home) -> list[Path]:
    """The frontier files of the home."""
    return sorted((home.root / "frontier").glob("*.sqlite"))


@contextlib.contextmanager
def no_job_running(home: Home) -> Iterator[None]:
    """Keep every job from crawling meanwhile. Raises JobRunning when one already does."""
    with contextlib.ExitStack() as held:
        for path in frontiers(home):
            handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
            held.callback(os.close, handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise JobRunning(
                    f"wanted no crawl under way, because its frontier holds URLs too; job {path.stem} is running: "
                    "stop it, or wait for it, then purge"
                ) from None
        yield


def urls_named_on(home: Home, belongs: Callable[[str], bool]) -> Iterator[str]:
    """The URLs, wherever they lie, that a frontier has from a page for which `belongs` holds."""
    for path in frontiers(home):
        with contextlib.closing(_open(path)) as database:
            columns = {row[1] for row in database.execute("PRAGMA table_info(urls)")}
            if {"url", "page"} <= columns:
                pages = database.execute("SELECT DISTINCT page FROM urls WHERE page IS NOT NULL")
                theirs = [(page,) for (page,) in pages if belongs(page)]
                for page in theirs:
                    yield from (url for (url,) in database.execute("SELECT url FROM urls WHERE page = ?", page))


def clean_frontiers(home: Home, traces: Traces) -> int:
    """Remove every row that names what is forgotten, and its bytes from the files; how many. Nobody may crawl."""
    removed = 0
    for path in frontiers(home):
        with contextlib.closing(_open(path)) as database:
            database.execute("PRAGMA secure_delete = ON")
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            found = sum(_clean(database, table, traces) for table in tables if not table.startswith("sqlite_"))
            # Always: what the crawler itself deleted earlier may still lie in free pages.
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        removed += found
    return removed


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _clean(database: sqlite3.Connection, table: str, traces: Traces) -> int:
    """Delete or mend the rows of one table in one transaction; how many were deleted."""
    facts = database.execute(f'PRAGMA table_info("{table}")').fetchall()
    columns = [row[1] for row in facts]
    key = [row[1] for row in sorted(facts, key=lambda row: row[5]) if row[5]] or ["rowid"]
    named = ", ".join(f'"{name}"' if name != "rowid" else name for name in [*key, *columns])
    where = " AND ".join(f'"{name}" IS ?' if name != "rowid" else "rowid = ?" for name in key)
    found = database.execute(f'SELECT {named} FROM "{table}"')
    gone: list[tuple[Any, ...]] = []
    mended: list[tuple[str, bytes | None, tuple[Any, ...]]] = []
    while rows := found.fetchmany(ROWS):
        for row in rows:
            place, values = row[: len(key)], dict(zip(columns, row[len(key) :], strict=True))
            if any(isinstance(value, str) and traces.found_in_value(value) for value in values.values()):
                gone.append(place)
                continue
            for name, value in values.items():
                if isinstance(value, bytes) and (mend := _mended(value, traces)) != value:
                    mended.append((name, mend, place))
    database.execute("BEGIN IMMEDIATE")
    for name, mend, place in mended:
        database.execute(f'UPDATE "{table}" SET "{name}" = ? WHERE {where}', (mend, *place))
    database.executemany(f'DELETE FROM "{table}" WHERE {where}', gone)
    database.execute("COMMIT")
    return len(gone)


def _mended(value: bytes, traces: Traces) -> bytes | None:
    """A blob without what it should not name: text, or a packed JSON list, of which only those items go."""
    try:
        packed = zlib.decompress(value)
    except zlib.error:
        return None if traces.found(value.decode("utf-8", "replace")) else value
    text = packed.decode("utf-8", "replace")
    if not traces.found(text):
        return value
    try:
        items = json.loads(text)
        kept = [item for item in items if not traces.found(json.dumps(item, ensure_ascii=False))]
    except (ValueError, TypeError):
        return None
    return zlib.compress(json.dumps(kept).encode())
