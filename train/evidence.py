"""What the gate looks at: every evaluation picture with its truth and both models' flag scores.

Reads suites, verdicts of the mix's test split, families, mixes and scores from the snapshot; writes nothing. A picture
of the queue is never a negative that sets or checks a rate: those come from a suite or from the random audit lane.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mine.copies import split_groups
from mine.stars import read_hashes
from store.catalog import Snapshot
from store.errors import ModelError
from train.checks import Paired

Bools = NDArray[np.bool_]

# role: ordinary and positives from suites (or, without an ordinary suite, from the audit lane); families = held-out
# blind spots with known answers, from suites and from the test split of the candidate's own mix. A picture that the
# candidate has refused (stage `score`) or answered with NaN has no finite answer.
PICTURES = """
    WITH tested AS (
        SELECT DISTINCT m.picture FROM mix_samples m WHERE m.mix = :mix AND m.split = 'test'),
    audited AS (
        SELECT DISTINCT v.picture FROM verdicts v JOIN policy USING (policy_version)
        WHERE v.lane = 'audit' AND NOT EXISTS (SELECT 1 FROM suite_pictures WHERE role = 'ordinary')
          AND v.picture NOT IN (SELECT picture FROM mix_samples WHERE split <> 'test')),
    evaluated AS (
        SELECT picture, role, suite FROM suite_pictures
        UNION ALL SELECT picture, 'families', 'test split' FROM tested
        UNION ALL SELECT picture, 'ordinary', 'audit lane' FROM audited)
    SELECT e.picture, e.role, e.suite, l.flagged AS truth, p.source,
           coalesce(c.representative, e.picture) AS star, a.flag_score AS champion,
           CASE WHEN n.picture IS NULL THEN b.flag_score ELSE 1 END AS candidate,
           n.picture IS NULL AND coalesce(isfinite(list_sum(b.probabilities)), true) AS finite
    FROM evaluated e JOIN labels l ON l.picture = e.picture JOIN pictures p ON p.picture = e.picture
    LEFT JOIN copies c ON c.picture = e.picture
    LEFT JOIN scores a ON a.picture = e.picture AND a.version = :champion AND a.view = 'as_shown'
    LEFT JOIN scores b ON b.picture = e.picture AND b.version = :candidate AND b.view = 'as_shown'
    LEFT JOIN (SELECT DISTINCT picture FROM refusals WHERE stage = 'score' AND detail = :candidate) n
      ON n.picture = e.picture
    WHERE NOT EXISTS (SELECT 1 FROM refusals r WHERE r.picture = e.picture AND r.stage = 'decode')
    ORDER BY e.role, e.picture"""
TRAINED_SOURCES = "SELECT DISTINCT source FROM mix_samples WHERE mix = :mix AND split <> 'test'"
POOL = ("test split", "audit lane")
MEMBERS = "SELECT family, picture FROM family_members ORDER BY family, picture"
# What a version learned from: every mix it was trained on, its ancestors' too.
LEARNED = """
    WITH RECURSIVE line AS (
        SELECT version, parent, mix FROM models WHERE version = :version
        UNION SELECT m.version, m.parent, m.mix FROM models m JOIN line l ON m.version = l.parent)
    SELECT DISTINCT s.picture FROM line l JOIN mix_samples s ON s.mix = l.mix
    WHERE s.split <> 'test'"""


@dataclass(frozen=True)
class Evidence:
    """N evaluation pictures, one per copies group and role. Scores are flag scores (N,) in [0, 1].

    `not_finite`: on how many the candidate has no finite answer; their score counts as 1. `learned`: how many share a
    split group with anything that the candidate or its ancestors learned from. `suites` were opened.
    """

    pictures: list[str]
    roles: NDArray[np.str_]
    sources: list[str]
    truth: Bools
    champion: NDArray[np.float64]
    candidate: NDArray[np.float64]
    families: dict[str, Bools]
    suites: tuple[str, ...]
    trained_sources: frozenset[str]
    not_finite: int = 0
    learned: int = 0

    def role(self, name: str) -> Bools:
        chosen: Bools = self.roles == name
        return chosen

    def ordinary_halves(self, seed: str) -> tuple[Bools, Bools]:
        """The ordinary negatives in two halves, drawn by `seed`: one sets operating points, the other judges."""
        draws = [hashlib.sha256(f"{seed}{picture}".encode()).digest()[0] & 1 for picture in self.pictures]
        ordinary = self.role("ordinary") & ~self.truth
        first = np.array(draws, dtype=bool)
        return ordinary & first, ordinary & ~first

    def paired(self, chosen: Bools, champion_threshold: float, candidate_threshold: float) -> Paired:
        """How many of the chosen pictures each model gets wrong at its threshold."""
        ours = (self.candidate[chosen] > candidate_threshold) != self.truth[chosen]
        theirs = (self.champion[chosen] > champion_threshold) != self.truth[chosen]
        only_ours, only_theirs = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
        return Paired(int(chosen.sum()), only_ours, only_theirs, int((ours & theirs).sum()))

    def by_source(self, chosen: Bools) -> dict[str, Bools]:
        """The chosen pictures of every source that the candidate learned nothing from."""
        names = np.array(self.sources, dtype=np.str_)
        held_out = sorted(set(names[chosen].tolist()) - self.trained_sources)
        return {name: chosen & (names == name) for name in held_out}


def gather(snapshot: Snapshot, champion: str, candidate: str, mix: str | None) -> Evidence:
    """Everything the gate may look at. Raises ModelError when a version has not scored an evaluation picture."""
    rows = snapshot.rows(PICTURES, champion=champion, candidate=candidate, mix=mix or "")
    _all_scored(rows, champion, candidate)
    learned = _learned(snapshot, candidate)
    # What later crawls have chained to a sample of a mix is no evidence any more; a suite must not need such mercy.
    rows = [row for row in rows if row["suite"] not in POOL or row["picture"] not in learned]
    # One per copies group within a role: near-copies are one observation, not many.
    first = {(row["role"], row["star"]): row for row in reversed(rows)}
    kept = sorted(first.values(), key=lambda row: (row["role"], row["picture"]))
    members: dict[str, set[str]] = defaultdict(set)
    for row in snapshot.rows(MEMBERS):
        members[row["family"]].add(row["picture"])
    pictures = [row["picture"] for row in kept]
    inside = {family: np.array([p in chosen for p in pictures], dtype=bool) for family, chosen in members.items()}
    return Evidence(
        pictures=pictures,
        roles=np.array([row["role"] for row in kept], dtype=np.str_),
        sources=[row["source"] or "unknown" for row in kept],
        truth=np.array([row["truth"] for row in kept], dtype=bool),
        champion=np.array([row["champion"] for row in kept], dtype=np.float64),
        candidate=np.array([row["candidate"] for row in kept], dtype=np.float64),
        families={family: chosen for family, chosen in inside.items() if chosen.any()},
        suites=tuple(sorted({row["suite"] for row in kept} - set(POOL))),
        not_finite=sum(not row["finite"] for row in kept),
        learned=sum(p in learned for p in pictures),
        trained_sources=frozenset(row["source"] for row in snapshot.rows(TRAINED_SOURCES, mix=mix or "")),
    )


def _all_scored(rows: list[dict[str, Any]], champion: str, candidate: str) -> None:
    for role, version in (("champion", champion), ("candidate", candidate)):
        lacking = sum(row[role] is None for row in rows)
        if lacking:
            raise ModelError(
                f"{version} has no score for {lacking} of {len(rows)} evaluation pictures; run `blindspot mine run`"
            )


def _learned(snapshot: Snapshot, version: str) -> set[str]:
    """All pictures that share a split group with what a version or its ancestors learned from."""
    taught = {row["picture"] for row in snapshot.rows(LEARNED, version=version)}
    if not taught:
        return taught
    groups = split_groups(read_hashes(snapshot))
    taken = {groups[picture] for picture in taught if picture in groups}
    return taught | {picture for picture, group in groups.items() if group in taken}
