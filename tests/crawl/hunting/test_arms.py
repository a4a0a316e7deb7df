"""What is believed of parts of the web, from counts alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crawl.hunting.arms import HALF_LIFE, SURE, beliefs_of, interval, kept, nothing, spread_of
from crawl.hunting.yields import Yields

COUNTS = st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50)), min_size=1, max_size=30)


def yields(*hosts: tuple[str, int, float, float], each: float = 1.0, **more: pa.Table) -> Yields:
    """(host, age, judged, blind spots), each worth `each`."""
    names, ages, judged, spots = zip(*hosts, strict=True)
    none = [0] * len(hosts)
    rewards = np.array(spots) * each
    columns = {"host": names, "age": ages, "judged": judged, "waiting": none, "arrived": none}
    table = pa.table({**columns, "reward": rewards, "squares": rewards * each})
    empty = {"judged": pa.array([], pa.int64()), "reward": pa.array([], pa.float64())}
    text = pa.array([], pa.string())
    given = {"folders": pa.table({"host": text, "folder": text, **empty})}
    given |= {"kinds": pa.table({"host": text, "kind": text, **empty}), **more}
    return Yields(hosts=table, edge=0, **given)


def rates(read: Yields) -> dict[str, float]:
    """Host → hits per fetch that are expected of it."""
    found = beliefs_of(read)
    each = found.mean * found.shape / found.weight
    return {host: float(each[i]) for host, i in found.hosts.items()}


def test_chance_alone_rarely_looks_like_a_difference() -> None:
    dice = np.random.default_rng(0)
    expected = np.full(200, 0.5)
    differ = [spread_of(dice.poisson(expected).astype(float), expected).differ for _ in range(300)]
    assert np.mean(differ) <= 1 / SURE / 4


def test_a_difference_shows() -> None:
    dice = np.random.default_rng(0)
    expected = np.full(200, 0.15)
    rich = np.where(np.arange(200) < 20, 8.0, 0.22)
    shown = [spread_of(dice.poisson(expected * rich).astype(float), expected) for _ in range(20)]
    assert np.mean([spread.differ for spread in shown]) > 0.9
    assert np.median([spread.shape for spread in shown]) < 1


@given(COUNTS)
def test_any_counts_give_a_spread(counts: list[tuple[float, float]]) -> None:
    hits, expected = (np.array(column) for column in zip(*counts, strict=True))
    spread = spread_of(hits, expected)
    assert 1 / 33 < spread.shape < 17
    assert 0 <= spread.evidence < np.inf


def test_the_newest_counts_in_full_and_the_rest_by_what_came_since() -> None:
    hosts, ages = np.array([1, 0, 0, 0]), np.array([9, 0, 7, 3])
    share = kept(hosts, ages, np.array([1.0, HALF_LIFE, HALF_LIFE, HALF_LIFE]))
    assert share[0] == pytest.approx(1, abs=1e-2)
    assert share[3] == pytest.approx(share[1] / 2)
    assert share[2] == pytest.approx(share[1] / 4)
    assert share[1] == pytest.approx(0.5 / np.log(2))


def test_cutting_a_row_in_two_changes_nothing_much() -> None:
    whole = kept(np.zeros(1, int), np.zeros(1, int), np.array([800.0])) * 800
    halves = kept(np.zeros(2, int), np.array([0, 1]), np.array([300.0, 500.0])) * [300, 500]
    assert halves.sum() == pytest.approx(float(whole.sum()))


def test_nothing_is_known_of_a_web_not_seen() -> None:
    assert not nothing().spread.differ
    assert nothing().mean_of("any.example") == nothing().rate == 0.01
    assert nothing().lift_of("any.example") == 0


def test_hosts_that_gave_more_are_expected_to_give_more() -> None:
    read = yields(("good", 0, 100, 20), ("fair", 0, 100, 5), ("bad", 0, 100, 0), ("little", 0, 2, 0))
    found = rates(read)
    assert found["good"] > found["fair"] > found["bad"]
    assert found["little"] > 2 * found["bad"]
    beliefs = beliefs_of(read)
    assert beliefs.spread.differ
    assert beliefs.lift_of("good") > 0 > beliefs.lift_of("bad")
    assert beliefs.lift_of("never") == 0


def test_the_worth_of_a_find_changes_no_belief() -> None:
    counts = (("good", 0, 100, 20), ("fair", 0, 100, 5), ("bad", 0, 300, 0))
    whole, tenth = beliefs_of(yields(*counts)), beliefs_of(yields(*counts, each=0.1))
    assert tenth.hit == pytest.approx(0.1)
    assert tenth.shape == pytest.approx(whole.shape)
    assert tenth.spread.evidence == pytest.approx(whole.spread.evidence)


def test_recent_yields_outweigh_old_ones() -> None:
    found = rates(yields(("better", 0, 500, 20), ("better", 9, 500, 0), ("worse", 0, 500, 0), ("worse", 9, 500, 20)))
    assert found["better"] > 1.5 * found["worse"]


def test_a_domain_speaks_for_its_new_hosts_but_no_host_for_itself() -> None:
    hosts = [(f"{i}.good.example", 0, 50.0, 6.0) for i in range(3)]
    hosts += [(f"{i}.bad.example", 0, 50.0, 0.0) for i in range(9)]
    beliefs = beliefs_of(yields(*hosts, ("alone.example", 0, 50, 6)))
    means = [beliefs.mean_of(f"new.{name}.example") for name in ("good", "other", "bad")]
    assert means == sorted(means, reverse=True)
    assert beliefs.mean[beliefs.hosts["alone.example"]] == pytest.approx(beliefs.rate)


def test_folders_and_kinds_are_measured_against_their_hosts() -> None:
    hosts = (("rich", 0, 200, 40), ("poor", 0, 200, 2), *((f"h{i}", 0, 50, 0) for i in range(10)))
    folders = {"host": ["rich", "rich", "poor"], "folder": ["x", "y", "x"], "judged": [100, 100, 200]}
    kinds = {"host": ["rich", "poor"], "kind": ["/", "/?"], "judged": [200, 200]}
    found = beliefs_of(
        yields(
            *hosts,
            folders=pa.table({**folders, "reward": [38.0, 2.0, 2.0]}),
            kinds=pa.table({**kinds, "reward": [40.0, 2.0]}),
        )
    )
    assert found.folders[("rich", "x")] > 0.3 > -1 > found.folders[("rich", "y")]
    assert abs(found.folders[("poor", "x")]) < 0.7  # as little as its host
    assert found.kinds == {}  # what differs is the hosts


@pytest.mark.parametrize(("hits", "fetches"), [(0, 10), (3, 50), (0.4, 7), (200, 1_000)])
def test_the_interval_is_garwoods(hits: float, fetches: float) -> None:
    low, high = interval(hits, fetches)
    assert low == pytest.approx(stats.chi2.ppf(0.025, 2 * hits) / 2 / fetches if hits else 0)
    assert high == pytest.approx(stats.chi2.ppf(0.975, 2 * hits + 2) / 2 / fetches)
    assert low <= hits / fetches <= high
