from __future__ import annotations

import datetime as dt
import math
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawl.rules.manners import BLOCKED_S, DAY_S, FAILURES, JITTER, MAX_PAUSE_S, MAX_STRETCH_S, Manners, retry_after_s

NOW = dt.datetime(2026, 6, 15, 12, 0, tzinfo=dt.UTC)
HOST = "a.test"

# ---- Retry-After ---------------------------------------------------------------------------------------------

WRITTEN = {
    "120": 120.0,
    " 0 ": 0.0,
    "9" * 5_000: DAY_S,
    "86401": DAY_S,
    "Mon, 15 Jun 2026 12:02:00 GMT": 120.0,
    "Monday, 15-Jun-26 12:02:00 GMT": 120.0,
    "Mon Jun 15 12:02:00 2026": 120.0,
    "Mon, 15 Jun 2026 11:00:00 GMT": 0.0,
    "Tue, 15 Jun 2027 12:00:00 GMT": DAY_S,
    "": None,
    "-5": None,
    "1.5": None,
    "1e3": None,
    "soon": None,
    "１２０": None,
    "²": None,
    "Mon, 99 Jun 2026 12:02:00 GMT": None,
}


@pytest.mark.parametrize("value", WRITTEN)
def test_retry_after_in_all_its_forms(value: str) -> None:
    assert retry_after_s(value, NOW) == WRITTEN[value]


@given(st.text(max_size=60) | st.text("0123456789 :,GMTJun", max_size=40))
def test_retry_after_is_within_a_day_or_nothing(value: str) -> None:
    seconds = retry_after_s(value, NOW)
    assert seconds is None or 0 <= seconds <= DAY_S


# ---- one host ------------------------------------------------------------------------------------------------


@dataclass
class Clock:
    now: float = 1_000_000.1

    def __call__(self) -> float:
        return self.now


@dataclass
class Asked:
    """Manners with a clock that only moves when told."""

    delay_s: float = 1.0
    per_host: int = 1
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.manners = Manners(self.delay_s, self.per_host, self.clock, seed=7)

    def ask(self, status: int | None, seconds: float = 0.0, retry_after_s: float | None = None) -> float:
        """Wait as told, ask, have the answer; the seconds waited."""
        waited = 0.0
        while wait_s := self.manners.wait_s(HOST):
            assert wait_s < math.inf
            self.clock.now += wait_s
            waited += wait_s
        self.manners.started(HOST)
        self.clock.now += seconds
        self.manners.ended(HOST, status, seconds, retry_after_s)
        return waited


def test_starts_are_a_delay_apart() -> None:
    asked = Asked(2.0, per_host=8)
    assert asked.manners.wait_s(HOST) == 0
    asked.manners.started(HOST)
    assert asked.manners.wait_s(HOST) == 2.0
    assert asked.manners.wait_s("b.test") == 0
    asked.clock.now += 1.5
    assert asked.manners.wait_s(HOST) == pytest.approx(0.5)
    asked.clock.now += 0.5
    assert asked.manners.wait_s(HOST) == 0


def test_without_a_delay_as_many_run_as_may() -> None:
    asked = Asked(0.0, per_host=3)
    for _ in range(3):
        assert asked.manners.wait_s(HOST) == 0
        asked.manners.started(HOST)
    assert asked.manners.wait_s(HOST) == math.inf
    asked.manners.ended(HOST, 200, 9.0)
    assert asked.manners.wait_s(HOST) == 0


def test_a_crawl_delay_only_lengthens() -> None:
    asked = Asked(2.0)
    for seconds, wait_s in [
        (None, 2.0),
        (1.0, 2.0),
        (5.0, 5.0),
        (3.0, 5.0),
        (math.nan, 5.0),
        (math.inf, 5.0),
        (-1.0, 5.0),
    ]:
        asked.manners.crawl_delay(HOST, seconds)
        asked.ask(200)
        assert asked.manners.wait_s(HOST) == wait_s


@pytest.mark.parametrize("status", [429, 502, 503, 504, None])
@pytest.mark.parametrize("delay_s", [0.0, 1.0])
def test_strain_doubles_the_pause_and_answers_halve_it(status: int | None, delay_s: float) -> None:
    asked = Asked(delay_s)
    first = 2 * delay_s or 0.5
    asked.ask(status)
    for doubled in (first, 2 * first, 4 * first):
        assert doubled <= asked.ask(status) <= doubled * (1 + JITTER) + 0.01
    asked.ask(200)
    waits = [asked.ask(200) for _ in range(8)]
    assert waits[0] == pytest.approx(4 * first, abs=0.01)
    assert waits == sorted(waits, reverse=True)
    assert waits[-1] == pytest.approx(delay_s, abs=0.01)


def test_a_pause_has_an_end() -> None:
    asked = Asked(100.0)
    waits = [asked.ask(503) for _ in range(FAILURES)]
    assert MAX_PAUSE_S <= max(waits) <= MAX_PAUSE_S * (1 + JITTER) + 0.01
    waits = [asked.ask(503) for _ in range(20)]
    assert DAY_S <= max(waits) <= DAY_S * (1 + JITTER) + 0.01, "that of a host that only fails"


def test_another_error_of_the_server_changes_nothing() -> None:
    asked = Asked(1.0)
    asked.ask(503)
    for _ in range(5):
        asked.ask(500)
    assert asked.ask(500) == pytest.approx(2.0, abs=0.01)


def test_failures_of_requests_that_ran_together_count_once() -> None:
    asked = Asked(0.0, per_host=16)
    for _ in range(16):
        asked.manners.started(HOST)
    asked.clock.now += 30
    for _ in range(16):
        asked.manners.ended(HOST, None, 30.0)
    assert asked.manners.wait_s(HOST) <= 0.5 * (1 + JITTER)
    assert not asked.manners.blocked(HOST)


@pytest.mark.parametrize("status", [200, 301, 404, 429, 503])
def test_retry_after_holds_the_whole_host(status: int) -> None:
    asked = Asked(1.0, per_host=4)
    asked.manners.started(HOST)
    asked.clock.now += 1
    asked.manners.started(HOST)
    asked.manners.ended(HOST, status, 1.0, 300.0)
    asked.manners.ended(HOST, 200, 0.1, 0.0)
    for later, left in [(0.0, 300.0), (299.0, 1.0), (1.0, 0.0)]:
        asked.clock.now += later
        assert asked.manners.wait_s(HOST) == pytest.approx(left)


@pytest.mark.parametrize(("told", "most"), [(math.inf, DAY_S), (10.0**9, DAY_S), (math.nan, 1.0), (-5.0, 1.0)])
def test_a_wild_retry_after_is_bounded(told: float, most: float) -> None:
    asked = Asked(1.0)
    asked.ask(200, retry_after_s=told)
    assert asked.manners.wait_s(HOST) == pytest.approx(most)


def test_slow_answers_stretch_the_delay_and_fast_ones_relax_it() -> None:
    asked = Asked(1.0, per_host=9)
    asked.ask(200, seconds=8.0)
    assert asked.manners.wait_s(HOST) == 0  # it took as long as it is now to wait
    asked.manners.started(HOST)
    assert asked.manners.wait_s(HOST) == 8.0
    asked.manners.ended(HOST, 404, 0.0)
    assert asked.manners.wait_s(HOST) == 8.0  # an error page says nothing of how fast it is
    for wait_s in (4.0, 2.0, 1.0, 1.0):
        asked.manners.ended(HOST, 200, 0.0)
        assert asked.manners.wait_s(HOST) == wait_s
    asked.manners.ended(HOST, 200, 1e9)
    assert asked.manners.wait_s(HOST) == MAX_STRETCH_S
    unhurried = Asked(0.0)
    unhurried.ask(200, seconds=8.0)
    unhurried.manners.started(HOST)
    unhurried.manners.ended(HOST, 200, 8.0)
    assert unhurried.manners.wait_s(HOST) == 0


def test_a_host_that_only_fails_is_left_alone_for_longer_and_longer() -> None:
    asked = Asked(1.0)
    for _ in range(FAILURES):
        assert not asked.manners.blocked(HOST)
        asked.ask(None)
    for hours in (1, 2, 4, 8, 16, 24, 24):
        assert asked.manners.blocked(HOST)
        assert 1 <= asked.manners.wait_s(HOST) / (hours * BLOCKED_S) <= 1 + JITTER
        for number in range(3_000):  # others come and go: it is not forgotten
            asked.manners.started(f"{number}.test")
            asked.manners.ended(f"{number}.test", 200, 0.0)
        asked.clock.now += asked.manners.wait_s(HOST)
        assert not asked.manners.blocked(HOST)
        asked.ask(503)
    asked.ask(404)
    assert not asked.manners.blocked(HOST)
    assert asked.manners.wait_s(HOST) <= MAX_PAUSE_S


def test_after_a_crawl_that_was_broken_off_hosts_are_as_if_just_asked() -> None:
    asked = Asked(2.0)
    asked.manners.press()
    assert (asked.manners.wait_s(HOST), asked.manners.wait_s("b.test")) == (2.0, 2.0)
    asked.manners.crawl_delay(HOST, 9.0)
    asked.clock.now += 2.0
    assert (asked.manners.wait_s(HOST), asked.manners.wait_s("b.test")) == (7.0, 0.0)


def test_a_host_is_held_for_what_it_said_before() -> None:
    asked = Asked(0.0)
    asked.manners.hold(HOST, 100.0)
    asked.manners.hold(HOST, 50.0)
    assert asked.manners.wait_s(HOST) == 100.0
    asked.manners.hold(HOST, 1e9)
    assert asked.manners.wait_s(HOST) == pytest.approx(DAY_S)


# ---- any number of hosts -------------------------------------------------------------------------------------


def test_hosts_are_forgotten_when_nothing_about_them_matters() -> None:
    clock = Clock()
    manners = Manners(1.0, 1, clock)
    most = 0
    for number in range(30_000):
        host = f"{number}.test"
        if number % 100 == 0:
            manners.crawl_delay(host, 5.0)
        manners.started(host)
        clock.now += 1
        manners.ended(host, 200, 0.1)
        most = max(most, len(manners))
    # 600 within ten minutes, 300 with a crawl-delay, and as many again that nobody has looked at yet.
    assert 900 <= most < 2_500


def test_a_crawl_delay_outlives_a_rest() -> None:
    clock = Clock()
    manners = Manners(1.0, 1, clock)
    manners.crawl_delay(HOST, 30.0)
    manners.started(HOST)
    manners.ended(HOST, 200, 0.1)
    for number in range(2_000):
        clock.now += 20
        manners.started(f"{number}.test")
        manners.ended(f"{number}.test", 200, 0.1)
    manners.started(HOST)
    manners.ended(HOST, 200, 0.1)
    assert manners.wait_s(HOST) == 30.0


def test_a_request_that_never_went_out_says_nothing_about_its_host() -> None:
    clock = Clock()
    manners = Manners(1.0, 1, clock)
    for _ in range(20):
        manners.started(HOST)
        assert manners.wait_s(HOST) == math.inf
        manners.ended(HOST, 0, 0.0)
        assert manners.wait_s(HOST) == 1.0
        clock.now += 1
    assert not manners.blocked(HOST)


EVENT = st.one_of(
    st.tuples(st.just("pass"), st.floats(0, 5) | st.sampled_from([0.1, 600.0, 4_000.0])),
    st.tuples(st.just("start"), st.sampled_from("abc")),
    st.tuples(
        st.just("end"),
        st.sampled_from([200, 200, 404, 429, 503, None]),
        st.floats(0, 40),
        st.sampled_from([None, None, 7.0]),
    ),
    st.tuples(st.just("crawl_delay"), st.sampled_from("abc"), st.sampled_from([0.0, 0.3, 2.7])),
)


@settings(max_examples=300)
@given(st.lists(EVENT, max_size=60), st.sampled_from([0.0, 0.1, 1.0]), st.integers(1, 3), st.integers(0, 2**32))
def test_no_sequence_of_events_violates_the_spacing(
    events: list[tuple[Any, ...]], delay_s: float, per_host: int, seed: int
) -> None:
    clock, drawn = Clock(), random.Random(seed)
    manners = Manners(delay_s, per_host, clock, seed=seed)
    starts: dict[str, float] = {}
    wanted: dict[str, float] = {}
    held: dict[str, float] = {}
    running: list[str] = []
    for event, *values in events:
        if event == "pass":
            clock.now += values[0]
        elif event == "crawl_delay":
            manners.crawl_delay(*values)
            wanted[values[0]] = max(wanted.get(values[0], 0.0), values[1])
        elif event == "end" and running:
            host = running.pop(drawn.randrange(len(running)))
            manners.ended(host, *values)
            held[host] = max(held.get(host, 0.0), clock.now + (values[2] or 0.0))
        elif event == "start" and manners.wait_s(values[0]) == 0:
            host = values[0]
            assert clock.now - starts.get(host, -math.inf) >= max(delay_s, wanted.get(host, 0.0))
            assert clock.now >= held.get(host, 0.0)
            assert running.count(host) < per_host
            manners.started(host)
            starts[host] = clock.now
            running.append(host)
    for host in "abc":  # and whoever waits as told is served
        for _ in range(running.count(host)):
            manners.ended(host, 200, 0.0)
        for _ in range(2):
            clock.now += manners.wait_s(host)
        assert manners.wait_s(host) == 0
