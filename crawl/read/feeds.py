"""What a feed names: RSS 2.0 and 1.0, Atom, JSON Feed.

Pure functions of the bytes; nothing is fetched or stored. Source: the formats' own specifications, Media RSS,
Apple's podcast tags.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from crawl.read.carriers import MAX_URLS, carriers, is_skipped, named_by
from crawl.read.gzipped import chunks
from crawl.read.lazy import is_picture_name
from crawl.read.markup import Tag
from crawl.read.xml import Element, Xml, beginning, root_name
from crawl.text import clean
from crawl.urls import resolve

ROOTS = frozenset({"rss", "feed", "rdf"})
JSON_FEED = "https://jsonfeed.org/version/"
# Larger ones are read so far. Chosen by eye: a feed of 100 whole articles has 1 MB.
MAX_BYTES = 10_000_000
MAX_TEXTS = 5_000  # pieces of HTML that are looked into; chosen by eye
XHTML = "http://www.w3.org/1999/xhtml"
# Elements whose text is HTML, in RSS and its modules and in Atom.
HTML_TEXTS = frozenset({"description", "encoded", "summary", "content"})


@dataclass(frozen=True)
class Feed:
    """Absolute http(s) URLs in the order of the feed, each once. `dropped` were beyond MAX_URLS of a kind
    or MAX_TEXTS.

    `links` are the pages of its items, and the next pages of the feed itself; `unusable` are pictures as written, of
    which no URL can be made. `problem` says in a line what was
    wrong with it; what could be read is here all the same.
    """

    pictures: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    dropped: int = 0
    problem: str | None = None


def looks_like_feed(content_type: str, data: bytes) -> bool:
    """Whether an answer is a feed by its own words: its root element, or the version of a JSON Feed."""
    if root_name(data) in ROOTS:
        return True
    start = beginning(data).lstrip()
    is_json = "json" in content_type.lower() or start.startswith("{")
    return is_json and JSON_FEED in start.replace("\\/", "/")


def read_feed(data: bytes, url: str) -> Feed:
    """What the feed `data`, fetched from `url`, names. Never raises."""
    found, body = _Found(url), data[:MAX_BYTES]
    if beginning(body).lstrip().startswith("{"):
        problem = _read_json(body, found)
    else:
        xml = Xml()
        for element in xml.elements(chunks(body)):
            _read(element, found)
        problem = xml.problem
    if len(data) > MAX_BYTES:
        problem = f"more than {MAX_BYTES} bytes; the rest was not read"
    return Feed(tuple(found.pictures), tuple(found.links), tuple(found.unusable), found.dropped, problem)


class _Found:
    def __init__(self, url: str) -> None:
        self.url = url
        self.pictures: dict[str, None] = {}
        self.links: dict[str, None] = {}
        self.unusable: dict[str, None] = {}
        self.dropped = self.texts = 0

    def picture(self, *written: str) -> None:
        self._take(self.pictures, written)

    def link(self, *written: str) -> None:
        self._take(self.links, written)

    def markup(self, text: str) -> None:
        """The pictures in a piece of HTML; its links lead off the feed and are left."""
        if "<" not in text and "&lt;" in text:
            text = html.unescape(text)  # escaped once more than it should be
        if "<" not in text:
            return
        self.texts += 1
        if self.texts > MAX_TEXTS:
            self.dropped += 1
        else:
            inside = carriers(text, self.url)
            self.dropped += inside.dropped
            self._take(self.pictures, (*inside.pictures, *inside.unusable))

    def _take(self, into: dict[str, None], written: Iterable[str]) -> None:
        for one in written:
            absolute = resolve(self.url, one.replace("&amp;", "&"))  # escaped once more than it should be
            if absolute is None and (into is self.links or is_skipped(one.strip())):
                continue
            if absolute is None:
                absolute, into = clean(one), self.unusable
            if absolute in into:
                continue
            if len(into) < MAX_URLS:
                into[absolute] = None
            else:
                self.dropped += 1


# ---- RSS and Atom ------------------------------------------------------------------------------------------


def _read(element: Element, found: _Found) -> None:
    name, parent, attributes = element.name, element.parent, element.attributes
    if element.namespace == XHTML:
        tag = Tag(name, attributes)
        found.picture(*(written for kind, written in named_by(tag) if kind == "picture"))
    elif name in ("enclosure", "content", "thumbnail") and "url" in attributes:
        if name == "thumbnail" or _is_picture(attributes, attributes["url"]):
            found.picture(attributes["url"])
    elif name == "link":
        _read_link(element, found)
    elif name == "image":  # iTunes' and Google's have the URL in an attribute, RSS 1.0's items in an RDF one
        found.picture(attributes.get("href", ""), *(value for key, value in attributes.items() if "resource" in key))
    elif (parent, name) == ("image", "url") or name in ("logo", "icon"):
        found.picture(element.text)
    elif name == "guid" and attributes.get("isPermaLink", "true") == "true" and element.text.startswith("http"):
        found.link(element.text)
    elif name in HTML_TEXTS:
        if _is_picture(attributes, "") and attributes.get("src"):
            found.picture(attributes["src"])
        found.markup(element.text)


def _read_link(element: Element, found: _Found) -> None:
    href = element.attributes.get("href", "")
    if not href:
        if element.parent == "item":
            found.link(element.text)
        return
    relation = element.attributes.get("rel", "alternate")
    if relation == "enclosure" and _is_picture(element.attributes, href):
        found.picture(href)
    elif relation == "next" or (relation == "alternate" and element.parent in ("entry", "item")):
        found.link(href)


def _is_picture(attributes: Any, url: str) -> bool:
    kind = (attributes.get("type") or "").lower()
    return kind.startswith("image/") or attributes.get("medium") == "image" or (not kind and is_picture_name(url))


# ---- JSON Feed ---------------------------------------------------------------------------------------------


def _read_json(data: bytes, found: _Found) -> str | None:
    try:
        feed = json.loads(data.decode("utf-8-sig", "replace"), parse_int=float)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {' '.join(str(error).split())[:200]}"
    if not isinstance(feed, dict):
        return "wanted a JSON object"
    found.picture(*_texts(feed, "icon", "favicon"))
    for item in _objects(feed.get("items")):
        found.link(*_texts(item, "url"))
        found.picture(*_texts(item, "image", "banner_image"))
        for text in _texts(item, "content_html"):
            found.markup(text)
        for attached in _objects(item.get("attachments")):
            kind = {"type": "".join(_texts(attached, "mime_type"))}
            found.picture(*(url for url in _texts(attached, "url") if _is_picture(kind, url)))
    found.link(*_texts(feed, "next_url"))
    return None


def _texts(record: dict[str, Any], *names: str) -> Iterator[str]:
    return (record[name] for name in names if isinstance(record.get(name), str))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    return (one for one in (value if isinstance(value, list) else ()) if isinstance(one, dict))
