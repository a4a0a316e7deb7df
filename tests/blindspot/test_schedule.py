"""Timers and cron lines that a machine takes as they are, whatever the home is called."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blindspot.schedule import TIMES, exec_start, plan
from blindspot.settings import read_settings
from store.home import Home
from tests.blindspot.calls import Front

JOBS = """\
[jobs.news]
spider = "pages"
urls = ["https://example.org/"]
every = "hourly"
[jobs.art]
spider = "pages"
urls = ["https://example.org/"]
[jobs.old]
spider = "pages"
urls = ["https://example.org/"]
every = "monthly"
[cycle]
jobs = ["news"]
"""
HOMES = ["home", "my home", "50% off", "a 'quoted' \"name\"", "back\\slash", "$HOME and ${PATH}", "ünïcode"]


def planned(root: Path) -> tuple[dict[str, str], list[str]]:
    root.mkdir(parents=True)
    home = Home(root)
    home.settings.write_text(JOBS)
    found = plan(home, read_settings(home.settings))
    return found.units, found.cron


def words_of_systemd(line: str) -> list[str]:
    """What systemd makes of an ExecStart line. Source: systemd.service(5), systemd.syntax(7)."""
    words = [word or bare for word, bare in re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)]
    unescaped = [re.sub(r"\\(.)", r"\1", word) for word in words]
    return [word.replace("%%", "%").replace("$$", "$") for word in unescaped]


def words_of_cron(line: str) -> list[str]:
    """What cron's shell gets: five fields off, every escaped % bare."""
    command = line.split(" ", 5)[5]
    assert not re.search(r"(?<!\\)%", command), "a bare % is a newline to cron"
    return shlex.split(command.replace("\\%", "%"))


@pytest.mark.parametrize("name", HOMES)
def test_both_start_the_same_words(name: str, tmp_path: Path) -> None:
    root = tmp_path / name
    units, cron = planned(root)
    services = [text for unit, text in units.items() if unit.endswith(".service")]
    starts = [re.search(r"^ExecStart=(.*)$", text, re.MULTILINE) for text in services]
    wanted = [["--home", str(root), "crawl", job] for job in ("news", "art", "old")] + [["--home", str(root), "cycle"]]
    assert [words_of_systemd(found[1])[1:] for found in starts if found] == wanted
    assert [words_of_cron(line)[1:] for line in cron] == wanted
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,200}\.(service|timer)", unit) for unit in units)


@pytest.mark.parametrize("name", HOMES[:-1])
def test_a_shell_gets_the_home_as_it_is_called(name: str, tmp_path: Path) -> None:
    _, cron = planned(tmp_path / name)
    command = cron[-1].split(" ", 5)[5].replace("\\%", "%").partition(" ")[2]
    done = subprocess.run(["sh", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["--home", str(tmp_path / name), "cycle"]


def test_the_program_is_the_one_that_runs() -> None:
    assert exec_start(["/opt/a $b/blindspot", "--home", "$x"]) == '"/opt/a $b/blindspot" --home $$x'
    done = subprocess.run([*shlex.split(planned_command()), "--help"], capture_output=True, text=True)
    assert done.stdout.startswith("Usage: blindspot")


def planned_command() -> str:
    script = Path(sys.executable).with_name("blindspot")
    return str(script) if script.is_file() else f"{sys.executable} -P -m blindspot"


def test_two_homes_of_one_name_have_units_of_their_own(tmp_path: Path) -> None:
    first, _ = planned(tmp_path / "a" / "home")
    second, _ = planned(tmp_path / "b" / "home")
    assert not set(first) & set(second)


def test_every_time_has_its_fields(tmp_path: Path) -> None:
    _, cron = planned(tmp_path / "home")
    limits = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
    for line in cron:
        for field, (low, high) in zip(line.split(" ")[:5], limits, strict=True):
            assert field == "*" or low <= int(field) <= high, line
    assert [" ".join(line.split(" ")[:5]) for line in cron] == [
        TIMES[every][1] for every in ("hourly", "daily", "monthly", "weekly")
    ]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    units, _ = planned(tmp_path / "50% of $x")
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    for calendar, _ in TIMES.values():
        subprocess.run(["systemd-analyze", "calendar", calendar], capture_output=True, check=True)
    paths = [str(tmp_path / name) for name in units]
    done = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True)
    if "Failed to initialize manager" in done.stderr:
        pytest.skip("systemd cannot look at units here")
    complaints = [line for line in done.stderr.splitlines() if "blindspot-" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


def test_the_command_prints_all_of_it(door: Front) -> None:
    door.settings(JOBS)
    found = door("schedule", "--json").json
    assert len(found["units"]) == 8
    assert len(found["cron"]) == 4
    for name, text in found["units"].items():
        parser = configparser.ConfigParser(interpolation=None, strict=True)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        parser.read_string(text)
        assert "Unit" in parser, name
    page = door("schedule").out
    assert all(text in page for text in found["units"].values())
    assert all(line in page for line in found["cron"])
    assert "enable --now" in page
