"""Commands that only look: queue, families, sql."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blindspot.commands.sql import sql
from blindspot.output import AsJson, Limit, show, show_rows

QUEUE = "SELECT rank, lane, picture, value, reason FROM queue ORDER BY rank"
FAMILIES = """
    SELECT family, kind, version, n, flagged, false_positives, known_negatives,
           round(false_positives / nullif(known_negatives, 0), 4) AS false_positive_rate,
           misses, known_positives
    FROM families ORDER BY family, version"""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(queue)
    app.command()(families)
    app.command()(sql)


def queue(
    ctx: typer.Context,
    sheet: Annotated[Path | None, typer.Option("--sheet", metavar="FILE.html", help="Write a contact sheet.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show what a person should look at next, and why."""
    from blindspot.settings import open_home
    from store.console import ask
    from store.errors import UsageError

    home, _ = open_home(ctx.obj)
    if sheet is not None and not sheet.absolute().parent.is_dir():
        raise UsageError(f"--sheet wants a file in a folder that exists. Received: {sheet}")
    answer = ask(home, QUEUE, limit)
    if sheet is None:
        show_rows(answer.columns, answer.rows, answer.truncated, as_json)
        return
    from blindspot.sheet import sheet_entries, write_sheet
    from store.policy import read_policy

    policy = read_policy(home.policy)
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    entries = sheet_entries(home, rows, limit=limit)
    write_sheet(sheet, entries, policy, f"{home.root.name}: {len(entries)} pictures")
    text = f"{sheet}: {len(entries)} pictures; open it, answer, then `blindspot verdicts import FILE.csv`"
    show({"sheet": str(sheet), "entries": len(entries)}, text, as_json)


def families(ctx: typer.Context, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show every family and how often each version is wrong on it.

    Rates stand beside their numerator, denominator and 95 % interval.
    """
    from blindspot.settings import open_home
    from store.console import ask
    from train.statistics import clopper_pearson

    home, _ = open_home(ctx.obj)
    answer = ask(home, FAMILIES, limit)
    rows = []
    for row in answer.rows:
        named = dict(zip(answer.columns, row, strict=True))
        errors, n = named["false_positives"], named["known_negatives"]
        low, high = clopper_pearson(errors, n) if n else (None, None)
        rows.append([*row, low, high])
    show_rows([*answer.columns, "low_rate", "high_rate"], rows, answer.truncated, as_json)
