"""The fold: the only writer of the catalog.

Reads `inbox/`, writes `catalog.duckdb`, moves what it cannot read to `quarantine/` with a reason, and
publishes `snapshot.duckdb`. Every transaction takes a bounded number of files and remembers their names in
it, so that a kill at any moment loses nothing and doubles nothing, and a run that is killed again and again
still gets on. Requests to forget wait in the inbox as well; they are carried out last (`store.forgetting.forget`).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from store.catalog import insert_new, open_catalog, registered
from store.declare import declare
from store.errors import CatalogBusy, RecordError
from store.files import TEMPORARY, publish, temporary_beside, write_durably
from store.forgetting.admit import admit, notice
from store.forgetting.forget import carry_out, finish, is_unfinished
from store.forgetting.requests import Request, is_request, read_request
from store.forgetting.sieve import Sieve
from store.forgetting.tombstones import Tombstones
from store.home import Home
from store.inbox import kind_of, read_records
from store.schema import KINDS, folded
from store.types import arrow_schema

# 200 files per transaction livelocked under random kills, 50 did not (FACTS of the design, measured).
BATCH_FILES = 50
BATCH_ROWS = 500_000
STALE_S = 3600.0


@dataclass
class Folded:
    """What one run of the fold did; `oldest_s` is the age of the oldest file it met.

    `forgot`: the requests to forget that it carried out; `postponed`: why others wait on.
    """

    files: int = 0
    rows: int = 0
    quarantined: int = 0
    oldest_s: float = 0.0
    published: bool = False
    forgot: list[str] = field(default_factory=list)
    postponed: str = ""


def fold(home: Home, wait_s: float = 60.0, progress: Callable[[int, int], None] | None = None) -> Folded:
    """Take everything that waits in the inbox into the catalog and publish the snapshot.

    Waits up to `wait_s` for another fold to end, then raises CatalogBusy. `progress(done, total)` counts
    files.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    done = Folded()
    with _only_one(home.lock, wait_s):
        _sweep(home)
        with open_catalog(home.catalog) as connection:
            declare(home, connection)
            requests, waiting = _apart(home, home.inbox().files(), done)
            done.oldest_s = _age_s(waiting[0]) if waiting else 0.0
            _forget_folded(connection, waiting)
            sieve = Sieve(Tombstones.load(home))
            for batch in _batches(home, waiting, done):
                _take(home, connection, sieve, batch, done)
                if progress:
                    progress(done.files + done.quarantined, len(waiting))
            unfinished = is_unfinished(home, connection)
            connection.exec_driver_sql("CHECKPOINT")
            connection.commit()
        forgotten = carry_out(home, list(requests.values()), unfinished, progress)
        done.forgot, done.postponed = forgotten.requests, forgotten.postponed
        done.published = _publish(home, changed=done.files > 0 or forgotten.purged)
        finish(home, requests, forgotten)
    return done


@contextlib.contextmanager
def _only_one(lock: Path, wait_s: float) -> Iterator[None]:
    """Hold the fold's lock: an flock, which is fair and falls with its process."""
    deadline = time.monotonic() + wait_s
    with lock.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise CatalogBusy(f"another fold has held {lock} for {wait_s:g} s; try again later") from None
                time.sleep(0.05)
        yield


def _sweep(home: Home) -> None:
    """Remove temporary files that a killed producer or fold left behind."""
    for folder in (home.root, home.root / "inbox"):
        for path in folder.glob(f"{TEMPORARY}*") if folder.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):
                if path.is_dir():  # what DuckDB sets aside on disk
                    shutil.rmtree(path)
                elif folder == home.root or time.time() - path.stat().st_mtime > STALE_S:
                    path.unlink()


def _apart(home: Home, waiting: list[Path], done: Folded) -> tuple[dict[Path, Request], list[Path]]:
    """Requests to forget, and the other files. What no request can be made of goes to quarantine."""
    requests: dict[Path, Request] = {}
    for path in filter(is_request, waiting):
        try:
            requests[path] = read_request(path)
        except RecordError as error:
            _quarantine(home, path, str(error))
            done.quarantined += 1
    return requests, [path for path in waiting if not is_request(path)]


def _batches(home: Home, waiting: list[Path], done: Folded) -> Iterator[dict[Path, pa.Table]]:
    """The readable files in bounded bites; the others go to quarantine."""
    batch: dict[Path, pa.Table] = {}
    for path in waiting:
        if not path.exists():
            continue  # folded by a run that was killed before it could remove it
        try:
            batch[path] = read_records(path)
        except RecordError as error:
            _quarantine(home, path, str(error))
            done.quarantined += 1
        if len(batch) >= BATCH_FILES or sum(table.num_rows for table in batch.values()) >= BATCH_ROWS:
            yield batch
            batch = {}
    if batch:
        yield batch


def _take(home: Home, connection: sa.Connection, sieve: Sieve, batch: dict[Path, pa.Table], done: Folded) -> None:
    """One transaction: rows and file names together; the files go only after the commit."""
    by_kind: dict[str, list[pa.Table]] = defaultdict(list)
    for path, table in batch.items():
        by_kind[kind_of(path)].append(table)
    for kind, tables in by_kind.items():
        rows = admit(home, connection, sieve, kind, pa.concat_tables(tables))
        done.rows += insert_new(connection, KINDS[kind], rows)
        notice(home, connection, sieve, kind, rows)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    names = [{"file": path.name, "rows": table.num_rows, "folded_at": now} for path, table in batch.items()]
    insert_new(connection, folded, pa.Table.from_pylist(names, arrow_schema(folded)))
    connection.commit()
    for path in batch:
        path.unlink(missing_ok=True)
    done.files += len(batch)


def _forget_folded(connection: sa.Connection, waiting: list[Path]) -> None:
    """Remove the files that were committed by a run that was killed before it could remove them."""
    names = pa.table({"file": pa.array([path.name for path in waiting], pa.string())})
    with registered(connection, "waiting", names):
        query = sa.text("SELECT file FROM folded SEMI JOIN waiting USING (file)")
        known = set(connection.execute(query).scalars())
    connection.rollback()
    for path in waiting:
        if path.name in known:
            path.unlink(missing_ok=True)


def _quarantine(home: Home, path: Path, reason: str) -> None:
    home.quarantine.mkdir(exist_ok=True)
    write_durably(home.quarantine / f"{path.name}.reason", f"{reason}\n".encode())
    path.replace(home.quarantine / path.name)


def _publish(home: Home, changed: bool) -> bool:
    """Copy the closed catalog beside the snapshot and put it in its place; True if it did."""
    current = home.snapshot.exists() and home.snapshot.stat().st_mtime_ns >= home.catalog.stat().st_mtime_ns
    if current and not changed:
        return False
    temporary = temporary_beside(home.snapshot)
    shutil.copyfile(home.catalog, temporary)
    publish(temporary, home.snapshot)
    return True


def _age_s(path: Path) -> float:
    """The age of an inbox file by the time in its name, in seconds; 0 when its name has none."""
    made = path.name.split("-")[0]
    return max(0.0, time.time() - int(made) / 1e9) if re.fullmatch("[0-9]{1,20}", made) else 0.0
