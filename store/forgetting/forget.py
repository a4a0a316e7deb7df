"""Forgetting, as the fold carries it out: purges, and retentions (`store.forgetting.retain`).

A request stays in the inbox until everything is done, so that a kill at any moment is mended by the next fold: each
step may be run again. A purge, in this order: (1) tombstones, from which on nothing of it is let in by anybody; (2)
bytes, embeddings, quarantine, frontiers, reports, logs; (3) the catalog, through the sieve into a new file; (4) the
snapshot; (5) the request.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from store.catalog import asking, open_catalog
from store.errors import JobRunning
from store.files import sync_folder
from store.forgetting.frontiers import clean_frontiers, no_job_running
from store.forgetting.leavings import clean_files, clean_quarantine, clean_temporaries, drop_bytes, drop_embeddings
from store.forgetting.purge import Plan, plan_purge
from store.forgetting.requests import Request, done_records
from store.forgetting.retain import retain
from store.forgetting.rewrite import rewrite, rewriting_steps
from store.forgetting.sieve import Sieve
from store.forgetting.tombstones import Tombstones, add_tombstones, count_tombstones, pictures_of
from store.forgetting.traces import Traces
from store.home import Home
from store.schema import tombstones
from store.types import arrow_schema


@dataclass
class Forgotten:
    """Requests that were carried out, why others wait on, and whether there is a new catalog."""

    requests: list[str] = field(default_factory=list)
    postponed: str = ""
    purged: bool = False


def is_unfinished(home: Home, catalog: sa.Connection) -> bool:
    """Whether the catalog lacks a tombstone: a purge was broken off, or an older catalog was put in its place."""
    here = catalog.execute(sa.select(sa.func.count()).select_from(tombstones)).scalar_one()
    catalog.rollback()
    return bool(here < count_tombstones(home))


def carry_out(
    home: Home, requests: Sequence[Request], unfinished: bool, progress: Callable[[int, int], None] | None = None
) -> Forgotten:
    """Carry requests out. For the fold alone, with its lock held and the catalog closed.

    A purge waits while a crawl job runs. The caller publishes the snapshot, then removes the requests that are done.
    """
    done, steps = Forgotten(), Steps(progress)
    purges = [request for request in requests if request.verb == "purge"]
    for request in requests:
        if request.verb == "retain":
            retain(home, request, steps.expect, steps)
            done.requests.append(request.request)
    if purges or unfinished:
        try:
            with no_job_running(home):
                _purge(home, purges, unfinished, steps)
            done.requests += [request.request for request in purges]
            done.purged = True
        except JobRunning as error:
            done.postponed = str(error)
    return done


def finish(home: Home, requests: Mapping[Path, Request], done: Forgotten) -> None:
    """Remove the files of the requests that are done, durably."""
    for path, request in requests.items():
        if request.request in done.requests:
            path.unlink(missing_ok=True)
            sync_folder(path.parent)


def _purge(home: Home, requests: Sequence[Request], unfinished: bool, steps: Steps) -> None:
    with open_catalog(home.catalog) as catalog:
        plans = {r.request: plan_purge(home, asking(catalog), r.target, r.value) for r in requests}
    known, names = Tombstones.load(home), {name for plan in plans.values() for name in plan.names}
    add_tombstones(home, _marks(known, requests, plans))
    known.refresh()
    traces = Traces(known, names)
    # After a kill, or in place of an older catalog, the plans no longer name everything: then all that was ever purged.
    gone = {p for plan in plans.values() for p in plan.pictures} | (pictures_of(home) if unfinished else set())
    steps.expect(len(gone) + rewriting_steps())
    dropped, size = drop_bytes(home, gone, steps)
    clean_temporaries(home)
    found: dict[str, Any] = {
        "pictures_dropped": dropped,
        "bytes_dropped": size,
        "embeddings": drop_embeddings(home, known.forbids_picture),
        "frontier_rows": clean_frontiers(home, traces),
        "quarantined": clean_quarantine(home, traces),
        "files": asdict(clean_files(home, traces)),
    }

    def record(sieve: Sieve) -> pa.Table:
        found["rows"] = dict(+sieve.removed)
        return done_records(requests, {name: plan.as_json() | found for name, plan in plans.items()})

    rewrite(home, Sieve(known, traces), record, steps)


def _marks(known: Tombstones, requests: Sequence[Request], plans: Mapping[str, Plan]) -> pa.Table:
    """The tombstones of all requests."""
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    rows = [
        {
            "kind": kind,
            "mark": known.mark(kind, name),
            "reason": request.said,
            "request": request.request,
            "made_at": now,
        }
        for request in requests
        for kind, name in plans[request.request].marks()
    ]
    return pa.Table.from_pylist(rows, arrow_schema(tombstones))


class Steps:
    """Counts steps for a progress bar."""

    def __init__(self, progress: Callable[[int, int], None] | None) -> None:
        self._progress, self._done, self._total = progress, 0, 0

    def expect(self, steps: int) -> None:
        self._total += steps

    def __call__(self) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, max(self._done, self._total))
