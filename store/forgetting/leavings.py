"""What a picture leaves outside the catalog: its bytes, embeddings, quarantined records, and files about it.

Used by purges and retentions, with the fold's lock held. Every function may be run again after a kill.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from store.blobs import PICTURE_ID
from store.embeddings import shards, without_pictures
from store.files import TEMPORARY, sync_folder, write_durably
from store.forgetting.traces import Traces
from store.home import Home

# Parts of a home that are seen to elsewhere, or hold neither pictures nor names of the web.
KNOWN = frozenset({"bank", "pictures", "embeddings", "frontier", "inbox", "models", "quarantine"})
# Files of single lines: those that name what is forgotten go, the others stay.
BY_LINE = frozenset({".csv", ".jsonl", ".log", ".txt"})
# What shows pictures and cannot be searched for them.
SHOWING = frozenset({".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".pdf", ".png", ".svg", ".tif", ".tiff", ".webp"})
EMBEDDED = b"data:image/"
# A producer's file that is older was left by a killed one: it is written in a moment. Chosen by eye.
YOUNG_S = 60.0
PIECE, OVERLAP = 1 << 20, 1 << 16


@dataclass
class Cleaned:
    """Files by name from the home: removed, shortened by lines, and the owner's own that still name it."""

    removed: list[str] = field(default_factory=list)
    shortened: list[str] = field(default_factory=list)
    still_named: list[str] = field(default_factory=list)


def drop_bytes(home: Home, pictures: Iterable[str], step: Callable[[], object] = lambda: None) -> tuple[int, int]:
    """Remove the bytes of these pictures, durably; how many pictures there were, and of how many bytes."""
    blobs, wanted, sizes = home.blobs(), set(filter(PICTURE_ID.fullmatch, pictures)), []
    for picture in wanted:
        sizes.append(blobs.drop(picture))
        step()
    blobs.settle(wanted)
    return sum(size > 0 for size in sizes), sum(sizes)


def drop_embeddings(home: Home, forbidden: Callable[[str], bool]) -> int:
    """Write every shard anew that holds a forbidden picture; how many embeddings went."""
    return sum(without_pictures(path, forbidden) for path in shards(home))


def clean_quarantine(home: Home, traces: Traces) -> int:
    """Remove quarantined files that name what is forgotten, and packed ones, which nobody can search; how many."""
    removed = 0
    for path in sorted(home.quarantine.glob("*")) if home.quarantine.is_dir() else ():
        record = path.with_name(path.name.removesuffix(".reason"))
        if path.exists() and (record.suffix == ".parquet" or _names(path, traces)):
            record.unlink(missing_ok=True)
            record.with_name(f"{record.name}.reason").unlink(missing_ok=True)
            removed += 1
    return removed


def clean_files(home: Home, traces: Traces) -> Cleaned:
    """Remove or shorten reports, sheets and logs that name or may show what is forgotten.

    Under `runs/` and `logs/` also what shows pictures without naming them. Elsewhere in the home lie the owner's own
    files: of these pages with a trace go and lists lose their lines; settings and the like are only told.
    """
    done = Cleaned()
    for path in _files(home):
        name = str(path.relative_to(home.root))
        ours = name.split("/")[0] in ("runs", "logs")
        if path.suffix in BY_LINE:
            if _shorten(path, traces):
                done.shortened.append(name)
        elif _names(path, traces) or (ours and _shows(path)):
            if not ours and path.suffix not in (".html", ".htm"):
                done.still_named.append(name)
                continue
            path.unlink()
            done.removed.append(name)
    return done


def clean_pages(home: Home, older_than_s: float) -> list[str]:
    """Remove what shows pictures under `runs/` and is older than that; their names."""
    removed = []
    for path in _files(home):
        name = str(path.relative_to(home.root))
        if name.startswith("runs/") and time.time() - path.stat().st_mtime > older_than_s and _shows(path):
            path.unlink()
            removed.append(name)
    return removed


def clean_temporaries(home: Home) -> None:
    """Remove half-written inbox files of killed producers, and what DuckDB has set aside on disk for queries."""
    for path in (home.root / "inbox").glob(f"{TEMPORARY}*"):
        if time.time() - path.stat().st_mtime > YOUNG_S:
            path.unlink(missing_ok=True)
    for folder in home.root.glob("*.duckdb.tmp"):
        shutil.rmtree(folder, ignore_errors=True)


def _files(home: Home) -> Iterator[Path]:
    """Every file of the home that is no part of the store."""
    local = home.blobs().local
    for path in sorted(home.root.rglob("*")):
        inside = path.relative_to(home.root)
        part = inside.parts[0]
        store = part in KNOWN or part.startswith((TEMPORARY, "tombstone")) or ".duckdb" in part
        if path.is_file() and not path.is_symlink() and not store and not (local and path.is_relative_to(local)):
            yield path


def _names(path: Path, traces: Traces) -> bool:
    """Whether a file of any kind names what is forgotten, read in overlapping pieces."""
    before = b""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            if traces.found((before + piece).decode("utf-8", "replace").replace("&amp;", "&")):
                return True
            before = piece[-OVERLAP:]
    return False


def _shows(path: Path) -> bool:
    if path.suffix.lower() in SHOWING:
        return True
    before = b""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            if EMBEDDED in before + piece:
                return True
            before = piece[-len(EMBEDDED) :]
    return False


def _shorten(path: Path, traces: Traces) -> bool:
    """Take the lines that name it out of a file; whether there were any."""
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not traces.found(line.decode("utf-8", "replace"))]
    if len(kept) < len(lines):
        write_durably(path, b"".join(kept))
        sync_folder(path.parent)
    return len(kept) < len(lines)
