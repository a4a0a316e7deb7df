from __future__ import annotations

import datetime as dt
from typing import Any

from mine.families import RULES, assign_families
from store.catalog import Snapshot
from store.fold import fold
from store.home import Home

PLAIN = {"width_px": 640, "height_px": 480, "colourfulness": 30.0, "palette_share": 0.6, "extremes_share": 0.1}
DRAWN = {"colourfulness": 0.5, "palette_share": 0.02, "extremes_share": 0.9}


def measured(home: Home, **pictures: dict[str, Any]) -> None:
    now = dt.datetime.now(dt.UTC)
    rows = [{"picture": name, "measured_at": now, **PLAIN, **changes} for name, changes in pictures.items()]
    home.inbox().append("measurements", rows)
    fold(home)


def members(home: Home) -> set[tuple[str, str]]:
    with Snapshot(home) as snapshot:
        return {(r["family"], r["picture"]) for r in snapshot.rows("SELECT family, picture FROM family_members")}


def test_every_rule_takes_its_pictures_and_no_others(home: Home) -> None:
    measured(
        home,
        plain={},
        icon={"width_px": 32, "height_px": 20},
        almost={"width_px": 33, "height_px": 33},
        giant={"width_px": 8_000, "height_px": 7_000},
        banner={"width_px": 600, "height_px": 100},
        tall={"width_px": 50, "height_px": 299},
        ink=DRAWN,
        coloured_ink={**DRAWN, "colourfulness": 4.0},
        tiny_ink={**DRAWN, "width_px": 28, "height_px": 28},
    )
    assert assign_families(home) == 6
    fold(home)
    assert members(home) == {
        ("tiny", "icon"),
        ("tiny", "tiny_ink"),
        ("huge", "giant"),
        ("strip", "banner"),
        ("drawn_in_black_and_white", "ink"),
        ("drawn_in_black_and_white", "tiny_ink"),
    }


def test_running_again_adds_only_what_is_new(home: Home) -> None:
    measured(home, icon={"width_px": 16, "height_px": 16})
    assert assign_families(home) == 1
    fold(home)
    assert assign_families(home) == 0
    assert home.inbox().files() == []
    measured(home, another={"width_px": 16, "height_px": 16})
    assert assign_families(home) == 1
    fold(home)
    assert members(home) == {("tiny", "icon"), ("tiny", "another")}
    with Snapshot(home) as snapshot:
        rows = snapshot.rows("SELECT family, kind, definition FROM family_definitions ORDER BY family")
    assert [(row["family"], row["kind"], row["definition"]) for row in rows] == [
        (family, "rule", rule) for family, rule in sorted(RULES.items())
    ]


def test_no_rule_reads_a_score() -> None:
    words = " ".join(RULES.values())
    assert not any(word in words for word in ("score", "flag", "probabil", "threshold"))
