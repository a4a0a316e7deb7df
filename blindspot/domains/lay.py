"""Lays a pack's pictures out in a home's folder `domain/`, as an owner would bring them, with the truth beside them.

pool/SOURCE/…                  what a crawl would have brought
suites/SUITE/CLASS/SOURCE/…    evaluation pictures
families/FAMILY.txt            ids of the pictures of a family
first.csv                      the verdicts that the first training learns from
truth.csv                      everything that is known of every picture
import.sh                      all imports, one command a line
"""

from __future__ import annotations

import shlex
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from blindspot.domains.planted import POOL, Planted
from blindspot.domains.truth import FILE, FOLDER, Truth, answers, as_csv, write_truth
from store.blobs import picture_id
from store.files import write_durably
from store.home import Home

SCRIPT = """\
#!/bin/sh
# Brings the pictures of this folder into the home: the pool by source, suites by class, families by id.
set -e
cd "$(dirname "$0")"
blindspot() {{ {command} --home .. "$@"; }}
"""


def lay_out(
    home: Home, pictures: Iterable[Planted], progress: Callable[[int, int | None], None] = lambda done, total: None
) -> None:
    """Write the pictures and what goes with them. Run again, it writes the same."""
    folder = home.root / FOLDER
    rows: dict[str, Truth] = {}
    for number, picture in enumerate(pictures, start=1):
        identity = picture_id(picture.data)
        if identity not in rows:  # the same bytes twice are one picture
            path = folder / _place(picture) / f"{number:05d}.{picture.suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture.data)
            rows[identity] = _row(identity, str(path.relative_to(folder)), picture)
        progress(number, None)
    write_truth(folder / FILE, rows.values())
    known = answers(rows, [row.picture for row in rows.values() if row.first])
    write_durably(folder / "first.csv", as_csv(known).encode())
    families = _families(folder, rows.values())
    _script(folder, rows.values(), families)


def _place(picture: Planted) -> Path:
    if picture.place == POOL:
        return Path(POOL, picture.source)
    return Path("suites", picture.place, picture.label, picture.source)


def _row(identity: str, file: str, picture: Planted) -> Truth:
    boxes = ";".join(" ".join(map(str, box)) for box in picture.boxes)
    return Truth(
        identity,
        file,
        picture.place,
        picture.role,
        picture.source,
        picture.family,
        picture.style,
        picture.label,
        len(picture.boxes),
        boxes,
        picture.first,
    )


def _families(folder: Path, rows: Iterable[Truth]) -> list[str]:
    """A list of ids per family; the families' names."""
    members = defaultdict(list)
    for row in rows:
        if row.family:
            members[row.family].append(row.picture)
    for family, ids in members.items():
        path = folder / "families" / f"{family}.txt"
        path.parent.mkdir(exist_ok=True)
        write_durably(path, "".join(f"{identity}\n" for identity in ids).encode())
    return list(members)


def _script(folder: Path, rows: Iterable[Truth], families: Iterable[str]) -> None:
    """`import.sh`: suites first, so that none of their pictures is ever in the pool."""
    command = f"{shlex.quote(sys.executable)} -P -m blindspot"
    suites = {(Path(row.file).parent, row.place, row.label, row.role): None for row in rows if row.place != POOL}
    pool = {Path(row.file).parent: None for row in rows if row.place == POOL}
    lines = [
        f"import {path} --suite {suite} --label {label}" + (f" --role {role}" if role else "")
        for path, suite, label, role in suites
    ]
    lines += [f"import {path}" for path in pool]
    lines += [f"import families/{family}.txt --family {family}" for family in families]
    text = SCRIPT.format(command=command) + "".join(f"blindspot {line} --no-fold\n" for line in lines)
    write_durably(folder / "import.sh", f"{text}blindspot fold\n".encode())


def commands(home: Home) -> tuple[str, ...]:
    """What a person types next."""
    folder, ours = shlex.quote(str(home.root / FOLDER)), f"blindspot --home {shlex.quote(str(home.root))}"
    return (
        f"sh {folder}/import.sh",
        f"{ours} verdicts import {folder}/first.csv",
        f"{ours} train --from-scratch",
        f"{ours} models promote VERSION",
        f"{ours} mine run",
        f"{ours} sql --named",
    )
