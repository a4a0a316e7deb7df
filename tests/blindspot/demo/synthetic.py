"""A small home, counts and judgements made by hand for the report, some of them hostile; and a reader of pages."""

from __future__ import annotations

import datetime as dt
import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from store.cards import Card, write_card
from store.fold import fold
from store.home import Home
from train.certificate import Certificate, OperatingPoint
from train.checks import Check, Paired
from train.gate import Judgement
from train.integrity import SentinelLevel

POLICY = """\
name = "shoes"
rule = "A bag is flagged."
[classes.bag]
flagged = true
[classes.shoe]
flagged = false
[targets]
false_positive_rate = 0.02
"""
NOW = dt.datetime(2026, 11, 3, 14, 5, tzinfo=dt.UTC)
HOSTILE = "</style></title><script>document.pwned=1</script><img src=x onerror='document.pwned=2'>%%style%%"
DIGITS, ODD = "digits", f"odd {HOSTILE}"
FAMILIES = [
    {"family": DIGITS, "n": 1200, "flagged_before": 310, "flagged_after": 7,
     "flagged_threshold_only": 133, "flagged_operating_point": 29},
    {"family": ODD, "n": 61, "flagged_before": 20, "flagged_after": 0,
     "flagged_threshold_only": 11, "flagged_operating_point": 2},
]  # fmt: skip
LEVELS = (SentinelLevel(0.55, 360, 359, 0, 0), SentinelLevel(0.95, 360, 358, 41, 40))


class Page(HTMLParser):
    """A page as its elements with attributes, the texts of its cells by row, and of its `pre` elements."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.pres: list[str] = []
        self.words, self._into = "", None
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "pre":
            self.pres.append("")
        self._into = {"td": self.rows[-1:], "th": self.rows[-1:], "pre": [self.pres]}.get(tag, self._into)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "pre"):
            self._into = None

    def handle_data(self, data: str) -> None:
        self.words += data
        for texts in self._into or ():
            texts[-1] += data

    def row(self, name: str) -> list[str]:
        """The first row whose first cell is `name`."""
        return next(row for row in self.rows if row[:1] == [name])


def drawn(seed: int) -> bytes:
    rgb = np.full((9, 9, 3), 255, np.uint8)
    rgb[1:8, 4] = seed % 200, seed // 200, 0
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "PNG")
    return out.getvalue()


def card(version: str) -> Card:
    return Card(
        version=version, name="net", classes=("bag", "shoe"), class_map={"bag": "bag", "shoe": "shoe"},
        preprocessing={"recipe": "none"}, input_px=8, embedding_size=4, base="b", files={}, origin="drawn",
        licence="none", made_at=NOW.isoformat(),
    )  # fmt: skip


def build_home(root: Path) -> Home:
    """A home with 30 ordinary pictures and two held-out families of 8, scored by two versions."""
    home = Home(root)
    home.policy.write_text(POLICY, encoding="utf-8")
    for version in ("net.old", "net.new"):
        (home.models / version).mkdir(parents=True)
        write_card(card(version), home.models / version)
    rows: dict[str, list[dict[str, Any]]] = {
        "pictures": [],
        "suite_pictures": [],
        "raw_scores": [],
        "family_members": [],
    }
    for index in range(46):
        name = None if index < 30 else DIGITS if index < 38 else ODD
        picture = home.blobs().put(drawn(index))
        rows["pictures"].append({"picture": picture, "source": HOSTILE if name else "scenes", "first_seen_at": NOW})
        suite = {"suite": "held_out", "role": "families"} if name else {"suite": "ordinary", "role": "ordinary"}
        rows["suite_pictures"].append({**suite, "picture": picture, "class": "shoe", "added_at": NOW})
        for version, score in (("net.old", index / 50), ("net.new", 0.5 - index / 100)):
            scored = {"picture": picture, "version": version, "view": "as_shown", "scored_at": NOW}
            rows["raw_scores"].append({**scored, "probabilities": [score, 1 - score]})
        rows["family_members"] += [{"family": name, "picture": picture}] if name else []
    finding = {"detector": "odd_size", "score": 0.9, "threshold": 0.5, "reason": "tiny", "found_at": NOW}
    rows["findings"] = [{**finding, "picture": row["picture"]} for row in rows["pictures"][30:35]]
    for kind, records in rows.items():
        home.inbox().append(kind, records)
    fold(home)
    return home


def judgement(*checks: Check) -> Judgement:
    ordinary = Paired(1491, 3, 0, 1)
    made = Certificate(OperatingPoint("net.new", 0.377, 1567), OperatingPoint("net.old", 0.687, 1567), 0.5, "shoes-1",
                       6.0, checks, NOW, ordinary, sentinels=LEVELS)  # fmt: skip
    return Judgement(made, "f" * 32)


def judged() -> dict[str, Judgement]:
    passed = Check("misses", "misses", "pass", "Misses are NOT measured: the policy accepts sentinels_only.")
    collapsed = Check("collapse", "collapse", "reject", f"kept 0 of 360 {HOSTILE}")
    return {"careless": judgement(collapsed), "repaired": judgement(passed)}


def counted(**more: Any) -> dict[str, Any]:
    reasons = [f"collapse: kept 0 of 360 {HOSTILE}", "improvement: none", "third: hidden"]
    return {
        "pictures": 6966, "sightings": 6975, "copies_groups": 6742, "verdicts": 200,
        "findings": {"odd_size": 2149, HOSTILE: 3}, "refusals": [{"stage": "fetch", "reason": "robots", "n": 14}],
        "families": FAMILIES, "sentinels": [{"level": s.level, "kept": s.kept, "total": s.flagged} for s in LEVELS],
        "gate": [{"candidate": "careless", "decision": "reject", "reasons": reasons},
                 {"candidate": "repaired", "decision": "release", "reasons": []}],
        "threshold": {"threshold_only": 0.6868, "repaired": 0.3768},
        "champion": {"before": "net.old", "after": "net.new"}, "note": "",
        "seconds": {"crawl": 30.14, "mine_again": 4.0},
        **more,
    }  # fmt: skip
