"""Brings pictures in from files: a folder, one picture, or a list of paths and picture ids. Raw bytes are kept.

Writes pictures to the blobs and `pictures`, `sightings`, `refusals`, `suite_pictures`, `family_members` to the inbox.
"""

from __future__ import annotations

import datetime as dt
import stat
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from store.blobs import PICTURE_ID, Blobs, picture_id
from store.errors import PictureError, SuiteError, UsageError
from store.home import Home
from store.pictures import Limits, sniff
from store.policy import Policy, read_policy
from store.suites import NAME, add_to_family, add_to_suite, suite_role

BATCH = 1_000
SNIFF_BYTES = 64
MAX_CHARS = 2_000  # of a path in a row

Place = tuple[Policy, str, str, str]  # policy, suite, class, role


@dataclass
class Imported:
    """How many files gave a picture, how many of those the store did not hold, how many were refused, by reason."""

    pictures: int = 0
    new_pictures: int = 0
    refused: dict[str, int] = field(default_factory=dict)


@dataclass
class _Batch:
    """What was brought since the last flush: ids, (id, bytes, path) of files, and refusals."""

    kept: list[str] = field(default_factory=list)
    files: list[tuple[str, int, str]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.kept) + len(self.refusals)


def import_pictures(
    home: Home,
    what: Path,
    suite: str | None = None,
    label: str | None = None,
    role: str | None = None,
    family: str | None = None,
    source: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    flushed: Callable[[], object] = lambda: None,
) -> Imported:
    """Import the picture `what`, every file under the folder `what`, or every line of the list `what`.

    A line is a path, or the id of a stored picture. `source` defaults to the folder's or list's name. With `suite`
    and `label` they become evaluation pictures; `family` names a family of them all. `flushed` is called whenever
    everything so far is durable. Raises UsageError when there is nothing to import, SuiteError or PolicyError when
    suite, label and role do not fit; then nothing was imported.
    """
    place = _place(home, suite, label, role)
    if family is not None and not NAME.fullmatch(family):
        raise UsageError(f"a family is named in lower case, digits, - and _. Received: {family!r}")
    entries, blobs, done, batch = _entries(what), home.blobs(), Imported(), _Batch()
    name, growth, refused = source or _text(what.resolve().stem), uuid.uuid4().hex, Counter[str]()
    for count, entry in enumerate(entries, start=1):
        try:
            done.new_pictures += _bring(entry, blobs, batch)
            done.pictures += 1
        except PictureError as error:
            refused[error.reason] += 1
            batch.refusals.append(_refusal(entry, error))
        if len(batch) >= BATCH or count == len(entries):
            _seal(home, batch.kept, place, growth, family, _text(what.name))
            _flush(home, batch, name)
            batch = _Batch()
            if count < len(entries):
                flushed()
        progress(count, len(entries))
    done.refused = dict(refused)
    return done


def _place(home: Home, suite: str | None, label: str | None, role: str | None) -> Place | None:
    """The suite that the pictures go into, checked before any is touched."""
    if (suite is None) != (label is None):
        raise SuiteError(f"--suite and --label go together. Received: --suite {suite} --label {label}")
    if suite is None or label is None:
        if role is not None:
            raise SuiteError(f"--role is the role of a --suite, with its --label. Received: --role {role} alone")
        return None
    policy = read_policy(home.policy)
    return policy, suite, label, suite_role(policy, suite, label, role)


def _entries(what: Path) -> list[str]:
    if what.is_dir():
        found = sorted(str(path) for path in what.rglob("*") if _is_entry(path.relative_to(what), path))
    elif what.is_file():
        with what.open("rb") as file:
            if sniff(file.read(SNIFF_BYTES)):
                return [str(what)]
        lines = what.read_bytes().decode("utf-8", "surrogateescape").splitlines()
        found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    else:
        raise UsageError(f"import wants a folder, a picture, or a list of paths and picture ids. Received: {what}")
    if not found:
        raise UsageError(f"{what} holds nothing to import; wanted pictures in a folder, or paths and ids in a list")
    return found


def _is_entry(inside: Path, path: Path) -> bool:
    """Whether to look at `path`: hidden ones are passed over; links that lead nowhere are not, but refused later."""
    return not any(part.startswith(".") for part in inside.parts) and not path.is_dir()


def _bring(entry: str, blobs: Blobs, batch: _Batch) -> bool:
    """Store one picture; whether it was new. Raises PictureError."""
    if PICTURE_ID.fullmatch(entry):
        if not blobs.has(entry):
            raise PictureError("unknown_picture", entry)
        batch.kept.append(entry)
        return False
    data = _read(entry)
    if sniff(data) is None:
        raise PictureError("not_a_picture", entry)
    new = not blobs.has(picture_id(data))
    picture = blobs.put(data)
    batch.kept.append(picture)
    batch.files.append((picture, len(data), entry))
    return new


def _read(entry: str) -> bytes:
    """The bytes of a regular file within the decoder's limit. Raises PictureError; never waits on a pipe."""
    try:
        found = Path(entry).stat()
        if not stat.S_ISREG(found.st_mode):
            raise PictureError("unreadable", f"{entry}: not a regular file")
        if found.st_size > Limits().max_bytes:
            raise PictureError("too_many_bytes", f"{entry}: {found.st_size} bytes")
        return Path(entry).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise PictureError("unreadable", f"{entry}: {getattr(error, 'strerror', None) or error}") from None


def _seal(
    home: Home, pictures: Iterable[str], place: Place | None, growth: str, family: str | None, origin: str
) -> None:
    """Suite and family first: a kill before the pictures' own rows must not leave a suite's picture in the pool."""
    unique = dict.fromkeys(pictures)
    if place is not None:
        policy, suite, label, role = place
        add_to_suite(home, policy, suite, label, unique, role, growth)
    if family is not None:
        add_to_family(home, family, unique, f"imported from {origin}")


def _flush(home: Home, batch: _Batch, source: str) -> None:
    now, inbox = dt.datetime.now(dt.UTC), home.inbox()
    inbox.append(
        "pictures",
        [{"picture": p, "size_bytes": size, "source": source, "first_seen_at": now} for p, size, _ in batch.files],
    )
    sightings = [
        {"picture": p, "url": Path(path).resolve().as_uri(), "source": source, "job": "import", "seen_at": now}
        for p, _, path in batch.files
    ]
    inbox.append("sightings", sightings)
    inbox.append("refusals", batch.refusals)


def _refusal(entry: str, error: PictureError) -> dict[str, Any]:
    return {
        "url": _text(entry)[:MAX_CHARS],
        "stage": "import",
        "reason": error.reason,
        "detail": _text(error.detail)[:500],
        "job": "import",
        "refused_at": dt.datetime.now(dt.UTC),
    }


def _text(path: str) -> str:
    """A path as text that any row can hold: bytes that are no UTF-8 become replacement marks."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
