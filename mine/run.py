"""One run of mining: scan → copies → families → look-alikes → findings → queue.

With a fold between, because each reads the last.

Reads and writes the catalog only through the snapshot and the inbox; holds `mine.lock` meanwhile.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mine.detectors import DETECTORS, Detector
from mine.families import assign_families
from mine.lanes import make_queue
from mine.lookalikes import join_look_alikes
from mine.scan import scan
from mine.stars import join_copies
from mine.views import views_named
from store.cards import Card
from store.catalog import Snapshot
from store.errors import CardError, JobRunning
from store.fold import fold
from store.home import Home
from store.policy import Policy, read_policy
from store.versions import find_version, require_champion, versions


@dataclass
class Mined:
    """What one run gave: pictures looked at, refusals by reason, findings by detector, entries of the new queue.

    `failed_versions`, `unanswered`: see `mine.scan.Scanned`.
    """

    looked_at: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    failed_versions: dict[str, str] = field(default_factory=dict)
    unanswered: dict[str, int] = field(default_factory=dict)
    copies: int = 0
    findings: dict[str, int] = field(default_factory=dict)
    failed_detectors: dict[str, str] = field(default_factory=dict)
    queued: int = 0


def mine(
    home: Home,
    queue_size: int = 500,
    progress: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda line: None,
    views: Sequence[str] = (),
) -> Mined:
    """Bring everything that mining knows up to date for the champion, second opinions beside it.

    `views` are scored beside `as_shown`. Second opinions whose cards do not fit the policy in force are left out and
    said; versions that give no answer are said. Raises ModelError without a champion, CardError for one that does not
    fit, UsageError for an unknown view, JobRunning while another run mines the same home.
    """
    wanted = views_named(views)
    policy, champion = read_policy(home.policy), require_champion(home).version
    first = find_version(home, champion)
    policy.flag_mask(first)
    with _alone(home):
        fold(home)
        scanned = scan(home, [first, *_second_opinions(home, policy, champion, say)], progress, views=wanted)
        for line in scanned.failed.values():
            say(line)
        fold(home)
        done = Mined(scanned.looked_at, dict(scanned.refused), scanned.failed, scanned.unanswered)
        done.copies = join_copies(home)
        assign_families(home)
        fold(home)
        join_look_alikes(home, first.base)
        done.findings, done.failed_detectors = detect(home, champion, policy.version)
        fold(home)
        done.queued = make_queue(home, champion, policy.version, queue_size)
    return done


@contextlib.contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Keep other runs out: they would do the same work again. The lock falls with its process."""
    with (home.root / "mine.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read(20).strip() or "?"
            raise JobRunning(f"{home.root} is being mined already (process {holder}); wait, or stop it") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _second_opinions(home: Home, policy: Policy, champion: str, say: Callable[[str], None]) -> list[Card]:
    """The adopted versions beside the champion; candidates made here answer too much like their parents."""
    fitting = []
    for card in versions(home):
        if card.version == champion or card.parent is not None:
            continue
        try:
            policy.flag_mask(card)
            fitting.append(card)
        except CardError as error:
            say(str(error))
    return fitting


def detect(
    home: Home, champion: str, policy_version: str, detectors: tuple[Detector, ...] = DETECTORS
) -> tuple[dict[str, int], dict[str, str]]:
    """Run every detector; findings by detector, and the reason of each detector that failed on everything."""
    counts: dict[str, int] = {}
    failed: dict[str, str] = {}
    now, inbox = dt.datetime.now(dt.UTC), home.inbox()
    for detector in detectors:
        names = {"champion": champion, "policy": policy_version}
        wanted = {name: value for name, value in names.items() if f":{name}" in detector.reads}
        try:
            # Each with a connection of its own: a query that fails takes its whole transaction with it.
            with Snapshot(home) as snapshot:
                found = list(detector.find(snapshot.table(detector.reads, wanted)))
        except Exception as error:  # one broken detector must not silence the others; it is reported
            failed[detector.key] = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            continue
        counts[detector.key] = len(found)
        inbox.append("findings", [{"detector": detector.key, "found_at": now, **vars(finding)} for finding in found])
    return counts, failed
