"""Calls the command as its callers do: in this process with its words, or as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from blindspot.cli import main
from store.home import Home

COMMAND = [sys.executable, "-P", "-m", "blindspot"]


@dataclass(frozen=True)
class Ended:
    """How a call ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output of a call that went well: one JSON object on one line, and nothing else."""
        assert self.code == 0, self.err
        return self.any_json

    @property
    def any_json(self) -> dict[str, Any]:
        """The same, of a call that ended otherwise too."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        value = json.loads(self.out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
        assert isinstance(value, dict)
        return value

    @property
    def rows(self) -> list[list[Any]]:
        return list(self.json["rows"])

    def complaint(self, code: int, *words: str) -> str:
        """The one line of a call that failed with `code`, which holds `words`."""
        assert (self.code, self.out) == (code, ""), self
        return self.last_line(*words)

    def last_line(self, *words: str) -> str:
        """The one line that starts with the command's name; it is the last, and holds `words`."""
        lines = self.err.splitlines()
        assert [line for line in lines if line.startswith("blindspot: ")] == lines[-1:], self.err
        assert "Traceback" not in self.err
        assert "a defect of" not in self.err
        assert [word for word in words if word not in lines[-1]] == [], lines[-1]
        return lines[-1]


class Front:
    """The front door of one home."""

    def __init__(self, home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self._capsys, self._monkeypatch = home, capsys, monkeypatch

    def __call__(self, *words: str | Path) -> Ended:
        """`blindspot --home HOME WORDS…`"""
        return self.plain("--home", self.home.root, *words)

    def plain(self, *words: str | Path) -> Ended:
        """`blindspot WORDS…`"""
        self._capsys.readouterr()
        self._monkeypatch.setattr(sys, "argv", ["blindspot", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, shown.out, shown.err)

    def sql(self, query: str) -> list[list[Any]]:
        return self("sql", query, "--json", "--limit", "100000").rows

    def settings(self, text: str) -> None:
        """Put `text` into blindspot.toml."""
        self.home.settings.write_text(text, encoding="utf-8")


def start(home: Home, *words: str | Path, **settings: Any) -> subprocess.Popen[str]:
    """The command in a process and session of its own."""
    command = [*COMMAND, "--home", str(home.root), *map(str, words)]
    pipe = subprocess.PIPE
    known: dict[str, Any] = {"stdout": pipe, "stderr": pipe, "text": True, "start_new_session": True}
    return subprocess.Popen(command, **(known | settings))


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for its end."""
    out, err = process.communicate(timeout=100)
    return Ended(process.returncode, out or "", err or "")


def environment(**values: str) -> dict[str, str]:
    return {**os.environ, **values}
