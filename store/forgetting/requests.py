"""Requests to forget: records of the kind `forget_requests` that wait in the inbox until the fold carries them out.

Appends them to the inbox and reads them there; what came of one is read from the snapshot.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from store.catalog import Snapshot
from store.errors import RecordError, UsageError
from store.forgetting.purge import TARGETS, check_target
from store.forgetting.traces import PURGED, TOKEN
from store.home import Home
from store.inbox import NO_LIMITS, Inbox, read_records
from store.schema import forget_requests
from store.types import arrow_schema

KIND = forget_requests.name
RETENTION = "older_than"
VERBS = dict.fromkeys(TARGETS, "purge") | {RETENTION: "retain"}


@dataclass(frozen=True)
class Request:
    """One request: purge a source, picture or URL, or (`older_than`) drop the bytes of what was first seen earlier."""

    request: str
    verb: str
    target: str
    value: str
    suites_too: bool
    reason: str | None
    requested_at: dt.datetime

    @property
    def before(self) -> dt.datetime:
        """The time of a retention, UTC without a zone as rows have it."""
        return dt.datetime.fromisoformat(self.value).astimezone(dt.UTC).replace(tzinfo=None)

    @property
    def said(self) -> str | None:
        """The reason, which is somebody's words, without any URL, id, or the name of what is purged."""
        kept = self.value if self.verb == "retain" else PURGED
        return self.reason and re.sub(TOKEN, PURGED, self.reason.replace(self.value, kept))


def ask_to_forget(home: Home, target: str, value: str, reason: str | None = None, suites_too: bool = False) -> str:
    """Append a request, durably; its name. The next fold carries it out."""
    name = uuid.uuid4().hex[:16]
    row = {
        "request": name,
        "verb": VERBS[target],
        "target": target,
        "value": value,
        "suites_too": suites_too,
        "reason": reason,
        "requested_at": dt.datetime.now(dt.UTC),
    }
    Inbox(home.inbox().folder, NO_LIMITS).append(KIND, [row])
    return name


def is_request(path: Path) -> bool:
    """Whether an inbox file holds requests."""
    return f"-{KIND}-" in path.name


def read_request(path: Path) -> Request:
    """The request in an inbox file. Raises RecordError when there is none that anybody could carry out."""
    rows = read_records(path).drop_columns(["done_at", "summary"]).to_pylist()
    try:
        (row,) = rows
        request = Request(**row | {"suites_too": bool(row["suites_too"])})
        fits = bool(request.request and request.value) and request.verb == VERBS[request.target]
        if fits and request.target == RETENTION:
            _ = request.before
        elif fits:
            check_target(request.target, request.value)
    except (KeyError, ValueError, UsageError):
        fits = False
    if not fits:
        raise RecordError(f"{path.name} holds no request to forget that can be carried out; it stays undone")
    return request


def answer_of(home: Home, request: str) -> dict[str, Any] | None:
    """What came of a request, by the snapshot; None while it waits."""
    with Snapshot(home) as snapshot:
        found = snapshot.value("SELECT summary FROM forget_requests WHERE request = :request", request=request)
    return json.loads(found) if found else None


def done_records(requests: Sequence[Request], summaries: Mapping[str, Mapping[str, Any]]) -> pa.Table:
    """Requests as they stay in the catalog: done, and without the name of what a purge has forgotten."""
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    rows = [
        asdict(request)
        | {
            "value": request.value if request.verb == "retain" else None,
            "reason": request.said,
            "done_at": now,
            "summary": json.dumps(summaries[request.request]),
        }
        for request in requests
    ]
    return pa.Table.from_pylist(rows, arrow_schema(forget_requests))
