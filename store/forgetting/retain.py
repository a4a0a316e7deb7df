"""Retention: the bytes of old pictures go, what was learned from them stays, so that heads can still be trained.

Marks the pictures in `dropped_pictures` first and removes their bytes then, so that a missing file is never a riddle.
What stays of a picture are numbers for training and for telling copies apart, among them the 16x16 grey cells beside
its hash: without them near-copies of a suite could slip into a mix. Nothing that a person would look at stays: pages
under `runs/` that show pictures go at the same age as pictures.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

import pyarrow as pa

from store.catalog import Snapshot, asking, insert_new, open_catalog
from store.errors import UsageError
from store.forgetting.leavings import clean_pages, drop_bytes
from store.forgetting.requests import Request, done_records
from store.home import Home
from store.schema import dropped_pictures, forget_requests
from store.types import arrow_schema

# Pictures first seen before that; those of suites only when asked, because evaluation needs them.
OLD = """
    SELECT p.picture FROM pictures p ANTI JOIN dropped_pictures d ON d.picture = p.picture
    WHERE p.first_seen_at < :before AND (:suites_too OR p.picture NOT IN (SELECT picture FROM suite_pictures))
    ORDER BY p.picture"""


def cutoff(age: str, now: dt.datetime | None = None) -> dt.datetime:
    """The time before which a picture is older than `age` (`36h`, `30d`, `12w`), UTC. Raises UsageError."""
    found = re.fullmatch(r"([0-9]{1,6})([hdw])", age)
    if not found:
        raise UsageError(f"--pictures-older-than wants a number of hours, days or weeks, as 30d. Received: {age!r}")
    length = dt.timedelta(hours=int(found[1]) * {"h": 1, "d": 24, "w": 168}[found[2]])
    try:
        return (now or dt.datetime.now(dt.UTC)) - length
    except OverflowError:
        raise UsageError(f"--pictures-older-than reaches back before the year 1. Received: {age!r}") from None


def count_old(home: Home, before: dt.datetime, suites_too: bool) -> dict[str, int]:
    """How many pictures a retention would drop, and of how many bytes, by the snapshot."""
    with Snapshot(home) as snapshot:
        query = f"SELECT count(*) AS pictures, coalesce(sum(size_bytes), 0) AS bytes FROM pictures SEMI JOIN ({OLD})"
        (found,) = snapshot.rows(f"{query} USING (picture)", before=before.replace(tzinfo=None), suites_too=suites_too)
    return found


def retain(home: Home, request: Request, expect: Callable[[int], object], step: Callable[[], object]) -> None:
    """Carry one retention out; a second time it does what the first left undone. For the fold, the catalog closed."""
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    with open_catalog(home.catalog) as catalog:
        rows = asking(catalog)
        old = rows(OLD, before=request.before, suites_too=request.suites_too)
        marks = [row | {"request": request.request, "dropped_at": now} for row in old]
        insert_new(catalog, dropped_pictures, pa.Table.from_pylist(marks, arrow_schema(dropped_pictures)))
        catalog.commit()
        # Also those that an earlier try has marked.
        marked = rows("SELECT picture FROM dropped_pictures WHERE request = :request", request=request.request)
        expect(len(marked))
        dropped, size = drop_bytes(home, [row["picture"] for row in marked], step)
        pages = clean_pages(home, (now - request.before).total_seconds())
        summary = {"pictures": len(marked), "pictures_dropped": dropped, "bytes_dropped": size, "pages": pages}
        insert_new(catalog, forget_requests, done_records([request], {request.request: summary}))
        catalog.commit()
        catalog.exec_driver_sql("CHECKPOINT")
        catalog.commit()
