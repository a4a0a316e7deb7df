"""Lines for the machine's own scheduler: systemd timers and cron, for the crawl jobs and the cycle."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from blindspot.settings import Settings
from store.errors import SettingsError
from store.home import Home

# How often → (systemd OnCalendar, cron fields). The hours are spread, so that jobs do not all start at midnight.
TIMES: dict[str, tuple[str, str]] = {
    "hourly": ("hourly", "7 * * * *"),
    "daily": ("*-*-* 02:17:00", "17 2 * * *"),
    "weekly": ("Sun *-*-* 04:23:00", "23 4 * * 0"),
    "monthly": ("*-*-01 05:31:00", "31 5 1 * *"),
}


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
    """Timers for every job that has a time, and for the cycle. Raises SettingsError for an unknown `every`."""
    work = {f"crawl-{name}": (["crawl", name], job.every) for name, job in settings.jobs.items()}
    work["cycle"] = (["cycle"], settings.cycle.every)
    units, cron = {}, []
    for name, (words, every) in work.items():
        if every not in TIMES:
            raise SettingsError(f"{home.settings}: every of {name} must be one of {', '.join(TIMES)}. Received: {every!r}")
        calendar, fields = TIMES[every]
        command = [str(Path(sys.executable).with_name("blindspot")), "--home", str(home.root), *words]
        unit = f"blindspot-{home.root.name}-{name}"
        # systemd expands % and quotes by its own rules; cron turns % into a newline.
        quoted = " ".join(f'"{word}"' if " " in word else word for word in command).replace("%", "%%")
        units[f"{unit}.service"] = f"[Unit]\nDescription=blindspot {' '.join(words)}\n\n[Service]\nType=oneshot\nExecStart={quoted}\n"
        units[f"{unit}.timer"] = (
            f"[Unit]\nDescription=blindspot {' '.join(words)}, {every}\n\n"
            f"[Timer]\nOnCalendar={calendar}\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
        )
        cron.append(f"{fields} {shlex.join(command)}".replace("%", "\\%"))
    return Plan(units, cron)
