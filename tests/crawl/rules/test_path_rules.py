from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protego import Protego

from crawl.rules.path_rules import PathRules

HOST = "http://a.test"
# (rules, {path: allowed}); the first rows are the examples of RFC 9309, 2.2.2, 2.2.3 and 5.2.
CASES: list[tuple[str, dict[str, bool]]] = [
    ("-/example/page/ +/example/page/ok", {"/example/page/x": False, "/example/page/ok.gif": True, "/": True}),
    ("+/example/page/ -/example/page/disallowed.gif", {"/example/page/disallowed.gif": False, "/example/page/": True}),
    ("-/same +/same", {"/same": True}),
    ("+/same -/same", {"/same": True}),
    ("-/*.gif$", {"/a/b.gif": False, "/a.gif?x": True, "/.gif": False}),
    ("-*.gif$", {"/a.gif": False}),
    ("-/with-a-%2A.html", {"/with-a-*.html": False, "/with-a-%2a.html": False, "/with-a-x.html": True}),
    ("-/foo-%24", {"/foo-$": False, "/foo-%24": False, "/foo-": True}),
    ("-/foo/bar/ツ", {"/foo/bar/%E3%83%84": False, "/foo/bar/ツ": False, "/foo/bar/": True}),
    ("-/foo/bar/%62%61%7A", {"/foo/bar/baz": False, "/foo/bar/%62az": False}),
    ("-/foo?baz=http%3A", {"/foo?baz=http:": False, "/foo?baz=https": True}),
    ("-/a%2fb", {"/a%2Fb": False, "/a/b": True}),
    # the longest decides, whatever stands between
    ("-/ +/public", {"/": False, "/x": False, "/public/x": True, "/publi": False}),
    ("-/a* +/a", {"/a": False, "/ab": False}),
    ("-/a +/*a", {"/a": True, "/b": True, "/ab": True}),
    ("+/page -/*.htm", {"/page.htm": False, "/page": True}),
    ("-/$", {"/": False, "/x": True}),
    ("-/x$ -/y$z", {"/x": False, "/xx": True, "/y$z": False, "/y": True}),
    ("-/*?", {"/a": True, "/a?": False, "/a?b": False}),
    ("-/a*b*c$", {"/abc": False, "/a1b2c": False, "/a1b2cd": True, "/acb": True, "/abcc": False}),
    ("-/***", {"/": False}),
    ("-* +/ok", {"/": False, "/ok": True}),
    ("-x", {"/x": True}),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "paths"), CASES)
def test_the_longest_pattern_decides(rules: str, paths: dict[str, bool]) -> None:
    made = PathRules.of([(rule[0] == "+", rule[1:]) for rule in rules.split()])
    assert {path: made.allow(HOST + path) for path in paths} == paths


@pytest.mark.parametrize("url", ["", "/x", "data:,x", "//a.test/x", "http:/x", "http://a.test/\ud800"])
def test_what_is_no_url_is_not_allowed(url: str) -> None:
    assert not PathRules.of([(False, "/y")]).allow(url)


def test_paths_are_what_stands_behind_the_host() -> None:
    rules = PathRules.of([(False, "/$"), (False, "/?q"), (False, "/a.test")])
    assert not rules.allow("http://a.test")
    assert not rules.allow("http://a.test?q")
    assert rules.allow("http://a.test/x#/a.test")


# As people write them: segments of paths, some wildcards. Protego has quirks in index.html and in a `$` inside a
# pattern; neither is here.
SEGMENT = st.sampled_from(["a", "b", "ab", "a.html", "caf%C3%A9", "café", "%7Ex", "~x", "*", "*b", "?q=1", "a=b&c"])
PATTERN = st.builds(
    lambda parts, end: "/" + "/".join(parts) + end, st.lists(SEGMENT, max_size=3), st.sampled_from(["", "", "/", "$"])
)
PATH = st.builds(
    lambda parts: "/" + "/".join(parts), st.lists(SEGMENT.filter(lambda part: "*" not in part), max_size=4)
)


@given(st.lists(st.tuples(st.booleans(), PATTERN), max_size=6), st.lists(PATH, min_size=1, max_size=5))
def test_honest_rules_are_read_as_protego_reads_them(rules: list[tuple[bool, str]], paths: list[str]) -> None:
    lines = [f"{'Allow' if allowed else 'Disallow'}: {pattern}" for allowed, pattern in rules]
    peer = Protego.parse("\n".join(["User-agent: *", *lines]))
    ours = PathRules.of(rules)
    for path in paths:
        assert ours.allow(HOST + path) == peer.can_fetch(HOST + path, "blindspot"), path


@given(st.lists(st.text("/a*$%2é", min_size=1, max_size=6)), st.text("/a%2é?#", max_size=8))
def test_a_wild_rule_that_forbids_never_opens_anything(patterns: list[str], path: str) -> None:
    url = f"{HOST}/{path}"
    allowed = PathRules.of([(True, pattern) for pattern in patterns]).allow(url)
    assert allowed
    for end in range(len(patterns)):
        fewer = PathRules.of([(False, pattern) for pattern in patterns[:end]]).allow(url)
        more = PathRules.of([(False, pattern) for pattern in patterns[: end + 1]]).allow(url)
        assert fewer >= more


def test_too_many_wildcards_err_on_the_hosts_side() -> None:
    chain = PathRules.of([(False, "/x" + "*a" * 4_000 + "$")])
    assert not chain.allow(f"{HOST}/x" + "a" * 20)  # read to its twentieth wildcard, it forbids more
    assert chain.allow(f"{HOST}/x" + "a" * 19)
    many = PathRules.of(
        [*((True, f"/a{n}*b") for n in range(2_000)), (False, "/secret*x"), (True, "/secret*z"), (False, "*")]
    )
    assert many.allow(f"{HOST}/a7/b")
    assert not many.allow(f"{HOST}/secret")
    assert not many.allow(f"{HOST}/secret/z")
    assert not many.allow(f"{HOST}/other")


HOSTILE = {
    "chains": [("/" + "*a" * 1_200 + "b$") for _ in range(200)],
    "stars": [f"/*aab{n}" for n in range(39_000)],
    "prefixes": [f"/{n:x}" for n in range(30_000)],
    "ends": [f"/{n:x}$" for n in range(30_000)],
    "long": ["/*" + "a" * 1_000 + "b" for _ in range(500)],
    "lengths": ["/" + "a" * n for n in range(1, 1_000)],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_file_makes_matching_slow(kind: str) -> None:
    rules = PathRules.of([(False, pattern) for pattern in HOSTILE[kind]])
    url = f"{HOST}/" + "a" * 8_000 + "c"
    began = time.process_time()
    for _ in range(5):
        rules.allow(url)
    assert time.process_time() - began < 1.0  # measured: 0.15 at most; protego takes 4.6 for the stars
