"""What a sitemap lists: XML (also an index, and pictures in it), plain text, RSS or Atom; gzipped or not.

Pure functions of the bytes; nothing is fetched or stored. Source: the protocol of sitemaps.org, image sitemaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from crawl.read.gzipped import MAGIC, GzipError, chunks, gunzipped
from crawl.read.lines import lines
from crawl.read.xml import Element, Xml, beginning, root_name
from crawl.text import clean
from crawl.urls import MAX_URL_CHARS, resolve

# Source: sitemaps.org, "no more than 50,000 URLs and must be no larger than 50MB (52,428,800 bytes)", unpacked. The
# same is taken as the limit for pictures and for sitemaps in an index.
MAX_URLS, MAX_BYTES = 50_000, 52_428_800
ROOTS = frozenset({"urlset", "sitemapindex"})
FEED_ROOTS = frozenset({"rss", "feed", "rdf"})
TEXTS = frozenset({"", "text/plain", "application/octet-stream", "binary/octet-stream"})  # what texts are served as
MAX_UNUSABLE = 1_000  # chosen by eye; more of one file tell nothing new
MAX_LINES = 1_000_000  # of a text, empty ones too; chosen by eye
# Lines of a text that must all be URLs for it to be taken for a sitemap. Chosen by eye.
TELLING_LINES = 5


@dataclass(frozen=True)
class Sitemap:
    """Absolute http(s) URLs in the order of the file, each once; `unusable` is as written.

    `dropped` were beyond the protocol's limits, `foreign` pages and sitemaps on a host that this sitemap may not
    speak for. `problem` says in a line what was wrong with the file; what could be read of it is here all the same.
    """

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    dropped: int = 0
    foreign: int = 0
    problem: str | None = None


def looks_like_sitemap(content_type: str, data: bytes) -> bool:
    """Whether an answer is a sitemap by its own words: its root element, or a plain text of nothing but URLs.

    A feed counts only when it is packed as sitemaps are: any other is for `feeds.py`.
    """
    start, packed = _start(data), data.startswith(MAGIC)
    root = root_name(start)
    if root in ROOTS or (packed and root in FEED_ROOTS):
        return True
    kind = content_type.partition(";")[0].strip().lower()
    lines = [line.strip() for line in beginning(start).splitlines()[: 2 * TELLING_LINES]]
    telling = [line for line in lines if line][:TELLING_LINES]
    return (packed or kind in TEXTS) and bool(telling) and all(resolve("", line) for line in telling)


def read_sitemap(data: bytes, url: str) -> Sitemap:
    """What the sitemap `data`, fetched from `url`, lists.

    Pages and sitemaps count only on the sitemap's own host, on hosts below it, or with and without `www.`:
    nobody else can speak for a host. Pictures may lie anywhere. Never raises.
    """
    body, found = _Body(data), _Found(url)
    root = root_name(_start(data))
    if root in ROOTS or root in FEED_ROOTS:
        xml = Xml()
        for element in xml.elements(body.pieces()):
            found.take(*_listed(element))
            if found.is_full:
                break
        problem = xml.problem
    elif root is None:
        problem = _read_text(body, found)
    else:
        problem = f"wanted a sitemap, received <{root}>"
    return found.sitemap(found.is_full or body.problem or problem)


def may_list(sitemap: str, url: str) -> bool:
    """Whether a sitemap may speak for `url`: on its own host, on hosts below it, or with and without `www.`."""
    site, host = (urlsplit(sitemap).hostname or "").removeprefix("www."), urlsplit(url).hostname or ""
    return host == site or host.endswith(f".{site}")


def _start(data: bytes) -> bytes:
    """The first unpacked bytes."""
    return next(_Body(data).pieces(), b"")


@dataclass
class _Body:
    """The unpacked bytes, up to the protocol's limit; `problem` is known once they were all asked for."""

    data: bytes
    problem: str | None = None

    def pieces(self) -> Iterator[bytes]:
        size = 0
        try:
            for piece in gunzipped(chunks(self.data)) if self.data.startswith(MAGIC) else chunks(self.data):
                size += len(piece)
                if size > MAX_BYTES:
                    self.problem = f"more than {MAX_BYTES} bytes; the rest was not read"
                    return
                yield piece
        except GzipError as error:
            self.problem = str(error)


# (parent, element) → what the URL in its text is.
KINDS = {
    ("url", "loc"): "page",
    ("sitemap", "loc"): "sitemap",
    ("image", "loc"): "picture",
    ("video", "thumbnail_loc"): "picture",
    ("item", "link"): "page",
}


def _listed(element: Element) -> tuple[str, str]:
    """(kind, URL as written) of what an element lists; ("", "") when it lists nothing."""
    kind = KINDS.get((element.parent, element.name))
    if kind:
        # Twice escaped, or escaped within CDATA.
        return kind, element.text.replace("&amp;", "&")
    is_page = (element.parent, element.name, element.attributes.get("rel", "alternate")) == (
        "entry",
        "link",
        "alternate",
    )
    return ("page", element.attributes.get("href", "")) if is_page else ("", "")


def _read_text(body: _Body, found: _Found) -> str | None:
    for number, (line, _) in enumerate(lines(body.pieces(), MAX_URL_CHARS + 1)):
        found.take("page", line.strip())
        if number == MAX_LINES:
            return f"more than {MAX_LINES} lines; the rest was not read"
        if found.is_full:
            break
    return None if found.first["page"] or not found.unusable else "wanted a sitemap, received a text of other things"


class _Found:
    def __init__(self, url: str) -> None:
        self.url = url
        self.first: dict[str, dict[str, None]] = {"page": {}, "sitemap": {}, "picture": {}}
        self.unusable: dict[str, None] = {}
        self.dropped = self.foreign = 0

    @property
    def is_full(self) -> str | None:
        """Why reading on would tell nothing, if so."""
        over = self.dropped >= MAX_URLS
        return f"{MAX_URLS} URLs beyond the limit of {MAX_URLS}; the rest was not read" if over else None

    def take(self, kind: str, written: str) -> None:
        if not kind or not written:
            return
        # The protocol wants whole URLs; a path is as clear, and anything else is rubbish.
        absolute = resolve(self.url if written.startswith("/") else "", written)
        if absolute is None:
            self._refuse(written)
        elif kind != "picture" and not may_list(self.url, absolute):
            self.foreign += 1
        elif absolute not in self.first[kind]:
            if len(self.first[kind]) < MAX_URLS:
                self.first[kind][absolute] = None
            else:
                self.dropped += 1

    def _refuse(self, written: str) -> None:
        if len(self.unusable) < MAX_UNUSABLE:
            self.unusable.setdefault(clean(written))
        else:
            self.dropped += 1

    def sitemap(self, problem: str | None) -> Sitemap:
        pages, sitemaps, pictures = (tuple(self.first[kind]) for kind in ("page", "sitemap", "picture"))
        return Sitemap(pages, sitemaps, pictures, tuple(self.unusable), self.dropped, self.foreign, problem)
