"""Suites: pictures with known labels, for evaluation; never in the queue or a mix, and only growing."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterable

from store.errors import SuiteError
from store.home import Home
from store.policy import Policy

# ordinary: carries the false-positive bound. positives: carries the misses. families: labelled blind spots,
# held out.
ROLES = ("ordinary", "positives", "families")


NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def suite_role(policy: Policy, suite: str, label: str, role: str | None = None) -> str:
    """The role that pictures of class `label` have in `suite`: the given one if it fits, else that of their class.

    Raises SuiteError for a name, role or class that does not fit, PolicyError for an unknown class.
    """
    if not NAME.fullmatch(suite):
        raise SuiteError(f"a suite is named in lower case, digits, - and _. Received: {suite!r}")
    flagged = policy.is_flagged(label)
    if label not in policy.classes:
        raise SuiteError(f"a suite's label is a class of the policy: {', '.join(policy.classes)}. Received: {label!r}")
    role = role or ("positives" if flagged else "ordinary")
    if role not in ROLES:
        raise SuiteError(f"unknown role {role!r} of a suite; known: {', '.join(ROLES)}")
    if (role == "positives") != flagged and role != "families":
        side = "flagged" if flagged else "not flagged"
        raise SuiteError(
            f"suite {suite}: role {role} does not go with {label!r}, which policy {policy.version} has {side}"
        )
    return role


def add_to_suite(
    home: Home,
    policy: Policy,
    suite: str,
    label: str,
    pictures: Iterable[str],
    role: str | None = None,
    batch: str | None = None,
) -> int:
    """Append pictures to a suite under one policy class; how many were given.

    The role defaults to `positives` for a flagged class and `ordinary` for any other. Calls with the same `batch`
    are one growth of the suite. Raises what `suite_role` raises.
    """
    role = suite_role(policy, suite, label, role)
    batch, now = batch or uuid.uuid4().hex, dt.datetime.now(dt.UTC)
    rows = [
        {"suite": suite, "role": role, "picture": picture, "class": label, "batch": batch, "added_at": now}
        for picture in pictures
    ]
    home.inbox().append("suite_pictures", rows)
    return len(rows)


def add_to_family(home: Home, family: str, pictures: Iterable[str], definition: str) -> int:
    """Append pictures to a family by label; how many. `definition` says in words what they share."""
    now = dt.datetime.now(dt.UTC)
    rows = [{"family": family, "picture": picture} for picture in pictures]
    inbox = home.inbox()
    inbox.append(
        "family_definitions",
        [{"family": family, "kind": "label", "definition": definition, "defined_at": now}] if rows else [],
    )
    inbox.append("family_members", rows)
    return len(rows)
