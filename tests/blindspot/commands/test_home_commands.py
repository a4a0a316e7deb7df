"""policy and suite, and the demo's refusals: what is in force, and whose folders are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from store.policy import read_policy
from tests.blindspot.calls import Front
from tests.mine import squares


def test_the_policy_in_force_is_shown(door: Front) -> None:
    version = read_policy(door.home.policy).version
    found = door("policy", "show", "--json").json
    assert (found["version"], found["name"]) == (version, "default")
    assert found["targets"] == {"false_positive_rate": 0.01, "miss_rate": 0.05}
    shown = door("policy", "show").out
    assert shown.startswith(f"# version {version}\n")
    assert door.home.policy.read_text().strip() in shown


def test_a_sound_policy_is_told_with_what_it_flags(serving_door: Front) -> None:
    found = serving_door("policy", "check", "--json").json
    assert (found["flagged"], found["models"]) == (["square"], [squares.champion().name])
    assert "1 model versions fit it" in serving_door("policy", "check").out


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("name =", ["policy.toml", "is not TOML"]),
        ("", ["policy.toml", "name", "required"]),
        (squares.POLICY.replace("flagged = true", "flagged = false"), ["at least one flagged"]),
        (squares.POLICY.replace("latency_ratio", "latency_ration"), ["latency_ration"]),
        (squares.POLICY.replace("0.1", "1.5"), ["false_positive_rate", "less than 1"]),
        (squares.POLICY.replace("[classes.texture]", "[classes.flagged]"), ["words of model cards"]),
    ],
)
@pytest.mark.parametrize(
    "command", [["policy", "check"], ["mine", "run"], ["train"], ["cycle"], ["queue", "--sheet", "x.html"]]
)
def test_a_policy_that_cannot_be_used_is_one_line(
    command: list[str], policy: str, words: list[str], serving_door: Front
) -> None:
    serving_door.home.policy.write_text(policy)
    serving_door(*command).complaint(2, *words)


def test_without_a_policy_there_is_one_line(serving_door: Front) -> None:
    serving_door.home.policy.unlink()
    for command in (["policy", "show"], ["policy", "check"], ["mine", "run"], ["verdicts", "import", "x.csv"]):
        serving_door(*command).complaint(2, "policy.toml", "found none")


LACKS_DISC = squares.POLICY.replace("[classes.disc]", "[classes.triangle]")


@pytest.mark.parametrize("command", [["policy", "check"], ["mine", "run"], ["train"], ["cycle"], ["gate", "champion"]])
def test_a_policy_without_a_class_of_the_champion_stops_what_needs_it(command: list[str], serving_door: Front) -> None:
    serving_door.home.policy.write_text(LACKS_DISC)
    serving_door(*command).complaint(1, squares.champion().name, "does not fit", "unknown class 'disc'")
    assert serving_door("fold").code == 0, "what the crawlers bring still comes in"


def test_suites_are_listed(mined_door: Front) -> None:
    found = mined_door("suite", "list", "--json").json
    assert found["columns"] == ["suite", "role", "class", "n", "version", "grown_at"]
    assert [row[0] for row in found["rows"]] == ["held-out", "ordinary", "positives"]
    assert len(mined_door("suite", "list").out.splitlines()) == 4
    cut = mined_door("suite", "list", "--limit", "2", "--json").json
    assert (len(cut["rows"]), cut["truncated"]) == (2, True)


# ---- the demo leaves alone what is not its own (the demo itself: tests/blindspot/demo) ----------------------


def everything(root: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in root.rglob("*")}


def test_the_demo_leaves_a_home_alone_that_it_did_not_make(serving_door: Front) -> None:
    before = everything(serving_door.home.root)
    serving_door("demo", "--json").complaint(1, str(serving_door.home.root), "not made by the demo", "new folder")
    assert everything(serving_door.home.root) == before


def test_the_demo_leaves_a_foreign_folder_alone(door: Front, tmp_path: Path) -> None:
    foreign = tmp_path / "holiday pictures"
    foreign.mkdir()
    (foreign / ".hidden").write_text("mine")
    before = everything(foreign)
    door.plain("--home", foreign, "demo").complaint(1, str(foreign), "not made by the demo")
    assert everything(foreign) == before
    (tmp_path / "file").write_text("mine")
    door.plain("--home", tmp_path / "file", "demo").complaint(1, str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"
