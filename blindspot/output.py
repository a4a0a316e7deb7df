"""How commands speak: results on standard output, as a table or as one JSON object; progress on standard error."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many rows.")]
NoFold = Annotated[bool, typer.Option("--no-fold", help="Leave the records in the inbox.")]


def show(data: Any, text: str, as_json: bool) -> None:
    """Print a result: `data` as JSON, or `text` for a person."""
    print(json.dumps(data, default=_plain, ensure_ascii=False) if as_json else text)


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], truncated: bool, as_json: bool) -> None:
    """Print rows: `{columns, rows, truncated}` as JSON, or a table with a line that says what was left out."""
    if as_json:
        show({"columns": list(columns), "rows": [list(row) for row in rows], "truncated": truncated}, "", True)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console(sys.stdout).print(table)
    if truncated:
        say(f"only the first {len(rows)} rows; --limit shows more")


def say(line: str) -> None:
    """A line for the person who waits, on standard error."""
    print(printable(line), file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error for `update(done, total)`; plain silence where that is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(sys.stderr), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def console(stream: Any) -> Console:
    """A console on `stream` that never interprets data as markup, and is wide where nobody looks."""
    from rich.console import Console

    width = None if stream.isatty() else 160
    return Console(file=stream, markup=False, highlight=False, emoji=False, width=width)


def printable(text: str) -> str:
    """`text` without control characters: names and reasons may come from the web."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in text)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dt.datetime):
        return value.isoformat(" ", "seconds")
    return printable(str(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
