"""Homes of the small world of squares, for the tests of mining."""

from __future__ import annotations

from pathlib import Path

import pytest

from store.home import Home
from tests.mine.squares import make_home


@pytest.fixture
def squares_home(tmp_path: Path) -> Home:
    """A workspace where the fooled version serves and no picture is stored yet."""
    return make_home(tmp_path / "home")
