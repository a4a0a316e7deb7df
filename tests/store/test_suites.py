"""Suites: the owner's pictures with known labels, which only grow."""

from __future__ import annotations

from typing import Any

import pytest
from samples import catalog, picture, select

from store.errors import PolicyError, SuiteError
from store.fold import fold
from store.home import Home
from store.policy import Policy, read_policy
from store.suites import add_to_family, add_to_suite


@pytest.fixture
def policy(home: Home) -> Policy:
    return read_policy(home.policy)


def test_the_role_follows_the_label_unless_it_is_given(home: Home, policy: Policy) -> None:
    assert add_to_suite(home, policy, "street", "shoe", ["p1", "p2"]) == 2
    assert add_to_suite(home, policy, "bags", "bag", ["p3"]) == 1
    assert add_to_suite(home, policy, "blind-spots", "other", ["p4"], role="families") == 1
    assert add_to_suite(home, policy, "blind-spots", "bag", ["p5"], role="families") == 1
    fold(home)
    rows = select(home, "SELECT suite, role, class, n, version FROM suites ORDER BY ALL")
    assert rows == [
        ("bags", "positives", "bag", 1, 1),
        ("blind-spots", "families", "bag", 1, 1),
        ("blind-spots", "families", "other", 1, 1),
        ("street", "ordinary", "shoe", 2, 1),
    ]


def test_a_suite_grows_by_batches_and_what_it_has_stays(home: Home, policy: Policy) -> None:
    add_to_suite(home, policy, "street", "shoe", ["p1"])
    fold(home)
    add_to_suite(home, policy, "street", "shoe", ["p1", "p2"])
    fold(home)
    add_to_suite(home, policy, "street", "other", ["p1"])  # another label for p1: the first one stays
    fold(home)
    assert select(home, "SELECT class, n, version FROM suites") == [("shoe", 2, 2)]
    assert add_to_suite(home, policy, "street", "shoe", []) == 0


@pytest.mark.parametrize(
    ("suite", "label", "role", "error", "words"),
    [
        ("Street", "shoe", None, SuiteError, "named in lower case"),
        ("", "shoe", None, SuiteError, "named in lower case"),
        ("x" * 41, "shoe", None, SuiteError, "named in lower case"),
        ("street", "sock", None, PolicyError, "unknown class 'sock'"),
        ("street", "not_flagged", None, SuiteError, "a class of the policy"),
        ("street", "shoe", "sealed", SuiteError, "unknown role 'sealed'"),
        ("street", "shoe", "positives", SuiteError, "role positives does not go with 'shoe'"),
        ("street", "bag", "ordinary", SuiteError, "role ordinary does not go with 'bag'"),
    ],
)
def test_what_does_not_fit_is_refused(
    home: Home, policy: Policy, suite: str, label: str, role: str | None, error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        add_to_suite(home, policy, suite, label, ["p1"], role)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert home.inbox().files() == []


def test_families_by_label(home: Home) -> None:
    assert add_to_family(home, "digits", ["p1", "p2"], "a handwritten digit") == 2
    assert add_to_family(home, "digits", [], "a handwritten digit") == 0
    fold(home)
    assert add_to_family(home, "digits", ["p2", "p3"], "a handwritten digit") == 2
    fold(home)
    assert select(home, "SELECT picture FROM family_members ORDER BY ALL") == [("p1",), ("p2",), ("p3",)]
    definitions = "SELECT family, kind, definition FROM family_definitions"
    assert select(home, definitions) == [("digits", "label", "a handwritten digit")]


def test_a_suites_pictures_are_never_in_the_pool(home: Home, policy: Policy) -> None:
    nameless: dict[str, Any] = {"suite": "street", "role": "ordinary", "class": "shoe"}
    catalog(home, pictures=[picture("p1"), picture("p2")], suite_pictures=[nameless])
    assert select(home, "SELECT picture FROM pool ORDER BY ALL") == [("p1",), ("p2",)], "a null hides nobody"
    add_to_suite(home, policy, "street", "shoe", ["p1"])
    fold(home)
    assert select(home, "SELECT picture FROM pool") == [("p2",)]
