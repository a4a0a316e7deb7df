"""The small world of squares, as the tests of training and of the gate need it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.world import World, copied, world_of_squares
from train.export import check


@pytest.fixture(scope="session")
def world() -> World:
    """A mined and reviewed home with suites and candidates; for reading (certificates may be added)."""
    return world_of_squares()


@pytest.fixture
def own_world(world: World, tmp_path: Path) -> World:
    """A copy of it that a test may change."""
    return copied(world, tmp_path / "home")


@pytest.fixture
def compared_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare a candidate's two files in this process; a fresh one takes seconds, and `test_facts` has it."""
    monkeypatch.setattr("train.facts.verify", lambda folder, pictures: check(folder, pictures)["difference"])
