"""Brings pictures in from files: a folder, or a list of paths or picture ids. Raw bytes are kept.

Writes pictures to the blobs and `pictures`, `sightings`, `refusals`, `suite_pictures`, `family_members` to the inbox.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from store.blobs import PICTURE_ID, Blobs
from store.errors import PictureError, SuiteError, UsageError
from store.home import Home
from store.pictures import Limits, sniff
from store.policy import read_policy
from store.suites import add_to_family, add_to_suite

BATCH = 1_000


@dataclass
class Imported:
    """How many files gave a picture, how many were refused, by reason."""

    pictures: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def import_pictures(
    home: Home,
    what: Path,
    suite: str | None = None,
    label: str | None = None,
    role: str | None = None,
    family: str | None = None,
    source: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Imported:
    """Import every file under the folder `what`, or every line of the list `what`: a path or the id of a stored picture.

    `source` defaults to the folder's or list's name. With `suite` and `label` they become evaluation pictures. Raises
    UsageError when there is nothing to import, SuiteError when only one of suite and label is given.
    """
    if (suite is None) != (label is None):
        raise SuiteError(f"--suite and --label go together. Received: --suite {suite} --label {label}")
    entries = _entries(what)
    blobs, done, kept = home.blobs(), Imported(), []
    name = source or what.resolve().stem
    batch: list[tuple[str, int, str]] = []
    for count, entry in enumerate(entries, start=1):
        try:
            picture = _bring(entry, blobs, batch)
            kept.append(picture)
            done.pictures += 1
        except PictureError as error:
            done.refused[error.reason] += 1
            _refuse(home, entry, error)
        if len(batch) >= BATCH or count == len(entries):
            _flush(home, batch, name)
            batch = []
        progress(count, len(entries))
    if suite is not None and label is not None:
        add_to_suite(home, read_policy(home.policy), suite, label, dict.fromkeys(kept), role)
    if family is not None:
        add_to_family(home, family, dict.fromkeys(kept), f"imported from {what.name}")
    return done


def _entries(what: Path) -> list[str]:
    if what.is_dir():
        found = sorted(str(path) for path in what.rglob("*") if path.is_file() and not path.name.startswith("."))
    elif what.is_file():
        lines = what.read_text(encoding="utf-8", errors="replace").splitlines()
        found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    else:
        raise UsageError(f"import wants a folder or a list of paths or picture ids. Received: {what}")
    if not found:
        raise UsageError(f"{what} holds nothing to import")
    return found


def _bring(entry: str, blobs: Blobs, batch: list[tuple[str, int, str]]) -> str:
    if PICTURE_ID.fullmatch(entry):
        if not blobs.has(entry):
            raise PictureError("unknown_picture", entry)
        return entry
    try:
        data = Path(entry).read_bytes()
    except OSError as error:
        raise PictureError("unreadable", f"{entry}: {error.strerror}") from None
    if sniff(data) is None or len(data) > Limits().max_bytes:
        raise PictureError("not_a_picture" if sniff(data) is None else "too_many_bytes", entry)
    picture = blobs.put(data)
    batch.append((picture, len(data), entry))
    return picture


def _flush(home: Home, batch: list[tuple[str, int, str]], source: str) -> None:
    now, inbox = dt.datetime.now(dt.UTC), home.inbox()
    inbox.append(
        "pictures",
        [{"picture": p, "size_bytes": size, "source": source, "first_seen_at": now} for p, size, _ in batch],
    )
    sightings = [
        {"picture": p, "url": Path(path).resolve().as_uri(), "source": source, "job": "import", "seen_at": now}
        for p, _, path in batch
    ]
    inbox.append("sightings", sightings)


def _refuse(home: Home, entry: str, error: PictureError) -> None:
    row = {
        "url": entry[:2_000],
        "stage": "import",
        "reason": error.reason,
        "detail": error.detail[:500],
        "job": "import",
        "refused_at": dt.datetime.now(dt.UTC),
    }
    home.inbox().append("refusals", [row])
