"""What an answer to a page request names, whatever it turned out to be: HTML, a style sheet, a feed or a sitemap.

Pure: `crawl/reader.py` runs it where hostile pages can do no harm. Reads and writes nothing.
"""

from __future__ import annotations

import codecs
import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from w3lib.encoding import html_body_declared_encoding, http_content_type_encoding, read_bom, to_unicode

from crawl.read.carriers import carriers, style_carriers
from crawl.read.feeds import looks_like_feed, read_feed
from crawl.read.formats import picture_format
from crawl.read.sitemaps import looks_like_sitemap, read_sitemap
from crawl.rules.directives import Directives, from_headers, from_meta

# A page that its server calls something else still begins like one. Possessive: without, 146 comments took years.
LOOKS_LIKE_HTML = re.compile(
    rb"\s*+(?:<!--.*?-->\s*+)*+<(?:!doctype\s+html|html|head|body|title)\b", re.IGNORECASE | re.DOTALL
)
SNIFFED_BYTES = 1_024
# Encodings of Python that no browser knows, and that turn other texts into markup or take quadratic time.
NOT_OF_THE_WEB = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"})


@dataclass(frozen=True)
class Asked:
    """An answer that is to be read. `is_html`: its headers or its URL say so. `told`: what its headers ask of us."""

    url: str
    data: bytes
    content_type: str = ""
    is_html: bool = False
    is_style: bool = False  # asked for as a style sheet, whatever it is
    told: Directives = Directives()  # noqa: RUF009 -- frozen


@dataclass(frozen=True)
class Named:
    """Absolute URLs that an answer names; `kind` is picture, page, feed, sitemap, style, other or unreadable.

    `unusable` is as written; `dropped` were too many, `foreign` on hosts that a sitemap may not speak for. `directives`
    join the header's and the page's own. `problem` says in a line what was wrong; what could be read is here.
    """

    kind: str
    pictures: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    dropped: int = 0
    foreign: int = 0
    directives: Directives = Directives()  # noqa: RUF009 -- frozen
    problem: str = ""


def directives_of(headers: Mapping[str, str]) -> Directives:
    """What the headers of an answer say about collecting it; a header that comes twice may be joined by commas."""
    every = getattr(headers, "getall", None)
    values = list(every("X-Robots-Tag", [])) if every else [headers.get("X-Robots-Tag", "")]
    return from_headers(values, dt.datetime.now(dt.UTC), headers.get("tdm-reservation", ""))


def read(asked: Asked) -> Named:
    """What an answer names."""
    url, data, told = asked.url, asked.data, asked.told
    if asked.is_style:
        return _style(asked)
    if picture_format(data):
        return Named("picture", directives=told)
    if looks_like_sitemap(asked.content_type, data):
        sitemap = read_sitemap(data, url)
        return Named(
            "sitemap",
            sitemap.pictures,
            sitemap.pages,
            sitemaps=sitemap.sitemaps,
            unusable=sitemap.unusable,
            dropped=sitemap.dropped,
            foreign=sitemap.foreign,
            problem=sitemap.problem or "",
        )
    if looks_like_feed(asked.content_type, data):
        feed = read_feed(data, url)
        return Named(
            "feed",
            feed.pictures,
            feed.links,
            unusable=feed.unusable,
            dropped=feed.dropped,
            directives=told,
            problem=feed.problem or "",
        )
    if asked.is_html or LOOKS_LIKE_HTML.match(data[:SNIFFED_BYTES]):
        return _html(asked)
    if "css" in asked.content_type.lower():
        return _style(asked)
    return Named("other", directives=told)


@dataclass(frozen=True)
class Read:
    """Makes the function that a worker runs; picklable, and without Scrapy."""

    def __call__(self) -> Callable[[Asked], Named]:
        return read


def _html(asked: Asked) -> Named:
    found = carriers(text_of(asked.data, asked.content_type), asked.url)
    return Named(
        "page",
        found.pictures,
        found.links,
        found.styles,
        found.feeds,
        unusable=found.unusable,
        dropped=found.dropped,
        directives=asked.told | from_meta(found.meta, dt.datetime.now(dt.UTC)),
    )


def _style(asked: Asked) -> Named:
    found = style_carriers(text_of(asked.data, asked.content_type), asked.url)
    return Named("style", found.pictures, styles=found.styles, unusable=found.unusable, dropped=found.dropped)


def text_of(data: bytes, content_type: str) -> str:
    """`data` as text, by its byte order mark, its header, or what it says itself; else UTF-8, or what browsers take.

    Source: HTML Standard, 13.2.3.2, determining the character encoding.
    """
    mark, bom = read_bom(data)
    if mark is not None and bom is not None:
        return str(to_unicode(data[len(bom) :], mark))
    declared = (http_content_type_encoding(content_type), html_body_declared_encoding(data))
    known = next((name for name in declared if name and _is_of_the_web(name)), None)
    if known is not None:
        return str(to_unicode(data, known))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _is_of_the_web(encoding: str) -> bool:
    found = codecs.lookup(encoding)
    return found._is_text_encoding and found.name.replace("_", "-") not in NOT_OF_THE_WEB
