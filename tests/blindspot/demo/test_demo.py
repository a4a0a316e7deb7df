"""The demo as a stranger runs it: one command, one JSON object, the figures of the contract, a usable workspace."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from blindspot.demo.run import MARKER
from tests.blindspot.calls import COMMAND, Ended
from tests.models import need_nsfwjs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

CONTRACT = {
    "pictures", "sightings", "copies_groups", "findings", "verdicts", "families", "sentinels", "gate", "champion",
    "seconds",
}  # fmt: skip
DECISIONS = {
    "careless": "reject",
    "threshold only": "reject",
    "repaired without the waiver": "not_enough_evidence",
    "repaired": "release",
}
FAMILY = {"family", "n", "flagged_before", "flagged_after", "flagged_threshold_only"}
LOOKS = (["queue"], ["families"], ["models", "list"], ["sql", "SELECT decision FROM certificates ORDER BY made_at"])


def call(home: Path, *words: str) -> Ended:
    done = subprocess.run([*COMMAND, "--home", str(home), *words], capture_output=True, text=True)
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_nsfwjs()
    return tmp_path_factory.mktemp("demo") / "a home"


@pytest.fixture(scope="module")
def found(demo_home: Path) -> dict[str, Any]:
    """The object of a first run. Progress may be told on standard error; standard output holds the object alone."""
    done = call(demo_home, "demo", "--json")
    assert "Traceback" not in done.err
    return done.json


def test_the_object_has_every_part_of_the_contract(found: dict[str, Any]) -> None:
    assert set(found) >= CONTRACT
    assert all(isinstance(found[name], int) and found[name] > 0 for name in ("pictures", "sightings", "copies_groups"))
    assert found["verdicts"] == 200
    assert set(found["findings"]) >= {"odd_size", "line_art", "disagreement", "near_threshold"}
    assert all(set(row) >= FAMILY for row in found["families"])
    assert all(set(row) >= {"level", "kept", "total"} for row in found["sentinels"])
    assert all(set(row) >= {"candidate", "decision", "reasons"} for row in found["gate"])
    assert set(found["champion"]) >= {"before", "after"}
    assert all(isinstance(seconds, int | float) for seconds in found["seconds"].values())


def test_the_blind_spots_are_closed_tenfold_and_nothing_is_worse(found: dict[str, Any]) -> None:
    rows = found["families"]
    assert len(rows) >= 3
    assert all(0 <= row["flagged_after"] <= row["flagged_before"] <= row["n"] for row in rows), rows
    before, after = (sum(row[name] for row in rows) for name in ("flagged_before", "flagged_after"))
    assert before > 0
    assert before >= 10 * after, rows
    assert sum(row["n"] for row in rows) > before


def test_the_detector_has_not_collapsed(found: dict[str, Any]) -> None:
    assert {row["level"] for row in found["sentinels"]} == {0.55, 0.75, 0.95}
    for row in found["sentinels"]:
        assert row["total"] >= 100
        assert row["kept"] >= 0.99 * row["total"], row


def test_the_gate_lets_one_of_four_through(found: dict[str, Any]) -> None:
    assert {row["candidate"]: row["decision"] for row in found["gate"]} == DECISIONS
    reasons = {row["candidate"]: " ".join(row["reasons"]) for row in found["gate"]}
    assert reasons["repaired"] == ""
    assert all(reasons[name] for name in DECISIONS if name != "repaired")
    assert "collapse" in reasons["careless"]
    assert "threshold" in reasons["threshold only"]
    assert "Misses are NOT measured" in reasons["repaired without the waiver"]


def test_the_released_version_serves(found: dict[str, Any], demo_home: Path) -> None:
    assert found["champion"]["before"] != found["champion"]["after"]
    shown = call(demo_home, "models", "show", "--json").json
    assert shown["version"] == found["champion"]["after"]
    assert shown["champion"]["how"] == "certificate"
    assert 0 < shown["champion"]["threshold"] < 1
    assert (
        json.loads((demo_home / "models" / "champion").read_text())["previous"]["version"]
        == found["champion"]["before"]
    )


def test_the_workspace_stays_usable(found: dict[str, Any], demo_home: Path) -> None:
    for words in LOOKS:
        looked = call(demo_home, *words, "--json").json
        assert looked["rows"], words
        assert all(len(row) == len(looked["columns"]) for row in looked["rows"])
    decisions = [row[0] for row in call(demo_home, *LOOKS[-1], "--json").rows]
    assert decisions == [row["decision"] for row in found["gate"]]
    counted = call(demo_home, "sql", "SELECT count(*) FROM pictures", "--json").rows
    assert counted == [[found["pictures"]]]
    assert call(demo_home, "doctor", "--json").json["ok"] is True
    assert call(demo_home, "cycle", "--json").json["outcome"] in (
        "release",
        "reject",
        "not_enough_evidence",
        "too_few_verdicts",
        "no_new_verdicts",
    )


def test_the_report_is_one_file_without_foreign_parts(found: dict[str, Any], demo_home: Path) -> None:
    report = Path(found["report"])
    assert report.is_relative_to(demo_home)
    page = report.read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert 'src="http' not in page
    assert all(row["family"] in page for row in found["families"])


def test_a_second_run_in_the_same_home_starts_anew(found: dict[str, Any], demo_home: Path) -> None:
    assert (demo_home / MARKER).is_file()
    again = call(demo_home, "demo", "--json").json
    assert again["champion"]["before"] == found["champion"]["before"]
    assert {row["candidate"]: row["decision"] for row in again["gate"]} == DECISIONS
    assert again["pictures"] == found["pictures"]
    assert [row["family"] for row in again["families"]] == [row["family"] for row in found["families"]]
