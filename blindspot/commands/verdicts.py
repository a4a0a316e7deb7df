"""Commands about verdicts: import, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blindspot.output import AsJson, NoFold, show


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    verdicts = typer.Typer(help="What persons decided.", no_args_is_help=True)
    verdicts.command("import")(import_)
    verdicts.command("export")(export)
    app.add_typer(verdicts, name="verdicts")


def import_(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE.csv")],
    no_fold: NoFold = False,
    as_json: AsJson = False,
) -> None:
    """Append the verdicts of a CSV file, all or none."""
    from blindspot.settings import open_home
    from store.errors import VerdictError
    from store.fold import fold
    from store.policy import read_policy
    from store.verdicts import import_verdicts

    home, _ = open_home(ctx.obj)
    policy = read_policy(home.policy)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise VerdictError(f"{path} is not UTF-8 text; wanted the CSV of a contact sheet") from None
    fold(home)
    count = import_verdicts(home, policy, text)
    if not no_fold:
        fold(home)
    show({"verdicts": count}, f"{count} verdicts imported from {path}", as_json)


def export(
    ctx: typer.Context,
    path: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE.csv", help="Default: print.")] = None,
) -> None:
    """Every verdict ever made, as CSV."""
    from blindspot.settings import open_home
    from store.verdicts import export_verdicts

    home, _ = open_home(ctx.obj)
    text = export_verdicts(home)
    if path is None:
        print(text, end="")
    else:
        path.write_text(text, encoding="utf-8")
