"""An archived HTTP answer's body as a browser had it: out of its chunks and its content codings.

Pure; reads and writes nothing. Every step is bounded: a bomb gives one byte more than it may.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
from backports import zstd
from warcio.statusandheaders import StatusAndHeaders  # type: ignore[import-untyped]

from store.errors import PictureError
from store.pictures import sniff

# Source: RFC 9112, 7.1: the size of a chunk in hexadecimal, extensions, and after the chunk a line end.
SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;|\Z)")
MAX_SIZE_LINE = 4_096
MAX_CODINGS = 4  # chosen by eye: honest answers have one
IDENTITY = frozenset({"", "identity", "none", "binary"})


def as_shown(header: StatusAndHeaders, body: bytes, limit: int) -> bytes:
    """The decoded `body`; when it would be longer than `limit` bytes, its first `limit` + 1.

    Many archives hold bodies that were decoded already, and the header as it was: what is a picture stays as it is.
    Raises PictureError (`incomplete`, `bad_encoding`).
    """
    if sniff(body) is None and "chunked" in (header.get_header("Transfer-Encoding") or "").lower():
        body = _joined(body)
    names = [name.strip().lower() for name in (header.get_header("Content-Encoding") or "").split(",")]
    codings = [name for name in reversed(names) if name not in IDENTITY]
    if len(codings) > MAX_CODINGS:
        raise PictureError("bad_encoding", f"{len(codings)} content codings")
    for name in codings:
        if sniff(body) is None:
            body = _unpacked(name, body, limit + 1)
    return body


def _joined(body: bytes) -> bytes:
    """The chunks of `body` joined; a body that is not in chunks as it is. Raises PictureError `incomplete`."""
    joined, at = bytearray(), 0
    while True:
        end = max(at, body.find(b"\r\n", at, at + MAX_SIZE_LINE))
        size = SIZE.match(body, at, end)
        if size is None and not at:
            return body
        length = int(size[1], 16) if size else len(body)
        if not length:
            return bytes(joined)
        at = end + 2 + length
        if at > len(body):
            raise PictureError("incomplete", f"the chunks of the body end early, after {len(joined)} bytes")
        joined += body[end + 2 : at]
        at += 2


def _unpacked(name: str, body: bytes, most: int) -> bytes:
    """At most `most` bytes of what `body` unpacks to. Raises PictureError `bad_encoding`."""
    unpack = CODINGS.get(name)
    if unpack is None:
        raise PictureError("bad_encoding", f"content coding {name[:40]!r}; known: {', '.join(CODINGS)}")
    try:
        data, ended = unpack(body, most)
    except (zlib.error, brotli.error, zstd.ZstdError, EOFError) as error:
        raise PictureError("bad_encoding", f"{name}: {error}") from None
    if not ended and len(data) < most:
        raise PictureError("incomplete", f"the {name} body ends early")
    return data


def _inflate(body: bytes, most: int) -> tuple[bytes, bool]:
    # Servers mean either by `deflate`: zlib's format, or the bare stream within.
    try:
        return _zlib(zlib.MAX_WBITS, body, most)
    except zlib.error:
        return _zlib(-zlib.MAX_WBITS, body, most)


def _gunzip(body: bytes, most: int) -> tuple[bytes, bool]:
    return _zlib(16 + zlib.MAX_WBITS, body, most)


def _zlib(window_bits: int, body: bytes, most: int) -> tuple[bytes, bool]:
    machine = zlib.decompressobj(window_bits)
    return machine.decompress(body, most), machine.eof


def _unbrotli(body: bytes, most: int) -> tuple[bytes, bool]:
    machine, data = brotli.Decompressor(), bytearray()
    piece = machine.process(body, output_buffer_limit=most)
    while piece:
        data += piece
        if len(data) >= most or machine.is_finished():
            break
        piece = machine.process(b"", output_buffer_limit=most - len(data))
    return bytes(data[:most]), machine.is_finished()


def _unzstd(body: bytes, most: int) -> tuple[bytes, bool]:
    machine = zstd.ZstdDecompressor()
    return machine.decompress(body, most), machine.eof


# How a content coding is undone: at most so many bytes, and whether the packed stream came to its end.
CODINGS: dict[str, Callable[[bytes, int], tuple[bytes, bool]]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
