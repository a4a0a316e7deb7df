from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.rules.directives import Directives, from_headers, from_meta

NOW = dt.datetime(2026, 6, 15, 12, 0, tzinfo=dt.UTC)


def headers(*values: str) -> Directives:
    return from_headers(values, NOW)


PICTURES = {
    "noindex": "noindex",
    "none": "none",
    "noai": "noai",
    "noimageai": "noimageai",
    "noimageindex": "noimageindex",
    "NoIndex, NOAI": "noindex",
    "nofollow,noai": "noai",
    "nofollow; noai": "noai",
    "nofollow noai": "noai",
    "max-snippet: 20, noai": "noai",
    "max-image-preview:large,noai": "noai",
    "all": None,
    "index, follow": None,
    "nofollow": None,
    "noarchive, nosnippet, notranslate": None,
    "": None,
    ",,;": None,
    "noindexes, xnoai, no index": None,
    # dates
    "unavailable_after: 25 Jun 2010 15:00:00 PST": "unavailable_after",
    "unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT, nofollow": "unavailable_after",
    "nofollow, unavailable_after:Friday, 25-Jun-10 15:00:00 GMT": "unavailable_after",
    "unavailable_after: 2010-06-25T15:00:00Z": "unavailable_after",
    "unavailable_after: 2026-06-15T12:00:00Z": "unavailable_after",
    "unavailable_after: 2026-06-15T12:00:01Z": None,
    "unavailable_after: 25 Jun 2099 15:00:00 GMT": None,
    "unavailable_after: some day": None,
    "unavailable_after": None,
    "PAST, past": None,
    # agents
    "blindspot: noai": "noai",
    "Blindspot/1.0: noai": "noai",
    "robots: noai": "noai",
    "*: noai": "noai",
    "otherbot: noai": None,
    "otherbot: noindex, noai": None,
    "otherbot: unavailable_after: 25 Jun 2010 15:00:00 PST": None,
    "otherbot: noindex, blindspot: noai": "noai",
    "noai, otherbot: noindex": "noai",
    "blindspots: noai": None,
}


@pytest.mark.parametrize("value", PICTURES)
def test_a_header_may_refuse_its_picture(value: str) -> None:
    assert headers(value).refuses_pictures == PICTURES[value]


@pytest.mark.parametrize(
    ("value", "why"),
    [("nofollow", "nofollow"), ("none", "none"), ("noindex", None), ("otherbot: none", None), ("noai", None)],
)
def test_a_header_may_refuse_its_links(value: str, why: str | None) -> None:
    assert headers(value).refuses_links == why


def test_an_agent_holds_to_the_end_of_its_header_and_no_further() -> None:
    assert headers("otherbot: nofollow", "noai").refuses_pictures == "noai"
    assert headers("noai", "otherbot: nofollow").refuses_links is None
    assert headers() == Directives()


def test_meta_elements_for_all_and_for_us_count_others_do_not() -> None:
    pairs = [("Robots", "nofollow"), ("googlebot", "noindex"), ("BLINDSPOT", "noai"), ("description", "none")]
    assert from_meta(pairs, NOW) == Directives(nofollow=True, noai=True)
    assert from_meta([("robots", "unavailable_after: 2010-06-25")], NOW).refuses_pictures == "unavailable_after"
    assert from_meta([], NOW) == Directives()


@pytest.mark.parametrize(
    ("value", "why"), [("1", "tdm-reservation"), (" 1 ", "tdm-reservation"), ("0", None), ("", None), ("11", None)]
)
def test_rights_reserved_against_text_and_data_mining(value: str, why: str | None) -> None:
    assert from_headers([], NOW, tdm_reservation=value).refuses_pictures == why
    assert from_meta([("TDM-Reservation", value)], NOW).refuses_pictures == why


def test_joined_directives_are_what_either_says() -> None:
    joined = Directives(noai=True) | Directives(nofollow=True) | Directives()
    assert joined == Directives(noai=True, nofollow=True)
    assert (joined.refuses_pictures, joined.refuses_links) == ("noai", "nofollow")


WORDS = st.sampled_from(
    ["noindex", "noai", ",", ";", ":", " ", "blindspot:", "other:", "unavailable_after:", "2010-01-01", "max-x:", "\0"]
)


@given(st.lists(st.lists(WORDS | st.text(max_size=3), max_size=9).map("".join), max_size=3))
def test_any_text_is_understood_or_passed_over(values: list[str]) -> None:
    together = from_headers(values, NOW)
    one_by_one = Directives()
    for value in values:
        one_by_one |= from_headers([value], NOW)
    assert together == one_by_one
    assert not together.none
