"""The pictures in WARC files: bytes as a browser had them, with where and when they were seen.

Reads the files; writes nothing, what is found goes the way of every import (blindspot/importing.py). Times are those
of the records, also of refusals, so that the same archive gives the same rows however often it is imported.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from warcio.statusandheaders import StatusAndHeaders  # type: ignore[import-untyped]

from blindspot.payloads import as_shown
from blindspot.warc import Damage, Record, records
from crawl.rules.dates import moment
from crawl.text import clean
from crawl.urls import MAX_URL_CHARS, resolve
from store.blobs import picture_id
from store.errors import PictureError
from store.pictures import Limits, sniff
from store.sources import source_of

# Digests of pictures that a later revisit may name, and pages that a later record may stand on: the newest are kept,
# some 200 MB and 1 MB at most. Chosen by eye.
MAX_DIGESTS, MAX_PAGES = 1_000_000, 5_000
PORTS = {"http": 80, "https": 443}
HEX_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64}
MAX_TYPE_CHARS = 200
RANGE = re.compile(r"bytes\s+0-(\d{1,15})/(\d{1,15})", re.ASCII)
VIA = re.compile(rb"^via:[ \t]*(\S+)", re.MULTILINE | re.IGNORECASE)

Http = tuple[StatusAndHeaders, bytes]


@dataclass(frozen=True)
class Found:
    """A picture of an archive and where it was seen, or the error in its place.

    `data` is None for a revisit: the picture was there before. `host` and `source` are None where a URL has no host.
    """

    url: str
    seen_at: dt.datetime
    picture: str = ""
    data: bytes | None = None
    page: str | None = None
    host: str | None = None
    source: str | None = None
    http_status: int | None = None
    content_type: str | None = None
    error: PictureError | None = None


class Archives:
    """The archives of one import: a revisit in one may name a picture of an earlier one.

    `has` tells whether a picture is stored. `passed_over` counts the records that are no pictures, by kind or reason.
    """

    def __init__(self, has: Callable[[str], bool], max_bytes: int = Limits().max_bytes) -> None:
        self.passed_over: Counter[str] = Counter()
        self._has, self._max_bytes = has, max_bytes
        self._pictures: dict[str, str] = {}  # by digest

    def found_in(self, path: Path, at: Callable[[int], object] = lambda position: None) -> Iterator[Found]:
        """What the WARC file `path` holds; `at` hears how many of its bytes were read. Raises OSError."""
        made_at = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
        pages, waiting = _Pages(), None  # on which page a picture stood, a record just before or after it may tell
        for record in records(path, at):
            if isinstance(record, Record) and record.kind not in ("response", "resource", "revisit"):
                pages.note(record)
                self.passed_over[clean(record.kind, 40) or "untyped"] += 1
                continue
            if waiting:
                yield pages.placed(*waiting)
                waiting = None
            if isinstance(record, Damage):
                error = PictureError("damaged_record", clean(record.detail))
                yield Found(f"{path}#{record.at}", made_at, error=error)
            elif found := self._found(record, Found(f"{path}", made_at)):
                waiting = pages.placed(found, record), record
        if waiting:
            yield pages.placed(*waiting)

    def _found(self, record: Record, unnamed: Found) -> Found | None:
        """The picture that `record` holds or repeats; None for any other record, which is counted."""
        http = record.http()
        try:
            if record.kind == "revisit":
                picture, data = self._repeated(record), None
            else:
                data = self._payload(record, http)
                picture = picture_id(data) if sniff(data) else None
            if picture is None:
                self.passed_over["not_a_picture" if data is not None else "unknown_revisit"] += 1
                return None
            seen = _seen(record, http[0] if http else None)
            if data is not None:
                _check(record, http, data, self._max_bytes)
                self._remember(record, http[1] if http else record.block, picture)
            return replace(seen, picture=picture, data=data)
        except PictureError as error:
            seen_at = moment(record.get("WARC-Date")) or unnamed.seen_at
            return Found(_url_text(record) or unnamed.url, seen_at, error=error)

    def _payload(self, record: Record, http: Http | None) -> bytes:
        """The bytes of the payload; an answer that cannot be decoded matters only if it calls itself a picture."""
        if http is None:
            return record.block
        try:
            return as_shown(*http, self._max_bytes)
        except PictureError:
            if _kind(http[0]).startswith("image/"):
                raise
            return b""

    def _remember(self, record: Record, body: bytes, picture: str) -> None:
        digest = _digest(record.get("WARC-Payload-Digest")) or f"sha1:{_hex('sha1', body)}"
        self._pictures[digest] = picture
        if len(self._pictures) > MAX_DIGESTS:
            del self._pictures[next(iter(self._pictures))]

    def _repeated(self, record: Record) -> str | None:
        """The picture that a revisit names, if it came before or is stored."""
        digest = _digest(record.get("WARC-Payload-Digest"))
        algorithm, _, value = digest.partition(":")
        known = self._pictures.get(digest)
        return known or (value if algorithm == "sha256" and self._has(value) else None)


class _Pages:
    """Pages by what stood on them: the ids of records that belong together, else a URL, until it is next seen."""

    def __init__(self) -> None:
        self._pages: dict[str, str] = {}

    def note(self, record: Record) -> None:
        """Remember the Referer of a request and the `via` of a crawler's metadata."""
        page = None
        if record.kind == "request":
            http = record.http()
            page = resolve("", http[0].get_header("Referer") or "") if http else None
        elif record.kind == "metadata":
            via = VIA.search(record.block[: 1 << 16])
            page = resolve("", via[1].decode("utf-8", "replace")) if via else None
        if page:
            for key in (*record.ids, _url_text(record)):
                self._pages.pop(key, None)
                self._pages[key] = page
        while len(self._pages) > MAX_PAGES:
            del self._pages[next(iter(self._pages))]

    def placed(self, found: Found, record: Record) -> Found:
        """`found` with its page, if one was told, and its source: that of the page, else of itself."""
        if found.error or found.page or not found.host:
            return found
        by_url = self._pages.pop(found.url, None)
        page = next((self._pages[key] for key in record.ids if key in self._pages), by_url)
        parts = urlsplit(page or found.url)
        return replace(found, page=page, source=source_of(parts.hostname or "", parts.port or PORTS.get(parts.scheme)))


def _url_text(record: Record) -> str:
    """WARC-Target-URI as a row can hold it: fetchable without credentials, or, like `urn:…`, in one clean line."""
    written = record.get("WARC-Target-URI")
    return resolve("", written) or clean(written, MAX_URL_CHARS)


def _seen(record: Record, header: StatusAndHeaders | None) -> Found:
    """Where and when. Raises PictureError `bad_url` or `bad_record`."""
    url, seen_at = _url_text(record), moment(record.get("WARC-Date"))
    if not url or seen_at is None:
        raise PictureError("bad_record", "no WARC-Target-URI" if not url else "no WARC-Date that is a time")
    fetchable = resolve("", record.get("WARC-Target-URI"))
    if not fetchable and url.lower().startswith(("http:", "https:")):
        raise PictureError("bad_url", "not a URL that can be fetched")
    status = header.get_statuscode() if header else ""
    return Found(
        url,
        seen_at,
        host=urlsplit(fetchable).hostname if fetchable else None,
        http_status=int(status) if re.fullmatch("[1-9][0-9][0-9]", status) else None,
        content_type=clean((_kind(header) if header else record.get("Content-Type")), MAX_TYPE_CHARS) or None,
    )


def _kind(header: StatusAndHeaders) -> str:
    return header.get_header("Content-Type") or ""


def _check(record: Record, http: Http | None, data: bytes, max_bytes: int) -> None:
    """Raise PictureError for a picture that is too large (`too_many_bytes`), cut (`incomplete`) or `damaged_record`."""
    if record.length > len(record.block) or len(data) > max_bytes:
        raise PictureError("too_many_bytes", f"more than {max_bytes} bytes")
    if record.get("WARC-Truncated"):
        raise PictureError("incomplete", f"cut when it was archived: {clean(record.get('WARC-Truncated'), 80)}")
    if http and _is_part(*http):
        raise PictureError("incomplete", "a part of what the server has")
    digest = _digest(record.get("WARC-Block-Digest"))
    algorithm, _, value = digest.partition(":")
    if value and _hex(algorithm, record.block) != value:
        raise PictureError("damaged_record", "its bytes do not give the WARC-Block-Digest")


def _is_part(header: StatusAndHeaders, body: bytes) -> bool:
    """Whether the answer holds less than the whole: it says so, or announces more bytes than it has."""
    if header.get_statuscode() == "206":
        whole = RANGE.fullmatch((header.get_header("Content-Range") or "").strip())
        return whole is None or int(whole[1]) + 1 != int(whole[2])
    announced = header.get_header("Content-Length") or ""
    is_packed = header.get_header("Transfer-Encoding") or header.get_header("Content-Encoding")
    return not is_packed and announced.isdecimal() and len(announced) < 16 and int(announced) > len(body)


def _hex(algorithm: str, data: bytes) -> str:
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


def _digest(written: str) -> str:
    """A digest as algorithm:hex, from hex or base32; empty for one that cannot be read."""
    algorithm, _, value = written.strip().lower().partition(":")
    algorithm = algorithm.replace("-", "")
    digits = HEX_DIGITS.get(algorithm, 0)
    if len(value) != digits:
        try:
            value = base64.b32decode(value.upper() + "=" * (-len(value) % 8)).hex()
        except (binascii.Error, ValueError):
            return ""
    return f"{algorithm}:{value}" if digits and re.fullmatch(f"[0-9a-f]{{{digits}}}", value) else ""
