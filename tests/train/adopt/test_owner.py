"""What an owner says of a model: cards that can be used, cards that cannot, and the checks they carry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mine.preprocess import prepare
from mine.runtime import Runtime
from store.errors import BlindspotError, CardError, UnknownModel, UsageError
from store.policy import Policy
from tests.train.adopt.own_models import CARD, CLASSES, card
from tests.train.adopt.test_score_only import small_onnx
from train.adopt import adopt_own, is_own
from train.adopt.owner import read_owner_card

TURNED = CARD.replace('["cat", "dog", "owl"]', '["dog", "owl", "cat"]')


@pytest.fixture
def guard(tmp_path: Path) -> str:
    """An ONNX file whose three classes differ well on `red.png` beside it."""
    small_onnx(tmp_path / "guard.onnx")
    Image.new("RGB", (30, 20), (250, 40, 60)).save(tmp_path / "red.png")
    return str(tmp_path / "guard.onnx")


def answers(guard: str) -> dict[str, float]:
    """What the model says of the red picture."""
    folder = Path(guard).parent
    made = adopt_own(guard, card(folder), folder / "scratch")
    rgb = np.asarray(Image.open(folder / "red.png"))
    found = Runtime(folder / "scratch" / made.version).run(prepare(rgb, made.preprocessing)).probabilities[0]
    return {name: round(float(value), 4) for name, value in zip(CLASSES, found, strict=True)}


def check(probabilities: dict[str, float] | None = None, top: str = "", picture: str = "red.png") -> str:
    table = ", ".join(f"{name} = {value}" for name, value in (probabilities or {}).items())
    said = f"probabilities = {{{table}}}" if probabilities else f'top = "{top}"'
    return f'[[check]]\npicture = "{picture}"\n{said}\n'


def test_checks_that_hold_are_asked_and_kept_out_of_the_version(guard: str, tmp_path: Path) -> None:
    known = answers(guard)
    top = max(known, key=lambda name: known[name])
    made = adopt_own(guard, card(tmp_path, CARD, check(known) + check(top=top)), tmp_path / "models")
    assert made == adopt_own(guard, card(tmp_path), tmp_path / "models"), "a check decides no answer"


def test_a_wrong_class_order_is_found_and_the_right_one_named(guard: str, tmp_path: Path) -> None:
    known = answers(guard)
    assert len(set(known.values())) == 3
    with pytest.raises(CardError, match=r"the classes fit in the order \['cat', 'dog', 'owl'\]") as caught:
        adopt_own(guard, card(tmp_path, TURNED, check(known)), tmp_path / "models")
    assert "\n" not in str(caught.value)
    top = max(known, key=lambda name: known[name])
    with pytest.raises(CardError, match=rf"wanted '{top}' on top, received .*; mind class order"):
        adopt_own(guard, card(tmp_path, TURNED, check(top=top)), tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_answers_that_fit_in_no_order_point_at_the_preprocessing(guard: str, tmp_path: Path) -> None:
    other = {"cat": 0.05, "dog": 0.05, "owl": 0.9}
    with pytest.raises(CardError, match="mind preprocessing and class order"):
        adopt_own(guard, card(tmp_path, CARD, check(other)), tmp_path / "models")
    with pytest.raises(CardError, match=r"wanted a picture at .*gone\.png"):
        adopt_own(guard, card(tmp_path, CARD, check(other, picture="gone.png")), tmp_path / "models")
    with pytest.raises(CardError, match="not_a_picture"):
        adopt_own(guard, card(tmp_path, CARD, check(other, picture="card.toml")), tmp_path / "models")


def test_a_version_that_is_there_is_asked_again(guard: str, tmp_path: Path) -> None:
    adopt_own(guard, card(tmp_path), tmp_path / "models")
    with pytest.raises(CardError, match="check: red"):
        adopt_own(guard, card(tmp_path, CARD, check({"cat": 0.05, "dog": 0.05, "owl": 0.9})), tmp_path / "models")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("classes = [", "is not TOML"),
        ("", "classes: Field required"),
        (CARD + "colour = 1\n", "colour: Extra inputs"),
        (CARD.replace('"owl"]', '"dog"]'), "classes must differ"),
        (CARD.replace(', "dog", "owl"]', "]"), "of a model with one output name both"),
        (CARD + 'layout = "CHWN"\n', "layout: Input should be 'NHWC' or 'NCHW'"),
        (CARD + 'name = "../elsewhere"\n', "name: String should match"),
        (CARD + check({"cat": 0.5, "dog": 0.5}), "must name the classes"),
        (CARD + check(top="bird"), "must name the classes"),
        (CARD + check({"cat": 2, "dog": 0, "owl": 0}), "less than or equal to 1"),
        (CARD + '[[check]]\npicture = "red.png"\n', "either probabilities"),
    ],
)
def test_a_card_file_that_cannot_be_used_is_one_line(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"card\.toml") as caught:
        read_owner_card(card(tmp_path, text))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("owl = ", "bird = ", "class map must name each of"),
        ('recipe = "nsfwjs"', 'recipe = "squish"', "preprocessing.recipe must be one of"),
        ("size = 16", "size = 16, colour = 1", "preprocessing of recipe 'nsfwjs'"),
        ("size = 16", "size = 0", "prepares nothing|wanted a square"),
        ("size = 16", "size = -3", "prepares nothing|wanted a square"),
        ("size = 16", 'size = "16"', "preprocessing"),
        ("size = 16", "size = 1.5", "preprocessing"),
        ("size = 16", "size = 20", "gives pictures of 20x20x3"),
        ('cat = "flagged"', 'cat = "not_flagged"', "could never tell the two apart"),
        ('cat = "flagged"', 'cat = "triangle"', "unknown class 'triangle'"),
    ],
)
def test_a_card_that_does_not_fit_is_refused_before_anything_is_written(
    old: str, new: str, told: str, guard: str, tmp_path: Path
) -> None:
    policy = Policy(name="p", rule="r", classes={"bad": {"flagged": True}, "fine": {"flagged": False}})
    assert CARD.count(old) == 1
    with pytest.raises(CardError, match=told) as caught:
        adopt_own(guard, card(tmp_path, CARD.replace(old, new)), tmp_path / "models", policy=policy)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "models").exists()


def test_a_map_of_the_command_goes_before_the_cards(guard: str, tmp_path: Path) -> None:
    other = {"owl": "flagged", "dog": "not_flagged", "cat": "not_flagged"}
    made = adopt_own(guard, card(tmp_path), tmp_path / "models", other)
    assert list(made.class_map.items()) == [("cat", "not_flagged"), ("dog", "not_flagged"), ("owl", "flagged")]
    assert made.version != adopt_own(guard, card(tmp_path), tmp_path / "models").version


@pytest.mark.parametrize(
    ("what", "with_card", "error", "told"),
    [
        ("guard.onnx", False, UsageError, "wanted --card FILE.toml"),
        ("gone.onnx", True, UnknownModel, "found none"),
        ("red.png", True, UnknownModel, "wanted a .keras or .onnx file"),
        (".", True, UnknownModel, "wanted a .keras or .onnx file"),
    ],
)
def test_what_is_no_model_is_a_wrong_word(
    what: str, with_card: bool, error: type[BlindspotError], told: str, guard: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=told) as caught:
        adopt_own(str(tmp_path / what), card(tmp_path) if with_card else None, tmp_path / "models")
    assert caught.value.exit_code == 2


def test_which_words_are_an_owners(tmp_path: Path) -> None:
    own = [str(tmp_path), "http://127.0.0.1/v1/models/x", "gone.keras", "gone.onnx"]
    assert [is_own(word) for word in (*own, "open_nsfw", "resnet")] == [True] * 4 + [False] * 2


def test_a_card_file_that_is_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="No such file"):
        read_owner_card(tmp_path / "gone.toml")
