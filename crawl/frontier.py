"""The frontier: what a job still has to ask for, and the rows it has not handed on yet; one SQLite file per job.

Lives in `home/frontier/<job>.sqlite`. An entry is waiting, leased or done; leases of a run that was killed are waiting
again at the next start, so nothing is lost and at most what was under way is asked twice. An answer's rows and the
end of its lease are one transaction: the rows stay in `outbox` until they are durable in the inbox.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crawl.clock import steady
from crawl.entries import Entry, Kept, Link
from crawl.joblock import hold
from crawl.rules.canonical import canonical
from crawl.text import clean
from store.errors import CrawlError

__all__ = ["Entry", "Frontier", "Kept", "Link"]

WAITING, LEASED, DONE = 0, 1, 2
KINDS = ("picture", "style", "page")
DAY_S = 86_400.0
READ_AT_ONCE = 1_000  # rows of `earlier`, a millisecond or so
SCHEMA = """
    CREATE TABLE IF NOT EXISTS facts(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS urls(
        id INTEGER PRIMARY KEY, key BLOB UNIQUE, url TEXT, kind TEXT, host TEXT, page TEXT, depth INT, hops INT,
        priority INT, state INT, generation INT, tries INT, not_before REAL, etag TEXT, modified TEXT, picture TEXT,
        hint TEXT, named BLOB,
        moved TEXT);
    CREATE INDEX IF NOT EXISTS turns ON urls(host, kind, priority DESC, id) WHERE state = 0;
    CREATE TABLE IF NOT EXISTS hosts(
        host TEXT PRIMARY KEY, robots_status INT, robots BLOB, robots_at REAL, robots_max_age REAL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS outbox(id INTEGER PRIMARY KEY, kind TEXT, row TEXT);
"""
COLUMNS = "id, url, kind, host, page, depth, hops, tries, etag, modified, picture, hint"
ADD = """
    INSERT INTO urls(key, url, kind, host, page, depth, hops, priority, state, generation, tries, not_before, hint)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, 0, ?)
    ON CONFLICT(key) DO UPDATE SET
        state = 0, generation = excluded.generation, tries = 0, not_before = 0, page = excluded.page,
        depth = excluded.depth, hops = excluded.hops, priority = excluded.priority, hint = excluded.hint
    WHERE urls.generation < excluded.generation"""
# One of each kind by itself: a host may have a million pages that nobody will ask for, and one picture.
OF_KIND = "FROM urls WHERE state = 0 AND host = :host AND kind = '{kind}'"
FIRST = f"SELECT * FROM (SELECT id, priority {OF_KIND} AND not_before <= :now ORDER BY priority DESC, id LIMIT :limit)"
TAKE = f"""
    UPDATE urls SET state = 1 WHERE id IN (SELECT id FROM ({{first}}) ORDER BY priority DESC, id LIMIT :limit)
    RETURNING {COLUMNS}, priority"""
DUE = f"SELECT EXISTS (SELECT 1 {OF_KIND} AND not_before <= :now)"
NEXT = f"SELECT min(not_before) {OF_KIND}"
FINISH = "UPDATE urls SET state = 2, etag = ?, modified = ?, picture = ?, named = ?, moved = ? WHERE id = ?"


class Frontier:
    """The open frontier of one job. One process at a time; used from one thread."""

    def __init__(self, path: Path) -> None:
        """Open or make the file at `path`. Raises JobRunning when another process has it, CrawlError."""
        self._path, self.now_s = path, steady()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = hold(path.with_suffix(".lock"), path.stem)
        except OSError as error:
            raise CrawlError(
                f"the frontier {path} cannot be used: {error.strerror}; mend that and crawl again"
            ) from None
        try:
            self._db = sqlite3.connect(path, isolation_level=None, cached_statements=64)
            # NORMAL: a commit survives a kill; a power cut may take back the last ones, rows and leases alike.
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "temp_store = MEMORY", "cache_size = -4000"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.executescript(SCHEMA)
            with self._transaction():
                self._db.execute("UPDATE urls SET state = 0 WHERE state = 1")
                # Nobody answered, or our own gate said no: by now that may have been mended.
                self._db.execute("DELETE FROM hosts WHERE robots_status IS NULL")
                # Written while the clock was ahead: nobody waits longer than the longest Retry-After.
                latest = self.now_s() + DAY_S
                self._db.execute("UPDATE urls SET not_before = ? WHERE state = 0 AND not_before > ?", (latest, latest))
            self.generation = int(self._fact("generation", 0))
        except sqlite3.Error as error:
            os.close(self._lock)
            raise self.complaint(error) from None

    # ---- generations ---------------------------------------------------------------------------------------

    def begin(self) -> bool:
        """Go on with a crawl that was not finished (True), or start the next one: every URL may be asked again."""
        resumed = bool(self._fact("open", 0))
        if not resumed:
            self.generation += 1
            with self._transaction():
                self._remember("generation", self.generation)
                self._remember("open", 1)
        return resumed

    def end(self) -> None:
        """The crawl is finished: nothing waits any more."""
        self._remember("open", 0)

    # ---- what waits ----------------------------------------------------------------------------------------

    def add(self, links: Iterable[Link]) -> list[str]:
        """Let these wait, unless this generation has them already; the hosts of those that now wait."""
        with self._transaction():
            return self._add(links)

    def _add(self, links: Iterable[Link]) -> list[str]:
        added = []
        for link in links:
            values = (link.url, link.kind, link.host, link.page, link.depth, link.hops, link.priority)
            done = self._db.execute(ADD, (_key(link.url), *values, self.generation, link.hint))
            if done.rowcount:
                added.append(link.host)
        return added

    def waiting(self) -> dict[str, int]:
        """How many wait, by host."""
        return dict(self._db.execute("SELECT host, count(*) FROM urls WHERE state = 0 GROUP BY host"))

    def left(self) -> int:
        """How many are not done, also of those that were leased and not asked."""
        return int(self._db.execute("SELECT count(*) FROM urls WHERE state < ?", (DONE,)).fetchone()[0])

    def held(self) -> list[tuple[str, float]]:
        """(host, seconds) of the hosts of which something waits that is not to be asked for yet."""
        now = self.now_s()
        query = "SELECT host, max(not_before) FROM urls WHERE state = 0 AND not_before > ? GROUP BY host"
        return [(host, until - now) for host, until in self._db.execute(query, (now,))]

    def earlier(self) -> Iterator[list[tuple[str, str, str | None, str | None]]]:
        """What this generation has so far, piece by piece: (kind, URL, page, picture) of pages and of pictures kept."""
        query = """
            SELECT kind, url, page, picture FROM urls WHERE id > ? AND id <= ? AND generation = ?
            AND (kind = 'page' OR (state = 2 AND picture IS NOT NULL AND page IS NOT NULL))"""
        last = self._db.execute("SELECT max(id) FROM urls").fetchone()[0] or 0
        for start in range(0, last, READ_AT_ONCE):
            yield self._db.execute(query, (start, start + READ_AT_ONCE, self.generation)).fetchall()

    def next_in_s(self, host: str, without: Iterable[str] = ()) -> float | None:
        """In how many seconds the first waiting entry of `host` may be asked; None when none waits."""
        known, soonest = {"host": host, "now": self.now_s()}, None
        for kind in _kinds(without):
            if self._db.execute(DUE.format(kind=kind), known).fetchone()[0]:
                return 0.0
            found: float | None = self._db.execute(NEXT.format(kind=kind), known).fetchone()[0]
            soonest = found if soonest is None or (found is not None and found < soonest) else soonest
        return None if soonest is None else max(0.0, soonest - self.now_s())

    def take(self, host: str, limit: int, without: Iterable[str] = ()) -> list[Entry]:
        """Lease up to `limit` entries of `host`, the most urgent first, of any kind but `without`."""
        kinds = _kinds(without)
        if not kinds:
            return []
        query = TAKE.format(first=" UNION ALL ".join(FIRST.format(kind=kind) for kind in kinds))
        rows = self._db.execute(query, {"host": host, "now": self.now_s(), "limit": limit}).fetchall()
        return [Entry(*row[:-1]) for row in sorted(rows, key=lambda row: (-row[-1], row[0]))]

    def start_hosts(self) -> list[str]:
        """The hosts of all pages at depth 0, also of those that start URLs redirect to."""
        query = "SELECT DISTINCT host FROM urls WHERE kind = 'page' AND depth = 0"
        return [row[0] for row in self._db.execute(query)]

    # ---- what came of it -----------------------------------------------------------------------------------

    def finish(
        self,
        entry: Entry | None,
        rows: Sequence[tuple[str, dict[str, Any]]] = (),
        links: Iterable[Link] = (),
        kept: Kept | None = None,
    ) -> list[str]:
        """End a lease: its (kind, row)s go to the outbox, its links wait, all or nothing; hosts that now wait."""
        with self._transaction():
            added = self._add(links)
            lines = [(kind, json.dumps(row, default=_iso)) for kind, row in rows]
            self._db.executemany("INSERT INTO outbox(kind, row) VALUES (?, ?)", lines)
            if entry is not None and kept is not None:
                left = (kept.etag, kept.modified, kept.picture, kept.named, kept.moved)
                self._db.execute(FINISH, (*left, entry.id))
            elif entry is not None:
                self._db.execute("UPDATE urls SET state = 2 WHERE id = ?", (entry.id,))
        return added

    def give_back(self, entry: Entry, in_s: float = 0.0, tried: bool = True) -> None:
        """End a lease without an answer: it waits again, for at least `in_s` seconds."""
        query = "UPDATE urls SET state = 0, tries = tries + ?, not_before = ? WHERE id = ?"
        self._db.execute(query, (int(tried), self.now_s() + in_s, entry.id))

    def named_by(self, entry: Entry) -> bytes | None:
        """What `finish` was told that this page names."""
        found: bytes | None = self._db.execute("SELECT named FROM urls WHERE id = ?", (entry.id,)).fetchone()[0]
        return found

    def moved_to(self, url: str) -> str | None:
        """Where `url` redirected to in this crawl."""
        query = "SELECT moved FROM urls WHERE key = ? AND generation = ? AND state = ?"
        found = self._db.execute(query, (_key(url), self.generation, DONE)).fetchone()
        return found[0] if found else None

    # ---- rows on their way to the inbox --------------------------------------------------------------------

    def unsent(self, limit: int) -> list[tuple[int, str, dict[str, Any]]]:
        """The oldest (id, kind, row)s that are not in the inbox yet; times are ISO texts."""
        rows = self._db.execute("SELECT id, kind, row FROM outbox ORDER BY id LIMIT ?", (limit,))
        return [(number, kind, json.loads(row)) for number, kind, row in rows]

    def sent(self, up_to: int) -> None:
        """The rows up to this id are durable in the inbox."""
        self._db.execute("DELETE FROM outbox WHERE id <= ?", (up_to,))

    # ---- robots.txt ----------------------------------------------------------------------------------------

    def robots(self, host: str) -> tuple[int | None, bytes, float, float | None] | None:
        """(status, body, fetched at, max age) of the robots.txt of `host`, as `keep_robots` was told."""
        query = "SELECT robots_status, robots, robots_at, robots_max_age FROM hosts WHERE host = ?"
        found: tuple[int | None, bytes, float, float | None] | None = self._db.execute(query, (host,)).fetchone()
        return found

    def keep_robots(self, host: str, status: int | None, body: bytes, at_s: float, max_age_s: float | None) -> None:
        """Remember a robots.txt."""
        self._db.execute("INSERT OR REPLACE INTO hosts VALUES (?, ?, ?, ?, ?)", (host, status, body, at_s, max_age_s))

    # ---- the file ------------------------------------------------------------------------------------------

    def complaint(self, error: sqlite3.Error) -> CrawlError:
        """What to tell the owner of the machine about an error of the file."""
        # OperationalError: full, read-only, I/O. What else there is says that the file is no longer what it was.
        mend = isinstance(error, sqlite3.OperationalError)
        what_next = "mend that and crawl again, nothing is lost" if mend else "move it away to begin anew"
        return CrawlError(f"the frontier {self._path} cannot be used: {clean(str(error))}; {what_next}")

    def close(self) -> None:
        """Close the file and let others have the job."""
        self._db.close()
        os.close(self._lock)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _fact(self, name: str, default: Any) -> Any:
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return found[0] if found else default

    def _remember(self, name: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def _kinds(without: Iterable[str]) -> list[str]:
    return [kind for kind in KINDS if kind not in set(without)]


def _key(url: str) -> bytes:
    return hashlib.blake2b(canonical(url).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _iso(value: Any) -> str:
    return str(value.isoformat())
