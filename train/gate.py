"""The gate: judges a candidate against the champion and writes the certificate that says why.

Reads scores, suites, families and mixes from the snapshot and the models' files; appends `certificates`,
`operating_points` and `evaluations`. Acting on a release is `promote`'s.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from store.cards import Card
from store.catalog import Snapshot
from store.embeddings import read_embeddings
from store.errors import GateLacksEvidence, GateRejects
from store.home import Home
from store.policy import Policy
from store.versions import Champion
from train.certificate import Certificate, FamilyRow, OperatingPoint
from train.checks import (
    Check,
    Difference,
    FalsePositives,
    Paired,
    false_positives,
    families,
    improvement,
    misses,
    sources,
    threshold_only,
)
from train.evaluate import record_evaluations
from train.evidence import Bools, Evidence, gather
from train.facts import measure_facts
from train.head import read_head
from train.integrity import SentinelLevel, collapse, integrity
from train.sentinels import LEVELS, make_sentinels
from train.statistics import order_changes, umbrella_threshold

# Sentinels per level that the gate makes, from ordinary pictures that no mix may hold.
SENTINELS = 360
# A version without an operating point serves at .5; nothing is flagged at 1.
FIXED, NEVER = 0.5, 1.0
OPENED = """
    SELECT o.key AS suite, max(CAST(o.value AS INTEGER)) AS times
    FROM certificates, json_each(body, '$.openings') o GROUP BY o.key"""


@dataclass(frozen=True)
class Judgement:
    """A certificate with the id of its row."""

    certificate: Certificate
    identity: str


@dataclass(frozen=True)
class _Points:
    """The operating points that one rule sets for both on the same `negatives`; `judging` are the others."""

    champion: float | None
    candidate: float | None
    negatives: int
    judging: Bools

    @property
    def at(self) -> tuple[float, float]:
        """Thresholds of champion and candidate; a version without an operating point flags nothing."""
        return (
            NEVER if self.champion is None else self.champion,
            NEVER if self.candidate is None else self.candidate,
        )


def judge(
    home: Home, policy: Policy, champion: Champion, cards: tuple[Card, Card], label: str, aimed_at: tuple[str, ...]
) -> Judgement:
    """Judge the candidate `cards[1]` against the champion `cards[0]` under `policy` and record the certificate.

    `label` is what the certificate's row calls the candidate. `aimed_at` names the families that the cycle was for;
    empty: all held-out pictures of the role `families`.
    """
    ours, candidate = cards
    same_base = ours.base == candidate.base
    with Snapshot(home) as snapshot:
        evidence = gather(snapshot, ours.version, candidate.version, candidate.mix)
        facts = measure_facts(home, snapshot, ours, candidate, evidence)
        openings = _openings(snapshot, evidence.suites)
    points = _points(evidence, policy, cards)
    held_out = evidence.role("families")
    pairs = {name: evidence.paired(held_out & inside, *points.at) for name, inside in evidence.families.items()}
    tables = {name: pair for name, pair in pairs.items() if pair.n}
    levels = _sentinels(home, policy, cards, evidence, points.at) if same_base else ()
    certificate = Certificate(
        candidate=OperatingPoint(candidate.version, points.candidate, points.negatives),
        champion=OperatingPoint(ours.version, points.champion, points.negatives),
        serving_threshold=champion.threshold,
        policy=policy.version,
        review_s=policy.costs.review_s,
        checks=(
            # First, because of a model that no longer flags anything every other figure looks splendid.
            collapse(levels, same_base, int(evidence.role("positives").sum())),
            *_rates(evidence, points, policy, cards, _aimed(evidence, held_out, aimed_at)),
            *families(tables, policy),
            *sources(_by_source(evidence, held_out, points.at), policy),
            *integrity(facts, policy),
        ),
        made_at=dt.datetime.now(dt.UTC),
        ordinary=evidence.paired(points.judging, *points.at),
        families=_rows(evidence, held_out, tables, champion, policy, aimed_at),
        sentinels=levels,
        openings=openings,
    )
    identity = uuid.uuid4().hex
    _record(home, certificate, identity, label)
    record_evaluations(home, evidence, cards, policy, identity, points.at)
    return Judgement(certificate, identity)


def reasons_of(certificate: Certificate) -> list[str]:
    """Why it is no release, what rejects before what is lacking; empty for a release."""
    checks = sorted(certificate.checks, key=lambda check: check.answer != "reject")
    return [f"{check.title}: {check.reason}" for check in checks if check.answer != "pass"]


def raise_unless_released(certificate: Certificate) -> None:
    """Turn the decision into the command's exit code: GateRejects or GateLacksEvidence, with the first reason."""
    kinds = {"reject": GateRejects, "not_enough_evidence": GateLacksEvidence}
    if certificate.decision in kinds:
        first = next(check for check in certificate.checks if check.answer == certificate.decision)
        raise kinds[certificate.decision](f"{certificate.candidate.version}: {first.title}: {first.reason}")


def _points(evidence: Evidence, policy: Policy, cards: tuple[Card, Card]) -> _Points:
    """The umbrella rule at half the target, on one half of the ordinary negatives."""
    champion, candidate = cards
    setting, judging = evidence.ordinary_halves(seed=f"{champion.version}{candidate.version}")
    half_target = policy.targets.false_positive_rate / 2
    ours, theirs = (
        umbrella_threshold(scores[setting], half_target) for scores in (evidence.champion, evidence.candidate)
    )
    return _Points(ours, theirs, int(setting.sum()), judging)


def _rates(
    evidence: Evidence, points: _Points, policy: Policy, cards: tuple[Card, Card], aimed: Bools
) -> tuple[Check, ...]:
    """The first four requirements: false positives, improvement, more than a threshold, misses."""
    champion, candidate = cards
    ordinary = evidence.paired(points.judging, *points.at)
    positives = evidence.paired(evidence.role("positives"), *points.at)
    changes = order_changes(evidence.champion, evidence.candidate)
    return (
        false_positives(
            FalsePositives(points.candidate, points.negatives, ordinary.candidate_wrong, ordinary.n), policy
        ),
        improvement(evidence.paired(aimed, *points.at)),
        threshold_only(Difference(champion.version == candidate.version, len(evidence.pictures), changes)),
        misses(positives if positives.n else None, policy, champion.base == candidate.base),
    )


def _openings(snapshot: Snapshot, suites: tuple[str, ...]) -> dict[str, int]:
    """How often each suite has been opened by the gate, this time included."""
    before = {row["suite"]: row["times"] for row in snapshot.rows(OPENED)}
    return {suite: before.get(suite, 0) + 1 for suite in suites}


def _aimed(evidence: Evidence, held_out: Bools, names: tuple[str, ...]) -> Bools:
    if not names:
        return held_out
    nothing = np.zeros(len(evidence.pictures), dtype=bool)
    chosen = [evidence.families.get(name, nothing) for name in names]
    result: Bools = held_out & np.logical_or.reduce(chosen)
    return result


def _by_source(evidence: Evidence, held_out: Bools, at: tuple[float, float]) -> dict[str, Paired]:
    return {name: evidence.paired(chosen, *at) for name, chosen in evidence.by_source(held_out).items()}


def _sentinels(
    home: Home, policy: Policy, cards: tuple[Card, Card], evidence: Evidence, at: tuple[float, float]
) -> tuple[SentinelLevel, ...]:
    """Sentinels from ordinary pictures of the evaluation, which no mix holds, judged by both heads."""
    champion, candidate = cards
    mask = np.array(policy.flag_mask(champion), np.float32)
    pictures, vectors = read_embeddings(home, champion.base)
    place = {picture: index for index, picture in enumerate(pictures)}
    chosen = evidence.role("ordinary") & ~evidence.truth & (evidence.champion <= FIXED)
    started = [p for p, use in zip(evidence.pictures, chosen.tolist(), strict=True) if use and p in place][:SENTINELS]
    if not started:
        return ()
    old, new = read_head(home.models / champion.version), read_head(home.models / candidate.version)
    made = make_sentinels(old, mask, started, vectors[[place[p] for p in started]])
    levels = []
    for level in LEVELS:
        ours, theirs = old.flag_scores(made.at(level), mask), new.flag_scores(made.at(level), mask)
        flagged, own = ours > FIXED, ours > at[0]
        levels.append(
            SentinelLevel(
                level, int(flagged.sum()), _kept(theirs, flagged, FIXED), int(own.sum()), _kept(theirs, own, at[1])
            )
        )
    return tuple(levels)


def _kept(scores: NDArray[np.float32], flagged: NDArray[np.bool_], threshold: float) -> int:
    return int((scores[flagged] > threshold).sum())


def _rows(
    evidence: Evidence,
    held_out: Bools,
    tables: dict[str, Paired],
    champion: Champion,
    policy: Policy,
    aimed_at: tuple[str, ...],
) -> tuple[FamilyRow, ...]:
    rows = []
    for name, pair in sorted(tables.items()):
        inside = held_out & evidence.families[name]
        before = int(((evidence.champion[inside] > champion.threshold) != evidence.truth[inside]).sum())
        rows.append(FamilyRow(name, before, pair, name in policy.guarded_families, name in aimed_at))
    return tuple(rows)


def _record(home: Home, certificate: Certificate, identity: str, label: str) -> None:
    inbox, body = home.inbox(), certificate.as_json()
    row = {
        "certificate": identity,
        "candidate": certificate.candidate.version,
        "label": label,
        "champion": certificate.champion.version,
        "policy_version": certificate.policy,
        "decision": certificate.decision,
        "reasons": json.dumps(reasons_of(certificate), ensure_ascii=False),
        "body": json.dumps(body, ensure_ascii=False),
        "made_at": certificate.made_at,
    }
    inbox.append("certificates", [row])
    folder = home.runs / "certificates"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{identity}.txt").write_text(certificate.as_text(), encoding="utf-8")
