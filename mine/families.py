"""Families by rule: named sets of pictures that every home has, defined over measurements alone.

Reads `measurements`, appends `family_definitions` and `family_members`. A rule never reads a model's scores, else
every retraining would "improve" its family.
"""

from __future__ import annotations

import datetime as dt

from store.catalog import Snapshot
from store.home import Home

# Family → condition over the columns of `measurements`. The numbers are those of the detectors of the same kind.
RULES: dict[str, str] = {
    "tiny": "greatest(width_px, height_px) <= 32",
    "huge": "greatest(width_px, height_px) >= 8000",
    "strip": "greatest(width_px, height_px) >= 6 * least(width_px, height_px)",
    "drawn_in_black_and_white": "colourfulness < 1 AND palette_share < 0.1 AND extremes_share > 0.4",
}


def assign_families(home: Home) -> int:
    """Put every measured picture into the rule families it belongs to; how many memberships were new."""
    inbox, now = home.inbox(), dt.datetime.now(dt.UTC)
    with Snapshot(home) as snapshot:
        known = {row["definition"] for row in snapshot.rows("SELECT definition FROM family_definitions")}
        members = [
            {"family": family, "picture": row["picture"]}
            for family, rule in RULES.items()
            for row in snapshot.rows(
                f"SELECT m.picture FROM measurements m WHERE {rule} AND NOT EXISTS ("
                "SELECT 1 FROM family_members f WHERE f.picture = m.picture AND f.family = :family) ORDER BY 1",
                family=family,
            )
        ]
    fresh = [
        {"family": family, "kind": "rule", "definition": rule, "defined_at": now}
        for family, rule in RULES.items()
        if rule not in known
    ]
    inbox.append("family_definitions", fresh)
    inbox.append("family_members", members)
    return len(members)
