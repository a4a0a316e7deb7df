"""The sieve judges a column by its name: what decides about a row, what is searched, what is left alone."""

from __future__ import annotations

import pyarrow as pa
import pytest
import sqlalchemy as sa
from test_tombstones import set_marks

from store.forgetting.sieve import DECIDING, LEFT_ALONE, OURS, Sieve
from store.forgetting.tombstones import Tombstones
from store.forgetting.traces import Traces
from store.home import Home
from store.schema import metadata
from store.types import arrow_schema

PICTURE, FINE = "ab" * 32, "cd" * 32
URL = "http://cdn.example.com/1.png"


@pytest.fixture
def sieve(home: Home) -> Sieve:
    set_marks(home, ("source", "example.org"), ("url", URL), ("picture", PICTURE))
    stones = Tombstones.load(home)
    return Sieve(stones, Traces(stones, ["example.org"]))


def passed(sieve: Sieve, kind: str, **columns: list[object]) -> dict[str, list[object]]:
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    result: dict[str, list[object]] = sieve.passes(kind, table).to_pydict()
    return result


@pytest.mark.parametrize(
    ("column", "gone"),
    [
        ("picture", PICTURE),
        ("representative", PICTURE),
        ("url", URL),
        ("url", f"http://example.net/?u={URL}"),
        ("url", "/no/url/at/all/of example.org"),
        ("page", "https://www.example.org/p"),
        ("host", "img.example.org:81"),
        ("source", "example.org"),
        ("site", "example.org"),
    ],
)
def test_some_columns_decide_about_the_row_in_any_table(sieve: Sieve, column: str, gone: str) -> None:
    values: list[object] = [FINE, gone, None, "", gone]
    assert passed(sieve, "made up later", **{column: values}) == {column: [FINE, None, ""]}
    assert sieve.removed == {"made up later": 2}


def test_other_text_is_searched_in_any_table(sieve: Sieve) -> None:
    found = passed(sieve, "made up later", remark=[f"see {URL}", None, "nothing", "of example.org"])
    assert found == {"remark": ["see [purged]", None, "nothing", "of [purged]"]}


def test_codes_and_whole_tables_of_ours_are_left_alone(sieve: Sieve) -> None:
    assert passed(sieve, "findings", detector=["example.org"]) == {"detector": ["example.org"]}
    for kind in LEFT_ALONE:
        assert passed(sieve, kind, picture=[PICTURE], body=[URL]) == {"picture": [PICTURE], "body": [URL]}


def test_an_evaluation_of_the_source_goes_and_others_of_that_name_stay(sieve: Sieve) -> None:
    slices: list[object] = ["source", "source", "family", None]
    found = passed(sieve, "evaluations", slice=slices, name=["example.org", "example.net", "f", "example.net"])
    assert found["name"] == ["example.net", "f", "example.net"]


def test_an_empty_sieve_holds_nothing_back(home: Home) -> None:
    sieve = Sieve(Tombstones.load(home))
    assert not sieve
    for kind, table in metadata.tables.items():
        assert sieve.passes(kind, arrow_schema(table).empty_table()).num_rows == 0


def test_every_name_that_is_never_searched_is_a_column(sieve: Sieve) -> None:
    columns = {
        column.name
        for table in metadata.tables.values()
        if table.name not in LEFT_ALONE
        for column in table.columns
        if isinstance(column.type, sa.Text)
    }
    assert sorted(OURS - columns) == []
    assert sorted(OURS & DECIDING) == []
    assert {"url", "page", "source", "picture", "representative", "host"} <= columns
