"""Tombstones: what this home was told to forget, kept so that it is neither fetched again nor stored from elsewhere.

`tombstones.parquet` in the home is the truth and what producers read; the fold writes it and copies it into the table
`tombstones`. No name and no URL stands there in clear: sources and URLs are HMAC-SHA256 under the random key in
`tombstone.key` (0600), so that a stolen catalog cannot be searched for a guessed URL. A picture is the sha256 of its
bytes, because its bytes are gone and its id tells nothing else.
"""

from __future__ import annotations

import functools
import hmac
import os
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from store.errors import HomeError
from store.files import publish, temporary_beside, write_durably
from store.home import Home
from store.schema import tombstones
from store.sources import source_of
from store.types import arrow_schema

KEY_BYTES = 32
# How long a look at the file is good for: a purge reaches running jobs within it. Chosen by eye.
LOOK_S = 1.0
PORTS = {"http": "80", "https": "443"}


class Tombstones:
    """What is forbidden, as sets in memory; follows the file when it changes."""

    def __init__(self, home: Home) -> None:
        self._home, self._key = home, b""
        self._marks: dict[str, set[str]] = {"source": set(), "url": set(), "picture": set()}
        self._stamp: tuple[int, int] | None = None
        self._looked_at = -LOOK_S
        self._site = functools.lru_cache(maxsize=100_000)(self._forbids_site)

    @classmethod
    def load(cls, home: Home) -> Tombstones:
        """Those of `home`; none when nothing was ever purged. Raises HomeError when their key is lost."""
        loaded = cls(home)
        loaded.refresh()
        return loaded

    def __len__(self) -> int:
        return sum(map(len, self._marks.values()))

    def forbids_url(self, url: str) -> bool:
        """Whether `url` was purged, or lies on a host of a purged source. The scheme and a #fragment do not matter."""
        self._look()
        if not self._marks["url"] and not self._marks["source"]:
            return False
        place = url_place(url)
        return self._mark("url", place) in self._marks["url"] or self._site(place.partition("/")[0])

    def forbids_source(self, source: str) -> bool:
        """Whether everything of this source was purged."""
        self._look()
        return bool(self._marks["source"]) and self._mark("source", source) in self._marks["source"]

    def forbids_picture(self, picture: str) -> bool:
        """Whether the bytes with this sha256 (64 hex digits) were purged, wherever they come from."""
        self._look()
        return picture in self._marks["picture"]

    def mark(self, kind: str, name: str) -> str:
        """What stands in the table for a `source`, `url` or `picture`: hex of its keyed hash, or the picture's id."""
        if kind == "picture":
            return name
        if not self._key:
            self._key = _make_key(_key_file(self._home))
        return self._mark(kind, url_place(name) if kind == "url" else name)

    def refresh(self) -> None:
        """Read the file again if it has changed. Raises HomeError when its key is lost."""
        self._looked_at = time.monotonic()
        stamp = _stamp(file_of(self._home))
        if stamp == self._stamp:
            return
        rows = read_tombstones(self._home)
        keyed = set(rows["kind"].to_pylist()) - {"picture"}
        self._key = _read_key(_key_file(self._home)) if keyed else b""
        for kind, found in self._marks.items():
            found.clear()
            chosen = rows.filter(pc.equal(rows["kind"], kind))
            found.update(chosen["mark"].to_pylist())
        self._stamp = stamp
        self._site.cache_clear()

    def _look(self) -> None:
        if time.monotonic() - self._looked_at >= LOOK_S:
            self.refresh()

    def _forbids_site(self, authority: str) -> bool:
        """Whether a host and port, as `url_place` writes them, belong to a purged source."""
        try:
            parts = urlsplit(f"//{authority}")
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return False
        names = {host, authority, source_of(host, port or 80), source_of(host, port or 443)}
        return any(self._mark("source", name) in self._marks["source"] for name in names)

    def _mark(self, kind: str, name: str) -> str:
        # The kind goes in too: a source and a URL of one spelling are two things.
        return hmac.digest(self._key, f"{kind}\0{name}".encode("utf-8", "surrogatepass"), "sha256").hex()


def url_place(url: str) -> str:
    """What a URL names, in one spelling: no scheme, credentials, default port or fragment; the host in lower case.

    `HTTPS://u:p@A.example:443/x?y#z` → `a.example/x?y`. A URL without an authority keeps all but its fragment.
    """
    scheme, slashes, rest = url.partition("#")[0].partition("://")
    scheme = scheme.lower()
    if not slashes or scheme not in PORTS:
        return url.partition("#")[0]
    end = re.search(r"[/?\\]|$", rest)
    cut = end.start() if end else len(rest)
    host = rest[:cut].rpartition("@")[2].lower().removesuffix(f":{PORTS[scheme]}")
    path = rest[cut:]
    return f"{host}{path}" if path.startswith("/") else f"{host}/{path}"


def file_of(home: Home) -> Path:
    """Where the tombstones lie."""
    return home.root / "tombstones.parquet"


def read_tombstones(home: Home) -> pa.Table:
    """All tombstones as records of the table; none when there is no file."""
    schema = arrow_schema(tombstones)
    try:
        return pq.read_table(file_of(home), schema=schema)
    except FileNotFoundError:
        return schema.empty_table()
    except (pa.ArrowException, OSError) as error:
        cause = " ".join(str(error).split())[:200]
        raise HomeError(f"{file_of(home)} cannot be read: {cause}; restore it, or what was purged may return") from None


def count_tombstones(home: Home) -> int:
    """How many there are, without reading them."""
    return int(pq.read_metadata(file_of(home)).num_rows) if file_of(home).exists() else 0


def pictures_of(home: Home) -> set[str]:
    """The ids of all purged pictures."""
    rows = read_tombstones(home)
    return set(rows.filter(pc.equal(rows["kind"], "picture"))["mark"].to_pylist())


def add_tombstones(home: Home, rows: pa.Table) -> None:
    """Write the file with these records added, durably; those it has already stay as they are. For the fold alone."""
    present = read_tombstones(home)
    known = set(zip(present["kind"].to_pylist(), present["mark"].to_pylist(), strict=True))
    pairs = zip(rows["kind"].to_pylist(), rows["mark"].to_pylist(), strict=True)
    fresh = rows.filter(pa.array([pair not in known for pair in pairs], pa.bool_()))
    if fresh.num_rows:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.concat_tables([present, fresh]), sink, compression="zstd")
        write_durably(file_of(home), bytes(sink.getvalue()))


def _key_file(home: Home) -> Path:
    return home.root / "tombstone.key"


def _read_key(path: Path) -> bytes:
    key = path.read_bytes() if path.exists() else b""
    if len(key) != KEY_BYTES:
        raise HomeError(
            f"{path} wants {KEY_BYTES} bytes, found {len(key)}: without it purged URLs are not recognised; restore it"
        )
    return key


def _make_key(path: Path) -> bytes:
    """The key, made if there is none; whole or absent, and readable by its owner alone from the first moment."""
    if not path.exists():
        temporary = temporary_beside(path)
        temporary.touch(0o600)
        temporary.write_bytes(os.urandom(KEY_BYTES))
        publish(temporary, path)
    return _read_key(path)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino
