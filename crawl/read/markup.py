"""HTML as a flat run of tags, in time and memory linear in its length, however hostile it is.

No tree is built: libxml2's trees take quadratic time for an element of many attributes (29 s for 40,000), and
what carriers need is in the tags alone. Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lxml import etree  # type: ignore[import-untyped]

# How much is parsed at one go, and how deep elements may nest before the parser starts afresh: every end tag
# searches libxml2's stack of open elements. Honest pages nest less than 100 deep. Measured, 5 MB of 500,000 open
# elements and as many wrong end tags: 3 s; with one parser all along, minutes.
CHUNK_BYTES, MAX_DEPTH = 8_192, 500
WITH_TEXT = frozenset({"script", "style"})


class Tag(NamedTuple):
    """A start tag: its name and those of its attributes in lower case, values with entities resolved.

    `text` is what a `script` or `style` element holds; for all others it is empty.
    """

    name: str
    attributes: Mapping[str, str]
    text: str = ""

    def get(self, name: str) -> str:
        """The value of an attribute; empty when there is none."""
        return self.attributes.get(name) or ""


class _Reader:
    """A parser that libxml2 feeds with events; `found` are the tags since they were last taken."""

    def __init__(self) -> None:
        self.found: list[Tag] = []
        self.depth = 0
        self._open: Tag | None = None
        self._text: list[str] = []
        self._parser = etree.HTMLParser(encoding="utf-8", target=self)

    def read(self, data: bytes) -> list[Tag]:
        """The tags that end in `data`, which goes on where the last call ended."""
        self._parser.feed(data)
        return self._taken()

    def rest(self) -> list[Tag]:
        """The tags that were left open. The last call."""
        try:
            self._parser.close()
        except etree.XMLSyntaxError:
            return []  # not a tag in it
        return self._taken()

    def _taken(self) -> list[Tag]:
        taken, self.found = self.found, []
        return taken

    # ---- what lxml calls -----------------------------------------------------------------------------------

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.depth += 1
        tag = Tag(name, dict(attributes))
        if name in WITH_TEXT:
            self._open, self._text = tag, []
        else:
            self.found.append(tag)

    def data(self, text: str) -> None:
        if self._open is not None:
            self._text.append(text)

    def end(self, name: str) -> None:
        self.depth -= 1
        if self._open is not None and name == self._open.name:
            self.found.append(self._open._replace(text="".join(self._text)))
            self._open = None

    def close(self) -> None:
        """There is nothing to hand over at the end: tags are taken as they come."""


def tags(page: str) -> Iterator[Tag]:
    """The tags of `page` in order. Broken HTML gives what a parser can make of it; never raises."""
    # As bytes: lxml refuses text that declares an encoding, and NUL would end the page.
    data = page.replace("\0", "").encode("utf-8", "replace")
    reader, at = _Reader(), 0
    while at < len(data):
        if reader.depth > MAX_DEPTH:
            yield from reader.rest()
            reader = _Reader()
        end = _end_of_chunk(data, at)
        yield from reader.read(data[at:end])
        at = end
    if data:
        yield from reader.rest()


def _end_of_chunk(data: bytes, at: int) -> int:
    """Where the chunk from `at` on ends: before a tag if it can, so that a fresh parser sees the whole of it."""
    end = at + CHUNK_BYTES
    if end >= len(data):
        return len(data)
    before_tag = data.rfind(b"<", at + 1, end)
    return before_tag if before_tag > 0 else end
