"""What a page carries: the URLs of its pictures, its links and its style sheets.

Pure functions of the page's text: no fetching, no store. `data:` pictures are skipped: they have no URL of
their own to be seen at. Anything else that cannot be fetched is handed back as `unusable`, so that it becomes
a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from lxml import etree, html  # type: ignore[import-untyped]

from crawl.stylesheets import imports, pictures_in
from crawl.urls import SPACE, resolve

PICTURE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif",
)  # fmt: skip
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
SKIPPED_SCHEMES = frozenset({"data", "javascript", "mailto", "tel", "about", "blob", "sms", "whatsapp"})


@dataclass(frozen=True)
class Carriers:
    """Absolute http(s) URLs in the order of the page, each once; `unusable` is as written on the page."""

    pictures: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()


def _one(value: str) -> Iterable[str]:
    return (value,)


def srcset(value: str) -> list[str]:
    """The URLs of a `srcset` or `imagesrcset` attribute, as written.

    Source: HTML standard, "parse a srcset attribute", steps 1-8. A URL may hold commas; only those at its end
    separate. Descriptors are skipped, with commas inside parentheses belonging to them; odd ones do not lose
    the URL.
    """
    urls: list[str] = []
    at, end = 0, len(value)
    while True:
        while at < end and value[at] in SPACE + ",":
            at += 1
        if at >= end:
            return urls
        start = at
        while at < end and value[at] not in SPACE:
            at += 1
        url = value[start:at]
        if not url.endswith(","):
            at = _after_descriptors(value, at)
        urls.append(url.rstrip(","))


def _after_descriptors(value: str, at: int) -> int:
    inside = False
    while at < len(value):
        character = value[at]
        if character == "(":
            inside = True
        elif character == ")":
            inside = False
        elif character == "," and not inside:
            return at + 1
        at += 1
    return at


# (tag, attribute) → how its value names pictures. `data-*` are the usual stand-ins of pages that load lazily.
PICTURE_ATTRIBUTES: dict[tuple[str, str], Callable[[str], Iterable[str]]] = {
    ("img", "src"): _one, ("img", "srcset"): srcset,
    ("img", "data-src"): _one, ("img", "data-srcset"): srcset,
    ("img", "data-original"): _one, ("img", "data-lazy-src"): _one,
    ("source", "srcset"): srcset, ("source", "data-srcset"): srcset,
    ("image", "href"): _one, ("image", "xlink:href"): _one,
    ("video", "poster"): _one, ("link", "imagesrcset"): srcset,
    ("body", "background"): _one, ("table", "background"): _one, ("td", "background"): _one,
}  # fmt: skip


def carriers(page: str, url: str) -> Carriers:
    """What the HTML `page`, fetched from `url`, carries.

    Broken HTML gives what a parser can make of it; never raises.
    """
    root = _parsed(page)
    if root is None:
        return Carriers()
    return _gathered(_base(root, url), _written(root))


def style_carriers(sheet: str, url: str) -> Carriers:
    """What the style sheet `sheet`, fetched from `url`, carries: pictures and imported style sheets."""
    written = [("picture", found) for found in pictures_in(sheet)] + [("style", found) for found in imports(sheet)]
    return _gathered(url, written)


def _gathered(base: str, written_by_kind: Iterable[tuple[str, str]]) -> Carriers:
    found: dict[str, dict[str, None]] = {"picture": {}, "link": {}, "style": {}, "unusable": {}}
    for kind, written in written_by_kind:
        absolute = resolve(base, written)
        if absolute is not None:
            found[kind].setdefault(absolute)
        elif kind == "picture" and not _skipped(written):
            found["unusable"].setdefault(written.strip())
    return Carriers(*(tuple(found[kind]) for kind in ("picture", "link", "style", "unusable")))


def _skipped(written: str) -> bool:
    text = written.strip(SPACE + "\0")
    return not text or text.startswith("#") or text.partition(":")[0].lower() in SKIPPED_SCHEMES


def _parsed(page: str) -> html.HtmlElement | None:
    # As bytes: lxml refuses text that declares an encoding, and NUL would end the page.
    data = page.replace("\0", "").encode("utf-8", "replace")
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        return html.document_fromstring(data, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return None  # an empty page


def _base(root: html.HtmlElement, url: str) -> str:
    first = next((element.get("href") for element in root.iter("base") if element.get("href")), None)
    return (resolve(url, first) if first else None) or url


def _written(root: html.HtmlElement) -> Iterator[tuple[str, str]]:
    """(kind, value as written) for everything the page names, in document order."""
    for element in root.iter(etree.Element):
        tag = str(element.tag).lower()
        for name, value in element.items():
            names = PICTURE_ATTRIBUTES.get((tag, name))
            if names is not None:
                yield from (("picture", written) for written in names(value))
            elif name == "style":
                yield from (("picture", written) for written in pictures_in(value))
        special = SPECIAL.get(tag)
        if special is not None:
            yield from special(element)


def _anchor(element: html.HtmlElement) -> Iterator[tuple[str, str]]:
    href = element.get("href") or ""
    is_picture = re.split(r"[?#]", href, maxsplit=1)[0].strip(SPACE).lower().endswith(PICTURE_SUFFIXES)
    yield ("picture" if is_picture else "link"), href


def _frame(element: html.HtmlElement) -> Iterator[tuple[str, str]]:
    yield "link", element.get("src") or ""


def _link(element: html.HtmlElement) -> Iterator[tuple[str, str]]:
    relations, href = set((element.get("rel") or "").lower().split()), element.get("href") or ""
    preloads_picture = "preload" in relations and (element.get("as") or "").lower() == "image"
    if relations & LINK_PICTURES or preloads_picture:
        yield "picture", href
    elif "stylesheet" in relations:
        yield "style", href
    elif relations & {"next", "prev"}:
        yield "link", href


def _meta(element: html.HtmlElement) -> Iterator[tuple[str, str]]:
    content = element.get("content") or ""
    names = {(element.get(name) or "").strip().lower() for name in ("property", "name")}
    if names & META_PICTURES or (element.get("itemprop") or "").lower() == "image":
        yield "picture", content
    if (element.get("http-equiv") or "").lower() == "refresh":
        target = re.search(r"url\s*=\s*[\"']?([^\"']+)", content, re.IGNORECASE)
        yield "link", target.group(1) if target else ""


def _style(element: html.HtmlElement) -> Iterator[tuple[str, str]]:
    sheet = element.text or ""
    yield from (("picture", written) for written in pictures_in(sheet))
    yield from (("style", written) for written in imports(sheet))


def _input(element: html.HtmlElement) -> Iterator[tuple[str, str]]:
    if (element.get("type") or "").lower() == "image":
        yield "picture", element.get("src") or ""


def _embedded(element: html.HtmlElement) -> Iterator[tuple[str, str]]:
    if (element.get("type") or "").lower().startswith("image/"):
        yield "picture", element.get("data") or element.get("src") or ""


SPECIAL: dict[str, Callable[[html.HtmlElement], Iterator[tuple[str, str]]]] = {
    "a": _anchor, "area": _anchor, "frame": _frame, "iframe": _frame, "link": _link, "meta": _meta,
    "style": _style, "input": _input, "object": _embedded, "embed": _embedded,
}  # fmt: skip
