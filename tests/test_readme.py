"""README says what is true: its commands exist, its queries run, its tables name what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from blindspot.cli import app
from blindspot.demo.report import summary_text
from store.console import ask
from store.fold import fold
from store.home import Home
from store.schema import KINDS
from store.views import VIEWS

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)
COMMANDS = [shlex.split(line.split("#")[0]) for line in re.findall(r"^ {4}blindspot (.*)$", README, re.MULTILINE)]


@pytest.mark.parametrize("query", QUERIES)
def test_queries_run(home: Home, query: str) -> None:
    fold(home)
    assert ask(home, query).columns


def test_three_queries_or_more() -> None:
    assert len(QUERIES) >= 3


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_exist_with_their_options(words: list[str]) -> None:
    command = typer.main.get_command(app)
    words = words[2:] if words[0] == "--home" else words
    while hasattr(command, "commands"):
        assert words[0] in command.commands, words
        command, words = command.commands[words[0]], words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known


def test_named_tables_exist() -> None:
    listed = re.search(r"Tables and views: `([a-z_ \n]+)`", README)
    assert listed
    assert set(listed.group(1).split()) <= set(KINDS) | set(VIEWS)


def test_demo_output_has_the_shape_that_the_demo_prints() -> None:
    """Numbers differ between machines; the lines do not."""
    shown = re.search(r"```\n(\d+ pictures.*?)```", README, re.DOTALL)
    assert shown
    lines = shown.group(1)
    families = re.findall(r"^(\w+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$", lines, re.MULTILINE)
    decisions = re.findall(r"^gate: (.+?) {2,}(\w+)$", lines, re.MULTILINE)
    data = {
        "pictures": 1, "copies_groups": 1, "sightings": 1, "verdicts": 1, "findings": {"odd_size": 1},
        "families": [
            {"family": name, "n": int(n), "flagged_before": int(before), "flagged_after": int(after),
             "flagged_threshold_only": int(threshold), "flagged_operating_point": int(own)}
            for name, n, before, after, threshold, own in families
        ],
        "sentinels": [{"kept": 1, "total": 1, "level": 0.55}],
        "gate": [{"candidate": name, "decision": decision, "reasons": []} for name, decision in decisions],
        "champion": {"before": "a", "after": "b"}, "report": "r", "note": "", "seconds": {},
    }  # fmt: skip
    printed = summary_text(data)
    assert len(families) >= 5
    assert [decision for _, decision in decisions] == ["reject", "reject", "not_enough_evidence", "release"]
    for line in lines.splitlines():
        if re.match(r"^(\w+ +\d+ +\d+ +\d+|gate: |held-out)", line):
            assert line.rstrip() in printed
