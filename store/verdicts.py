"""Verdicts: append-only decisions of persons, in and out as CSV.

Columns of the CSV: `picture, class, reviewer, policy_version`, and optionally `lane`, `note`, `decided_at`,
`verdict`, `undoes`. Importing the same file again adds nothing: a record without an id gets one from its
content.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from store.catalog import Snapshot
from store.errors import VerdictError
from store.home import Home
from store.policy import Policy

COLUMNS = (
    "picture",
    "class",
    "reviewer",
    "policy_version",
    "lane",
    "note",
    "decided_at",
    "verdict",
    "undoes",
)
REQUIRED = ("picture", "class", "reviewer")


def record_verdicts(home: Home, policy: Policy, rows: Iterable[Mapping[str, str | None]]) -> int:
    """Check and append verdicts, all or none; how many.

    `rows` have the columns above; times default to now (UTC). Raises VerdictError, naming the line, for an
    unknown picture, class, policy version or undone verdict.
    """
    with Snapshot(home) as snapshot:
        pictures = {row["picture"] for row in snapshot.rows("SELECT picture FROM pictures")}
        verdicts = {row["verdict"] for row in snapshot.rows("SELECT verdict FROM verdict_records")}
        classes: dict[str, set[str]] = defaultdict(set)
        for row in snapshot.rows("SELECT policy_version, class FROM policy_classes"):
            classes[row["policy_version"]].add(row["class"])
    classes[policy.version] = set(policy.classes)
    records = [(line, _record(row, policy, line)) for line, row in enumerate(rows, start=2)]
    # A file may undo what it brings itself, in any order: an export sorts by time, and times can be equal.
    verdicts.update(record["verdict"] for _, record in records)
    for line, record in records:
        complaint = _complaint(record, pictures, verdicts, classes)
        if complaint:
            raise VerdictError(f"line {line}: {complaint}; nothing was imported")
    home.inbox().append("verdict_records", [record for _, record in records])
    return len(records)


def _complaint(
    record: dict[str, Any], pictures: set[str], verdicts: set[str], classes: Mapping[str, set[str]]
) -> str | None:
    """What keeps a record out of the catalog, or None."""
    name, version = record["class"], record["policy_version"]
    if record["picture"] not in pictures:
        return f"unknown picture {record['picture'][:80]!r}"
    if version not in classes:
        return f"unknown policy version {version!r}; known: {', '.join(sorted(classes))}"
    if name and name not in classes[version]:
        return f"unknown class {name!r}; policy {version} has: {', '.join(sorted(classes[version]))}"
    if record["undoes"] and record["undoes"] not in verdicts:
        return f"nothing to undo: no verdict {record['undoes']!r}"
    return None


def import_verdicts(home: Home, policy: Policy, text: str) -> int:
    """Append the verdicts of a CSV text; how many. Raises VerdictError."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        names, rows = reader.fieldnames or [], list(reader)
    except csv.Error as error:
        raise VerdictError(f"line {reader.line_num}: not CSV: {error}; nothing was imported") from None
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    if missing or unknown:
        raise VerdictError(
            f"the first line must name columns, at least {', '.join(REQUIRED)}; "
            f"missing: {missing or 'none'}, unknown: {unknown or 'none'}"
        )
    wide = next((line for line, row in enumerate(rows, start=2) if None in row), None)
    if wide:
        raise VerdictError(f"line {wide} has more fields than the first line; quote texts that hold a comma")
    return record_verdicts(home, policy, rows)


def export_verdicts(home: Home) -> str:
    """Every record ever made, undone ones and undoing ones too, as CSV that `import_verdicts` takes back."""
    with Snapshot(home) as snapshot:
        rows = snapshot.rows(f"SELECT {', '.join(COLUMNS)} FROM verdict_records ORDER BY decided_at, verdict")
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(row | {"decided_at": row["decided_at"].isoformat()})
    return out.getvalue()


def _record(row: Mapping[str, str | None], policy: Policy, line: int) -> dict[str, Any]:
    given = {name: (row.get(name) or "").strip() or None for name in COLUMNS}
    picture, name, reviewer = given["picture"], given["class"], given["reviewer"]
    if not picture or not reviewer or not (name or given["undoes"]):
        raise VerdictError(f"line {line}: wanted a picture, a class and a reviewer. Received: {dict(row)}")
    version = given["policy_version"] or policy.version
    decided_at = _time(given["decided_at"], line)
    content = f"{picture}|{name}|{reviewer}|{version}|{given['decided_at']}|{given['undoes']}"
    identity = given["verdict"] or hashlib.sha256(content.encode()).hexdigest()[:32]
    return given | {"policy_version": version, "decided_at": decided_at, "verdict": identity}


def _time(text: str | None, line: int) -> dt.datetime:
    if text is None:
        return dt.datetime.now(dt.UTC)
    try:
        time = dt.datetime.fromisoformat(text)
        return time.astimezone(dt.UTC) if time.tzinfo else time.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):  # OverflowError: the year 1 or 9999, in another zone
        raise VerdictError(
            f"line {line}: decided_at must be a time as 2026-01-31T12:00:00. Received: {text!r}"
        ) from None
