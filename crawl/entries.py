"""What the frontier takes and gives: links that were found, entries that are leased, and what is kept of an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """A URL that was found: kind `page`, `picture` or `style`, on which page, how deep, after how many redirects."""

    url: str
    kind: str
    host: str
    page: str | None = None
    depth: int = 0
    hops: int = 0
    priority: int = 0
    hint: str | None = None


@dataclass(frozen=True)
class Entry:
    """A leased URL. `etag`, `modified` and `picture` are what its last answer said and gave."""

    id: int
    url: str
    kind: str
    host: str
    page: str | None
    depth: int
    hops: int
    tries: int
    etag: str | None
    modified: str | None
    picture: str | None
    hint: str | None


@dataclass(frozen=True)
class Kept:
    """What an answer leaves with its entry: validators, the picture's id, a page's links, where it redirects to."""

    etag: str | None = None
    modified: str | None = None
    picture: str | None = None
    named: bytes | None = None
    moved: str | None = None
