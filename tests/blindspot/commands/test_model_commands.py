"""models: adopt, list, show, promote, rollback, with right and wrong words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from store.cards import CARD_FILE, INFERENCE_FILE
from store.home import Home
from tests.blindspot.calls import Front
from tests.mine import squares
from tests.models import adopted
from tests.train.world import World


def test_a_published_model_is_adopted_and_serves(door: Front) -> None:
    made = adopted("open_nsfw")  # once per session; adopting it again finds that version
    shutil.copytree(made, door.home.models / made.name)
    card = door("models", "adopt", "open_nsfw", "--json").json
    assert (card["version"], card["level"]) == (made.name, "trainable")
    assert door("models", "adopt", "open_nsfw").out.startswith(f"adopted {made.name} (trainable, ")
    door("mine", "run").complaint(1, "has no champion", "`blindspot models promote VERSION`")
    promoted = door("models", "promote", "open_nsfw", "--json").json
    assert (promoted["version"], promoted["threshold"], promoted["how"]) == (made.name, 0.5, "first")
    assert promoted["certificate"] is None
    assert door.sql("SELECT version, how FROM promotions") == [[made.name, "first"]]
    (row,) = door("models", "list", "--json").rows
    assert row[:4] == ["*", made.name, "open_nsfw", "trainable"]
    shown = door("models", "show", "--json").json
    assert (shown["version"], shown["champion"]["threshold"]) == (made.name, 0.5)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["resnet"], 2, ["nsfwjs/mobilenet_v2, open_nsfw", "'resnet'"]),
        (["open_nsfw", "--map", "nsfw"], 2, ["--map wants CLASS=POLICY_CLASS", "nsfw"]),
        (["open_nsfw", "--map", "nsfw="], 2, ["--map wants CLASS=POLICY_CLASS"]),
        (["open_nsfw", "--map", "nsfw=triangle", "--map", "sfw=neutral"], 2, ["unknown class 'triangle'"]),
        (["open_nsfw", "--map", "nsfw=porn"], 1, ["must name each of", "['nsfw']"]),
        (["open_nsfw", "--map", "nsfw=porn", "--map", "sfw=hentai"], 1, ["all flagged", "tell the two apart"]),
    ],
)
def test_a_model_that_would_not_fit_is_refused_before_anything_is_written(
    words: list[str], code: int, told: list[str], door: Front
) -> None:
    door("models", "adopt", *words).complaint(code, *told)
    assert not door.home.models.exists() or not list(door.home.models.iterdir())


@pytest.mark.parametrize(
    "words", [["models", "show"], ["models", "promote"], ["gate"], ["train", "--from"]], ids=" ".join
)
def test_an_unknown_version_is_one_line_that_names_the_known(words: list[str], mined_door: Front) -> None:
    known = squares.champion().name
    mined_door(*words, "squares.0").complaint(2, "no model version is called 'squares.0'", known)
    mined_door(*words, "squares").complaint(2, "4 versions are called 'squares'", known)


def test_versions_are_listed_and_cut_at_the_limit(mined_door: Front) -> None:
    found = mined_door("models", "list", "--json").json
    assert (len(found["rows"]), found["truncated"]) == (4, False)
    assert [row[0] for row in found["rows"]].count("*") == 1
    cut = mined_door("models", "list", "--limit", "1", "--json").json
    assert (len(cut["rows"]), cut["truncated"]) == (1, True)
    other = next(row[1] for row in found["rows"] if row[0] != "*")
    assert mined_door("models", "show", other, "--json").json["champion"] is None


def test_nothing_to_roll_back_to_is_one_line(serving_door: Front) -> None:
    serving_door("models", "rollback").complaint(1, "had none before it", "nothing to roll back to")
    (serving_door.home.models / "champion").unlink()
    serving_door("models", "rollback").complaint(1, "has no champion")


def test_a_later_champion_needs_a_certificate(mined: World, mined_door: Front) -> None:
    repaired = mined.candidates["repaired"].version
    before = (mined.home.models / "champion").read_bytes()
    mined_door("models", "promote", repaired, "--json").complaint(4, "no certificate", f"`blindspot gate {repaired}`")
    assert (mined.home.models / "champion").read_bytes() == before


@pytest.mark.usefixtures("compared_here")
def test_the_gate_answers_by_exit_code_and_the_champion_follows_it(mined: World, mined_door: Front) -> None:
    ours, shifted, repaired = (mined.ours, mined.candidates["shifted"], mined.candidates["repaired"])
    rejected = mined_door("gate", shifted.version, "--json")
    assert rejected.code == 3
    assert rejected.any_json["decision"] == "reject"
    rejected.last_line(shifted.version)
    mined_door("models", "promote", shifted.version).complaint(3, "says reject")

    waiting = mined.home.policy.read_text()
    mined.home.policy.write_text(waiting + "\n[margins]\nmisses = 0.0001\n")
    lacking = mined_door("gate", repaired.version)
    assert lacking.code == 4
    assert lacking.out.startswith("NOT ENOUGH EVIDENCE")
    lacking.last_line(repaired.version, "isses")
    mined_door("models", "promote", repaired.version).complaint(4, "says not_enough_evidence")
    mined.home.policy.write_text(waiting)

    released = mined_door("gate", repaired.version, "--json")
    assert (released.json["decision"], released.err) == ("release", "")
    assert mined_door("models", "show", "--json").json["version"] == ours.version, (
        "the gate judges, it does not promote"
    )
    promoted = mined_door("models", "promote", repaired.version, "--json").json
    assert (promoted["version"], promoted["certificate"]) == (repaired.version, released.json["certificate"])
    assert 0 < promoted["threshold"] < 1

    back = mined_door("models", "rollback", "--json").json
    assert (back["version"], back["threshold"], back["how"]) == (ours.version, 0.5, "rollback")
    assert mined_door("models", "rollback", "--json").json["version"] == repaired.version, "a second one undoes it"
    hows = mined_door.sql("SELECT how FROM promotions ORDER BY promoted_at")
    assert hows == [["first"], ["certificate"], ["rollback"], ["rollback"]]


# ---- files that somebody has altered -----------------------------------------------------------------------


def altered(home: Home, file: str) -> Path:
    path = home.models / squares.champion().name / file
    path.write_bytes(path.read_bytes() + b"x")
    return path


def test_an_altered_model_file_scores_nothing(serving_door: Front, pictures: Path) -> None:
    serving_door("import", pictures)
    path = altered(serving_door.home, INFERENCE_FILE)
    ended = serving_door("mine", "run", "--json")
    version = path.parent.name
    assert ended.code == 1
    ended.last_line(f"no answer from {version}", "mend that and run `blindspot mine run`")
    assert ended.any_json["failed_versions"][version].startswith(f"{path}: sha256 is ")
    assert ended.any_json["failed_versions"][version].endswith("restore the file")
    assert serving_door.sql("SELECT count(*) FROM raw_scores") == [[0]]
    assert serving_door.sql("SELECT count(*) FROM pictures") == [[5]]


@pytest.mark.parametrize("command", [["models", "list"], ["models", "show"], ["mine", "run"], ["cycle"], ["train"]])
def test_a_card_that_lost_a_class_is_one_line(command: list[str], serving_door: Front) -> None:
    path = serving_door.home.models / squares.champion().name / CARD_FILE
    card = json.loads(path.read_text())
    del card["class_map"]["disc"]
    path.write_text(json.dumps(card))
    serving_door(*command).complaint(1, str(path), "class_map", "missing ['disc']")
    path.write_text("{")
    serving_door(*command).complaint(1, str(path), "JSON")


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"null", b"\xff", b'{"version": "x", "threshold": 2}'])
def test_a_pointer_that_is_none_is_one_line(content: bytes, serving_door: Front) -> None:
    path = serving_door.home.models / "champion"
    path.write_bytes(content)
    for command in (["models", "list"], ["models", "show"], ["mine", "run"], ["models", "rollback"], ["cycle"]):
        serving_door(*command).complaint(1, str(path), "is not a champion pointer")
    assert serving_door("queue", "--json").rows == [], "reading goes on"


def test_a_pointer_to_a_version_that_is_gone_is_one_line(serving_door: Front) -> None:
    shutil.rmtree(serving_door.home.models / squares.champion().name)
    for command in (["models", "show"], ["mine", "run"], ["train"], ["cycle"]):
        serving_door(*command).complaint(1, squares.champion().name, "there is: none")
