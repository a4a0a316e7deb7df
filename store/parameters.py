"""What the named questions can be asked with: kinds of parameters, what there is of each, and defaults as SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What a parameter takes: `word` in the listing, `read` from text (ValueError for what is none).

    `choices` is a SELECT of one column `choice`, everything that would find something; `what` says what those are.
    """

    word: str
    what: str
    choices: str | None = None
    read: Callable[[str], str | int] = str


@dataclass(frozen=True)
class Parameter:
    """One parameter; `default` is an SQL expression, and NULL means all unless `meaning` says otherwise."""

    name: str
    kind: Kind
    meaning: str
    default: str = "NULL"


# Versions that answer under the policy in force, and when they were made. Asking 5 million scores for their times, not
# for their versions alone, takes three times as long.
SCORED = """
    SELECT s.version, any_value(m.made_at) AS made_at FROM (SELECT DISTINCT version FROM raw_scores) s
    JOIN flag_masks f ON f.version = s.version JOIN policy p ON p.policy_version = f.policy_version
    LEFT JOIN models m ON m.version = s.version GROUP BY s.version"""
# The champion if it has scores, else who was made last.
SERVING = f"""
    (SELECT version FROM ({SCORED})
     ORDER BY version IS NOT DISTINCT FROM (SELECT version FROM champion) DESC, made_at DESC, version LIMIT 1)"""


def _newest_but(other: str) -> str:
    """The newest version but `other`: by promotion where two champions have scores, else by when it was made."""
    return f"""
    (WITH scored AS MATERIALIZED ({SCORED}),
     promoted AS (
        SELECT version, max(promoted_at) AS at_ FROM promotions SEMI JOIN scored USING (version) GROUP BY version),
     known AS (
        SELECT * FROM promoted WHERE (SELECT count(*) FROM promoted) > 1
        UNION ALL SELECT * FROM scored WHERE (SELECT count(*) FROM promoted) < 2)
     SELECT version FROM known WHERE version IS DISTINCT FROM {other} ORDER BY at_ DESC, version LIMIT 1)"""


def _count(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**63:  # what a column of counts can hold
        raise ValueError(text)
    return value


TEXT = Kind("TEXT", "text")
COUNT = Kind("N", "whole numbers from 0 on", read=_count)
VERSION = Kind("VERSION", "versions with scores", f"SELECT version AS choice FROM ({SCORED})")
VIEW = Kind("VIEW", "views with scores", "SELECT DISTINCT view AS choice FROM raw_scores")
DETECTOR = Kind("DETECTOR", "detectors with findings", "SELECT DISTINCT detector AS choice FROM findings")
JOB = Kind("JOB", "jobs that ran", "SELECT DISTINCT job AS choice FROM crawls")
PICTURE = Kind("PICTURE", "stored pictures, 64 hex digits", "SELECT picture AS choice FROM pictures")

AFTER = Parameter("after", VERSION, "the newer version: the champion, or who was made last", _newest_but("$before"))
BEFORE = Parameter(
    "before", VERSION, "the older version: the champion before, or who was made before", _newest_but("$after")
)
BY = Parameter("version", VERSION, "the version: the champion, or who was made last", SERVING)
OTHER = Parameter(
    "other", VERSION, "the second opinion: who was made last beside it",
    f"(SELECT version FROM ({SCORED}) WHERE version <> $version ORDER BY made_at DESC, version LIMIT 1)",
)  # fmt: skip
SHOWN = Parameter("view", VIEW, "the view", "'as_shown'")
FOUND_BY = Parameter("detector", DETECTOR, "one detector; else all")
AT_LEAST = Parameter("at_least", COUNT, "only with so many pictures or more", "1")
ONE_PICTURE = Parameter(
    "picture", PICTURE, "the picture: a representative of the largest group",
    "(SELECT representative FROM copies GROUP BY representative ORDER BY count(*) DESC, representative LIMIT 1)",
)  # fmt: skip
