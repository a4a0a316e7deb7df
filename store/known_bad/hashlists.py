"""Lists of hashes as files: one hash a line, SHA-256 or PDQ, 64 hex digits each. Reads and writes `bank/` in the home.

A line may carry more after a comma, as the lists of ThreatExchange's tools do: a PDQ's quality, as `hash,87` or among
others as `hash=…,quality=87,…`. Empty lines and what follows a # do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from store.errors import BankError
from store.files import write_durably
from store.home import Home
from store.known_bad.pdq import POOR_QUALITY

Kind = Literal["sha256", "pdq"]
KINDS: tuple[Kind, ...] = ("sha256", "pdq")
LINE = re.compile(r"(?:hash=)?([0-9a-fA-F]{64})(?:\s*,\s*(?:(\d{1,3})\s*(?:,.*)?|(.*)))?")
QUALITY = re.compile(r"(?:.*,)?\s*quality=(\d{1,3})\b")
UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass
class HashList:
    """A bank's hashes of one kind: each in lower case with its quality (0–100) where the list says one.

    `rubbish` holds the lines that are none by number, from 1; `poor` counts PDQs that are too poor to match by.
    """

    name: str
    kind: Kind
    hashes: dict[str, int | None] = field(default_factory=dict)
    rubbish: list[int] = field(default_factory=list)
    poor: int = 0


def read_list(path: Path, name: str, kind: Kind) -> HashList:
    """The hashes in a file in whatever encoding. Raises BankError when it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BankError(
            f"the hash list {path} cannot be read: {error.strerror}; mend that, or `blindspot bank off`"
        ) from None
    text = data.decode("utf-16" if data.startswith(UTF16) else "utf-8-sig", "replace")
    found = HashList(name, kind)
    for number, line in enumerate(text.splitlines(), start=1):
        wanted = line.partition("#")[0].strip()
        if match := LINE.fullmatch(wanted):
            hash_, quality = match[1].lower(), _quality(match[2], match[3]) if kind == "pdq" else None
            if quality is not None and quality <= POOR_QUALITY:
                found.poor += 1
            else:
                found.hashes[hash_] = quality
        elif wanted:
            found.rubbish.append(number)
    return found


def write_list(home: Home, wanted: HashList) -> Path:
    """Make this the bank's list of that name and kind, durably and at once, in place of the one before."""
    folder(home).mkdir(parents=True, exist_ok=True)
    path = folder(home) / f"{wanted.name}.{wanted.kind}"
    write_durably(path, as_text(wanted).encode())
    return path


def as_text(wanted: HashList) -> str:
    """A list as `read_list` takes it back."""
    head = f"# {wanted.name}: {len(wanted.hashes)} hashes, {wanted.kind}\n"
    lines = (hash_ if quality is None else f"{hash_},{quality}" for hash_, quality in wanted.hashes.items())
    return head + "".join(f"{line}\n" for line in lines)


def list_files(home: Home) -> Iterator[tuple[Path, str, Kind]]:
    """The bank's lists: path, name and kind, by name."""
    for path in sorted(folder(home).glob("*")):
        for kind in KINDS:
            if path.suffix == f".{kind}" and not path.name.startswith("."):
                yield path, path.stem, kind


def folder(home: Home) -> Path:
    """Where the bank lies."""
    return home.root / "bank"


def _quality(told: str | None, more: str | None) -> int | None:
    """A quality that stands alone after the hash, or by name among more."""
    if told is None and more and (match := QUALITY.match(more)):
        told = match[1]
    return None if told is None else int(told)
