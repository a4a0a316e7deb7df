from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.rules.robots import KEPT_AT_LEAST_S, KEPT_S, MAX_BYTES, MAX_DELAY_S, UNREACHABLE_S, Rules, rules_of

HOST = "http://a.test"


def read(body: str | bytes, **more: float) -> Rules:
    return rules_of(200, body.encode() if isinstance(body, str) else body, 1_000.0, **more)


def allowed(rules: Rules, *paths: str) -> list[bool]:
    return [rules.allows(HOST + path) for path in paths]


# ---- what the status means -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 499, 301, 302, 308])
def test_without_a_file_everything_is_allowed(status: int) -> None:
    rules = rules_of(status, b"User-agent: *\nDisallow: /", 1_000.0)
    assert rules.allows(f"{HOST}/x")
    assert rules.expires_s == 1_000.0 + KEPT_S


@pytest.mark.parametrize("status", [None, 429, 500, 502, 503, 504, 599, 0, 199, 999])
def test_without_an_answer_nothing_is(status: int | None) -> None:
    rules = rules_of(status, b"User-agent: *\nAllow: /", 1_000.0, max_age_s=80_000.0)
    assert not rules.allows(f"{HOST}/x")
    assert not rules.allows(f"{HOST}/x/robots.txt")
    assert rules.allows(f"{HOST}/robots.txt")
    assert rules.why == ("robots.txt unreachable" if status is None else f"robots.txt answered {status}")
    assert rules.expires_s == 1_000.0 + UNREACHABLE_S


@pytest.mark.parametrize(
    ("max_age_s", "kept_s"),
    [(None, KEPT_S), (0.0, KEPT_AT_LEAST_S), (-5.0, KEPT_AT_LEAST_S), (7_200.0, 7_200.0), (10.0**9, KEPT_S),
     (float("inf"), KEPT_S)],
)  # fmt: skip
def test_a_file_is_kept_for_a_day_at_most(max_age_s: float | None, kept_s: float) -> None:
    assert rules_of(200, b"", 1_000.0, max_age_s).expires_s == 1_000.0 + kept_s


def test_why_names_the_file() -> None:
    assert read("User-agent: *\nDisallow: /").why == "forbidden by robots.txt"


# ---- whose rules they are ------------------------------------------------------------------------------------

GROUPS = {
    # ours before the one for all, however it is written
    "User-agent: *\nDisallow: /\nUser-agent: blindspot\nDisallow: /x": [True, False],
    "User-agent: BLINDSPOT/2.0 (+http://b.test)\nDisallow: /x\n\nUser-agent: *\nDisallow: /": [True, False],
    "User-agent: blindspot\nDisallow:\n\nUser-agent: *\nDisallow: /": [True, True],
    "User-agent: blindspot\n\nUser-agent: *\nDisallow: /": [False, False],  # one group with two names
    # nobody else's
    "User-agent: blind\nDisallow: /": [True, True],
    "User-agent: blindspots\nDisallow: /": [True, True],
    "User-agent: b\nUser-agent: other\nDisallow: /": [True, True],
    "User-agent: other (blindspot)\nDisallow: /": [True, True],
    "User-agent:\nDisallow: /": [True, True],
    "Disallow: /\nUser-agent: *\nDisallow: /x": [True, False],
    # all groups of one name, and a group of many
    "User-agent: *\nDisallow: /x\nUser-agent: other\nDisallow: /\nUser-agent: *\nDisallow: /y": [True, False],
    "User-agent: a\nUser-agent: blindspot\nUser-agent: b\nDisallow: /x": [True, False],
    # what is unknown ends no group (RFC 9309, 2.2.4)
    "User-agent: *\nNoise: 1\nUser-agent: other\nSitemap: http://a.test/s\nDisallow: /x": [True, False],
    "User-agent: *\nDisallow: /x\nSitemap: http://a.test/s\nHost: a.test\nDisallow: /y": [True, False],
    "User-agent: *\nCrawl-delay: 3\nUser-agent: other\nDisallow: /": [True, True],
    # as they come
    "user-AGENT :*\n disallow\t:\t/x # not this\n": [True, False],
    "Useragent *\nDisalow /x\n": [True, False],
    "User agent: *\rDissallow:/x\r": [True, False],
    "User-agent: *\r\n\r\n\r\nDisallow: /x\r\n": [True, False],
    "User-agent: *\nDisallow: /x\x0b\x85\u2028Allow: /x": [True, True],  # these end no line
    "User-agent: *\nDisallow: /x\xa0": [True, False],
    "\ufeffUser-agent: *\nDisallow: /x": [True, False],
    "User-agent: *\nDisallow: #/x": [True, True],
    "": [True, True],
}


@pytest.mark.parametrize("body", GROUPS)
def test_our_group_is_found(body: str) -> None:
    assert allowed(read(body), "/", "/x") == GROUPS[body]


@pytest.mark.parametrize(
    "body",
    [b"\xef\xbb\xbfUser-agent: *\nDisallow: /x", "User-agent: *\nDisallow: /x".encode("utf-16"),
     "User-agent: *\nDisallow: /x".encode("utf-16-le"), "\ufeffUser-agent: *\nDisallow: /x".encode("utf-16-be"),
     b"User-\0agent: *\n\0Disallow: /x\0", b"\xff\xfa\nUser-agent: *\nDisallow: /x"],
)  # fmt: skip
def test_encodings_that_editors_leave(body: bytes) -> None:
    assert allowed(read(body), "/", "/x") == [True, False]


def test_a_path_of_another_encoding_is_compared_by_its_bytes() -> None:
    assert allowed(read(b"User-agent: *\nDisallow: /caf\xe9"), "/caf%E9", "/caf%C3%A9") == [False, True]


HTML = """<!DOCTYPE html><html><head><title>User-agent: * not found</title></head>
<body><p>Disallow: / is what you may have looked for, <a href="/">User-agent: *</a></p>
<script>allow: true; disallow: false</script>
</body></html>"""


def test_a_page_instead_of_the_file_has_no_rules() -> None:
    assert allowed(read(HTML), "/", "/x") == [True, True]


def test_the_first_500_kib_count_and_no_half_line() -> None:
    head = "User-agent: *\nDisallow: /x\n"
    last = "Disallow: /private-area"
    filler = "#" * (MAX_BYTES - len(head) - len(last)) + "\n"
    body = head + filler + last + "\nDisallow: /never\n"
    assert len((head + filler).encode()) + len("Disallow: /private-are") == MAX_BYTES
    for sent in (body.encode(), body.encode()[:MAX_BYTES]):
        assert allowed(read(sent), "/x", "/private-are", "/private", "/never") == [False, True, True, True]


def test_a_long_honest_file_is_read_to_the_last_rule() -> None:
    lines = [f"Disallow: /private-{number:05}/" for number in range(19_000)]
    body = "\n".join(["User-agent: *", *lines]).encode()
    assert 480_000 < len(body) < MAX_BYTES
    assert allowed(read(body), "/private-18999/x", "/private-00000/", "/private-19000/", "/") == [
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    "body",
    ["User-agent: *\nDisallow: /" + "a" * 10**6, "a" * 10**6, "\n" * 10**6, "User-agent: *\nDisallow" + " " * 10**6,
     "".join(f"User-agent: a{n}\n" for n in range(20_000)) + "Disallow: /\n" * 20_000],
)  # fmt: skip
def test_hostile_files_have_no_rules_for_us(body: str) -> None:
    assert allowed(read(body), "/", "/x") == [True, True]


@given(st.binary(max_size=300) | st.text("\r\n:*/# UserAgntDisalow\x00\x85é", max_size=200).map(str.encode))
def test_any_bytes_are_a_file(body: bytes) -> None:
    for start in (b"", b"User-agent: *\nDisallow: /x\nAllow: "):
        rules = read(start + body)
        assert rules.allows(f"{HOST}/x") in (True, False)
        assert rules.crawl_delay_s is None or 0 <= rules.crawl_delay_s <= MAX_DELAY_S


# ---- delays and sitemaps -------------------------------------------------------------------------------------

DELAYS = {
    "Crawl-delay: 3": 3.0,
    "crawl delay: 2.5 seconds": 2.5,
    "Crawl-delay: 0": 0.0,
    "Crawl-delay: 3\nCrawl-delay: 7\nCrawl-delay: 5": 7.0,
    "Request-rate: 1/10": 10.0,
    "Request-rate: 2/1m 0600-0845": 30.0,
    "Crawl-delay: 3\nRequest-rate: 1/10s": 10.0,
    "Crawl-delay: 30\nRequest-rate: 1/10s": 30.0,
    "Crawl-delay: 86400": MAX_DELAY_S,
    "Crawl-delay: " + "9" * 5_000: MAX_DELAY_S,
    "Request-rate: 1/9999d": MAX_DELAY_S,
    "Request-rate: 0/10": None,
    "Request-rate: often": None,
    "Crawl-delay: -3": None,
    "Crawl-delay: nan": None,
    "Crawl-delay: inf": None,
    "Crawl-delay:": None,
    "User-agent: other\nCrawl-delay: 3": None,
}


@pytest.mark.parametrize("lines", DELAYS)
def test_the_largest_delay_counts_within_an_hour(lines: str) -> None:
    assert read(f"User-agent: *\nDisallow:\n{lines}").crawl_delay_s == DELAYS[lines]


def test_sitemaps_are_absolute_and_of_the_web() -> None:
    body = "Sitemap: http://a.test/1.xml\nUser-agent: other\nsite-map: https://b.test/2.xml#x\nSitemap: /3.xml\n"
    body += "Sitemap: file:///etc/passwd\nSitemap: http://u:p@a.test/4.xml\nSitemap: http://a.test/1.xml\nSitemap:\n"
    assert read(body).sitemaps == ("http://a.test/1.xml", "https://b.test/2.xml", "http://a.test/4.xml")


def test_sitemaps_are_not_endless() -> None:
    body = "".join(f"Sitemap: http://a.test/{number}.xml\n" for number in range(10_000))
    assert len(read(body).sitemaps) == 1_000
