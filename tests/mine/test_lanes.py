from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mine.lanes import AUDIT, LANES, Candidate, Lane, audit_length, interleave, propose, rank_lane, reserve_audit

FIRST, SECOND, RANDOM = Lane("first", 0.6), Lane("second", 0.3), Lane(AUDIT, 0.1)


def candidates(name: str, n: int, source: str = "s") -> list[Candidate]:
    return [Candidate(f"{name}{i:03d}", f"{name}{i:03d}", source, 1 - i / 1000, "why") for i in range(n)]


def waiting(n: int, flagged: int, small: int = 0) -> dict[str, dict[str, Any]]:
    """n pictures that wait, the first of them flagged, the last of them from a small source."""
    return {
        f"p{i:04d}": {
            "star": f"p{i:04d}",
            "source": "small" if i >= n - small else "large",
            "flag_score": 0.9 - i / 10_000 if i < flagged else 0.1,
            "threshold": 0.5,
            "flagged": i < flagged,
        }
        for i in range(n)
    }


def queue(rows: dict[str, dict[str, Any]], seed: str, size: int) -> list[tuple[str, str]]:
    """(lane, picture) in order, as `make_queue` puts them together without any finding."""
    found: dict[str, dict[str, tuple[float, str]]] = {key: {} for lane in LANES for key in lane.detectors}
    lanes = {lane: rank_lane(propose(lane, rows, found, seed), lane.name != AUDIT) for lane in LANES}
    return [(lane.name, c.picture) for lane, c in interleave(reserve_audit(lanes, size), size)]


def test_the_shares_add_up() -> None:
    assert sum(lane.share for lane in LANES) == pytest.approx(1)
    assert len({lane.name for lane in LANES}) == len(LANES)


def test_quotas_hold_at_every_length() -> None:
    lanes = {FIRST: candidates("a", 100), SECOND: candidates("b", 100), RANDOM: candidates("c", 100)}
    taken = [lane for lane, _ in interleave(lanes, 100)]
    for length in range(1, 101):
        counts = Counter(taken[:length])
        assert all(abs(counts[lane] - lane.share * length) <= 1 for lane in lanes)


def test_a_dry_lane_leaves_its_turns_to_the_others() -> None:
    lanes = {FIRST: candidates("a", 2), SECOND: candidates("b", 50), RANDOM: candidates("c", 50)}
    counts = Counter(lane.name for lane, _ in interleave(lanes, 42))
    assert counts["first"] == 2
    assert counts["second"] == pytest.approx(30, abs=1)
    assert list(interleave({FIRST: [], SECOND: []}, 5)) == []
    assert len(list(interleave(lanes, 1_000))) == 102


def test_no_group_of_copies_comes_twice() -> None:
    twins = [Candidate(f"{name}{i}", f"star{i}", "s", 0.5, "why") for i in range(10) for name in "ab"]
    assert [c.picture for c in rank_lane(twins)] == [f"a{i}" for i in range(10)]
    lanes = {FIRST: rank_lane(twins), SECOND: rank_lane(reversed(twins))}
    stars = [candidate.star for _, candidate in interleave(lanes, 100)]
    assert sorted(stars) == sorted(set(stars))
    assert len(stars) == 10


def test_sources_take_turns_and_the_best_of_each_comes_first() -> None:
    ranked = rank_lane([*candidates("big", 50, "big"), *candidates("few", 3, "few"), *candidates("one", 1, "one")])
    assert [c.picture for c in ranked[:6]] == ["big000", "few000", "one000", "big001", "few001", "big002"]
    assert [c.source for c in ranked[-40:]] == ["big"] * 40


def test_the_audit_is_reproducible_by_its_seed() -> None:
    rows = waiting(300, 30)
    assert queue(rows, "one", 100) == queue(dict(reversed(rows.items())), "one", 100)
    drawn = [{picture for lane, picture in queue(rows, seed, 100) if lane == AUDIT} for seed in ("one", "two")]
    assert drawn[0] != drawn[1]


def test_the_audit_is_a_fair_draw() -> None:
    """Flagged pictures and small sources come into it as often as they are, whatever the other lanes want."""
    rows = waiting(1_000, flagged=300, small=100)
    drawn = [picture for seed in range(30) for lane, picture in queue(rows, str(seed), 200) if lane == AUDIT]
    assert len(drawn) == pytest.approx(30 * 20, abs=30)
    # 600 draws: the standard deviations are .019 and .012.
    assert sum(rows[p]["flagged"] for p in drawn) / len(drawn) == pytest.approx(0.3, abs=0.06)
    assert sum(rows[p]["source"] == "small" for p in drawn) / len(drawn) == pytest.approx(0.1, abs=0.04)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 80), st.integers(0, 9))
def test_what_the_audit_shows_is_always_the_head_of_its_draw(n: int, flagged: int, size: int, seed: int) -> None:
    rows = waiting(n, min(flagged, n))
    found = queue(rows, str(seed), size)
    assert len(found) <= min(n, size)
    if not flagged or flagged >= size:
        assert len(found) == min(n, size), "nothing is wanted but the audit, or others want enough"
    assert len({picture for _, picture in found}) == len(found)
    audit = [picture for lane, picture in found if lane == AUDIT]
    draw = rank_lane(propose(LANES[-1], rows, {}, str(seed)), by_source=False)
    assert audit == [candidate.picture for candidate in itertools.islice(draw, len(audit))]


@pytest.mark.parametrize(
    ("waiting_", "wanted", "length"),
    [
        (10_000, 2_000, 50),  # its tenth of a queue of 500
        (10_000, 0, 500),  # nobody else wants anything: all of the queue
        (10_000, 100, 405),  # 400 places are left, and 1 in 100 drawn pictures is wanted by others
        (200, 150, 20),  # others cannot fill the queue, but no more than a tenth is taken from them
        (200, 0, 200),
        (3, 3, 1),
        (0, 0, 0),
    ],
)
def test_the_length_of_the_audit(waiting_: int, wanted: int, length: int) -> None:
    assert audit_length(waiting_, wanted, 0.1, 500) == length


def test_a_flagged_picture_says_what_else_was_found_on_it() -> None:
    rows = waiting(1, flagged=1)
    found = {"line_art": {"p0000": (0.7, "few colours")}, "odd_size": {}}
    (flagged,) = propose(LANES[0], rows, found, "")
    assert flagged.reason == "flagged at 0.900, threshold 0.500; few colours"
    (looks,) = propose(next(lane for lane in LANES if lane.name == "looks"), rows, found, "")
    assert (looks.value, looks.reason) == (0.7, "line_art: few colours")
