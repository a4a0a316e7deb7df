"""A home with everything that a source can leave behind in it, and a search that finds any of it again.

`example.org` is to be forgotten, `example.net` stays. Texts with CANARY are URLs of the first, or name one.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from samples import NOW, picture

from store.blobs import picture_id
from store.embeddings import append_embeddings
from store.files import TEMPORARY
from store.fold import fold
from store.home import Home

CANARY = "canary-9f31"
BAD, GOOD = "example.org", "example.net"
PAGE = f"http://{BAD}/{CANARY}-page"
CDN = f"https://cdn.example.com/{CANARY}/elsewhere.png"
BASE = "b" * 64
SECONDS = dt.timedelta(seconds=1)

# Name → (source, URL, page) of its sightings. `shared` was seen at both, `hotlinked` served by the one to the other.
SEEN: dict[str, list[tuple[str, str, str]]] = {
    "own": [(BAD, f"http://www.{BAD}/{CANARY}/1.png", PAGE)],
    "cdn": [(BAD, CDN, PAGE)],
    "shared": [(GOOD, f"http://{GOOD}/copy.png", f"http://{GOOD}/"), (BAD, f"http://{BAD}/{CANARY}/2.png", PAGE)],
    "hotlinked": [(GOOD, f"http://img.{BAD}:8080/{CANARY}/3.png", f"http://{GOOD}/")],
    "kept": [(GOOD, f"http://{GOOD}/4.png", f"http://{GOOD}/")],
    "other": [(GOOD, f"http://not{BAD}/5.png", f"http://{GOOD}/")],
}
GONE, STAYS = ("own", "cdn", "shared", "hotlinked"), ("kept", "other")


def data_of(name: str) -> bytes:
    """The bytes of a picture: nothing else in the home has any 64 of them."""
    return b"\x89PNG" + np.random.default_rng([*name.encode()]).bytes(2_000)


def thumbnail_of(name: str) -> bytes:
    return np.random.default_rng([7, *name.encode()]).bytes(256)


IDS = {name: picture_id(data_of(name)) for name in SEEN}


def rows() -> dict[str, list[dict[str, Any]]]:
    """What is known of these pictures, by kind of record."""
    ids, versions = IDS, {"policy_version": "p1", "version": "v1"}
    text = f"see {PAGE}, or {IDS['own']}"
    return {
        "pictures": [picture(ids[n], source=seen[0][0], first_seen_at=NOW) for n, seen in SEEN.items()],
        "sightings": [
            {"picture": ids[n], "url": url, "page": page, "host": url.split("/")[2], "source": source, "seen_at": NOW}
            for n, seen in SEEN.items()
            for source, url, page in seen
        ],
        "refusals": [
            {"url": f"http://{BAD}/{CANARY}/gone.png", "stage": "fetch", "reason": "http_404", "refused_at": NOW},
            {"url": f"http://{GOOD}/moved", "stage": "fetch", "reason": "robots", "detail": text, "refused_at": NOW},
            {"picture": ids["own"], "stage": "decode", "reason": "broken", "refused_at": NOW},
        ],
        "measurements": [{"picture": i, "width_px": 1} for i in ids.values()],
        "hashes": [{"picture": ids[n], "hash_version": "1", "thumbnail": thumbnail_of(n)} for n in ids],
        "copies": [
            {"picture": ids[n], "representative": ids["own"], "distance_bits": 1, "hash_version": "1"}
            for n in ("own", "kept")
        ],
        "family_definitions": [{"family": "f", "kind": "label", "definition": f"imported from {BAD}"}],
        "family_members": [{"family": "f", "picture": i} for i in ids.values()],
        "raw_scores": [
            {"picture": i, "version": "v1", "view": "as_shown", "probabilities": [1.0]} for i in ids.values()
        ],
        "findings": [{"detector": "d", "picture": i, "reason": f"as on {PAGE}"} for i in ids.values()],
        "queue_entries": [
            {"queue": "q", "rank": rank, "picture": i, "reason": text, "queued_at": NOW, **versions}
            for rank, i in enumerate(ids.values())
        ],
        "verdict_records": [{"verdict": n, "picture": ids[n], "class": "bag", "note": text} for n in ids],
        "suite_pictures": [{"suite": "s", "role": "ordinary", "picture": ids[n]} for n in ("shared", "kept")],
        "mixes": [
            {"mix": "touched", "settings": "{}"},
            {"mix": "holds out", "settings": json.dumps({"held_out_sources": [BAD]})},
            {"mix": "clean", "settings": "{}"},
        ],
        "mix_samples": [
            {"mix": mix, "sample": f"verdict:{ids[n]}", "picture": ids[n], "source": source, "split_group": ids[group]}
            for mix, n, source, group in (
                ("touched", "own", BAD, "own"),
                ("touched", "kept", GOOD, "own"),
                ("clean", "kept", GOOD, "kept"),
            )
        ],
        "models": [
            {"version": "v1", "mix": None},
            {"version": "v2", "parent": "v1", "mix": "touched"},
            {"version": "v3", "parent": "v2", "mix": "clean"},
        ],
        "evaluations": [
            {"evaluation": "e", "slice": "source", "name": BAD, "rate": 0.5},
            {"evaluation": "e", "slice": "family", "name": "f", "rate": 0.25},
        ],
        "certificates": [{"certificate": "c", "body": json.dumps({"of": [BAD, f"www.{BAD}", GOOD], "see": PAGE})}],
        "cycles": [{"cycle": "y", "summary": json.dumps({"crawls": [{"error": f"no answer: {PAGE}?a=b"}]})}],
        "crawls": [{"crawl": "r", "job": "j", "summary": json.dumps({"first_refusal": f"{PAGE}: timeout"})}],
    }


def plant(home: Home) -> None:
    """Fill the home: catalog, snapshot, bytes, embeddings, inbox, quarantine, frontier, reports, logs, leftovers."""
    for name in SEEN:
        home.blobs().put(data_of(name))
    for kind, records in rows().items():
        home.inbox().append(kind, records)
    fold(home)
    # Without this a canary would hide in compressed pages, and the search before the purge would prove nothing.
    with duckdb.connect(str(home.catalog)) as catalog:
        catalog.execute("SET force_compression = 'uncompressed'")
        for name in ("sightings", "refusals", "hashes", "certificates"):
            catalog.execute(f'CREATE OR REPLACE TABLE "{name}" AS SELECT * FROM "{name}"')
        catalog.execute("CHECKPOINT")
    fold(home)
    append_embeddings(home, BASE, [IDS[n] for n in SEEN], np.arange(12, dtype=np.float32).reshape(6, 2))
    append_embeddings(home, BASE, [IDS["own"]], np.ones((1, 2), np.float32))
    _plant_files(home)
    _plant_frontier(home)


def _plant_files(home: Home) -> None:
    own = IDS["own"]
    late = {"picture": own, "url": f"{PAGE}/late.png", "source": BAD, "seen_at": NOW + SECONDS}
    home.inbox().append(
        "sightings", [late, late | {"picture": IDS["kept"], "url": f"http://{GOOD}/late.png", "source": GOOD}]
    )
    old_temporary = home.root / "inbox" / f"{TEMPORARY}killed.jsonl"
    old_temporary.write_text(PAGE)
    os.utime(old_temporary, (time.time() - 600,) * 2)
    next((home.root / "pictures").iterdir()).joinpath(f"{TEMPORARY}x-{own}").write_bytes(data_of("own")[:1_000])
    home.quarantine.mkdir()
    broken = {"a-sightings-x.jsonl": f'{{"url": "{PAGE}"', "b-sightings-x.jsonl": f'{{"url": "http://{GOOD}/"'}
    for name, text in broken.items():
        (home.quarantine / name).write_text(text)
        (home.quarantine / f"{name}.reason").write_text(f"{name} cannot be read")
    packed = pa.table({"link": [PAGE]})
    pq.write_table(packed, home.quarantine / "c-sightings-x.parquet", compression="none")
    (home.quarantine / "c-sightings-x.parquet.reason").write_text("no column 'link'")
    files = {
        "runs/report.html": f'<img src="data:image/png;base64,AAAA"><a href="{PAGE}?a=1&amp;b=2">',
        "runs/plain.html": "<p>numbers</p>",
        "runs/shows.html": '<img src="data:image/jpeg;base64,AAAA">',
        "runs/mosaic.png": "pixels",
        "runs/certificates/c.txt": f"held out: {BAD}\nheld out: {GOOD}\n",
        "logs/j.jsonl": f'{{"url": "{PAGE}"}}\n{{"url": "http://{GOOD}/"}}\n',
        "sheet.html": f'{{"picture": "{own}"}}',
        "answers.csv": f"picture,class\n{own},bag\n{IDS['kept']},bag\n",
        "catalog.duckdb.tmp/duckdb_temp_block-1.block": PAGE,
    }
    for name, text in files.items():
        (home.root / name).parent.mkdir(parents=True, exist_ok=True)
        (home.root / name).write_text(text)


def _plant_frontier(home: Home) -> None:
    """One job's backlog, in tables of some shape, with rows that were deleted without being overwritten."""
    path = home.root / "frontier" / "j.sqlite"
    path.parent.mkdir()
    named = zlib.compress(json.dumps([[PAGE, "page"], [f"http://{GOOD}/a", "page"]]).encode())
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE urls(id INTEGER PRIMARY KEY, key BLOB UNIQUE, url TEXT, page TEXT, named BLOB)")
    database.execute("CREATE TABLE hosts(host TEXT PRIMARY KEY, robots BLOB) WITHOUT ROWID")
    database.execute("CREATE TABLE outbox(kind TEXT, row TEXT)")
    urls: list[tuple[bytes, str, str | None, bytes | None]] = [
        (b"1", PAGE, None, None),
        (b"2", f"https://www.{BAD}/{CANARY}/waits.png", PAGE, None),
        (b"3", f"https://cdn.example.com/{CANARY}/never-fetched.png", PAGE, None),
        (b"4", f"http://{GOOD}/", None, named),
        (b"5", f"http://{GOOD}/6.png", f"http://{GOOD}/", None),
    ]
    database.executemany("INSERT INTO urls(key, url, page, named) VALUES (?, ?, ?, ?)", urls)
    hosts = [(f"img.{BAD}", b"User-agent: *"), (GOOD, f"Sitemap: {PAGE}".encode()), ("cdn.example.com", b"Allow: /")]
    database.executemany("INSERT INTO hosts VALUES (?, ?)", hosts)
    outbox = [("refusals", json.dumps({"url": PAGE})), ("refusals", json.dumps({"url": f"http://{GOOD}/no"}))]
    database.executemany("INSERT INTO outbox VALUES (?, ?)", outbox)
    database.executemany("INSERT INTO outbox VALUES ('sent', ?)", [(f"{PAGE}/sent/{n}",) for n in range(200)])
    database.execute("DELETE FROM outbox WHERE kind = 'sent'")
    database.close()


def needles() -> list[bytes]:
    """What no file may contain afterwards: the canary, slices of the bytes, the thumbnails."""
    slices = [data_of(name)[start : start + 64] for name in GONE for start in (0, 4, 700, 1_900)]
    return [CANARY.encode(), *slices, *(thumbnail_of(name) for name in GONE)]


def found_in(home: Home) -> dict[str, int]:
    """File → how many needles it holds, in its raw bytes, or in a value when it is read as what it is."""
    found = {}
    for path in sorted(p for p in home.root.rglob("*") if p.is_file()):
        whole = b"\0".join([path.read_bytes(), *_values(path)])
        if hits := sum(needle in whole for needle in needles()):
            found[str(path.relative_to(home.root))] = hits
    return found


def _values(path: Path) -> Iterator[bytes]:
    if path.suffix == ".parquet":
        for column in pq.read_table(path).columns:
            yield from (_bytes(value) for value in column.to_pylist())
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as database:
            for (name,) in database.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                for row in database.execute(f'SELECT * FROM "{name}"').fetchall():
                    yield from map(_bytes, row)
    elif path.suffix == ".sqlite":
        database = sqlite3.connect(path)
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in database.execute(f'SELECT * FROM "{name}"').fetchall():
                yield from map(_bytes, row)
        database.close()


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        try:
            return zlib.decompress(value)
        except zlib.error:
            return value
    return str(value).encode()
