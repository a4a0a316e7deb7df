"""A home is whole or not there; nobody's files are touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from blindspot.init import make_home
from blindspot.settings import TEMPLATE, open_home
from store.errors import HomeError
from store.home import Home
from store.policy import read_policy
from tests.blindspot.calls import Front


def test_a_new_home_is_whole(tmp_path: Path) -> None:
    made = make_home(tmp_path / "a b%c" / "home")
    home, settings = open_home(made.root)
    assert home.settings.read_text() == TEMPLATE
    assert settings.cycle.jobs == ()
    policy = read_policy(home.policy)
    assert [name for name, kind in policy.classes.items() if kind.flagged] == ["porn", "hentai"]
    assert home.snapshot.is_file()
    assert not home.inbox().files()


def test_an_empty_folder_and_hidden_files_are_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".gitkeep").write_text("")
    assert make_home(tmp_path).root == tmp_path


def test_a_folder_of_other_files_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(HomeError, match="is not empty"):
        make_home(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_second_init_changes_nothing(door: Front) -> None:
    before = {path: path.stat().st_mtime_ns for path in door.home.root.rglob("*")}
    door("init", "--json").complaint(1, str(door.home.root), "a blindspot home already")
    assert {path: path.stat().st_mtime_ns for path in door.home.root.rglob("*")} == before


def test_an_init_that_was_killed_can_be_run_again(fresh: Home) -> None:
    fresh.settings.unlink()  # it is written last
    fresh.policy.write_text(fresh.policy.read_text().replace("0.01", "0.02"))
    make_home(fresh.root)
    assert read_policy(fresh.policy).targets.false_positive_rate == 0.02, "an edited policy is the owner's"
    assert open_home(fresh.root)[0].root == fresh.root
