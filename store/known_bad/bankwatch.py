"""Watches how much each entry of the known-bad bank matches: one that matches far too much must not empty the web.

Reads and writes in `bank/` of the home, for all processes together: `matches-<day>.jsonl`, which picture of which
source an entry matched, kept for two days; and `quarantine.jsonl`, which entries stopped acting or act again, why, for
good. Pictures and sources stand there as short hashes under the random key in `matches.key`: they can be counted, and
nobody can look up what was matched where. Each line is one write, so a kill loses none; a power cut may.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import logging
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store.files import publish, sync_folder, temporary_beside
from store.home import Home
from store.known_bad.hashlists import folder

logger = logging.getLogger("store.known_bad.bank")

# An entry that matches more distinct pictures than this, of more sources than that, within a day, is taken for a
# mistake: a blank, a logo, a hash of everything. (A SHA-256 matches one picture alone, and never goes.) Chosen by eye.
MAX_PICTURES, MAX_SOURCES = 50, 5
DAY_S = 86_400.0
KEY_BYTES, MARK_BYTES = 32, 8
QUARANTINE = "quarantine.jsonl"


@dataclass(frozen=True)
class Quarantined:
    """An entry (64 hex digits) that does not act, since when (seconds of the epoch), and why."""

    entry: str
    bank: str
    reason: str
    at: float


@dataclass(frozen=True)
class _Seen:
    at: float
    picture: str
    source: str


class Watch:
    """Counts matches and keeps the quarantine; every process's own, in step with the others' through the files."""

    def __init__(self, home: Home) -> None:
        self._folder = folder(home)
        self._seen: dict[str, set[_Seen]] = defaultdict(set)
        self._read_to: dict[str, int] = {}
        self._key = b""
        self.quarantined: dict[str, Quarantined] = {}
        self._released_at: dict[str, float] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read what was written about the quarantine since the last look."""
        lines, self._read_to[QUARANTINE] = _tail(self._folder / QUARANTINE, self._read_to.get(QUARANTINE, 0))
        for row in _rows(lines):
            entry, at = str(row.get("entry")), _number(row.get("at"))
            if row.get("released"):
                self.quarantined.pop(entry, None)
                self._released_at[entry] = at
            else:
                self.quarantined[entry] = Quarantined(entry, str(row.get("bank")), str(row.get("reason")), at)

    def note(self, entry: str, bank: str, picture: str, source: str, now: float) -> None:
        """Count a match of `entry`; it goes to quarantine when that is one too many."""
        self._follow(now)
        since = max(now - DAY_S, self._released_at.get(entry, 0.0))
        seen = self._seen[entry] = {one for one in self._seen[entry] if one.at > since}
        pictures, sources = {one.picture for one in seen}, {one.source for one in seen}
        mark = _Seen(now, self._mark(picture), self._mark(source))
        # Beyond the limits more of the same would change nothing but the size of the file.
        tells = mark.picture not in pictures and len(pictures) <= MAX_PICTURES
        if tells or (mark.source not in sources and len(sources) <= MAX_SOURCES):
            seen.add(mark)
            self._write(_day_file(now), {"entry": entry, "at": now, "picture": mark.picture, "source": mark.source})
            pictures.add(mark.picture)
            sources.add(mark.source)
        if len(pictures) > MAX_PICTURES and len(sources) > MAX_SOURCES and entry not in self.quarantined:
            self._quarantine(
                Quarantined(entry, bank, f"{len(pictures)} pictures of {len(sources)} sources within a day", now)
            )

    def _quarantine(self, one: Quarantined) -> None:
        self._write(QUARANTINE, vars(one))
        self.quarantined[one.entry] = one
        words = "entry %s of the bank %s has matched %s and acts no more; see `bank list`"
        logger.warning(words, one.entry, one.bank, one.reason)

    def release(self, entry: str, now: float) -> None:
        """Let `entry` act again; what it matched before does not count any more."""
        _append(self._folder / QUARANTINE, {"entry": entry, "released": True, "at": now})
        sync_folder(self._folder)
        self.refresh()

    def _follow(self, now: float) -> None:
        """Take in what other processes, and we before a restart, have noted since we looked."""
        days = [_day_file(now - DAY_S), _day_file(now)]
        for name in days:
            rows, self._read_to[name] = _tail(self._folder / name, self._read_to.get(name, 0))
            for row in _rows(rows):
                seen = _Seen(_number(row.get("at")), str(row.get("picture")), str(row.get("source")))
                self._seen[str(row.get("entry"))].add(seen)
        for path in self._folder.glob("matches-*.jsonl"):
            if path.name < days[0]:
                path.unlink(missing_ok=True)

    def _write(self, name: str, row: dict[str, Any]) -> None:
        """A full disk costs a line and nothing else: the match itself counts, and what it led to holds in memory."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            _append(self._folder / name, row)

    def _mark(self, name: str) -> str:
        if not self._key:
            self._key = _key(self._folder / "matches.key")
        return hashlib.blake2b(name.encode("utf-8", "replace"), key=self._key, digest_size=MARK_BYTES).hexdigest()


def _append(path: Path, row: dict[str, Any]) -> None:
    """One line at the end of a file, in one write."""
    number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(number, json.dumps(row).encode() + b"\n")
    finally:
        os.close(number)


def _key(path: Path) -> bytes:
    """The key of this bank, made if there is none; where it cannot be kept, one for this process."""
    key = b""
    with contextlib.suppress(OSError):
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            temporary = temporary_beside(path)
            temporary.touch(0o600)
            temporary.write_bytes(os.urandom(KEY_BYTES))
            publish(temporary, path)
        key = path.read_bytes()
    return key if len(key) == KEY_BYTES else os.urandom(KEY_BYTES)


def _day_file(now: float) -> str:
    return f"matches-{dt.datetime.fromtimestamp(now, dt.UTC):%Y-%m-%d}.jsonl"


def _tail(path: Path, start: int) -> tuple[bytes, int]:
    """The whole lines of a file from `start`, and where they end; of one that cannot be read none: its entries act."""
    try:
        with path.open("rb") as file:
            start = 0 if os.fstat(file.fileno()).st_size < start else start  # written anew by a person
            file.seek(start)
            lines = file.read().rpartition(b"\n")[0]
    except OSError:
        return b"", 0
    return lines, start + len(lines) + bool(lines)


def _rows(lines: bytes) -> Iterable[dict[str, Any]]:
    """The records in JSON lines; a line that a full disk cut short is passed over."""
    for line in lines.splitlines():
        with contextlib.suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict):
                yield row


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
