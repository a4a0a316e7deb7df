"""The pictures that JSON-LD names (schema.org: `image`, `logo`, `thumbnailUrl`, an ImageObject's `contentUrl` …).

A pure function over the text of a `<script type="application/ld+json">`. Read token by token and not as JSON:
what is broken, cut short, wrapped in comments or nested without end still gives what it names, in linear time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# Properties whose value is a picture. Source: schema.org, properties with the range ImageObject or its URL.
PICTURES = frozenset(
    {
        "image",
        "images",
        "logo",
        "photo",
        "photos",
        "primaryImageOfPage",
        "screenshot",
        "thumbnail",
        "thumbnailUrl",
    }
)
URLS = frozenset({"url", "contentUrl"})
IMAGE_TYPE = re.compile(r"(?:^|[/#:])ImageObject$")
# Possessive, so that a string without end takes neither quadratic time nor a stack of its length.
TOKEN = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"?(\s*:)?|[{}\[\]]', re.DOTALL)
MAX_DEPTH, MAX_CHARS = 100, 1_000_000  # chosen by eye; what lies deeper or further on is passed over


@dataclass
class _Frame:
    """An object or list that is open: `under` which property it stands, and what it has said so far."""

    under: str = ""
    is_list: bool = False
    key: str = ""
    is_picture: bool = False
    urls: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        """The property whose value comes next."""
        return self.under if self.is_list else self.key


def pictures_in(text: str) -> Iterator[str]:
    """The URLs of pictures in `text`, as written. Never raises."""
    frames, too_deep = [_Frame()], 0
    for token in TOKEN.finditer(text[:MAX_CHARS]):
        mark, top = token[0], frames[-1]
        if mark in "{[":
            if too_deep or len(frames) > MAX_DEPTH:
                too_deep += 1
            else:
                frames.append(_Frame(top.place, mark == "["))
        elif mark in "}]":
            if too_deep:
                too_deep -= 1
            elif len(frames) > 1:
                yield from _ended(frames.pop())
        elif not too_deep:
            yield from _read(frames, token[1], is_key=token[2] is not None)
    for frame in frames:
        yield from _ended(frame)


def _read(frames: list[_Frame], text: str, is_key: bool) -> Iterator[str]:
    top = frames[-1]
    if is_key:
        top.key = text
    elif top.place in PICTURES:
        yield from _urls(text)
    elif top.place in URLS:
        _object(frames).urls += _urls(text)
    elif top.place == "@type" and IMAGE_TYPE.search(text):
        _object(frames).is_picture = True


def _object(frames: list[_Frame]) -> _Frame:
    """The object that the value stands in, be it in a list of values."""
    return frames[-2] if frames[-1].is_list and len(frames) > 1 else frames[-1]


def _ended(frame: _Frame) -> list[str]:
    """Only at its end an object has told whether its `url` is that of a picture."""
    return frame.urls if frame.is_picture or frame.under in PICTURES else []


def _urls(written: str) -> list[str]:
    try:
        url = str(json.loads(f'"{written}"', strict=False))
    except ValueError:  # an escape that is none
        url = written.replace("\\/", "/")
    return [url] if "/" in url or "." in url else []
