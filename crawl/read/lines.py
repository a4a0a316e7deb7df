"""The lines of a text from strangers as a stream: any encoding, any line ends, and none too long to hold.

Pure; reads and writes nothing.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

# By a mark, or without one by the zero that UTF-16 has beside each of the first characters of `http`.
ENCODINGS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"h\0t\0", "utf-16-le"), (b"\0h\0t", "utf-16-be"))


def lines(pieces: Iterator[bytes], most: int) -> Iterator[tuple[str, int]]:
    """(line, its length in characters) for each line of the text in `pieces`; of a longer one the first `most`.

    Lines are Latin-1 where they are neither UTF-8 nor UTF-16.
    """
    rest, cut = "", 0
    for text in _texts(pieces):
        *whole, last = text.split("\n")
        if whole:
            whole[0] = rest + whole[0]
            yield _repaired(whole[0][:most]), len(whole[0]) + cut
            yield from ((_repaired(line[:most]), len(line)) for line in whole[1:])
            rest, cut = last, 0
        else:
            rest += last
        if len(rest) > most:
            rest, cut = rest[:most], cut + len(rest) - most
    if rest:
        yield _repaired(rest), len(rest) + cut


def _texts(pieces: Iterator[bytes]) -> Iterator[str]:
    """The text in pieces, every line end a line feed."""
    first = next(pieces, b"")
    encoding = next((name for mark, name in ENCODINGS if first.startswith(mark)), "utf-8-sig")
    # What is no UTF-8 waits as surrogates until `_repaired`; there is no such way for UTF-16.
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape" if encoding == "utf-8-sig" else "replace")
    newlines = io.IncrementalNewlineDecoder(decoder, translate=True)
    yield newlines.decode(first)
    for piece in pieces:
        yield newlines.decode(piece)
    yield newlines.decode(b"", final=True)


def _repaired(line: str) -> str:
    if line.isascii():
        return line
    try:
        line.encode()
    except UnicodeEncodeError:
        return line.encode("utf-8", "surrogateescape").decode("latin-1")
    return line
