"""Brings pictures in from files: a folder, one picture, a WARC file, or a list of paths and ids. Raw bytes are kept.

Writes pictures to the blobs and `pictures`, `sightings`, `refusals`, `suite_pictures`, `family_members` to the inbox.
"""

from __future__ import annotations

import datetime as dt
import stat
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blindspot.admission import Admission
from blindspot.archives import Archives, Found
from blindspot.warc import is_archive
from store.blobs import PICTURE_ID, Blobs, picture_id
from store.errors import PictureError, SuiteError, UsageError
from store.home import Home
from store.pictures import Limits, sniff
from store.policy import Policy, read_policy
from store.suites import NAME, add_to_family, add_to_suite, suite_role

BATCH = 1_000
SNIFF_BYTES = 4_096
MAX_CHARS = 2_000  # of a path in a row
SEEN = ("url", "page", "host", "http_status", "content_type", "seen_at")  # columns of a sighting

Place = tuple[Policy, str, str, str]  # policy, suite, class, role


@dataclass
class Imported:
    """How many files gave a picture, how many of those the store did not hold, how many were refused, by reason.

    Each record of an archive counts as a file; `passed_over` are those that hold no picture, by kind or reason.
    """

    pictures: int = 0
    new_pictures: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    passed_over: dict[str, int] = field(default_factory=dict)


@dataclass
class _Batch:
    """What was brought since the last flush: ids of pictures, and rows by kind."""

    kept: list[str] = field(default_factory=list)
    pictures: list[dict[str, Any]] = field(default_factory=list)
    sightings: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.kept) + len(self.refusals)

    def clear(self) -> None:
        """Forget all."""
        for rows in (self.kept, self.pictures, self.sightings, self.refusals):
            rows.clear()


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
    """Import the picture or WARC file `what`, every file under the folder `what`, or every line of the list `what`.

    A line is a path, or the id of a stored picture. `source` defaults to the folder's or list's name, in archives to
    the domain where a picture was seen. With `suite` and `label` they become evaluation pictures; `family` names a
    family of them all. `flushed` is called whenever everything so far is durable. Raises UsageError when there is
    nothing to import, SuiteError or PolicyError when suite, label and role do not fit; then nothing was imported.
    """
    place = _place(home, suite, label, role)
    if family is not None and not NAME.fullmatch(family):
        raise UsageError(f"a family is named in lower case, digits, - and _. Received: {family!r}")
    entries, blobs, done, batch = _entries(what), home.blobs(), Imported(), _Batch()
    name, growth, refused = _text(what.resolve().stem), uuid.uuid4().hex, Counter[str]()
    archives = Archives(blobs.has)

    def flush() -> None:
        _seal(home, batch.kept, place, growth, family, _text(what.name))
        _flush(home, batch)
        batch.clear()

    with Admission(home) as admission:
        for count, entry in enumerate(entries, start=1):
            for found in _found(entry, archives, progress if len(entries) == 1 else lambda done, total: None):
                try:
                    admission.check(found.picture, found.url, source or found.source or name, found.data)
                    done.new_pictures += _bring(found, blobs, batch, source or found.source or name)
                    done.pictures += 1
                except PictureError as error:
                    refused[error.reason] += 1
                    batch.refusals.append(_refusal(found, error))
                if len(batch) >= BATCH:
                    flush()
                    flushed()
            progress(count, len(entries))
    flush()
    done.refused, done.passed_over = dict(refused), dict(archives.passed_over)
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
            begins = file.read(SNIFF_BYTES)
        if sniff(begins) or is_archive(what, begins):
            return [str(what)]
        lines = what.read_bytes().decode("utf-8", "surrogateescape").splitlines()
        found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    else:
        wanted = "a folder, a picture, a WARC file, or a list of paths and picture ids"
        raise UsageError(f"import wants {wanted}. Received: {what}")
    if not found:
        raise UsageError(f"{what} holds nothing to import; wanted pictures in a folder, or paths and ids in a list")
    return found


def _is_entry(inside: Path, path: Path) -> bool:
    """Whether to look at `path`: hidden ones are passed over; links that lead nowhere are not, but refused later."""
    return not any(part.startswith(".") for part in inside.parts) and not path.is_dir()


def _found(entry: str, archives: Archives, progress: Callable[[int, int], None]) -> Iterator[Found]:
    """What an entry stands for: a stored picture, a file's, or all those of a WARC file; or the error in its place."""
    now = dt.datetime.now(dt.UTC)
    try:
        if PICTURE_ID.fullmatch(entry):
            yield Found(entry, now, picture=entry)
            return
        size, path = _size(entry), Path(entry)
        with path.open("rb") as file:
            begins = file.read(SNIFF_BYTES)
            if not is_archive(path, begins):
                _check(entry, size, begins)
                yield Found(path.resolve().as_uri(), now, data=begins + file.read())
                return
        yield from archives.found_in(path, lambda at: progress(at, size))
    except PictureError as error:
        yield Found(entry, now, error=error)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        detail = f"{entry}: {getattr(error, 'strerror', None) or error}"
        yield Found(entry, now, error=PictureError("unreadable", detail))


def _size(entry: str) -> int:
    """The size of a regular file. Raises PictureError for any other: it is not opened, a pipe could be waited on."""
    found = Path(entry).stat()
    if not stat.S_ISREG(found.st_mode):
        raise PictureError("unreadable", f"{entry}: not a regular file")
    return found.st_size


def _check(entry: str, size: int, begins: bytes) -> None:
    if size > Limits().max_bytes:
        raise PictureError("too_many_bytes", f"{entry}: {size} bytes")
    if sniff(begins) is None:
        raise PictureError("not_a_picture", entry)


def _bring(found: Found, blobs: Blobs, batch: _Batch, source: str) -> bool:
    """Store one picture and note where it was seen; whether it was new. Raises PictureError."""
    if found.error:
        raise found.error
    picture, new = found.picture, False
    if found.data is None:
        if not blobs.has(picture):
            raise PictureError("unknown_picture", picture)
    else:
        new = not blobs.has(picture_id(found.data))
        picture = blobs.put(found.data)
        known = {"picture": picture, "size_bytes": len(found.data), "source": source, "first_seen_at": found.seen_at}
        batch.pictures.append(known)
    batch.kept.append(picture)
    if found.url != picture:  # an id on a list says what, and not where
        seen = {name: getattr(found, name) for name in SEEN}
        batch.sightings.append({"picture": picture, "source": source, "job": "import", **seen})
    return new


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


def _flush(home: Home, batch: _Batch) -> None:
    inbox = home.inbox()
    inbox.append("pictures", batch.pictures)
    inbox.append("sightings", batch.sightings)
    inbox.append("refusals", batch.refusals)


def _refusal(found: Found, error: PictureError) -> dict[str, Any]:
    return {
        "url": _text(found.url)[:MAX_CHARS],
        "stage": "import",
        "reason": error.reason,
        "detail": _text(error.detail)[:500],
        "job": "import",
        "refused_at": found.seen_at,
    }


def _text(path: str) -> str:
    """A path as text that any row can hold: bytes that are no UTF-8 become replacement marks."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
