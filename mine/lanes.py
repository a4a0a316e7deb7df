"""The queue: what a person should look at next, in lanes that stay apart, and why.

Reads findings, scores and copies from the snapshot, appends `queue_entries`. Signals are never averaged (an average
was worse than the best of them): each lane ranks by its own, quotas share a person's time between lanes, and one
lane is random, the only one from which rates may be estimated.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from store.catalog import Snapshot
from store.home import Home

# What waits for a person: a pool picture without a known answer, represented by its copies group, seen by a model, and
# still there to be shown.
WAITING = """
    WITH decided AS (
        SELECT coalesce(c.representative, l.picture) AS representative
        FROM labels l LEFT JOIN copies c ON c.picture = l.picture)
    SELECT p.picture, p.source, coalesce(c.representative, p.picture) AS star, s.flag_score, s.flagged, s.threshold
    FROM pool p JOIN scores s ON s.picture = p.picture AND s.version = :champion AND s.view = 'as_shown'
    LEFT JOIN copies c ON c.picture = p.picture
    ANTI JOIN dropped_pictures x ON x.picture = p.picture
    WHERE coalesce(c.representative, p.picture) NOT IN (SELECT representative FROM decided)
    ORDER BY p.picture"""
FINDINGS = """
    SELECT detector, picture, score, reason FROM findings
    WHERE version IS NULL OR version = :champion ORDER BY detector, picture"""


@dataclass(frozen=True)
class Lane:
    """A lane takes `share` of the queue, from pictures that one of its `detectors` found (none: by its own rule)."""

    name: str
    share: float
    detectors: tuple[str, ...] = ()


AUDIT = "audit"
# False positives first: every flag goes to a person anyway, and a point of false positives is a flood (the seed).
LANES: tuple[Lane, ...] = (
    Lane("flagged", 0.60),
    Lane("near_threshold", 0.12, ("near_threshold",)),
    Lane("disagreement", 0.08, ("disagreement",)),
    Lane("looks", 0.10, ("odd_size", "line_art")),
    Lane(AUDIT, 0.10),
)


@dataclass(frozen=True)
class Candidate:
    """A picture that one lane proposes, with the lane's own value in [0, 1] and the reason a person will read."""

    picture: str
    star: str
    source: str
    value: float
    reason: str


def make_queue(home: Home, champion: str, policy_version: str, size: int) -> int:
    """Append a new queue of at most `size` entries, one per copies group; how many there are."""
    with Snapshot(home) as snapshot:
        waiting = {row["picture"]: row for row in snapshot.rows(WAITING, champion=champion)}
        found: dict[str, dict[str, tuple[float, str]]] = defaultdict(dict)
        for row in snapshot.rows(FINDINGS, champion=champion):
            if row["picture"] in waiting:
                found[row["detector"]][row["picture"]] = (row["score"], row["reason"])
    name, now = uuid.uuid4().hex, dt.datetime.now(dt.UTC)
    lanes = {lane: rank_lane(propose(lane, waiting, found, name), lane.name != AUDIT) for lane in LANES}
    rows = [
        {
            "queue": name,
            "rank": rank,
            "lane": lane.name,
            "picture": candidate.picture,
            "value": candidate.value,
            "reason": candidate.reason,
            "version": champion,
            "policy_version": policy_version,
            "queued_at": now,
        }
        for rank, (lane, candidate) in enumerate(interleave(reserve_audit(lanes, size), size), start=1)
    ]
    home.inbox().append("queue_entries", rows)
    return len(rows)


def propose(
    lane: Lane, waiting: dict[str, dict[str, object]], found: dict[str, dict[str, tuple[float, str]]], seed: str
) -> Iterator[Candidate]:
    """What one lane would show, in no order. The audit lane ranks by a hash of the queue's name: a fair draw."""
    for picture, row in waiting.items():
        star, source = str(row["star"]), str(row["source"])
        score, threshold = float(str(row["flag_score"])), float(str(row["threshold"]))
        if lane.name == AUDIT:
            draw = int(hashlib.sha256(f"{seed}{star}".encode()).hexdigest()[:12], 16) / 16**12
            yield Candidate(picture, star, source, draw, "random audit: rates are estimated from this lane alone")
        elif lane.name == "flagged" and row["flagged"]:
            others = [found[key][picture][1] for key in sorted(found) if picture in found[key]]
            reason = "; ".join([f"flagged at {score:.3f}, threshold {threshold:.3f}", *others])
            yield Candidate(picture, star, source, score, reason)
        for key in lane.detectors:
            if picture in found[key]:
                value, reason = found[key][picture]
                yield Candidate(picture, star, source, value, f"{key}: {reason}")


def rank_lane(candidates: Iterable[Candidate], by_source: bool = True) -> list[Candidate]:
    """Highest value first, one per copies group.

    `by_source`: sources take turns, so that no single host fills the lane. A fair draw must not: it would show small
    sources too often.
    """
    best: dict[str, Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: (-c.value, c.picture)):
        best.setdefault(candidate.star, candidate)
    if not by_source:
        return list(best.values())
    turn: Counter[str] = Counter()
    placed: list[tuple[int, float, str, Candidate]] = []
    for candidate in best.values():
        turn[candidate.source] += 1
        placed.append((turn[candidate.source], -candidate.value, candidate.picture, candidate))
    return [candidate for *_, candidate in sorted(placed, key=lambda p: p[:3])]


def reserve_audit(lanes: dict[Lane, list[Candidate]], size: int) -> dict[Lane, list[Candidate]]:
    """The same lanes, the audit cut to the head of its draw, and the others without those groups.

    If other lanes could take what is drawn, the flagged would be missing from the audit, and every rate estimated from
    it would be too low.
    """
    audit = next(lane for lane in lanes if lane.name == AUDIT)
    wanted = {c.star for lane, candidates in lanes.items() if lane is not audit for c in candidates}
    drawn = lanes[audit][: audit_length(len(lanes[audit]), len(wanted), audit.share, size)]
    taken = {candidate.star for candidate in drawn}
    return {
        lane: drawn if lane is audit else [c for c in candidates if c.star not in taken]
        for lane, candidates in lanes.items()
    }


def audit_length(waiting: int, wanted: int, share: float, size: int) -> int:
    """How many of the groups that wait the audit may show, from counts alone: else what is drawn would bend the draw.

    Its share of the queue; more where the others, who want `wanted` groups, cannot fill it, but never more than its
    share of everything if they want any: they would be left with nothing. The queue is shorter then.
    """
    length = share * min(size, waiting)
    if wanted < size:
        # Of m drawn groups m · wanted / waiting are wanted by others too and fill nothing.
        length = max(length, (size - wanted) * waiting / max(1, waiting - wanted))
    return math.ceil(min(length, share * waiting if wanted else waiting))


def interleave(lanes: dict[Lane, list[Candidate]], size: int) -> Iterator[tuple[Lane, Candidate]]:
    """Lanes in turn by their shares, each group once; a lane that runs dry leaves its turns to the others."""
    left = {lane: iter(candidates) for lane, candidates in lanes.items()}
    credit = dict.fromkeys(left, 0.0)
    seen: set[str] = set()
    placed = 0
    while left and placed < size:
        for lane in left:
            credit[lane] += lane.share
        lane = max(left, key=lambda lane: credit[lane])
        candidate = next((c for c in left[lane] if c.star not in seen), None)
        if candidate is None:
            del left[lane]
            continue
        credit[lane] -= sum(other.share for other in left)
        seen.add(candidate.star)
        placed += 1
        yield lane, candidate
