from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.rules.dates import moment

AT = dt.datetime(1994, 11, 6, 8, 49, 37, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "text",
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
     " 06 Nov 1994 00:49:37 PST ", "1994-11-06T08:49:37Z", "1994-11-06 09:49:37+01:00", "19941106T084937",
     "SUN, 06 NOV 1994 08:49:37 GMT", "Mon, 06 Nov 1994 08:49:37 GMT"],
)  # fmt: skip
def test_the_usual_forms_are_read(text: str) -> None:
    assert moment(text) == AT


@pytest.mark.parametrize(
    "text",
    ["", "x", "0", "soon", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 +99999999999",
     "Sun, 06 Nov 99999999999999999999 08:49:37 GMT", "0001-01-01T00:00:00+23:59",
     "Sun, 06 Nov 1994" + " " * 100 + "08:49:37 GMT"],
)  # fmt: skip
def test_rubbish_is_no_moment(text: str) -> None:
    assert moment(text) is None


@given(st.text(max_size=70) | st.text("0123456789:-, GMTSunNov+", max_size=40))
def test_any_text_is_a_moment_in_utc_or_none(text: str) -> None:
    found = moment(text)
    assert found is None or found.utcoffset() == dt.timedelta(0)
