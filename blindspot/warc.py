"""The records of a WARC file, one by one, however long or damaged the file is.

Reads the file, plain or gzipped record by record (as the standard wants) or as a whole; writes nothing. Headers are
parsed by warcio. What warcio does not do is done here: lines, headers and blocks are bounded, a gzip is unpacked in
small bites, and after damage the next record is looked for.
"""

from __future__ import annotations

import io
import logging
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from warcio.exceptions import ArchiveLoadFailed  # type: ignore[import-untyped]
from warcio.recordloader import ArcWarcRecordLoader  # type: ignore[import-untyped]
from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParser  # type: ignore[import-untyped]

from crawl.read.gzipped import CHUNK_BYTES, MAGIC
from store.pictures import Limits

SUFFIXES = (".warc", ".warc.gz")
# A record's header, and that of the HTTP message in it. Chosen by eye: honest ones have some kilobytes.
MAX_HEADER_BYTES = 1 << 18
# Of larger blocks only so much is read: what unpacks to a picture within the limit has no more, however chunked.
MAX_BLOCK_BYTES = Limits().max_bytes + 10_000_000
# Places at which a file may be damaged before it is given up, and how far before such a place the next gzip member
# may begin, which zlib had swallowed by then. Both bound the time that a hostile file takes. Chosen by eye.
MAX_DAMAGES, SWALLOWED_BYTES = 1_000, 1 << 16
# Of these the block is read; others are only counted.
READ_KINDS = frozenset({"response", "resource", "revisit", "request", "metadata"})

# It warns on stderr of blanks in a URL.
logging.getLogger("warcio").addHandler(logging.NullHandler())
logging.getLogger("warcio").propagate = False


@dataclass(frozen=True)
class Record:
    """One record: the value of WARC-Type, its headers, and its block, of which MAX_BLOCK_BYTES at most are read."""

    kind: str
    headers: StatusAndHeaders
    block: bytes
    length: int

    def get(self, name: str) -> str:
        """The value of a WARC header; empty when there is none."""
        return self.headers.get_header(name) or ""

    @property
    def ids(self) -> list[str]:
        """Its own id and those of the records that were made with it."""
        named = {"warc-record-id", "warc-concurrent-to"}
        return [value for name, value in self.headers.headers if name.lower() in named]

    def http(self) -> tuple[StatusAndHeaders, bytes] | None:
        """The HTTP message in the block: its header and its body; None when the block is none."""
        if not self.block.startswith(b"HTTP/") and not self.get("Content-Type").startswith("application/http"):
            return None
        stream = io.BytesIO(self.block)
        try:
            header = StatusAndHeadersParser([], verify=False).parse(_Bounded(stream, MAX_HEADER_BYTES))
        except (EOFError, BrokenRecordError):
            return None
        return header, self.block[stream.tell() :]


@dataclass(frozen=True)
class Damage:
    """A place in the file where no record could be read: its first byte, and what is wrong."""

    at: int
    detail: str


class BrokenRecordError(ValueError):
    """What stands here is not a whole record."""


def is_archive(path: Path, begins: bytes = b"") -> bool:
    """Whether a file is a WARC, by its name or its first bytes."""
    if path.name.lower().endswith(SUFFIXES) or begins.startswith(b"WARC/"):
        return True
    if not begins.startswith(MAGIC):
        return False
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(begins, 16).startswith(b"WARC/")
    except zlib.error:
        return False


def records(path: Path, at: Callable[[int], object] = lambda position: None) -> Iterator[Record | Damage]:
    """The records of the WARC file `path`; `at` hears how many bytes of the file were read. Raises OSError."""
    damages, whole = 0, True  # whether all was well since the last record
    with path.open("rb") as file:
        for found in _records_of_members(file) if _is_packed(path, file) else _records(file, file.tell):
            at(file.tell())
            if isinstance(found, Damage) and not whole:
                continue  # the rest of a place that was told of already
            whole = isinstance(found, Record)
            damages += not whole
            yield found
            if damages == MAX_DAMAGES:
                yield Damage(file.tell(), f"given up after {MAX_DAMAGES} damaged places")
                return


def _is_packed(path: Path, file: BinaryIO) -> bool:
    """By its first bytes, or when these are damaged by its name."""
    begins = file.read(len(b"WARC/"))
    file.seek(0)
    return begins.startswith(MAGIC) or (path.name.lower().endswith(".gz") and begins != b"WARC/")


def _records_of_members(file: BinaryIO) -> Iterator[Record | Damage]:
    for member in _members(file):
        if isinstance(member, Damage):
            yield member
        else:
            start, stream = member
            yield from _records(stream, lambda start=start: start)  # type: ignore[misc]


def _records(stream: BinaryIO, position: Callable[[], int]) -> Iterator[Record | Damage]:
    while True:
        start = position()
        try:
            line, skipped = _next_start(stream)
            if skipped:
                yield Damage(start, f"{skipped} bytes that belong to no record")
            if not line:
                return
            start = position()
            yield _record(stream, line)
        except BrokenRecordError as error:
            yield Damage(start, str(error))


def _next_start(stream: BinaryIO) -> tuple[bytes, int]:
    """(the first line of the next record, bytes before it that are not blank); no line at the end of the stream."""
    skipped, in_line = 0, False
    while line := stream.readline(CHUNK_BYTES):
        if line.startswith(b"WARC/") and not in_line:
            return line, skipped
        skipped += len(line.strip())
        in_line = not line.endswith(b"\n")
    return b"", skipped


def _record(stream: BinaryIO, line: bytes) -> Record:
    bounded = _Bounded(stream, MAX_HEADER_BYTES)
    try:
        parsed = ArcWarcRecordLoader().parse_record_stream(bounded, line, "warc", no_record_parse=True)
    except (ArchiveLoadFailed, EOFError) as error:
        raise BrokenRecordError(f"no header of a record: {error}") from None
    length = parsed.rec_headers.get_header("Content-Length") or ""
    if not (length.isascii() and length.isdecimal() and len(length) < 16):
        raise BrokenRecordError(f"a record without its length: Content-Length {length[:80]!r}")
    kind, size = (parsed.rec_type or "").lower(), int(length)
    wanted = min(size, MAX_BLOCK_BYTES) if kind in READ_KINDS else 0
    block = _read(stream, wanted)
    rest = size - wanted
    while rest:
        rest -= len(_read(stream, min(rest, CHUNK_BYTES)))
    return Record(kind, parsed.rec_headers, block, size)


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise BrokenRecordError(f"a record ends early: {size - len(data)} bytes of its block are missing")
    return data


class _Bounded:
    """The stream that warcio reads a header from, which may not be longer than `limit` bytes."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._left = stream, limit

    def readline(self, length: int | None = None) -> bytes:
        line = self._stream.readline(self._left)
        self._left -= len(line)
        if self._left <= 0:
            raise BrokenRecordError(f"a header of more than {MAX_HEADER_BYTES} bytes")
        return line


# ---- gzip --------------------------------------------------------------------------------------------------


def _members(file: BinaryIO) -> Iterator[tuple[int, BinaryIO] | Damage]:
    """(place, unpacked stream) of each gzip member; after damage the next one is looked for."""
    start = 0
    while True:
        found, skipped = _find_member(file, start)
        if skipped:
            yield Damage(start, f"{skipped} bytes that belong to no gzip")
        if found is None:
            return
        file.seek(found)
        member = _Member(file)
        yield found, io.BufferedReader(member, CHUNK_BYTES)
        member.finish()
        start = file.tell() - member.unused
        if not member.is_whole:
            start = max(found + 1, start - SWALLOWED_BYTES)


def _find_member(file: BinaryIO, start: int) -> tuple[int | None, int]:
    """(the place of the first gzip header from `start` on, bytes before it that are not zeros)."""
    wanted, window, skipped = MAGIC + b"\x08", b"", 0
    file.seek(start)
    while chunk := file.read(CHUNK_BYTES):
        window += chunk
        found = window.find(wanted)
        if found >= 0:
            return start + found, skipped + found - window.count(0, 0, found)
        cut = max(0, len(window) - len(wanted) + 1)
        skipped += cut - window.count(0, 0, cut)
        start, window = start + cut, window[cut:]
    return None, skipped + len(window) - window.count(0)


class _Member(io.RawIOBase):
    """One gzip member unpacked in small bites. Raises BrokenRecordError once where it is damaged or cut, then ends."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._machine = file, zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._packed = b""
        self._ended = self.is_whole = False

    def readable(self) -> bool:
        return True

    @property
    def unused(self) -> int:
        """How many bytes were read of the file that are not this member's."""
        return len(self._machine.unused_data) if self.is_whole else 0

    def finish(self) -> None:
        """Unpack what nobody has read, as far as it goes."""
        try:
            while self.readinto(bytearray(CHUNK_BYTES)):
                continue
        except BrokenRecordError:
            return  # nothing of it was wanted

    def readinto(self, buffer: Any) -> int:
        while not self._ended:
            piece = self._unpack(len(buffer))
            buffer[: len(piece)] = piece
            if piece:
                return len(piece)
        return 0

    def _unpack(self, size: int) -> bytes:
        packed = self._packed or self._file.read(CHUNK_BYTES)
        try:
            piece = self._machine.decompress(packed, size)
        except zlib.error as error:
            self._ended = True
            raise BrokenRecordError(f"the gzip is damaged: {error}") from None
        self._packed = self._machine.unconsumed_tail
        self._ended = self.is_whole = self._machine.eof
        if not packed and not piece and not self._ended:
            self._ended = True
            raise BrokenRecordError("the file ends within a record")
        return piece
