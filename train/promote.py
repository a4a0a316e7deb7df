"""Promotion: makes a version the champion, with proof or, for a home's first, by a person's word.

Writes the pointer `models/champion` (atomically, version and operating point together) and appends
`operating_points`; the fold adds the history.
"""

from __future__ import annotations

import datetime as dt

from store.cards import Card
from store.catalog import Snapshot
from store.errors import GateLacksEvidence, GateRejects
from store.home import Home
from store.policy import Policy
from store.versions import Champion, point_to, read_champion, require_champion
from train.certificate import Certificate

# Where a version serves until negatives have set its operating point.
START_THRESHOLD = 0.5


def promote_first(home: Home, policy: Policy, card: Card, by: str) -> Champion:
    """Make `card` the first champion of a home, at .5, recorded as without a certificate.

    Raises CardError when the card does not fit the policy, ModelError when there is a champion already.
    """
    policy.flag_mask(card)
    champion = Champion(
        version=card.version,
        policy_version=policy.version,
        threshold=START_THRESHOLD,
        how="first",
        by=by,
        promoted_at=dt.datetime.now(dt.UTC),
    )
    return point_to(home, champion, expected=None)


def promote_released(home: Home, certificate: Certificate, identity: str, by: str) -> Champion:
    """Make the candidate of a releasing certificate the champion at the operating point it was judged at.

    Raises GateRejects or GateLacksEvidence for any other certificate, ModelError when the champion it was judged
    against serves no more.
    """
    if certificate.decision != "release" or certificate.candidate.threshold is None:
        kind = GateRejects if certificate.decision == "reject" else GateLacksEvidence
        raise kind(f"certificate {identity} says {certificate.decision}; only a release may serve")
    point = certificate.candidate
    assert point.threshold is not None
    champion = Champion(
        version=point.version,
        policy_version=certificate.policy,
        threshold=point.threshold,
        how="certificate",
        by=by,
        certificate=identity,
        promoted_at=dt.datetime.now(dt.UTC),
    )
    written = point_to(home, champion, expected=certificate.champion.version)
    record_operating_point(home, written, f"certificate {identity}", point.negatives)
    return written


def promote_by_certificate(home: Home, version: str, by: str) -> Champion:
    """Promote a version on its newest certificate in the catalog. Raises GateLacksEvidence when it has none."""
    with Snapshot(home) as snapshot:
        rows = snapshot.rows(
            "SELECT certificate, champion, policy_version, decision, "
            "CAST(json_extract(body, '$.candidate.threshold') AS DOUBLE) AS threshold, "
            "CAST(json_extract(body, '$.candidate.negatives') AS INTEGER) AS negatives "
            "FROM certificates WHERE candidate = :version ORDER BY made_at DESC LIMIT 1",
            version=version,
        )
    if not rows:
        raise GateLacksEvidence(f"{version} has no certificate; `blindspot gate {version}` judges it")
    row = rows[0]
    if row["decision"] != "release":
        kind = GateRejects if row["decision"] == "reject" else GateLacksEvidence
        raise kind(f"the newest certificate of {version} says {row['decision']}; only a release may serve")
    champion = Champion(
        version=version,
        policy_version=row["policy_version"],
        threshold=row["threshold"],
        how="certificate",
        by=by,
        certificate=row["certificate"],
        promoted_at=dt.datetime.now(dt.UTC),
    )
    written = point_to(home, champion, expected=row["champion"])
    record_operating_point(home, written, f"certificate {row['certificate']}", row["negatives"])
    return written


def set_operating_point(home: Home, policy: Policy, threshold: float, negatives: str, n: int, by: str) -> Champion:
    """Give the serving version a new operating point: an act of its own, recorded as such, not an improvement."""
    present = require_champion(home)
    champion = present.model_copy(
        update={
            "threshold": threshold,
            "policy_version": policy.version,
            "how": "operating_point",
            "by": by,
            "certificate": None,
            "promoted_at": dt.datetime.now(dt.UTC),
        }
    )
    written = point_to(home, champion, expected=present.version)
    record_operating_point(home, written, negatives, n)
    return written


def record_operating_point(home: Home, champion: Champion, negatives: str, n: int) -> None:
    """Append the operating point a champion serves at, with the negatives it was set on."""
    row = {
        "version": champion.version,
        "policy_version": champion.policy_version,
        "threshold": champion.threshold,
        "negatives": negatives,
        "n_negatives": n,
        "set_at": champion.promoted_at,
    }
    home.inbox().append("operating_points", [row])


def has_champion(home: Home) -> bool:
    """Whether anything serves yet."""
    return read_champion(home) is not None
