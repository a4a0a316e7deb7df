"""Free text that names what is to be forgotten is found, and nothing else is taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_tombstones import set_marks

from store.forgetting.tombstones import Tombstones
from store.forgetting.traces import Traces
from store.home import Home

PICTURE = "ab" * 32
URL = "https://cdn.example.com/a,b/(1).png"


@pytest.fixture
def traces(home: Home) -> Traces:
    set_marks(home, ("source", "example.org"), ("url", URL), ("picture", PICTURE))
    return Traces(Tombstones.load(home), ["example.org", "127.0.0.1:8000", "größe", "/home/ada/old pictures/"])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"see {URL}, or not", "see [purged] or not"),
        (f"see ({URL}).", "see ([purged]"),
        (f"<a href='{URL}'>", "<a href='[purged]'>"),
        (f"sample verdict:{PICTURE}!", "sample verdict:[purged]!"),
        ("to http://www.example.org/x?y=z now", "to [purged] now"),
        ("held out: example.org, example.net", "held out: [purged], example.net"),
        ("host IMG.Example.ORG:8080", "host [purged]:8080"),
        ("at 127.0.0.1:8000", "at [purged]"),
        ('"größe" and größe', '"[purged]" and größe'),
        (json.dumps({"sources": ["größe"]}), '{"sources": ["[purged]"]}'),
        ("imported from größe", "imported from [purged]"),
        (f"http://example.net/?to={URL}&x", "[purged]"),
        ("http://example.net/?to=https%3A%2F%2Fwww.example.org%2Fx", "[purged]"),
        ("http://archive.example.net/2020/http://example.org/x", "[purged]"),
        ("/home/ada/old pictures/1 (2).png is none", "[purged]"),
    ],
)
def test_a_trace_is_found_and_taken_out(traces: Traces, text: str, left: str) -> None:
    assert traces.found(text)
    assert traces.without(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://cdn.example.com/a",
        "notexample.org example.org.uk my-example.org example.organ",
        "http://example.net/about/example.org",
        f"{PICTURE}0 0{PICTURE} {PICTURE[:63]}",
        "127.0.0.1:80001 27.0.0.1:8000x",
        "größer 'größer'",
        "/home/ada/old",
    ],
)
def test_what_is_spelt_alike_is_none(traces: Traces, text: str) -> None:
    assert not traces.found(text)
    assert traces.without(text) == text


def test_a_value_is_judged_as_a_whole_first(traces: Traces, home: Home) -> None:
    strange = "http://cdn.example.com/it's|here <1>"
    set_marks(home, ("url", strange))
    fresh = Traces(Tombstones.load(home))
    assert fresh.found_in_value(strange)
    assert fresh.found_in_value("img.example.org:8080")
    assert not fresh.found_in_value("example")
    assert not fresh.found_in_value("page")


@given(st.text())
def test_json_stays_json(text: str) -> None:
    traces = Traces(Tombstones(Home(Path("nowhere"))), ["example.org", "a", "/x/"])
    body = json.dumps({text: [text, "see www.example.org", "a", "/x/y z"]})
    assert isinstance(json.loads(traces.without(body)), dict)
    assert not traces.found(traces.without(body))
