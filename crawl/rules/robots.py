"""What a host's robots.txt lets this crawler do (RFC 9309). Pure: bytes in, rules out; reads and writes nothing.

Lines and groups are read here, not by protego, which takes a group for "blind" for ours, ends a group at a record
that it does not know (against RFC 9309, 2.2.4), and needs 4.6 s for 1,500 agents with 1,500 rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from crawl.rules.path_rules import PathRules
from crawl.settings import PRODUCT
from crawl.urls import resolve

# Source: RFC 9309, 2.5 (at least 500 KiB are parsed) and 2.4 (kept for at most 24 hours).
MAX_BYTES = 500 * 1024
KEPT_S = 24 * 3600.0
# Cache-Control does not shorten it below this: many servers send max-age=0 with every file. Chosen by eye.
KEPT_AT_LEAST_S = 3600.0
# A host that could not say what it wants is asked again after this. Chosen by eye.
UNREACHABLE_S = 900.0
# Longest delay that is kept; a host that wants more is asked once an hour. Chosen by eye.
MAX_DELAY_S = 3600.0
# Honest files name a few. Chosen by eye.
MAX_SITEMAPS = 1_000

# As written, and as often miswritten; the colon may be missing.
FIELD = re.compile(
    r"\s*(?:(?P<agent>user[ -]?agent)|(?P<allow>allow)|(?P<disallow>dis+al+[ao]w|diasllow)"
    r"|(?P<delay>crawl[ -]?delay)|(?P<rate>request[ -]?rate)|(?P<sitemap>site-?maps?))(?:\s*:|\s)",
    re.IGNORECASE,
)
AGENT = re.compile(r"\*|[A-Za-z_-]+")  # RFC 9309, 2.2.1; what follows, such as a version, does not count
DELAY = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
RATE = re.compile(r"([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*([smhd]?)", re.IGNORECASE)
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
ITSELF = re.compile(r"https?://[^/?#]*/robots\.txt", re.IGNORECASE)
LINE_END = re.compile(r"\r\n?|\n")

Record = tuple[str, str]  # a group of FIELD, and the value


@dataclass(frozen=True)
class Rules:
    """What robots.txt says to this crawler; `why` is for refusals.

    `expires_s` is on the clock of `fetched_at_s`. `crawl_delay_s`, 0–3,600, is the largest of Crawl-delay and
    Request-rate, None without either. `sitemaps` are absolute http(s) URLs, at most 1,000, each once.
    """

    why: str
    expires_s: float
    crawl_delay_s: float | None = None
    sitemaps: tuple[str, ...] = ()
    paths: PathRules | bool = field(default=True, repr=False)

    def allows(self, url: str) -> bool:
        """Whether `url`, absolute, may be fetched; robots.txt itself always may (RFC 9309, 2.2.2)."""
        allowed = self.paths if isinstance(self.paths, bool) else self.paths.allow(url)
        return allowed or bool(ITSELF.fullmatch(url))


def rules_of(status: int | None, body: bytes, fetched_at_s: float, max_age_s: float | None = None) -> Rules:
    """The rules in the answer to a request for robots.txt; `status` is None when there was no answer.

    `body` is unpacked; `max_age_s` is that of Cache-Control. Up to five redirects were followed before; one that
    is left counts as a missing file, as 4xx do. 429 counts as no answer, as 5xx do: "too many requests" is no
    leave to make all of them. A file of 500 KiB full of rules takes 0.15 s of CPU: too long for an event loop.
    """
    if status is None or status == 429 or not 200 <= status < 500:
        why = "robots.txt unreachable" if status is None else f"robots.txt answered {status}"
        return Rules(why, fetched_at_s + UNREACHABLE_S, paths=False)
    kept_s = KEPT_S if max_age_s is None else max(KEPT_AT_LEAST_S, min(max_age_s, KEPT_S))
    if status >= 300:
        return Rules("", fetched_at_s + kept_s)
    group, sitemaps = _ours(_records(body))
    rules = [(kind == "allow", value) for kind, value in group if kind in ("allow", "disallow") and value]
    return Rules(
        "forbidden by robots.txt",
        fetched_at_s + kept_s,
        crawl_delay_s=max((delay for record in group for delay in _delays_s(*record)), default=None),
        sitemaps=_absolute(sitemaps),
        paths=PathRules.of(rules) if rules else True,
    )


def _records(body: bytes) -> Iterable[Record]:
    """The known records of `body`, in order; a page of HTML has none."""
    for line in _lines(body):
        text = line.partition("#")[0]
        found = FIELD.match(text)
        if found and found.lastgroup:
            yield found.lastgroup, text[found.end() :].strip()


def _lines(body: bytes) -> list[str]:
    start = body[:MAX_BYTES]
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = start.decode("utf-16", "replace")
    else:  # without its NULs, plain ASCII in UTF-16 is plain ASCII
        text = start.replace(b"\0", b"").removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    lines = LINE_END.split(text)
    # A body of full length may have been cut, and half a path would forbid more than the whole one.
    return lines if len(body) < MAX_BYTES else lines[:-1]


def _ours(records: Iterable[Record]) -> tuple[list[Record], list[str]]:
    """What all groups for us say, or, when there is none, those for `*`; and the sitemaps of the whole file."""
    groups: dict[str, list[Record]] = {}
    sitemaps: list[str] = []
    named: set[str] = set()  # whom of the two the present group is for
    naming = False
    for kind, value in records:
        if kind == "sitemap":
            sitemaps.append(value)
        elif kind == "agent":
            named = named if naming else set()
            naming = True
            agent = AGENT.match(value)
            if agent and (name := agent[0].lower()) in (PRODUCT, "*"):
                named.add(name)
                groups.setdefault(name, [])
        else:
            naming = False
            for name in named:
                groups[name].append((kind, value))
    return groups.get(PRODUCT, groups.get("*", [])), sitemaps


def _delays_s(kind: str, value: str) -> Iterable[float]:
    """The seconds between two requests that a record asks for. Hours of the day in a rate are not heeded."""
    if kind == "delay" and (found := DELAY.match(value)):
        yield min(float(found[0]), MAX_DELAY_S)
    elif kind == "rate" and (found := RATE.match(value)) and int(found[1]):
        yield min(int(found[2]) * SECONDS[found[3].lower()] / int(found[1]), MAX_DELAY_S)


def _absolute(written: Iterable[str]) -> tuple[str, ...]:
    """The first 1,000 that are URLs; of those behind three times as many, none is looked at."""
    urls = (resolve("", value) for value in islice(dict.fromkeys(written), 3 * MAX_SITEMAPS))
    return tuple(islice(dict.fromkeys(url for url in urls if url), MAX_SITEMAPS))
