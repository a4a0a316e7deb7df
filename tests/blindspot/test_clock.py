"""Steps that come twice add up, and one that fails is counted too."""

from __future__ import annotations

import time

import pytest

from blindspot.clock import timed


def test_steps_add_up() -> None:
    seconds: dict[str, float] = {}
    for _ in range(2):
        with timed(seconds, "mine"):
            time.sleep(0.02)
    with pytest.raises(ValueError, match="broken"), timed(seconds, "gate"):
        raise ValueError("broken")
    assert seconds["mine"] >= 0.04
    assert set(seconds) == {"mine", "gate"}
