"""How commands speak: results on standard output, as a table or as one JSON object; progress on standard error."""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many rows.")]
# Wider than any row, for a console that no terminal ends.
UNFOLDED = 1_000_000
NoFold = Annotated[bool, typer.Option("--no-fold", help="Leave the records in the inbox.")]


def show(data: Any, text: str, as_json: bool) -> None:
    """Print a result: `data` as JSON, or `text` for a person."""
    # As escapes where the stream has no letters for it: JSON stays JSON in any locale.
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    print(json.dumps(plain(data), allow_nan=False, ensure_ascii=ascii_only) if as_json else text, flush=True)


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], truncated: bool, as_json: bool) -> None:
    """Print rows: `{columns, rows, truncated}` as JSON, or a table with a line that says what was left out."""
    if as_json:
        show({"columns": list(columns), "rows": [list(row) for row in rows], "truncated": truncated}, "", True)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(printable(column), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console(sys.stdout).print(table)
    if truncated:
        say(f"only the first {len(rows)} rows; --limit shows more")


def say(line: str) -> None:
    """A line for the person who waits, on standard error."""
    print(printable(line), file=sys.stderr, flush=True)


def user() -> str:
    """Who runs this, for the record: the name of the account, or its number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on standard error for `update(done, total)`, total None for nobody knows; silence elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(sys.stderr), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def live_line() -> Iterator[Callable[[str], None]]:
    """A line on standard error that `update(text)` replaces while the work goes on; silence where no terminal is."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.text import Text

    with console(sys.stderr).status("") as status:
        yield lambda text: status.update(Text(printable(text)))


def console(stream: Any) -> Console:
    """A console on `stream` that never interprets data as markup, and folds no row where no terminal ends it."""
    from rich.console import Console

    width = None if stream.isatty() else UNFOLDED
    return Console(file=stream, markup=False, highlight=False, emoji=False, width=width)


def printable(text: str) -> str:
    """`text` without control characters: names and reasons may come from the web."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in text)


def plain(value: Any) -> Any:
    """`value` in the types of JSON: times in ISO 8601, bytes in hex, decimals as numbers, what is no number null."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if hasattr(value, "tolist"):  # a number or an array of NumPy
        return plain(value.tolist())
    return value.hex() if isinstance(value, bytes) else str(value)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dt.datetime):
        return value.isoformat(" ", "seconds")
    # One row, one line, where no terminal ends it: the next program counts lines.
    text = printable(str(value))
    return text if sys.stdout.isatty() else text.replace("\n", " ")
