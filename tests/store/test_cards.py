"""Model cards: what is written comes back, and an incomplete card is refused before any picture is scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from samples import card

from store.cards import CARD_FILE, read_card, write_card
from store.errors import CardError


def test_a_card_comes_back_as_it_was(tmp_path: Path) -> None:
    made = card(parent="small.00000000", mix="m" * 64, notes="Größe 28 px", level="score_only")
    write_card(made, tmp_path)
    assert read_card(tmp_path) == made
    assert "Größe" in (tmp_path / CARD_FILE).read_text(encoding="utf-8"), "a person reads it"


def test_a_version_that_only_scores_needs_no_embedding(tmp_path: Path) -> None:
    runs = {"backend": "tf_serving", "url": "http://127.0.0.1/v1/models/x:predict", "probe": (0.2, 0.3, 0.5)}
    made = card(level="score_only", embedding_size=None, files={}, runs=runs)
    write_card(made, tmp_path)
    assert read_card(tmp_path) == made


def test_a_card_of_before_says_nothing_of_how_it_runs(tmp_path: Path) -> None:
    text = card().model_dump_json(exclude={"runs"})
    (tmp_path / CARD_FILE).write_text(text)
    assert read_card(tmp_path).runs.backend == "litert"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class_map": {"bag": "bag", "shoe": "shoe"}}, "missing ['hat']"),
        ({"class_map": {"bag": "bag", "shoe": "shoe", "hat": "other", "sock": "other"}}, "unknown ['sock']"),
        ({"classes": ("bag", "bag", "hat"), "class_map": {"bag": "bag", "hat": "other"}}, "classes must differ"),
        ({"classes": ("bag",), "class_map": {"bag": "bag"}}, "at least 2"),
        ({"version": "../elsewhere"}, "pattern"),
        ({"version": ""}, "pattern"),
        ({"input_px": 0}, "greater than 0"),
        ({"level": "magic"}, "trainable"),
        ({"embedding_size": None}, "a trainable version has an embedding_size"),
        ({"embedding_size": 0}, "greater than 0"),
        ({"runs": {"backend": "onnx"}}, "a trainable version has an embedding_size and runs by litert"),
        ({"level": "score_only", "runs": {"backend": "tf_serving"}}, "url and backend tf_serving go together"),
        ({"level": "score_only", "runs": {"url": "http://127.0.0.1"}}, "url and backend tf_serving go together"),
        ({"level": "score_only", "runs": {"backend": "magic"}}, "tf_serving"),
        ({"level": "score_only", "runs": {"layout": "CHWN"}}, "NCHW"),
        ({"made_at": "yesterday"}, "yesterday"),
        ({"made_at": "2026-11-23T12:00:00"}, "a time with a zone"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        card(**changes)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "adopt the model again"),
        (b"", "card:"),
        (b"\xff\xfe", "card:"),
        (b"{}", "version: Field required"),
    ],
)
def test_a_card_file_that_cannot_be_used_is_one_line(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / CARD_FILE).write_bytes(content)
    with pytest.raises(CardError) as caught:
        read_card(tmp_path)
    assert words in str(caught.value)
    assert str(tmp_path / CARD_FILE) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_broken_map_in_a_file_names_what_is_missing(tmp_path: Path) -> None:
    text = card().model_dump_json().replace('"hat":"other"', '"cap":"other"')
    (tmp_path / CARD_FILE).write_text(text)
    with pytest.raises(CardError, match=r"missing \['hat'\], unknown \['cap'\]"):
        read_card(tmp_path)
