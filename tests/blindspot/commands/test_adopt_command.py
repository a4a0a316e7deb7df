"""models adopt with a model of the owner's, and what a version that only scores can and cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest

from store.embeddings import read_embeddings
from tests.blindspot.calls import Front
from tests.mine.squares import champion
from tests.train.adopt.own_models import CARD, card, serving
from tests.train.adopt.test_score_only import small_onnx


@pytest.fixture
def guard(tmp_path: Path) -> Path:
    small_onnx(tmp_path / "guard.onnx")
    return tmp_path / "guard.onnx"


def test_a_version_that_only_scores_serves(guard: Path, pictures: Path, door: Front, tmp_path: Path) -> None:
    made = door("models", "adopt", guard, "--card", card(tmp_path), "--json").json
    assert (made["level"], made["runs"]["backend"], made["embedding_size"]) == ("score_only", "onnx", None)
    assert door("models", "adopt", guard, "--card", card(tmp_path)).out.startswith(
        f"adopted {made['version']} (score_only"
    )
    (row,) = door("models", "list", "--json").rows
    assert row[1:4] == [made["version"], "guard", "score_only"]
    door("models", "promote", "guard", "--json")
    door("import", pictures)
    assert door("mine", "run").code == 0
    ((scored, versions),) = door.sql("SELECT count(*), count(DISTINCT version) FROM scores")
    assert (scored > 0, versions) == (True, 1)
    assert read_embeddings(door.home, made["base"])[0] == []
    assert door("queue", "--json").code == 0
    assert door("mine", "run").code == 0, "and again, with nothing to do"
    door("train").complaint(1, made["version"], "is score-only")


def test_a_second_opinion_behind_a_url_that_goes_down_does_not_stop_the_run(
    pictures: Path, serving_door: Front, tmp_path: Path
) -> None:
    with serving(lambda pictures: [[0.2, 0.3, 0.5] for _ in pictures]) as server:
        made = serving_door("models", "adopt", server.url, "--card", card(tmp_path), "--json").json
    assert made["files"] == {}
    serving_door("import", pictures)
    ended = serving_door("mine", "run")
    assert "is down" in ended.err
    assert server.url in ended.err
    rows = serving_door.sql("SELECT version, count(*) > 0 FROM scores GROUP BY ALL")
    assert rows == [[champion().name, True]]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["{guard}"], 2, ["wanted --card FILE.toml"]),
        (["open_nsfw", "--card", "{card}"], 2, ["--card is for a model of your own", "'open_nsfw'"]),
        (["{folder}/gone.onnx", "--card", "{card}"], 2, ["found none"]),
        (["{guard}", "--card", "{folder}/gone.toml"], 1, ["wanted a card file at", "No such file"]),
        (["{guard}", "--card", "{card}", "--map", "cat=triangle"], 2, ["unknown class 'triangle'"]),
        (["{guard}", "--card", "{card}", "--map", "cat=flagged"], 1, ["class map must name each of"]),
        (["http://me:secret@127.0.0.1/v1/models/x", "--card", "{card}"], 2, ["without a name or password"]),
        (["http://127.0.0.1:1/v1/models/x", "--card", "{card}"], 1, ["is down", "start it"]),
    ],
)
def test_what_is_off_is_one_line_and_writes_nothing(
    words: list[str], code: int, told: list[str], guard: Path, door: Front, tmp_path: Path
) -> None:
    places = {"guard": guard, "card": card(tmp_path, CARD), "folder": tmp_path}
    line = door("models", "adopt", *(word.format(**places) for word in words)).complaint(code, *told)
    assert "secret" not in line
    assert not door.home.models.exists() or not list(door.home.models.iterdir())
