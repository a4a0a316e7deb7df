"""XML from strangers as a flat run of elements: no tree, no entities, no network, nothing but the bytes given.

Pure; reads and writes nothing.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from lxml import etree  # type: ignore[import-untyped]

from crawl.text import clean

# What a document may hold; the rest is not read. Elements deeper down are passed over. Chosen by eye: the largest
# sitemap that the protocol allows has 250,000 elements, five deep.
MAX_ELEMENTS, MAX_DEPTH = 1_000_000, 100
# How far the root may lie behind declarations and comments. Chosen by eye.
SNIFFED_BYTES = 8_192
PROLOG = re.compile(r"\s*(?:(?:<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^<\[>]*(?:\[.*?\]\s*)?>)\s*)*", re.DOTALL | re.IGNORECASE)
ROOT = re.compile(r"<(?:[\w.-]{1,100}:)?([\w.-]{1,100})[\s/>]")
ENCODINGS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))
# Many a file has bare ampersands in its URLs and HTML's entities in its texts; libxml2 would lose both. Any `&` that
# begins no entity of XML itself stands for itself, which leaves no use for entities that a document declares.
AMPERSAND = re.compile(rb"&(?!(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos);)")
LONGEST_ENTITY = len("&#1114111;")


class Element(NamedTuple):
    """An element at its end: the local names from the root to it, in lower case, and what it says itself."""

    path: tuple[str, ...]
    namespace: str
    attributes: Mapping[str, str]
    text: str

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path[-1]

    @property
    def parent(self) -> str:
        """The name of the element around it; empty for the root."""
        return self.path[-2] if len(self.path) > 1 else ""


class Xml:
    """One document. `problem` says in a line what was wrong with it, once `elements` has ended."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self._found: list[Element] = []
        self._open: list[tuple[str, Mapping[str, str], list[str]]] = []
        self._path: tuple[str, ...] = ()
        self._deeper = 0

    def elements(self, pieces: Iterable[bytes]) -> Iterator[Element]:
        """The elements of the document that comes in `pieces`, each at its end; a fault of it raises nothing."""
        chunks, encoding = _decoded(iter(pieces))
        parser = etree.XMLParser(
            target=self,
            encoding=encoding,
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            recover=True,
        )
        count = 0
        for chunk in _escaped(chunks):
            parser.feed(chunk)
            taken = self._taken()
            count += len(taken)
            yield from taken
            if count > MAX_ELEMENTS:
                self.problem = f"more than {MAX_ELEMENTS} elements; the rest was not read"
                return
        self.problem = _end(parser)
        yield from self._taken()

    def _taken(self) -> list[Element]:
        taken, self._found = self._found, []
        return taken

    # ---- what lxml calls -----------------------------------------------------------------------------------

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._deeper or len(self._open) == MAX_DEPTH:
            self._deeper += 1
            return
        namespace, _, name = tag.rpartition("}")
        # Without entities libxml2 leaves each `&` of an attribute in the form that its own trees would read.
        read = {key: value.replace("&#38;", "&") for key, value in attributes.items()}
        self._open.append((namespace[1:], read, []))
        self._path = (*self._path, name.rpartition(":")[2].lower())

    def data(self, text: str) -> None:
        if self._open:
            self._open[-1][2].append(text)

    def end(self, tag: str) -> None:
        if self._deeper:
            self._deeper -= 1
            return
        namespace, attributes, text = self._open.pop()
        self._found.append(Element(self._path, namespace, attributes, "".join(text).strip()))
        self._path = self._path[:-1]

    def close(self) -> None:
        """There is nothing to hand over at the end: elements are taken as they come."""


def _decoded(pieces: Iterator[bytes]) -> tuple[Iterator[bytes], str | None]:
    """The document in an encoding that holds ASCII, and its name where that is not the document's to say."""
    first = next(pieces, b"")
    while len(first) < 4 and (more := next(pieces, b"")):
        first += more
    encoding = next((name for magic, name in ENCODINGS if first.startswith(magic)), None)
    if encoding is None:
        return _chain(first, pieces), None
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    return (decoder.decode(piece).encode() for piece in _chain(first, pieces)), "utf-8"


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _escaped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held = b""  # what may be the first half of an entity
    for chunk in chunks:
        data = held + chunk
        cut = data.find(b"&", max(0, len(data) - LONGEST_ENTITY))
        held = data[cut:] if cut >= 0 else b""
        escaped = AMPERSAND.sub(b"&amp;", data[: len(data) - len(held)])
        if escaped:
            yield escaped
    if held:
        yield AMPERSAND.sub(b"&amp;", held)


def _end(parser: etree.XMLParser) -> str | None:
    """Close `parser`; the first thing that was wrong, namespaces without a declaration apart."""
    try:
        parser.close()
    except etree.XMLSyntaxError as error:
        return clean(str(error))
    wrong = (
        entry for entry in parser.feed_error_log if entry.level_name != "WARNING" and entry.domain_name != "NAMESPACE"
    )
    first = next(wrong, None)
    return clean(f"line {first.line}: {first.message}") if first else None


def root_name(data: bytes) -> str | None:
    """The local name of the root element that `data` begins with, in lower case; None for what is no XML."""
    text = beginning(data)
    prolog = PROLOG.match(text)
    root = ROOT.match(text, prolog.end() if prolog else 0)
    return root[1].lower() if root else None


def beginning(data: bytes) -> str:
    """The first characters of a text in UTF-8 or UTF-16, without its byte order mark."""
    encoding = next((name for magic, name in ENCODINGS if data.startswith(magic)), "utf-8")
    return data[:SNIFFED_BYTES].decode(encoding, "replace").lstrip("\ufeff")
