from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.rules.traps import TemplateCaps, canonical, template, why_trap

HEX = "3fa85f64a1b2c3d4"
SAME = {
    # case, port, user, fragment, empty query, dot segments
    "HTTP://A.Test:80": "http://a.test/",
    "https://a.test.:0443/?": "https://a.test/",
    "http://u:p@a.test:8080/x#part": "http://a.test:8080/x",
    "http://a.test/b/../c/./d/..": "http://a.test/c/",
    "http://a.test/../../x": "http://a.test/x",
    "http://a.test/a/%2e%2E/b": "http://a.test/b",
    "http://[2001:DB8::1]:80/x": "http://[2001:db8::1]/x",
    # escapes
    "http://a.test/%7euser/caf%c3%a9": "http://a.test/~user/caf%C3%A9",
    "http://a.test/café bar?q=ü|": "http://a.test/caf%C3%A9%20bar?q=%C3%BC%7C",
    "http://a.test/100%?x=%zz": "http://a.test/100%25?x=%25zz",
    # sessions and clicks
    f"http://a.test/x;jsessionid={HEX}?a=1": "http://a.test/x?a=1",
    f"http://a.test/x;JSESSIONID={HEX}/y;v=2": "http://a.test/x/y;v=2",
    "http://a.test/(S(lit3py55t21z5v55vlm25s55))/page.aspx": "http://a.test/page.aspx",
    f"http://a.test/?PHPSESSID={HEX}": "http://a.test/",
    f"http://a.test/t?id=4&sid={HEX}&p=2": "http://a.test/t?id=4&p=2",
    "http://a.test/t?sessionid=550e8400-e29b-41d4-a716-446655440000": "http://a.test/t",
    "http://a.test/t?utm_source=x&a=1&UTM_Medium=y&fbclid=z&gclid=w": "http://a.test/t?a=1",
    "http://a.test/t?&&a=1&": "http://a.test/t?a=1",
}
# Spellings that may well be another resource.
UNTOUCHED = [
    "http://a.test/a//b/",
    "http://a.test/A",
    "http://a.test/?b=2&a=1",
    "http://a.test/?a=1&a=1",
    "http://a.test/?a=&b",
    "http://a.test/a%2Fb?c=d%26e",
    "http://a.test/x+y?x+y",
    "http://a.test/?sid=1234",  # a story
    "http://a.test/?sessionid=42&session=keynote2024",  # a conference
    "http://a.test/?subid=ab12cd34&assid=ab12cd34",
    "http://a.test:8080/?q=a/b?c",
    "http://a.test/x;v=1.1",
]


@pytest.mark.parametrize("url", SAME)
def test_spellings_of_one_resource_have_one_key(url: str) -> None:
    assert canonical(url) == SAME[url]


@pytest.mark.parametrize("url", UNTOUCHED)
def test_what_may_be_another_resource_has_a_key_of_its_own(url: str) -> None:
    assert canonical(url) == url


def test_what_is_no_url_stays_as_it_is() -> None:
    for text in ("", "data:,x", "ftp://a.test/%7e", "http:/x", "http://a.test/\ud800"):
        assert canonical(text) == text


PIECES = st.sampled_from(
    [*"/?#&=;:@%.()[]", "..", "/./", "%2e", "%2F", "%C3", "%25", "é", "\udce9", "\ud800", "İ", ":80", "//", "utm_x=1",
     "sid=", ";jsessionid=1", "/(S(lit3py55t21z5v55vlm25s55))", "2031-04-07", HEX, "a", "7", " ", "\\"]
)  # fmt: skip
WILD = st.builds(
    str.__add__,
    st.sampled_from(["http://a.test/", "HTTPS://A.test:443/", "http://", "http://u@b:80:80/", ""]),
    st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join),
)


@given(WILD)
def test_nothing_wild_breaks_them_and_the_key_is_stable(url: str) -> None:
    key = canonical(url)
    assert canonical(key) == key
    assert why_trap(url) is None or why_trap(url)
    assert isinstance(template(url), str)
    TemplateCaps().admits(url)


HONEST_PATHS = st.lists(st.text(string.ascii_letters + string.digits + "-_~", min_size=1, max_size=8), max_size=5)


@given(HONEST_PATHS, st.lists(st.tuples(st.sampled_from("abcpqx"), st.text("abc123", max_size=4)), max_size=4))
def test_honest_urls_with_different_words_have_different_keys(path: list[str], query: list[tuple[str, str]]) -> None:
    pairs = "&".join(f"{name}={value}" for name, value in query)
    url = "http://a.test/" + "/".join(path) + (f"?{pairs}" if pairs else "")
    assert canonical(url) == url


HONEST = [
    "http://a.test/",
    "http://a.test/2024/03/17/a-walk-in-the-woods/",
    "http://a.test/gallery/12/345/678.html",
    "http://a.test/000/000/000/123/original/000/000/000.jpg",
    "http://a.test/en/docs/en/docs/index.html",
    "http://a.test/iiif/2/full/full/0/default.jpg",
    "http://a.test/tiles/0/1/0/1/0/1.png",
    "http://a.test/shop?" + "&".join(f"facet{n}=1" for n in range(15)),
    "http://a.test/shop?" + "&".join(f"colour[]={n}" for n in range(9)),
    "http://a.test/shop?" + "&".join(f"colour%5B%5D={n}" for n in range(9)),
    "http://a.test/s?q=https%253A%252F%252Fb.test",
    "http://a.test/" + "x" * 1_500,
]
TRAPS = {
    "http://a.test/a/b/a/b/a/b/": "the path goes in rounds",
    "http://a.test/x/news/all/7/news/all/7/news/all/7": "the path goes in rounds",
    "http://a.test/more/x/more/y/more/z/more/": "a segment of the path repeats",
    "http://a.test/i.php/i.php/i.php/i.php": "a segment of the path repeats",
    "http://a.test//////": "a segment of the path repeats",
    "http://a.test/" + "/".join(f"d{n}" for n in range(25)): "path too deep",
    "http://a.test/" + "x" * 2_100: "URL too long",
    "http://a.test/login?back=%2525252Flogin%2525253Fback": "escaped again and again",
    "http://a.test/?" + "&".join(f"p{n}=1" for n in range(21)): "too many parameters",
    "http://a.test/?sort=a&sort=b&sort=a&sort=b": "a parameter repeats",
}


@pytest.mark.parametrize("url", HONEST)
def test_honest_urls_are_no_traps(url: str) -> None:
    assert why_trap(url) is None


@pytest.mark.parametrize("url", TRAPS)
def test_traps_are_known_by_their_url(url: str) -> None:
    assert why_trap(url) == TRAPS[url]


@given(st.lists(st.sampled_from(["a", "bb", "ccc"]), min_size=2, max_size=4), st.integers(3, 5))
def test_going_in_rounds_is_never_missed(once: list[str], times: int) -> None:
    assert why_trap("http://a.test/start/" + "/".join(once * times))


LIKE_EACH_OTHER = [
    ("a.test/photo/0.html", ["http://a.test/photo/7.html", "https://a.test/photo/1234.html"]),
    ("a.test/img-0_0", ["http://a.test/img-0001_2", "http://a.test/img-9_77"]),
    ("a.test/calendar/{date}", ["http://a.test/calendar/2031/04/07", "http://a.test/calendar/2031-4", "http://a.test/calendar/20310407"]),
    ("a.test/c?date={date}", ["http://a.test/c?date=2031-04", "http://a.test/c?date=2032-12-31", "http://a.test/c?date=7"]),
    ("a.test/c?month={date}&year={date}", ["http://a.test/c?year=2031&month=4", "http://a.test/c?month=5&year=2032"]),
    ("a.test/u/x", [f"http://a.test/u/{one}" for one in ("3fa85f64", "550e8400-e29b-41d4-a716-446655440000", HEX * 4)]),
    ("a.test/r/x/", ["http://a.test/r/k3Jx90QzLm2v7TpA1/", "http://a.test/r/q7w2e9r4t1y8u3i6/"]),
    ("a.test/s?f[0]&q", ["http://a.test/s?q=1&f[0]=a", "http://a.test/s?f[17]=b&q=2&q=3"]),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "urls"), LIKE_EACH_OTHER)
def test_urls_of_one_kind_have_one_template(pattern: str, urls: list[str]) -> None:
    assert {template(url) for url in urls} == {pattern}


def test_titles_keep_templates_of_their_own() -> None:
    urls = [
        "http://a.test/a-walk-in-the-woods", "http://a.test/a-walk-on-the-beach", "http://a.test/TheQuickBrownFoxJumps",
        "http://a.test/2024/03/17/a-walk", "http://a.test/2024/03/17/a-swim", "http://a.test/facade", "http://b.test/facade",
    ]  # fmt: skip
    assert len({template(url) for url in urls}) == len(urls)


def test_a_template_has_its_share_and_a_calendar_a_small_one() -> None:
    caps = TemplateCaps(50, 10)
    assert sum(caps.admits(f"http://a.test/photo/{n}") for n in range(200)) == 50
    assert sum(caps.admits(f"http://b.test/photo/{n}") for n in range(20)) == 20
    assert sum(caps.admits(f"http://a.test/c/20{n:02}/{m}") for n in range(20, 40) for m in range(1, 13)) == 10
    assert sum(caps.admits(f"http://a.test/c?day=20{n:02}-05-01") for n in range(20, 60)) == 10
    assert sum(caps.admits(f"http://a.test/IMG_20{n:02}0501_{n}.html") for n in range(20, 60)) == 40
    assert (
        sum(caps.admits(f"http://a.test/2024/05/{day:02}/story-{word}") for day in range(1, 29) for word in "ab") == 56
    )


def test_a_page_counts_once() -> None:
    caps = TemplateCaps(2)
    for url in ("http://a.test/1", "http://A.test/1?", "http://a.test/1#x", "http://a.test/2", "http://a.test/1"):
        assert caps.admits(url)
    assert not caps.admits("http://a.test/3")
    assert caps.admits("http://a.test/2")


def test_a_gallery_that_brings_pictures_is_not_cut() -> None:
    caps = TemplateCaps()
    for number in range(5_000):
        assert caps.admits(f"http://a.test/gallery/{number}.html")
        caps.credit(f"http://a.test/gallery/{number}.html")
    # And its credit is no capital: what comes after has its share and no more.
    assert sum(caps.admits(f"http://a.test/gallery/{number}.html") for number in range(5_000, 9_000)) == pytest.approx(
        2_000, abs=20
    )


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawl.rules.templates.MAX_TEMPLATES", 100)
    monkeypatch.setattr("crawl.rules.templates.MAX_ADMITTED", 50)
    caps = TemplateCaps(3)
    trap = iter(range(10_000))
    admitted = 0
    for number in range(1_000):
        assert caps.admits(f"http://{number}.test/")
        # A trap that is still tried is not forgotten for the others' sake.
        admitted += caps.admits(f"http://trap.test/{next(trap)}")
    assert admitted == 3
    assert len(caps._counts) == 100
