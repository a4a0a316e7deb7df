"""What the fold declares of itself: the policy in force, the model versions, each promotion, once."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from samples import NOW, card, install, later, picture, select

from store.catalog import Snapshot
from store.errors import PolicyError
from store.fold import Folded, fold
from store.home import Home
from store.inbox import InboxLimits
from store.versions import Champion, point_to, roll_back


def champion(version: str, **changes: Any) -> Champion:
    fields = {"version": version, "policy_version": "shoes-1", "threshold": 0.5, "how": "first", "by": "ada"}
    return Champion(**(fields | {"promoted_at": NOW} | changes))


def in_force(home: Home) -> str:
    return str(select(home, "SELECT policy_version FROM policy")[0][0])


def test_a_changed_policy_is_a_new_row_and_the_old_one_can_come_back(home: Home, small_policy: str) -> None:
    fold(home)
    first = in_force(home)
    home.policy.write_text(small_policy.replace("fills", "covers"))
    fold(home)
    second = in_force(home)
    assert first != second
    home.policy.write_text("# a comment changes nothing\n" + small_policy)
    fold(home)
    assert in_force(home) == first
    history = select(home, "SELECT policy_version FROM policies ORDER BY since_at")
    assert history == [(first,), (second,), (first,)]
    assert fold(home) == Folded()


def test_the_policy_is_followed_although_this_process_still_reads_an_old_snapshot(
    home: Home, small_policy: str
) -> None:
    fold(home)
    first = in_force(home)
    with Snapshot(home):
        home.policy.write_text(small_policy.replace("fills", "covers"))
        fold(home)
        home.policy.write_text(small_policy)
        fold(home)
        assert in_force(home) == first


def test_a_broken_policy_stops_the_fold_and_loses_nothing(home: Home, small_policy: str) -> None:
    fold(home)
    home.inbox().append("pictures", [picture("p")])
    home.policy.write_text("classes = 7")
    with pytest.raises(PolicyError):
        fold(home)
    assert len(home.inbox().files()) == 1
    assert select(home, "SELECT count(*) FROM pictures") == [(0,)]
    home.policy.write_text(small_policy)
    assert fold(home).rows == 1


def test_a_full_inbox_is_drained_by_the_fold_even_when_it_has_something_to_declare(home: Home) -> None:
    """The fold writes the policy through the inbox: it must not wait there for itself."""
    small = Home(home.root, inbox_limits=InboxLimits(max_files=2, patience_s=0.3))
    for n in range(2):
        small.inbox().append("pictures", [picture(str(n))])
    assert small.inbox().is_full()
    assert fold(small).rows == 3
    assert small.inbox().append("pictures", [picture("next")]) is not None


def test_the_fold_declares_versions_masks_and_each_promotion_once(home: Home) -> None:
    fits, not_ours = card(version="a.1"), card(version="b.1", class_map={"bag": "sock", "shoe": "shoe", "hat": "other"})
    install(home, fits)
    install(home, not_ours)
    there = dt.timezone(dt.timedelta(hours=5))
    point_to(home, champion("a.1", promoted_at=NOW.astimezone(there)), expected=None)
    fold(home)
    assert select(home, "SELECT version, classes, made_at FROM models ORDER BY ALL") == [
        ("a.1", ["bag", "shoe", "hat"], dt.datetime(2026, 11, 23, 12)),
        ("b.1", ["bag", "shoe", "hat"], dt.datetime(2026, 11, 23, 12)),
    ]
    assert select(home, "SELECT version, mask FROM flag_masks") == [("a.1", [1.0, 0.0, 0.0])]
    assert select(home, "SELECT version, promoted_at FROM champion") == [("a.1", dt.datetime(2026, 11, 23, 12))]
    assert fold(home) == Folded(), "nothing new to declare, whatever the zone of the promotion's time"
    point_to(home, champion("b.1", promoted_at=later(5)), expected="a.1")
    fold(home)
    roll_back(home, "bob")
    fold(home)
    history = "SELECT version, how FROM promotions ORDER BY promoted_at"
    assert select(home, history) == [("a.1", "first"), ("b.1", "first"), ("a.1", "rollback")]


def test_a_changed_policy_gives_new_masks(home: Home, small_policy: str) -> None:
    install(home, card())
    fold(home)
    home.policy.write_text(small_policy.replace("[classes.shoe]\nflagged = false", "[classes.shoe]\nflagged = true"))
    fold(home)
    in_force = "SELECT mask FROM flag_masks JOIN policy USING (policy_version)"
    assert select(home, in_force) == [([1.0, 1.0, 0.0],)]
    assert select(home, "SELECT count(*) FROM flag_masks") == [(2,)]


def test_folders_that_are_no_version_do_not_stop_the_fold(home: Home, tmp_path: Path) -> None:
    (home.models / "leftover").mkdir(parents=True)
    assert fold(home).published
