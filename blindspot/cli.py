"""The command. Importing it stays light: what a command needs is imported when it runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

# Typer carries its own copy of Click; its base error is exported nowhere else.
from typer._click.exceptions import ClickException

from blindspot.commands import home, looks, models, training, verdicts, work
from store.errors import BlindspotError

app = typer.Typer(
    name="blindspot",
    help="Find what an image-moderation model gets wrong, have a person decide, retrain, release with proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def start(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Option("--home", metavar="DIR", envvar="BLINDSPOT_HOME", help="The workspace.")
    ] = Path(),
) -> None:
    """Keep the home's folder for the command that follows."""
    ctx.obj = folder


for module in (home, work, looks, verdicts, models, training):
    module.add_to(app)


def main() -> None:
    """Run the command; every failure that a user can mend is one line and an exit code."""
    # TensorFlow's start-up chatter would bury the one line that matters.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        code = app(standalone_mode=False)
    except BlindspotError as error:
        code = _fail(str(error), error.exit_code)
    except ClickException as error:
        code = _fail(f"{error.format_message()} `blindspot --help` lists what there is.", 2)
    except (KeyboardInterrupt, typer.Abort):
        code = _fail("interrupted; what was acknowledged is kept, run the command again to go on", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        code = _fail(f"{error.strerror or error}: {error.filename or 'no file named'}; nothing acknowledged is lost", 1)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(line: str, code: int) -> int:
    from blindspot.output import say

    say("blindspot: " + " ".join(line.split()))
    return code
