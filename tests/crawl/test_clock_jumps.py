from __future__ import annotations

import time

import pytest

from crawl.clock import steady


def test_a_steady_clock_goes_on_whatever_the_machine_is_set_to(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, real = steady(), time.time
    assert abs(clock() - real()) < 0.5
    before = clock()
    monkeypatch.setattr(time, "time", lambda: real() - 7_200)
    assert 0 <= clock() - before < 0.5
    assert abs(steady()() - (real() - 7_200)) < 0.5, "a new one starts from what is set now"
