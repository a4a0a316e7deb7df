"""The command. Importing it stays light: what a command needs is imported when it runs."""

from __future__ import annotations

import os
import re
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

# Typer carries its own copy of Click; its base errors are exported nowhere else.
from typer._click.exceptions import ClickException, NoArgsIsHelpError, UsageError

from blindspot.commands import bank, forget, home, looks, models, training, verdicts, work
from store.errors import BlindspotError
from store.files import TEMPORARY

app = typer.Typer(
    name="blindspot",
    help="Find what an image-moderation model gets wrong, have a person decide, retrain, release with proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# Set to anything, it gives the whole traceback of a defect of ours instead of one line.
TRACEBACK = "BLINDSPOT_TRACEBACK"
INTERRUPTED = 130


@app.callback()
def start(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Option("--home", metavar="DIR", envvar="BLINDSPOT_HOME", help="The workspace.")
    ] = Path(),
) -> None:
    """Keep the home's folder for the command that follows."""
    ctx.obj = folder


for module in (home, work, looks, verdicts, models, training, forget, bank):
    module.add_to(app)


def main() -> None:
    """Run the command; every failure is one line on standard error and an exit code."""
    _open_standard_streams()
    # TensorFlow's start-up chatter would bury the one line that matters.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    code = _run()
    try:
        sys.stdout.flush()
    except OSError:
        code = code or 1
    if code:
        _forget_output()
    sys.exit(code)


def _run() -> int:
    try:
        code = app(standalone_mode=False, prog_name="blindspot")
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BlindspotError as error:
        return _fail(str(error), error.exit_code)
    except NoArgsIsHelpError as error:
        print(error.format_message())
        return _fail(f"wanted a command, received none; `{error.ctx.command_path} --help` lists them", 2)
    except ClickException as error:
        context = error.ctx if isinstance(error, UsageError) else None
        asked = context.command_path if context else "blindspot"
        return _fail(f"{error.format_message().rstrip('.')}; `{asked} --help` lists what there is", 2)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted; what was acknowledged is kept, run the command again to go on", INTERRUPTED)
    except BrokenPipeError:
        return 1  # who read our output has gone, and knows why
    except OSError as error:
        where = f": {_told(error.filename)}" if isinstance(error.filename, str | bytes) else ""
        return _fail(f"{error.strerror or error}{where}; mend that and run again, nothing acknowledged is lost", 1)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        return _fail(f"a defect of blindspot: {_place(error)}; {TRACEBACK}=1 shows all of it", 1)


def _fail(line: str, code: int) -> int:
    from blindspot.output import say

    say("blindspot: " + " ".join(line.split()))
    return code


def _place(error: Exception) -> str:
    """What went wrong and in which line of ours, for a report."""
    ours = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    where = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}: {error}"[:300] + where


def _told(path: str | bytes) -> str:
    """A path without what marks it as temporary: the user knows the file by its own name."""
    return re.sub(rf"{re.escape(TEMPORARY)}[0-9a-f]{{32}}-", "", os.fsdecode(path))


def _open_standard_streams() -> None:
    """Give a closed standard stream a place to go: else the next file opened gets its number, and its output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):
            # A file name may hold bytes that are no text, and a terminal may lack letters: neither is worth a failure.
            stream.reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """What could not be written must not be tried again at exit, where it would end in a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
