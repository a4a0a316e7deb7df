"""The truth about a pack's pictures: the table beside them, and the answers that a scripted reviewer gives by it.

Reads and writes `truth.csv`. `python -m blindspot.domains.truth HOME N > answers.csv` answers the first N of the queue.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from store.errors import BlindspotError, HomeError
from store.files import write_durably

FOLDER, FILE = "domain", "truth.csv"
REVIEWER = "truth"


@dataclass(frozen=True)
class Truth:
    """One row: the picture's id, its file below the folder, and what `Planted` says of it.

    `count` things are planted, at `boxes`: `left top width height` in pixels, `;` between boxes.
    """

    picture: str
    file: str
    place: str
    role: str
    source: str
    family: str
    style: str
    label: str
    count: int
    boxes: str
    first: bool


COLUMNS = tuple(field.name for field in fields(Truth))


def write_truth(path: Path, rows: Iterable[Truth]) -> None:
    """Write the table."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([int(v) if isinstance(v, bool) else v for v in vars(row).values()] for row in rows)
    write_durably(path, out.getvalue().encode())


def read_truth(path: Path) -> dict[str, Truth]:
    """Picture → its row. Raises HomeError when there is no such table."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise HomeError(f"wanted a table of truth at {path}, found none; `blindspot init --domain` makes one") from None
    parsed = (Truth(**row | {"count": int(row["count"]), "first": row["first"] == "1"}) for row in rows)
    return {row.picture: row for row in parsed}


def answers(truth: dict[str, Truth], pictures: Iterable[str]) -> Iterator[dict[str, str]]:
    """A verdict for each of the pictures that the table knows; rows for `verdicts import`."""
    for picture in pictures:
        if picture in truth:
            yield {"picture": picture, "class": truth[picture].label, "reviewer": REVIEWER}


def as_csv(verdicts: Iterable[dict[str, str]]) -> str:
    """Verdicts as the CSV that `verdicts import` reads."""
    out = io.StringIO()
    writer = csv.DictWriter(out, ("picture", "class", "reviewer", "lane"), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(verdicts)
    return out.getvalue()


def main(words: list[str]) -> int:
    """`HOME N`: answer the first N entries of the queue, each in the name of its lane."""
    from store.catalog import Snapshot
    from store.home import Home

    if len(words) != 2 or not words[1].isdigit():
        print("usage: python -m blindspot.domains.truth HOME N > answers.csv", file=sys.stderr)
        return 2
    home = Home(Path(words[0]).resolve())
    try:
        with Snapshot(home) as snapshot:
            rows = snapshot.rows("SELECT picture, lane FROM queue ORDER BY rank LIMIT :n", n=int(words[1]))
        lanes = {row["picture"]: row["lane"] for row in rows}
        given = answers(read_truth(home.root / FOLDER / FILE), lanes)
        print(as_csv(row | {"lane": lanes[row["picture"]]} for row in given), end="")
    except BlindspotError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
