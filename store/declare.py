"""What lies in files of the home, as records: the policy in force, the model versions, the champion.

The fold calls this before it folds, so that the catalog follows the files without anybody remembering to tell
it.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import sqlalchemy as sa

from store.errors import CardError
from store.home import Home
from store.inbox import NO_LIMITS, Inbox
from store.policy import Policy, read_policy
from store.schema import flag_masks, models
from store.versions import Champion, read_champion, versions


def declare(home: Home, catalog: sa.Connection) -> None:
    """Append to the inbox what the catalog does not know yet. Raises PolicyError, CardError or ModelError."""
    policy = read_policy(home.policy) if home.policy.exists() else None
    champion = read_champion(home)
    known = _known(catalog)
    inbox, now = Inbox(home.inbox().folder, NO_LIMITS), dt.datetime.now(dt.UTC)
    if policy and known["policy"] != policy.version:
        body = json.dumps(policy.model_dump(mode="json"), sort_keys=True)
        inbox.append("policies", [{"policy_version": policy.version, "body": body, "since_at": now}])
    inbox.append("models", [row for row in _models(home) if row["version"] not in known["models"]])
    if policy:
        masks = _masks(home, policy)
        fresh = [row for row in masks if (row["version"], row["policy_version"]) not in known["masks"]]
        inbox.append("flag_masks", fresh)
    if champion and champion.promoted_at.astimezone(dt.UTC).replace(tzinfo=None) != known["promoted_at"]:
        inbox.append("promotions", [_promotion(champion)])


def _known(catalog: sa.Connection) -> dict[str, Any]:
    try:
        return {
            "policy": catalog.execute(sa.text("SELECT policy_version FROM policy")).scalar(),
            "models": set(catalog.execute(sa.select(models.c.version)).scalars()),
            "masks": set(map(tuple, catalog.execute(sa.select(flag_masks.c.version, flag_masks.c.policy_version)))),
            "promoted_at": catalog.execute(sa.text("SELECT promoted_at FROM champion")).scalar(),
        }
    finally:
        catalog.rollback()


def _models(home: Home) -> list[dict[str, Any]]:
    return [
        {
            "version": card.version,
            "name": card.name,
            "base": card.base,
            "parent": card.parent,
            "mix": card.mix,
            "level": card.level,
            "classes": list(card.classes),
            "card": card.model_dump_json(),
            "made_at": dt.datetime.fromisoformat(card.made_at),
        }
        for card in versions(home)
    ]


def _masks(home: Home, policy: Policy) -> list[dict[str, Any]]:
    """One mask per version whose card fits the policy in force; others are refused where they are used."""
    rows = []
    for card in versions(home):
        try:
            mask = policy.flag_mask(card)
        except CardError:
            continue
        rows.append({"version": card.version, "policy_version": policy.version, "mask": mask})
    return rows


def _promotion(champion: Champion) -> dict[str, Any]:
    return {
        "version": champion.version,
        "policy_version": champion.policy_version,
        "threshold": champion.threshold,
        "how": champion.how,
        "certificate": champion.certificate,
        "by": champion.by,
        "promoted_at": champion.promoted_at,
    }
