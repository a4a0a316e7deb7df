from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from store.home import Home
from tests.crawl.canary import Canary
from tests.crawl.site import Site, serving


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site()) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    yield canary
    canary.close()
