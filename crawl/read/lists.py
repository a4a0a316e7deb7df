"""Lists of URLs: plain text, one a line, or a folder of them by class. Read as a stream, however long.

Reads the files given, gzipped or not; writes nothing. Layout of the folder: nsfw_data_scraper's
`raw_data/<class>/urls_<class>.txt`. A class is a hint of whoever made the list, never a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from crawl.read.gzipped import MAGIC, GzipError, gunzipped
from crawl.read.lines import lines
from crawl.text import clean
from crawl.urls import MAX_URL_CHARS
from store.errors import UsageError

CHUNK_BYTES = 1 << 16
OF_A_CLASS = re.compile(r"urls_(?P<name>.+?)\.txt(\.gz)?", re.DOTALL)
MAX_HINT_CHARS = 100


@dataclass(frozen=True)
class Listed:
    """One line that says something: its number, its first word, the class of its list, and the file.

    `problem` says in a line why `written` cannot be what was meant: it was cut, or the file could not be read on.
    """

    line: int
    written: str
    hint: str | None
    file: Path
    problem: str | None = None


def listed(path: Path) -> Iterator[Listed]:
    """The lines of the list `path`, or of every list in the folder `path`, in order; neither empty nor `#` comments.

    A folder is nsfw_data_scraper's checkout, its `raw_data`, or that of one class. Lines that hold no URL come too,
    so that each can become a row. Raises UsageError when there is no list.
    """
    for file in _files(path):
        name = OF_A_CLASS.fullmatch(file.name)
        hint = clean(name["name"], MAX_HINT_CHARS) if name else None
        yield from _in_file(file, hint)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    places = ("urls_*.txt*", "*/urls_*.txt*", "raw_data/*/urls_*.txt*")
    found = {file for place in places for file in path.glob(place) if OF_A_CLASS.fullmatch(file.name)}
    files = sorted(file for file in found if file.is_file())
    if not files:
        wanted = "a list of URLs, or a folder with raw_data/<class>/urls_<class>.txt"
        raise UsageError(f"wanted {wanted}. Received: {path}")
    return files


def _in_file(file: Path, hint: str | None) -> Iterator[Listed]:
    number = 0
    try:
        with file.open("rb") as opened:
            for number, (line, length) in enumerate(lines(_pieces(opened), MAX_URL_CHARS), start=1):
                words = line.split(maxsplit=1)
                if words and not words[0].startswith("#"):
                    problem = f"{length} characters, at most {MAX_URL_CHARS}" if length > MAX_URL_CHARS else None
                    yield Listed(number, words[0], hint, file, problem)
    except (GzipError, OSError) as error:
        yield Listed(number + 1, "", hint, file, f"{file.name} cannot be read on: {clean(str(error))}")


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    is_gzip = file.read(len(MAGIC)) == MAGIC
    file.seek(0)
    packed = iter(lambda: file.read(CHUNK_BYTES), b"")
    return gunzipped(packed) if is_gzip else packed
