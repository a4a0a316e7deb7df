"""Model versions and the pointer to the champion: one winner, instant rollback, and never half a pointer."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import multiprocessing
import random
import threading
import time
from typing import Any

import pytest
from pydantic import ValidationError
from samples import NOW, card, install, later

from store.errors import CardError, ModelError
from store.files import TEMPORARY
from store.home import Home
from store.versions import (
    Champion,
    find_version,
    point_to,
    read_champion,
    require_champion,
    roll_back,
    version_folder,
    versions,
)

PROCESSES = multiprocessing.get_context("forkserver")


def champion(version: str, **changes: Any) -> Champion:
    fields = {"version": version, "policy_version": "shoes-1", "threshold": 0.5, "how": "first", "by": "ada"}
    return Champion(**(fields | {"promoted_at": NOW} | changes))


def test_versions_by_name_and_what_is_no_version(home: Home) -> None:
    assert versions(home) == []
    b, a = card(version="b.1"), card(version="a.1", name="other")
    install(home, b)
    folder = install(home, a)
    (home.models / f"{TEMPORARY}half").mkdir()
    (home.models / "notes").mkdir()
    assert versions(home) == [a, b]
    assert version_folder(home, "a.1") == folder


def test_a_version_is_found_by_version_by_name_or_as_the_champion(home: Home) -> None:
    for made in (card(version="a.1", name="a"), card(version="b.1", name="b"), card(version="b.2", name="b")):
        install(home, made)
    assert find_version(home, "b.2").version == "b.2"
    assert find_version(home, "a").version == "a.1"
    with pytest.raises(ModelError, match=r"2 versions are called 'b' .*there is: a\.1, b\.1, b\.2"):
        find_version(home, "b")
    with pytest.raises(ModelError, match="no model version is called 'c'"):
        find_version(home, "c")
    with pytest.raises(ModelError, match="`blindspot models promote VERSION` makes the first"):
        find_version(home, "champion")
    point_to(home, champion("b.1"), expected=None)
    assert find_version(home, "champion").version == "b.1"


def test_a_broken_card_is_named(home: Home) -> None:
    (install(home, card()) / "card.json").write_text("{")
    with pytest.raises(CardError, match=r"small\.00000001/card\.json"):
        versions(home)


def test_the_first_promotion_and_the_next(home: Home) -> None:
    assert read_champion(home) is None
    first = point_to(home, champion("a"), expected=None)
    assert read_champion(home) == first == champion("a")
    second = point_to(home, champion("b", threshold=0.7, promoted_at=later(1)), expected="a")
    assert read_champion(home) == second
    assert second.previous == first
    third = point_to(home, champion("c", promoted_at=later(2)), expected="b")
    assert third.previous is not None
    assert third.previous.previous is None, "one step of history, not all of it"


@pytest.mark.parametrize("expected", [None, "b"])
def test_a_promotion_judged_against_another_champion_is_refused(home: Home, expected: str | None) -> None:
    point_to(home, champion("a"), expected=None)
    with pytest.raises(ModelError, match=f"wanted champion {expected} to be replaced, found a"):
        point_to(home, champion("c"), expected=expected)
    assert require_champion(home).version == "a"


def test_of_many_promotions_at_once_exactly_one_wins(home: Home) -> None:
    point_to(home, champion("a"), expected=None)
    won: list[str] = []
    lost: list[str] = []
    gate = threading.Barrier(8)

    def promote(name: str) -> None:
        gate.wait()
        try:
            won.append(point_to(home, champion(name), expected="a").version)
        except ModelError as error:
            lost.append(str(error))

    threads = [threading.Thread(target=promote, args=(f"v{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(lost) == 7
    assert require_champion(home).version == won[0]


def test_rollback_and_rollback_of_the_rollback_keep_each_operating_point(home: Home) -> None:
    with pytest.raises(ModelError, match="has no champion"):
        roll_back(home, "ada")
    point_to(home, champion("a", threshold=0.4), expected=None)
    with pytest.raises(ModelError, match="nothing to roll back to"):
        roll_back(home, "ada")
    point_to(home, champion("b", threshold=0.6, how="certificate", certificate="c1"), expected="a")
    back = roll_back(home, "bob")
    assert read_champion(home) == back
    assert (back.version, back.threshold, back.how, back.by) == ("a", 0.4, "rollback", "bob")
    assert back.promoted_at > NOW
    again = roll_back(home, "bob")
    assert (again.version, again.threshold, again.how) == ("b", 0.6, "rollback")
    assert again.certificate == "c1"


@pytest.mark.parametrize("content", ["", "{", '{"version": "a"}', '{"version": "a", "colour": "red"}', "\udcff"])
def test_a_pointer_that_is_none_is_one_line(home: Home, content: str) -> None:
    home.models.mkdir()
    (home.models / "champion").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ModelError, match="is not a champion pointer") as caught:
        read_champion(home)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [{"threshold": 1.1}, {"threshold": float("nan")}, {"how": "luck"}, {"promoted_at": dt.datetime(2026, 1, 1)}],
)
def test_a_champion_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        champion("a", **changes)


def _promote_for_ever(home: Home) -> None:
    for n in itertools.count():
        present = read_champion(home)
        new = champion(f"v{n}" + "x" * (n % 7 * 500), threshold=n % 10 / 10)
        point_to(home, new, expected=present.version if present else None)


def test_the_pointer_always_loads_while_promotions_are_killed(home: Home) -> None:
    chance = random.Random(5)
    for _ in range(6):
        process = PROCESSES.Process(target=_promote_for_ever, args=(home,), daemon=True)
        process.start()
        deadline = time.monotonic() + chance.uniform(0.05, 0.2)
        while time.monotonic() < deadline or not (home.models / "champion").exists():
            read_champion(home)
        process.kill()
        process.join()
        assert require_champion(home).version.startswith("v")
    point_to(home, champion("last"), expected=require_champion(home).version)
    assert json.loads((home.models / "champion").read_text())["version"] == "last"
