"""Unpacks gzip piece by piece, and gives what is readable of one that is cut, damaged or lies.

Pure; reads and writes nothing. Bodies of answers: crawl/unpack.py.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

MAGIC = b"\x1f\x8b"
# Packed bytes taken at once and unpacked bytes given at once; streams that may follow one another. Chosen by eye.
CHUNK_BYTES, PIECE_BYTES, MAX_MEMBERS = 16_384, 65_536, 10_000


class GzipError(ValueError):
    """A gzip that is not what it says; whatever could be read of it was given before."""


def chunks(data: bytes) -> Iterator[bytes]:
    """`data` in bites for `gunzipped`."""
    return (data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES))


def gunzipped(packed: Iterator[bytes]) -> Iterator[bytes]:
    """The unpacked bytes of one or more gzip streams in pieces of at most PIECE_BYTES.

    Raises GzipError, after all that was readable. Zeros and other bytes after a stream are passed over, as gzip does.
    """
    chunk, members = next(packed, b""), 0
    while chunk:
        machine = zlib.decompressobj(16 + zlib.MAX_WBITS)
        while not machine.eof:
            if not chunk:
                raise GzipError("the gzip ends early")
            yield from _bite(machine, chunk)
            chunk = machine.unconsumed_tail or machine.unused_data or (b"" if machine.eof else next(packed, b""))
        chunk, members = (chunk or next(packed, b"")), members + 1
        if not MAGIC.startswith(chunk[:2]):
            return
        if members == MAX_MEMBERS:
            raise GzipError(f"the gzip has more than {MAX_MEMBERS} streams")


def _bite(machine: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    before = machine.copy()
    try:
        piece = machine.decompress(chunk, PIECE_BYTES)
    except zlib.error as error:
        yield from _byte_by_byte(before, chunk)
        raise GzipError(f"the gzip is damaged: {error}") from None
    if piece:
        yield piece


def _byte_by_byte(machine: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    """What zlib throws away when it meets an error: all that the bytes before it unpack to."""
    for at in range(len(chunk)):
        try:
            yield machine.decompress(chunk[at : at + 1])
        except zlib.error:
            return
