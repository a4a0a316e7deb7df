"""Homes for the store's tests whose catalog has its tables already: that is most of a first fold's time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from store.fold import fold
from store.home import Home


@pytest.fixture(scope="session")
def empty_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog file with all tables and views and no rows."""
    made = Home(tmp_path_factory.mktemp("empty"))
    fold(made)
    return made.catalog


@pytest.fixture
def home(home: Home, empty_catalog: Path) -> Home:
    """The home of every test, with the empty catalog in it; no snapshot yet."""
    shutil.copyfile(empty_catalog, home.catalog)
    return home
