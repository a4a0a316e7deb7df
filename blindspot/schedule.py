"""Lines for the machine's own scheduler: systemd timers and cron, for the crawl jobs and the cycle."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from blindspot.settings import Every, Settings
from store.home import Home

# How often → (systemd OnCalendar, cron fields). The hours are spread, so that jobs do not all start at midnight.
TIMES: dict[Every, tuple[str, str]] = {
    "hourly": ("*-*-* *:07:00", "7 * * * *"),
    "daily": ("*-*-* 02:17:00", "17 2 * * *"),
    "weekly": ("Sun *-*-* 04:23:00", "23 4 * * 0"),
    "monthly": ("*-*-01 05:31:00", "31 5 1 * *"),
}
# Of a unit's name, which systemd allows 255 bytes. Chosen by eye.
FOLDER_CHARS = 120


@dataclass(frozen=True)
class Plan:
    """File name → text of every systemd unit, and the cron lines."""

    units: dict[str, str]
    cron: list[str]

    def text(self) -> str:
        """Everything as one page to copy from."""
        files = [f"# ~/.config/systemd/user/{name}\n{text}" for name, text in self.units.items()]
        timers = " ".join(name for name in self.units if name.endswith(".timer"))
        start = f"# then: systemctl --user daemon-reload && systemctl --user enable --now {timers}\n"
        return "\n".join([*files, start, "# or, with cron (crontab -e):", *self.cron])


def plan(home: Home, settings: Settings) -> Plan:
    """Timers for every crawl job and for the cycle. Jobs that the cycle runs have timers of their own as well."""
    work: dict[str, tuple[list[str], Every]] = {
        f"crawl-{name}": (["crawl", name], job.every) for name, job in settings.jobs.items()
    }
    work["cycle"] = (["cycle"], settings.cycle.every)
    units, cron = {}, []
    for name, (words, every) in work.items():
        calendar, fields = TIMES[every]
        command = [*_command(), "--home", str(home.root), *words]
        unit, told = f"blindspot-{_unit_part(home.root)}-{name}", f"blindspot {' '.join(words)}"
        units[f"{unit}.service"] = (
            f"[Unit]\nDescription={told}\n\n[Service]\nType=oneshot\nExecStart={exec_start(command)}\n"
        )
        units[f"{unit}.timer"] = (
            f"[Unit]\nDescription={told}, {every}\n\n"
            f"[Timer]\nOnCalendar={calendar}\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
        )
        # Cron turns every bare % into a newline, in quotes as well.
        cron.append(f"{fields} {shlex.join(command).replace('%', chr(92) + '%')}")
    return Plan(units, cron)


def exec_start(command: list[str]) -> str:
    """A command as ExecStart takes it. Source: systemd.service(5): % is doubled, and $ in all but the program."""
    program, *words = (word.replace("%", "%%") for word in command)
    return " ".join(map(_quoted, [program, *(word.replace("$", "$$") for word in words)]))


def _quoted(word: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./$-]+", word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _command() -> list[str]:
    """How this very blindspot is started from anywhere."""
    script = Path(sys.executable).with_name("blindspot")
    return [str(script)] if script.is_file() else [sys.executable, "-P", "-m", "blindspot"]


def _unit_part(root: Path) -> str:
    """The folder in the letters of a unit's name: whole, because homes in two places may have one name."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", str(root)).strip("-")[-FOLDER_CHARS:] or "home"
