"""Pictures that a script puts into the page later: `srcset` and the `data-*` attributes that stand in for `src`.

Pure functions of attribute values; nothing is fetched or stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from crawl.read.stylesheets import pictures_in
from crawl.urls import SPACE

PICTURE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif",
)  # fmt: skip

# Attributes whose value is a picture's URL, whatever it ends in. Measured on public sources, ten uses each of 27 of
# these names (the others are their spellings in one library or another) with an absolute URL for a value: a picture's
# nine or ten times, mostly with and often without a suffix; `data-thumb` and `data-src` of a `div` eight times. But
# `data-url` once: it and any name not listed count when the value ends as a picture's does. Without regard to the
# value, `data-bg` held words four times of ten.
NAMES = frozenset(
    f"data-{name}"
    for name in (
        "actualsrc", "background", "background-image", "bg", "bg-hidpi", "bg-image", "cfsrc", "echo",
        "flickity-bg-lazyload", "flickity-lazyload", "flickity-lazyload-src", "full", "full-src", "hi-res",
        "hi-res-src", "highres", "image", "image-src", "img", "img-src", "large", "large-file", "large_image", "layzr",
        "lazy", "lazy-background", "lazy-bg", "lazy-image", "lazy-img", "lazy-original", "lazy-src", "lazyload",
        "lazysrc", "ll-src", "medium-file", "orig-file", "orig-src", "original", "original-src", "pin-media", "poster",
        "retina", "src", "src-retina", "thumb", "thumbnail", "zoom-image", "zoom-src",
    )
)  # fmt: skip
SETS = ("srcset", "bgset")
# Here `data-src` is as often a film, a script or a page: only a picture's suffix tells.
NOT_PICTURES = frozenset({"audio", "embed", "iframe", "input", "link", "object", "script", "source", "track", "video"})
DESCRIPTORS = re.compile(r"\s\d+(?:\.\d+)?[wxh]\s*(?:,|$)")


def lazy_pictures(tag: str, name: str, value: str) -> Iterable[str]:
    """The pictures that the attribute `name`, one of `data-*`, of a `tag` names, as written."""
    if "{" in value and "}" in value:
        return ()  # a template or settings, which a script has yet to fill in or read
    if name.endswith(SETS):
        return [url for part in value.split("|") for url in srcset(part)]
    if name not in NAMES:
        return (value,) if "/" in value and is_picture_name(value) else ()
    if "url(" in value:
        return pictures_in(value)
    urls = srcset(value) if DESCRIPTORS.search(value) else [value.strip(SPACE)]
    return [url for url in urls if is_picture_name(url) or (tag not in NOT_PICTURES and _is_file(url))]


def is_picture_name(url: str) -> bool:
    """Whether the path of `url`, as written, ends as those of pictures do."""
    return re.split(r"[?#]", url, maxsplit=1)[0].strip(SPACE).lower().endswith(PICTURE_SUFFIXES)


def _is_file(url: str) -> bool:
    """Whether it may be the URL of a file at all, and not a word, a number or a folder."""
    return "/" in url and not url.endswith("/")


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
