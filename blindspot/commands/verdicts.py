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
    from blindspot.settings import open_home, unbraked
    from store.errors import VerdictError
    from store.fold import fold
    from store.policy import read_policy
    from store.verdicts import import_verdicts

    home = unbraked(open_home(ctx.obj)[0])
    policy = read_policy(home.policy)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise VerdictError(f"{path} is not UTF-8 text; wanted the CSV of a contact sheet") from None
    except OSError as error:
        raise VerdictError(f"wanted the CSV of a contact sheet. Received: {path} ({error.strerror})") from None
    fold(home)
    count = import_verdicts(home, policy, text)
    if not no_fold:
        fold(home)
    show({"verdicts": count}, f"{count} verdicts of {path} are in the store; those known before count once", as_json)


def export(
    ctx: typer.Context,
    path: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE.csv", help="Default: print.")] = None,
    as_json: AsJson = False,
) -> None:
    """Every record ever made, as CSV that `verdicts import` takes back."""
    import csv
    import io

    from blindspot.settings import open_home
    from store.files import write_durably
    from store.verdicts import export_verdicts

    home, _ = open_home(ctx.obj)
    text = export_verdicts(home)
    columns, *rows = csv.reader(io.StringIO(text))
    if path is not None:
        write_durably(path, text.encode())
        show({"file": str(path), "verdicts": len(rows)}, f"{len(rows)} records written to {path}", as_json)
    elif as_json:
        empty_is_null = [[value or None for value in row] for row in rows]
        show({"columns": columns, "rows": empty_is_null, "truncated": False}, "", True)
    else:
        print(text, end="", flush=True)
