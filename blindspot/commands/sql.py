"""`sql`: any SELECT on the published snapshot, the named questions, and what tables and views there are."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blindspot.output import AsJson, Limit, say, show, show_rows

if TYPE_CHECKING:
    from store.home import Home


def sql(
    ctx: typer.Context,
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="One SELECT; with --named or --tables a name.")
    ] = None,
    named: Annotated[bool, typer.Option("--named", help="Ask the question of that name; list all without.")] = False,
    tables: Annotated[bool, typer.Option("--tables", help="What tables and views there are; or one of them.")] = False,
    given: Annotated[
        list[str] | None, typer.Option("--with", metavar="NAME=VALUE", help="A parameter: $NAME in the SQL.")
    ] = None,
    only_show: Annotated[bool, typer.Option("--show", help="Print the SQL of a named question.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV on standard output.")] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="S", min=0.1, max=86_400, help="Stop the query then.")
    ] = 60.0,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Ask the catalog in SQL, or a question by its name.

    Reads the published snapshot; cannot change it or reach any other file.
    """
    from blindspot.settings import open_home
    from store.console import Answer, ask
    from store.named import TABLE_COLUMNS, listing, pairs
    from store.named import tables as all_tables

    words = given or []
    _check(query, named, tables, words, only_show, as_csv and as_json)
    home, _ = open_home(ctx.obj)
    if named and query is None:
        answer = Answer(["name", "meaning", "parameters", "columns"], [*listing()], False)
    elif named and query is not None:
        _named(home, query, words, only_show, limit, timeout, as_csv, as_json)
        return
    elif tables:
        answer = Answer([*TABLE_COLUMNS], all_tables(home, query), False)
    else:
        answer = ask(home, query or "", limit, timeout, pairs(words))
    _put(answer.columns, answer.rows[:limit], answer.truncated or len(answer.rows) > limit, as_csv, as_json)


def _named(
    home: Home, name: str, words: list[str], only_show: bool, limit: int, timeout: float, as_csv: bool, as_json: bool
) -> None:
    from store.console import ask
    from store.named import pairs, question, settle, shown

    values = settle(home, name, pairs(words), timeout)
    if only_show:
        text = shown(name, values)
        show({"name": name, "sql": text}, text, as_json)
        return
    answer = ask(home, question(name).sql, limit, timeout, values)
    if values:
        say(f"{name}: " + " ".join(f"{word}={'-' if value is None else value}" for word, value in values.items()))
    _put(answer.columns, answer.rows, answer.truncated, as_csv, as_json)


def _check(query: str | None, named: bool, tables: bool, words: list[str], only_show: bool, two_forms: bool) -> None:
    from store.errors import UsageError

    if two_forms:
        raise UsageError("wanted one of --csv and --json. Received: both")
    if named and tables:
        raise UsageError("wanted one of --named and --tables. Received: both")
    if query is None and not (named or tables):
        raise UsageError("Missing argument 'QUERY': one SELECT; or --named for questions, --tables for what there is")
    if only_show and (not named or query is None):
        raise UsageError("--show wants the name of a question: `blindspot sql --named NAME --show`")
    if words and (query is None or tables):
        raise UsageError("--with wants a query, or the name of a question. Received: neither")
    try:
        " ".join((query or "", *words)).encode()
    except UnicodeEncodeError:
        raise UsageError("SQL wants text in UTF-8. Received: bytes that are none") from None


def _put(columns: Sequence[str], rows: Sequence[Sequence[Any]], truncated: bool, as_csv: bool, as_json: bool) -> None:
    if not as_csv:
        show_rows(columns, rows, truncated, as_json)
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    if truncated:
        say(f"only the first {len(rows)} rows; --limit shows more")
