"""Promotion: makes a version the champion, with proof or, for a home's first, by a person's word.

Writes the pointer `models/champion` (atomically, version and operating point together) and appends
`operating_points`; the fold adds the history.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from store.cards import Card
from store.catalog import Snapshot
from store.errors import GateLacksEvidence, GateRejects
from store.home import Home
from store.policy import Policy, read_policy
from store.versions import Champion, point_to, require_champion
from train.certificate import Certificate

NEWEST = """
    SELECT certificate, candidate AS version, champion, policy_version, decision,
           CAST(json_extract(body, '$.candidate.threshold') AS DOUBLE) AS threshold,
           CAST(json_extract(body, '$.candidate.negatives') AS INTEGER) AS negatives
    FROM certificates WHERE candidate = :version ORDER BY made_at DESC LIMIT 1"""
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

    Raises GateRejects or GateLacksEvidence for any other certificate, or one under a policy that is in force no more;
    ModelError when the champion it was judged against serves no more.
    """
    point = certificate.candidate
    proof = {
        "certificate": identity,
        "version": point.version,
        "champion": certificate.champion.version,
        "policy_version": certificate.policy,
        "decision": certificate.decision,
        "threshold": point.threshold,
        "negatives": point.negatives,
    }
    return _promote(home, proof, by)


def promote_by_certificate(home: Home, version: str, by: str) -> Champion:
    """The same by a version's newest certificate in the catalog. Raises GateLacksEvidence when it has none."""
    with Snapshot(home) as snapshot:
        rows = snapshot.rows(NEWEST, version=version)
    if not rows:
        raise GateLacksEvidence(f"{version} has no certificate; `blindspot gate {version}` judges it")
    return _promote(home, rows[0], by)


def _promote(home: Home, proof: Mapping[str, Any], by: str) -> Champion:
    name, version = proof["certificate"], proof["version"]
    if proof["decision"] != "release":
        kind = GateRejects if proof["decision"] == "reject" else GateLacksEvidence
        raise kind(f"certificate {name} of {version} says {proof['decision']}; only a release may serve")
    policy = read_policy(home.policy).version
    if proof["policy_version"] != policy:
        raise GateLacksEvidence(
            f"certificate {name} of {version} is of policy {proof['policy_version']}, in force is {policy}; "
            f"`blindspot gate {version}` judges it anew"
        )
    champion = Champion(
        version=version,
        policy_version=policy,
        threshold=proof["threshold"],
        how="certificate",
        by=by,
        certificate=name,
        promoted_at=dt.datetime.now(dt.UTC),
    )
    # The point first: a kill in between leaves a candidate with a point, never a champion without its own.
    record_operating_point(home, champion, f"certificate {name}", proof["negatives"])
    return point_to(home, champion, expected=proof["champion"])


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
    record_operating_point(home, champion, negatives, n)
    return point_to(home, champion, expected=present.version)


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
