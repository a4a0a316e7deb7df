"""The command itself: light to import, one line for every failure, the right exit code, clean standard output."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from blindspot.cli import TRACEBACK, app
from tests.blindspot.calls import Ended, Front, ended, environment, start

HEAVY = "tensorflow keras scrapy numpy duckdb sqlalchemy pyarrow pandas PIL fsspec pydantic rich scipy imagehash"
CONTRACT = [
    "init",
    "doctor",
    "demo",
    "policy-show",
    "policy-check",
    "suite-list",
    "models-adopt",
    "models-list",
    "models-show",
    "models-promote",
    "models-rollback",
    "crawl",
    "import",
    "fold",
    "mine-run",
    "queue",
    "families",
    "sql",
    "verdicts-import",
    "verdicts-export",
    "train",
    "gate",
    "cycle",
    "schedule",
]


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group with its words."""
    for name, command in group.commands.items():
        yield (*before, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))


ALL = dict(commands(typer.main.get_command(app)))
LEAVES = {words: command for words, command in ALL.items() if not hasattr(command, "commands")}


def test_importing_the_command_loads_nothing_heavy() -> None:
    code = f"import blindspot.cli, sys; print(*sorted(set({HEAVY.split()}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_commands_of_the_contract_are_there() -> None:
    assert {"-".join(words) for words in LEAVES} >= set(CONTRACT)


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_speaks_json_and_says_what_it_does(words: tuple[str, ...]) -> None:
    options = {option for parameter in LEAVES[words].params for option in parameter.opts}
    assert "--json" in options
    assert LEAVES[words].help


@pytest.mark.parametrize("words", [(), *(words for words in ALL if words not in LEAVES)], ids=" ".join)
def test_help_is_whole_on_eighty_columns(words: tuple[str, ...], door: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = door.plain(*words, "--help")
    assert shown.code == 0
    assert [line for line in shown.out.splitlines() if line.endswith("...") and not line.startswith("Usage")] == []


@pytest.mark.parametrize("words", [(), ("models",), ("verdicts",)], ids=str)
def test_without_a_command_the_help_is_shown_and_the_code_says_so(words: tuple[str, ...], door: Front) -> None:
    shown = door.plain(*words)
    assert shown.code == 2
    assert "Commands:" in shown.out
    assert shown.err.splitlines() == [f"blindspot: wanted a command, received none; `{named(words)} --help` lists them"]


def named(words: tuple[str, ...]) -> str:
    return " ".join(("blindspot", *words))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["reviewe"], ["No such command 'reviewe'", "`blindspot --help`"]),
        (["models", "adopted"], ["No such command 'adopted'", "`blindspot models --help`"]),
        (["--homes", "x"], ["No such option: --homes"]),
        (["queue", "--jsn"], ["No such option: --jsn", "`blindspot queue --help`"]),
        (["queue", "--limit", "many"], ["--limit", "valid integer"]),
        (["queue", "--limit", "0"], ["--limit", "greater than or equal to 1"]),
        (["sql"], ["Missing argument 'QUERY'"]),
        (["sql", "SELECT 1", "SELECT 2"], ["unexpected extra argument", "SELECT 2"]),
        (["sql", "SELECT 1", "--timeout", "inf"], ["--timeout"]),
        (["--home"], ["'--home' requires an argument"]),
    ],
)
def test_wrong_words_are_one_line_and_code_2(words: list[str], told: list[str], door: Front) -> None:
    door.plain(*words).complaint(2, *told)


ONE_OF = {("purge",): "source"}  # of several options one is wanted
NEEDED = {"kind": "sha256", "older_than": "9d", "pictures_older_than": "9d"}


@pytest.mark.parametrize("words", [words for words in LEAVES if words not in (("init",), ("demo",))], ids=" ".join)
def test_a_folder_that_is_no_home_is_one_line(words: tuple[str, ...], door: Front, tmp_path: Path) -> None:
    parameters = LEAVES[words].params
    required = ["x" for parameter in parameters if parameter.param_type_name == "argument"]
    wanted = [
        one for one in parameters if one.param_type_name == "option" and (one.required or one.name == ONE_OF.get(words))
    ]
    for option in wanted:
        required += [option.opts[0], NEEDED.get(option.name or "", "x")]
    nowhere = tmp_path / "nowhere"
    found = door.plain("--home", nowhere, *words, *required)
    assert found.code in (1, 2)
    found.complaint(found.code, str(nowhere), "init` ")
    assert not nowhere.exists()


def test_the_home_may_be_named_by_the_environment_and_from_inside_it(
    door: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(door.home.root.parent)
    assert door.plain("--home", "home", "queue", "--json").rows == []
    monkeypatch.setenv("BLINDSPOT_HOME", "home")
    assert door.plain("queue", "--json").rows == []
    monkeypatch.delenv("BLINDSPOT_HOME")
    monkeypatch.chdir(door.home.root)
    assert door.plain("queue", "--json").rows == []
    assert door.plain("fold", "--json").json["files"] == 0


def test_a_defect_of_ours_is_one_line_with_its_place(door: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a test's own")

    monkeypatch.setattr("store.console.ask", broken)
    found = door("queue")
    assert (found.code, found.out) == (1, "")
    (line,) = found.err.splitlines()
    assert line.startswith("blindspot: a defect of blindspot: ZeroDivisionError: a test's own at test_cli.py:")
    assert line.endswith(f"; {TRACEBACK}=1 shows all of it")
    monkeypatch.setenv(TRACEBACK, "1")
    with pytest.raises(ZeroDivisionError):
        door("queue")


def test_the_machine_refusing_a_file_is_one_line(door: Front, tmp_path: Path) -> None:
    door("verdicts", "export", "-o", tmp_path / "no" / "such.csv").complaint(
        1, f"No such file or directory: {tmp_path / 'no' / 'such.csv'};"
    )
    (tmp_path / "file").write_text("")
    door.plain("--home", tmp_path / "file", "init").complaint(1, "Not a directory")


def test_arguments_that_are_no_text_are_one_line(door: Front) -> None:
    done = ended(start(door.home, "sql", os.fsdecode(b"SELECT '\xff'")))
    done.complaint(2, "SQL", "UTF-8")


# ---- standard streams, in processes of their own -----------------------------------------------------------


def piped(door: Front, command: str) -> Ended:
    """A line of the shell in which `$BLINDSPOT` is the command at the door's home."""
    words = f'"{sys.executable}" -P -m blindspot --home "{door.home.root}"'
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command.replace('$BLINDSPOT', words)}"], capture_output=True, text=True
    )
    return Ended(done.returncode, done.stdout, done.stderr)


MANY = '$BLINDSPOT sql "SELECT range AS n FROM range(200000)" --limit 200000 --csv'


def test_a_reader_that_has_had_enough_is_no_complaint(door: Front) -> None:
    found = piped(door, f"{MANY} | head -1")
    assert (found.out, found.err) == ("n\n", "")


def test_a_full_disk_behind_standard_output_is_one_line(door: Front) -> None:
    for command in (MANY, "$BLINDSPOT queue --json"):
        piped(door, f"{command} > /dev/full").complaint(1, "No space left on device")


def test_closed_streams_cost_nothing(door: Front) -> None:
    found = piped(door, "$BLINDSPOT nosuch 2>&-")
    assert (found.code, found.err) == (2, "")
    assert piped(door, "$BLINDSPOT fold <&- >&- 2>&-").code == 0
    assert door.sql("SELECT count(*) FROM pictures") == [[0]]


def test_json_stays_json_where_the_locale_has_no_letters(door: Front) -> None:
    process = start(door.home, "sql", "SELECT 'é–日' AS x", "--json", env=environment(PYTHONIOENCODING="ascii"))
    assert ended(process).json["rows"] == [["é–日"]]


def test_a_user_without_a_name_or_a_home_may_work(door: Front) -> None:
    process = start(door.home, "queue", "--json", env={"PATH": os.environ["PATH"]})
    assert ended(process).json["rows"] == []
