"""A sweep: what is stored already is asked whether the bank's lists have it, those too that came after it was stored.

Reads the snapshot, the lists and, for PDQ, the pictures, which are looked at in sandboxed workers; writes
`bank/sweep.json` in the home: how far these lists were asked, and what they had. A sweep that was broken off goes on
there. Forgetting what was found is a purge's work (`store/forgetting`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from store.catalog import Snapshot
from store.errors import PictureError
from store.files import write_durably
from store.glance import glance
from store.home import Home
from store.known_bad.bank import Bank
from store.known_bad.bankwatch import MAX_PICTURES, MAX_SOURCES
from store.known_bad.hashlists import as_text, folder
from store.known_bad.pdq import fingerprint
from store.sandbox import Failure, Sandbox, SandboxLimits

# As for pictures that are fetched, see crawl/check.py.
LIMITS = SandboxLimits(time_s=6.0, memory_bytes=900_000_000)
AT_ONCE = 500  # pictures between two marks of how far it went: some seconds. Chosen by eye
PICTURES = "SELECT picture FROM pictures WHERE picture > :after ORDER BY picture LIMIT :limit"
COUNT = "SELECT count(*) FROM pictures WHERE picture > :after"
SOURCES = "SELECT picture, source FROM pictures WHERE picture IN (SELECT unnest(CAST(:pictures AS VARCHAR[])))"

Asked = tuple[str, bytes]  # a picture's id and its bytes


@dataclass
class Sweep:
    """How far a sweep with the lists of this digest went, by id: `looked` at, of these `unread`; what matched.

    `matches`: (picture, entry, bank). A picture is unread when PDQ is wanted and its bytes are gone or hostile.
    """

    lists: str
    after: str = ""
    done: bool = False
    looked: int = 0
    unread: int = 0
    matches: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """Stored pictures to forget, by id with the bank's name; `mistaken` entries match far too much, and how much."""

    pictures: dict[str, str]
    mistaken: dict[str, str]


@dataclass(frozen=True)
class Prints:
    """Makes the function that a worker runs; picklable."""

    def __call__(self) -> Callable[[Asked], tuple[bytes, int] | Failure]:
        return printed


def printed(asked: Asked) -> tuple[bytes, int] | Failure:
    """(PDQs, quality) of a picture, as `fingerprint` has them."""
    try:
        return fingerprint(glance(asked[1], True).greys)
    except PictureError as error:
        return Failure(error.reason, error.detail)


def sweep(home: Home, fresh: bool, progress: Callable[[int, int | None], object] = lambda done, total: None) -> Sweep:
    """Ask the lists for every stored picture of the snapshot, or go on with a sweep that was broken off.

    `fresh`: a finished one is not taken for an answer. Raises BankError.
    """
    bank = Bank.load(home)
    found = _begun(home, bank, fresh)
    with Snapshot(home) as snapshot, Sandbox(Prints(), limits=LIMITS) as sandbox:
        total = found.looked + int(snapshot.value(COUNT, after=found.after))
        while rows := snapshot.rows(PICTURES, after=found.after, limit=AT_ONCE):
            pictures = [row["picture"] for row in rows]
            _look(home, bank, sandbox, pictures, found)
            found.looked, found.after = found.looked + len(pictures), pictures[-1]
            _keep(home, found)
            progress(found.looked, total)
    found.done = True
    _keep(home, found)
    return found


def judged(home: Home, found: Sweep, note: bool = False) -> Found:
    """What is to be forgotten, without what is in quarantine or belongs there; `note` puts it there."""
    bank = Bank.load(home)
    with Snapshot(home) as snapshot:
        rows = snapshot.rows(SOURCES, pictures=[picture for picture, _, _ in found.matches])
    source = {row["picture"]: row["source"] for row in rows}
    by_entry: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for picture, entry, name in found.matches:
        if picture in source and entry not in bank.watch.quarantined:
            by_entry[entry, name].add(picture)
    pictures, mistaken = dict[str, str](), dict[str, str]()
    for (entry, name), matched in by_entry.items():
        sources = {source[picture] or "" for picture in matched}
        if len(matched) > MAX_PICTURES and len(sources) > MAX_SOURCES:
            mistaken[entry] = f"{len(matched)} pictures of {len(sources)} sources"
            for picture in matched if note else ():
                bank.watch.note(entry, name, picture, source[picture] or "", time.time())
        else:
            pictures |= dict.fromkeys(matched, name)
    return Found(pictures, mistaken)


def forgotten(home: Home) -> None:
    """What the sweep found was asked to be forgotten: the next one begins anew."""
    _file(home).unlink(missing_ok=True)


def _look(
    home: Home, bank: Bank, sandbox: Sandbox[Asked, tuple[bytes, int]], pictures: list[str], found: Sweep
) -> None:
    if not any(one.kind == "pdq" for one in bank.lists):
        for picture in pictures:
            _match(bank, found, picture)
        return
    for (picture, _), made in sandbox.map(_stored(home, bank, pictures, found)):
        if isinstance(made, Failure):
            found.unread += 1
            _match(bank, found, picture)
        else:
            _match(bank, found, picture, *made)


def _stored(home: Home, bank: Bank, pictures: Iterable[str], found: Sweep) -> Iterator[Asked]:
    """The pictures with their bytes; one whose bytes are gone is known by its id alone."""
    blobs = home.blobs()
    for picture in pictures:
        try:
            yield picture, blobs.get(picture)
        except PictureError:
            found.unread += 1
            _match(bank, found, picture)


def _match(bank: Bank, found: Sweep, picture: str, pdq: bytes | None = None, quality: int = 0) -> None:
    found.matches += [(picture, one.entry, one.bank) for one in bank.find(picture, pdq, quality)]


def _begun(home: Home, bank: Bank, fresh: bool) -> Sweep:
    """The sweep with these lists that was broken off, else a new one."""
    texts = "".join(f"{one.kind}\0{as_text(one)}" for one in bank.lists)
    begun = Sweep(hashlib.sha256(texts.encode()).hexdigest())
    try:
        earlier = Sweep(**json.loads(_file(home).read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return begun
    earlier.matches = [(picture, entry, name) for picture, entry, name in earlier.matches]
    return begun if earlier.lists != begun.lists or (fresh and earlier.done) else earlier


def _keep(home: Home, found: Sweep) -> None:
    folder(home).mkdir(exist_ok=True)
    write_durably(_file(home), json.dumps(asdict(found)).encode())


def _file(home: Home) -> Path:
    return folder(home) / "sweep.json"
