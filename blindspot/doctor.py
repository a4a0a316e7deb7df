"""Looks a home over: settings, policy, champion, inbox, quarantine, picture files against rows."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass

from store.catalog import Snapshot
from store.errors import BlindspotError
from store.fold import fold
from store.home import Home
from store.policy import read_policy
from store.versions import read_champion, versions

# An older file in the inbox means that nobody folds. Chosen by eye: longer than any crawl's flush.
OLD_S = 3_600.0


@dataclass(frozen=True)
class Point:
    """One thing looked at."""

    what: str
    ok: bool
    found: str


def examine_home(home: Home, repair: bool = False) -> list[Point]:
    """Every point, also those after a failing one. `repair` matches picture files and rows, then folds."""
    checks: dict[str, Callable[[], tuple[bool, str]]] = {
        "policy": lambda: (True, read_policy(home.policy).version),
        "models": lambda: _models(home),
        "champion": lambda: _champion(home),
        "inbox": lambda: _inbox(home),
        "quarantine": lambda: _quarantine(home),
        "catalog": lambda: _catalog(home),
        "pictures": lambda: _pictures(home, repair),
    }
    return [_point(what, check) for what, check in checks.items()]


def _point(what: str, check: Callable[[], tuple[bool, str]]) -> Point:
    try:
        return Point(what, *check())
    except BlindspotError as error:
        return Point(what, False, str(error))


def _models(home: Home) -> tuple[bool, str]:
    cards, policy = versions(home), read_policy(home.policy)
    for card in cards:
        policy.flag_mask(card)
    return bool(cards), f"{len(cards)} versions, all fit the policy" if cards else "none; `blindspot models adopt`"


def _champion(home: Home) -> tuple[bool, str]:
    champion = read_champion(home)
    if champion is None:
        return False, "none; `blindspot models promote VERSION`"
    from mine.runtime import Runtime

    Runtime(home.models / champion.version)
    return True, f"{champion.version} at {champion.threshold:g} loads"


def _inbox(home: Home) -> tuple[bool, str]:
    inbox = home.inbox()
    files, complaint = inbox.files(), inbox.is_full()
    age = time.time() - min((path.stat().st_mtime for path in files), default=time.time())
    if complaint or age > OLD_S:
        return False, f"{len(files)} files, the oldest {age:.0f} s old; {complaint or 'nobody folds'}: `blindspot fold`"
    return True, f"{len(files)} files wait"


def _quarantine(home: Home) -> tuple[bool, str]:
    reasons = sorted(home.quarantine.glob("*.reason")) if home.quarantine.is_dir() else []
    return not reasons, f"{len(reasons)} unreadable records in {home.quarantine}" if reasons else "empty"


def _catalog(home: Home) -> tuple[bool, str]:
    with Snapshot(home) as snapshot:
        pictures = snapshot.value("SELECT count(*) FROM pictures")
    return True, f"{pictures} pictures in the snapshot"


def _pictures(home: Home, repair: bool) -> tuple[bool, str]:
    """Files without a row, and rows whose file is gone and of which nobody knows it yet."""
    blobs = home.blobs()
    stored = set(blobs.ids())
    with Snapshot(home) as snapshot:
        rows = {row["picture"] for row in snapshot.rows("SELECT picture FROM pictures")}
        missing = "SELECT picture FROM refusals WHERE stage = 'decode' AND reason = 'missing'"
        known = {row["picture"] for row in snapshot.rows(missing)}
    waiting = {p for p in stored - rows}
    gone = rows - stored - known
    if not waiting and not gone:
        return True, f"{len(stored)} files, each with its row"
    if not repair:
        return False, f"{len(waiting)} files without a row, {len(gone)} rows without a file: `blindspot doctor --repair`"
    now, inbox = dt.datetime.now(dt.UTC), home.inbox()
    found = [
        {"picture": p, "size_bytes": len(blobs.get(p)), "source": "repaired", "first_seen_at": now} for p in sorted(waiting)
    ]
    inbox.append("pictures", found)
    lost = [{"picture": p, "stage": "decode", "reason": "missing", "job": "doctor", "refused_at": now} for p in sorted(gone)]
    inbox.append("refusals", lost)
    fold(home)
    return True, f"repaired: {len(waiting)} rows added, {len(gone)} rows marked as missing"
