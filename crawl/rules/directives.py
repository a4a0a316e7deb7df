"""What a page or a picture says about being collected: X-Robots-Tag, `<meta name=robots>`, TDM reservation. Pure.

Honoured by default. Source: the robots meta tag and X-Robots-Tag as search engines document them; noai and
noimageai as DeviantArt introduced them; tdm-reservation of the W3C community report "TDM Reservation Protocol".
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from crawl.rules.dates import moment
from crawl.settings import PRODUCT

# An honest one has some 50 characters. Chosen by eye.
MAX_CHARS = 4_096
# The longest way to write a date has one comma of its own: Fri, 25 Jun 2010 15:00:00 GMT.
UNAVAILABLE = re.compile(r"unavailable[_-]after\s*:\s*((?:[a-z]{3,9},)?[^,;]*)")
PAST = "PAST"  # stands where a date was that is past; nobody can have written it, for texts are lower-cased
VALUED = re.compile(r"max-[a-z-]{1,20}\s*:[^,;]*")  # max-snippet: 20, max-image-preview: large
AGENT = re.compile(r"\s*([a-z0-9._*/-]+)\s*:")
OURS = frozenset({PRODUCT, "robots", "*"})
TDM = "tdm-reservation"


@dataclass(frozen=True)
class Directives:
    """What was said, each as a yes or no; `a | b` is what either says."""

    none: bool = False
    noindex: bool = False
    noai: bool = False
    noimageai: bool = False
    noimageindex: bool = False
    unavailable_after: bool = False  # the date is past
    tdm_reservation: bool = False
    nofollow: bool = False

    def __or__(self, other: Directives) -> Directives:
        return _said({name for name in NAMES if getattr(self, name) or getattr(other, name)})

    @property
    def refuses_pictures(self) -> str | None:
        """The first directive against collecting pictures; all but nofollow are."""
        return next(
            (name.replace("tdm_", "tdm-") for name in NAMES if name != "nofollow" and getattr(self, name)), None
        )

    @property
    def refuses_links(self) -> str | None:
        """The directive against following links, if there is one."""
        return "none" if self.none else "nofollow" if self.nofollow else None


NAMES = tuple(field.name for field in fields(Directives))
# What a word stands for; the two other directives are more than a word.
WORDS = {name: name for name in NAMES if "_" not in name} | {PAST: "unavailable_after"}


def from_headers(values: Sequence[str], now: dt.datetime, tdm_reservation: str = "") -> Directives:
    """What X-Robots-Tag headers say to us at `now` (aware), and the value of a tdm-reservation header.

    An agent's name and a colon make all that follows in the same header that agent's. Words that are not known
    mean nothing, and so does a date that cannot be read.
    """
    said = {name for value in values for name in _said_in(value, now)}
    return _said(said | _tdm(tdm_reservation))


def from_meta(pairs: Iterable[tuple[str, str]], now: dt.datetime) -> Directives:
    """What the (name, content) of a page's meta elements say to us at `now` (aware)."""
    said: set[str] = set()
    for name, content in pairs:
        agent = name.strip().lower()
        if agent in OURS:
            said.update(_said_in(content, now))
        elif agent == TDM:
            said |= _tdm(content)
    return _said(said)


def _said_in(text: str, now: dt.datetime) -> Iterable[str]:
    ours = True

    def past(found: re.Match[str]) -> str:
        until = moment(found[1].upper())
        return PAST if until and until <= now else ""

    for part in re.split("[,;]", VALUED.sub("", UNAVAILABLE.sub(past, text[:MAX_CHARS].lower()))):
        agent = AGENT.match(part)
        if agent:
            ours = agent[1].partition("/")[0] in OURS
        if ours:
            words = part[agent.end() if agent else 0 :].split()
            yield from (WORDS[word] for word in words if word in WORDS)


def _tdm(value: str) -> set[str]:
    return {"tdm_reservation"} if value.strip() == "1" else set()


def _said(names: set[str]) -> Directives:
    return Directives(**dict.fromkeys(names, True))
