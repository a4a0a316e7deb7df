"""Looks a home over: settings, policy, models, champion, inbox, quarantine, catalog, picture files against rows."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blindspot.settings import Settings
from store.cards import CARD_FILE, Card
from store.catalog import Snapshot
from store.errors import BlindspotError, CatalogError, ModelError
from store.files import TEMPORARY
from store.fold import STALE_S, fold
from store.forgetting.leavings import drop_bytes
from store.forgetting.requests import is_request
from store.forgetting.tombstones import Tombstones, add_tombstones, file_of, pictures_of
from store.home import Home
from store.known_bad.bank import Bank, is_off
from store.policy import read_policy
from store.schema import tombstones
from store.types import arrow_schema
from store.versions import read_champion, versions

# An older file in the inbox means that nobody folds. Chosen by eye: longer than any crawl's flush.
OLD_S = 3_600.0


@dataclass(frozen=True)
class Point:
    """One thing looked at."""

    what: str
    ok: bool
    found: str


def examine_home(home: Home, settings: Settings, repair: bool = False) -> list[Point]:
    """Every point, also those after a failing one.

    `repair` folds, matches picture files and rows, and removes what killed processes left half-made.
    """
    checks: dict[str, Callable[[], tuple[bool, str]]] = {
        "jobs": lambda: _jobs(home, settings),
        "policy": lambda: (True, read_policy(home.policy).version),
        "models": lambda: _models(home),
        "champion": lambda: _champion(home),
        "inbox": lambda: _inbox(home, repair),
        "quarantine": lambda: _quarantine(home),
        "bank": lambda: _bank(home),
        "catalog": lambda: _catalog(home, repair),
        "pictures": lambda: _pictures(home, repair),
        "tombstones": lambda: _tombstones(home, repair),
        "leftovers": lambda: _leftovers(home, repair),
    }
    return [_point(what, check) for what, check in checks.items()]


def _point(what: str, check: Callable[[], tuple[bool, str]]) -> Point:
    try:
        return Point(what, *check())
    except BlindspotError as error:
        return Point(what, False, str(error))
    except OSError as error:
        return Point(what, False, f"{error.strerror}: {error.filename}")


def _jobs(home: Home, settings: Settings) -> tuple[bool, str]:
    for name in settings.jobs:
        settings.job(name, home.root)  # refuses what could not start
    return True, f"{len(settings.jobs)} crawl jobs could start"


def _models(home: Home) -> tuple[bool, str]:
    cards, policy = versions(home), read_policy(home.policy)
    for card in cards:
        policy.flag_mask(card)
        _same_files(home, card)
    folders = [path for path in home.models.iterdir() if path.is_dir()] if home.models.is_dir() else []
    bare = [path.name for path in folders if not path.name.startswith(TEMPORARY) and not (path / CARD_FILE).exists()]
    if bare:
        return False, f"{home.models / bare[0]} has no {CARD_FILE}: restore it, or remove the folder"
    return bool(cards), f"{len(cards)} versions, all fit the policy" if cards else "none; `blindspot models adopt`"


def _same_files(home: Home, card: Card) -> None:
    """Raises ModelError for a file of a version that is gone or altered: versions are immutable."""
    for name, wanted in card.files.items():
        path = home.models / card.version / name
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != wanted:
            raise ModelError(f"{path}: sha256 is {found[:12]}…, the card says {wanted[:12]}…; restore the file")


def _champion(home: Home) -> tuple[bool, str]:
    champion = read_champion(home)
    if champion is None:
        return False, "none; `blindspot models promote VERSION`"
    from mine.runtime import Runtime

    Runtime(home.models / champion.version)
    return True, f"{champion.version} at {champion.threshold:g} loads"


def _inbox(home: Home, repair: bool) -> tuple[bool, str]:
    if repair:
        fold(home)
    inbox = home.inbox()
    files, complaint = [path for path in inbox.files() if not is_request(path)], inbox.is_full()
    requests = len(inbox.files()) - len(files)  # a purge waits while a crawl job runs
    age = time.time() - min((path.stat().st_mtime for path in files), default=time.time())
    if complaint or age > OLD_S:
        return False, f"{len(files)} files, the oldest {age:.0f} s old; {complaint or 'nobody folds'}: `blindspot fold`"
    return True, f"{len(files)} files wait" + (f", {requests} requests to forget" if requests else "")


def _quarantine(home: Home) -> tuple[bool, str]:
    reasons = sorted(home.quarantine.glob("*.reason")) if home.quarantine.is_dir() else []
    if not reasons:
        return True, "empty"
    return False, f"{len(reasons)} unreadable files in {home.quarantine}: read the reasons, then remove or mend them"


def _bank(home: Home) -> tuple[bool, str]:
    bank = Bank.load(home)
    hashes = {hash_ for one in bank.lists for hash_ in one.hashes}
    held = hashes & bank.watch.quarantined.keys()
    if held:
        return False, f"{len(held)} entries in quarantine do not act: `blindspot bank list`; release or remove them"
    return True, f"{len(hashes)} hashes in {len(bank.lists)} lists" + (", switched off" if is_off(home) else "")


def _catalog(home: Home, repair: bool) -> tuple[bool, str]:
    if repair:
        try:
            Snapshot(home).close()
        except CatalogError:
            home.snapshot.unlink(missing_ok=True)  # a copy; the fold publishes it anew
            fold(home)
    with Snapshot(home) as snapshot:
        pictures = snapshot.value("SELECT count(*) FROM pictures")
    return True, f"{pictures} pictures in the snapshot"


def _pictures(home: Home, repair: bool) -> tuple[bool, str]:
    """Files without a row, and rows whose file is gone and of which nobody knows it yet; dropped ones are known."""
    blobs = home.blobs()
    stored = set(blobs.ids())
    with Snapshot(home) as snapshot:
        rows = {row["picture"] for row in snapshot.rows("SELECT picture FROM pictures")}
        missing = "SELECT picture FROM refusals WHERE stage = 'decode' AND reason = 'missing'"
        known = {row["picture"] for row in snapshot.rows(missing)}
        dropped = {row["picture"] for row in snapshot.rows("SELECT picture FROM dropped_pictures")}
    # A dropped picture whose file is back wants its row again, by which the fold sees that. Purged ones: `_tombstones`.
    waiting = ((stored - rows) | (stored & dropped)) - pictures_of(home)
    gone = rows - stored - known - dropped
    if not waiting and not gone:
        told = f", {len(dropped)} dropped" if dropped else ""
        return True, f"{len(stored)} files, each with its row{told}"
    if not repair:
        in_inbox = f" ({n} inbox files may hold some)" if (n := len(home.inbox().files())) else ""
        found = f"{len(waiting)} files without a row{in_inbox}, {len(gone)} rows without a file"
        return False, f"{found}: `blindspot doctor --repair`"
    now, inbox = dt.datetime.now(dt.UTC), home.inbox()
    row = {"source": "repaired", "first_seen_at": now}
    inbox.append("pictures", [{"picture": p, "size_bytes": len(blobs.get(p)), **row} for p in sorted(waiting)])
    lost = {"stage": "decode", "reason": "missing", "job": "doctor", "refused_at": now}
    inbox.append("refusals", [{"picture": p, **lost} for p in sorted(gone)])
    fold(home)
    return True, f"repaired: {len(waiting)} rows added, {len(gone)} rows marked as missing"


def _tombstones(home: Home, repair: bool) -> tuple[bool, str]:
    """The file that crawls and imports ask against the table that the fold keeps; purged bytes that are back."""
    stones, table = Tombstones.load(home), arrow_schema(tombstones).empty_table()
    with contextlib.suppress(CatalogError), Snapshot(home) as snapshot:  # `_catalog` has told
        table = snapshot.table("SELECT * FROM tombstones")
    back = [picture for picture in home.blobs().ids() if stones.forbids_picture(picture)]
    if len(stones) >= table.num_rows and not back:
        return True, f"{len(stones)}, none of their pictures is stored"
    if not repair:
        missing = max(0, table.num_rows - len(stones))
        found = f"{missing} of {table.num_rows} are not in {file_of(home).name}, {len(back)} purged pictures are stored"
        return False, f"{found}: `blindspot doctor --repair`"
    add_tombstones(home, table.cast(arrow_schema(tombstones)))
    drop_bytes(home, [*back, *pictures_of(home)])
    return True, f"repaired: {len(Tombstones.load(home))}, {len(back)} purged pictures removed again"


def _leftovers(home: Home, repair: bool) -> tuple[bool, str]:
    """Temporary files that nobody has touched for an hour. The fold sweeps those of the home and the inbox itself."""
    found = [path for folder in (home.models, home.root / "pictures") for path in folder.glob(f"**/{TEMPORARY}*")]
    stale = [path for path in found if time.time() - path.stat().st_mtime > STALE_S]
    if not stale:
        return True, "none"
    if not repair:
        return False, f"{len(stale)} half-made files of killed processes: `blindspot doctor --repair` removes them"
    for path in stale:
        _remove(path)
    return True, f"removed {len(stale)} half-made files of killed processes"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
