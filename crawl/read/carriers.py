"""What a page carries: the URLs of its pictures, its links, style sheets and feeds, and what it asks of crawlers.

Pure functions of the page's text: no fetching, no store. `data:` pictures are skipped: they have no URL of
their own to be seen at. Anything else that cannot be fetched is handed back as `unusable`, so that it becomes
a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from crawl.read import linked_data
from crawl.read.lazy import is_picture_name, lazy_pictures, srcset
from crawl.read.markup import Tag, tags
from crawl.read.stylesheets import imports, pictures_in
from crawl.settings import PRODUCT
from crawl.urls import SPACE, resolve

__all__ = ["MAX_URLS", "Carriers", "carriers", "is_skipped", "srcset", "style_carriers"]

# Properties and names of <meta> that hold a picture's URL. Source: the Open Graph protocol; X's card markup.
META_PICTURES = frozenset(
    {
        "og:image",
        "og:image:url",
        "og:image:secure_url",
        "twitter:image",
        "twitter:image:src",
        "msapplication-tileimage",
    }
)
LINK_PICTURES = frozenset({"icon", "apple-touch-icon", "apple-touch-icon-precomposed", "image_src", "mask-icon"})
FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/feed+json"})
SKIPPED_SCHEMES = frozenset({"data", "javascript", "mailto", "tel", "about", "blob", "sms", "whatsapp"})
# What a page may name, so that one page cannot fill a frontier. Chosen by eye: honest galleries name some hundreds.
MAX_URLS = 10_000
# <meta name=…> that speaks to us: to all crawlers, or by our name. Cut where no honest one goes on.
META_FOR_US = frozenset({"robots", PRODUCT, "tdm-reservation"})
MAX_META, MAX_META_CHARS = 100, 4_096


@dataclass(frozen=True)
class Carriers:
    """Absolute http(s) URLs in the order of the page, each once; `unusable` is as written on the page.

    `links` leaves out what is `rel=nofollow`. `meta` holds (name in lower case, content) of every `<meta>` that
    tells crawlers what they may do. `dropped` counts what the page mentions after its first MAX_URLS.
    """

    pictures: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    canonical: str | None = None
    meta: tuple[tuple[str, str], ...] = ()
    dropped: int = 0


Named = tuple[str, str]  # kind of URL, as written


def _one(value: str) -> Iterable[str]:
    return (value,)


# (tag, attribute) → how its value names pictures. Any other `data-*`: crawl/read/lazy.py.
PICTURE_ATTRIBUTES: dict[tuple[str, str], Callable[[str], Iterable[str]]] = {
    ("img", "src"): _one, ("img", "srcset"): srcset,
    ("img", "data-src"): _one, ("img", "data-original"): _one, ("img", "data-lazy-src"): _one,
    ("source", "srcset"): srcset,
    ("image", "href"): _one, ("image", "xlink:href"): _one,
    ("amp-img", "src"): _one, ("amp-img", "srcset"): srcset,
    ("amp-anim", "src"): _one, ("amp-anim", "srcset"): srcset,
    ("video", "poster"): _one, ("video", "data-poster"): _one, ("amp-video", "poster"): _one,
    ("link", "imagesrcset"): srcset,
    ("body", "background"): _one, ("table", "background"): _one, ("td", "background"): _one,
}  # fmt: skip


def carriers(page: str, url: str) -> Carriers:
    """What the HTML `page`, fetched from `url`, carries.

    Broken HTML gives what a parser can make of it; never raises.
    """
    base, meta, named = "", list[tuple[str, str]](), _Named()
    for tag in tags(page):
        named.take(named_by(tag))
        if tag.name == "base":
            base = base or tag.get("href")
        elif tag.name == "meta" and len(meta) < MAX_META:
            meta += _for_us(tag)
    return named.resolved((resolve(url, base) if base else None) or url, tuple(meta))


def style_carriers(sheet: str, url: str) -> Carriers:
    """What the style sheet `sheet`, fetched from `url`, carries: pictures and imported style sheets."""
    named = _Named()
    named.take(_in_style(sheet))
    return named.resolved(url)


class _Named:
    """What a page names, each once: at most MAX_URLS of them."""

    def __init__(self) -> None:
        self.first: dict[Named, None] = {}
        self.dropped = 0

    def take(self, found: Iterable[Named]) -> None:
        for kind, written in found:
            named = kind, written.strip(SPACE + "\0")
            if named in self.first or is_skipped(named[1]):
                continue
            if len(self.first) < MAX_URLS:
                self.first[named] = None
            else:
                self.dropped += 1

    def resolved(self, base: str, meta: tuple[tuple[str, str], ...] = ()) -> Carriers:
        found: dict[str, dict[str, None]] = {kind: {} for kind in (*KINDS, "unusable")}
        for kind, written in self.first:
            absolute = resolve(base, written)
            if absolute is not None:
                found[kind].setdefault(absolute)
            elif kind == "picture":
                found["unusable"].setdefault(written)
        pictures, links, styles, feeds, canonical = (tuple(found[kind]) for kind in KINDS)
        return Carriers(
            pictures, links, styles, tuple(found["unusable"]), feeds, next(iter(canonical), None), meta, self.dropped
        )


KINDS = ("picture", "link", "style", "feed", "canonical")


def is_skipped(written: str) -> bool:
    """Whether what is written is no URL, or one that nobody could ask a host for."""
    return not written or written.startswith("#") or written.partition(":")[0].lower() in SKIPPED_SCHEMES


def named_by(tag: Tag) -> Iterator[Named]:
    """(kind, URL as written) of everything that one tag names; kinds: picture, link, style, feed, canonical."""
    for name, value in tag.attributes.items():
        read = PICTURE_ATTRIBUTES.get((tag.name, name))
        if read is not None:
            yield from _as("picture", read(value))
        elif name == "style":
            yield from _as("picture", pictures_in(value))
        elif name.startswith("data-"):
            yield from _as("picture", lazy_pictures(tag.name, name, value))
    special = SPECIAL.get(tag.name)
    if special is not None:
        yield from special(tag)


def _as(kind: str, written: Iterable[str]) -> Iterator[Named]:
    return ((kind, url) for url in written)


def _anchor(tag: Tag) -> Iterator[Named]:
    href = tag.get("href")
    if is_picture_name(href):
        yield "picture", href
    elif "nofollow" not in tag.get("rel").lower().split():
        yield "link", href


def _frame(tag: Tag) -> Iterator[Named]:
    yield "link", tag.get("src")


def _link(tag: Tag) -> Iterator[Named]:
    relations, href = set(tag.get("rel").lower().split()), tag.get("href")
    kind = tag.get("type").partition(";")[0].strip().lower()
    if relations & LINK_PICTURES or ("preload" in relations and tag.get("as").lower() == "image"):
        yield "picture", href
    elif "stylesheet" in relations:
        yield "style", href
    elif "alternate" in relations and kind in FEED_TYPES:
        yield "feed", href
    elif "canonical" in relations:
        yield "canonical", href
    elif relations & {"next", "prev"}:
        yield "link", href


def _meta(tag: Tag) -> Iterator[Named]:
    content = tag.get("content")
    names = {tag.get(name).strip().lower() for name in ("property", "name")}
    if names & META_PICTURES or tag.get("itemprop").lower() == "image":
        yield "picture", content
    if tag.get("http-equiv").lower() == "refresh":
        target = re.search(r"url\s*=\s*[\"']?([^\"']+)", content, re.IGNORECASE)
        yield "link", target.group(1) if target else ""


def _for_us(tag: Tag) -> list[tuple[str, str]]:
    name = tag.get("name").strip().lower()
    return [(name, tag.get("content")[:MAX_META_CHARS].strip())] if name in META_FOR_US else []


def _style(tag: Tag) -> Iterator[Named]:
    return _in_style(tag.text)


def _in_style(sheet: str) -> Iterator[Named]:
    yield from _as("picture", pictures_in(sheet))
    yield from _as("style", imports(sheet))


def _script(tag: Tag) -> Iterator[Named]:
    if tag.get("type").partition(";")[0].strip().lower() == "application/ld+json":
        yield from _as("picture", linked_data.pictures_in(tag.text))


def _input(tag: Tag) -> Iterator[Named]:
    if tag.get("type").lower() == "image":
        yield "picture", tag.get("src")


def _embedded(tag: Tag) -> Iterator[Named]:
    if tag.get("type").lower().startswith("image/"):
        yield "picture", tag.get("data") or tag.get("src")


SPECIAL: dict[str, Callable[[Tag], Iterator[Named]]] = {
    "a": _anchor, "area": _anchor, "frame": _frame, "iframe": _frame, "link": _link, "meta": _meta,
    "style": _style, "script": _script, "input": _input, "object": _embedded, "embed": _embedded,
}  # fmt: skip
