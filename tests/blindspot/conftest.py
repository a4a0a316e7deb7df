"""Homes behind the front door, each a copy of one that is made once, and the door itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from blindspot.init import make_home
from blindspot.settings import TEMPLATE
from mine.run import mine
from store.fold import fold
from store.home import Home
from store.suites import add_to_family
from tests.blindspot.calls import Front
from tests.mine import squares
from tests.train.world import World, copied, world_of_squares
from train.export import check


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("front") / "home").root


@pytest.fixture
def fresh(_made: Path, tmp_path: Path) -> Home:
    """A home as `init` makes it."""
    shutil.copytree(_made, tmp_path / "home")
    return Home(tmp_path / "home")


@pytest.fixture
def serving(tmp_path: Path) -> Home:
    """A home where a small model serves that flags red squares, and takes green discs for such; no pictures yet."""
    home = squares.make_home(tmp_path / "home")
    home.settings.write_text(TEMPLATE, encoding="utf-8")
    return home


@pytest.fixture
def mined(tmp_path: Path) -> World:
    """The same with pictures, suites, verdicts and candidates."""
    world = copied(world_of_squares(), tmp_path / "home")
    world.home.settings.write_text(TEMPLATE, encoding="utf-8")
    return world


@pytest.fixture(scope="session")
def _queued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = squares.make_home(tmp_path_factory.mktemp("queued") / "home")
    home.settings.write_text(TEMPLATE, encoding="utf-8")
    for kind, n in (("disc", 12), ("square", 6), ("texture", 6)):
        ids = squares.add_pictures(home, [squares.draw(kind, seed) for seed in range(n)], f"{kind}.example")
        add_to_family(home, f"{kind}s", ids, kind)
    mine(home)
    fold(home)
    return home.root


@pytest.fixture
def queued_door(
    _queued: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Front:
    """The command at a home of 24 scored pictures in three families, with a queue and no verdict yet."""
    shutil.copytree(_queued, tmp_path / "home")
    return Front(Home(tmp_path / "home"), capsys, monkeypatch)


@pytest.fixture
def door(fresh: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Front:
    """The command at a home as `init` makes it."""
    return Front(fresh, capsys, monkeypatch)


@pytest.fixture
def serving_door(serving: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Front:
    """The command at a home where the small model serves."""
    return Front(serving, capsys, monkeypatch)


@pytest.fixture
def mined_door(mined: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Front:
    """The command at the home with pictures, suites, verdicts and candidates."""
    return Front(mined.home, capsys, monkeypatch)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of six drawn pictures, two of them the same bytes."""
    folder = tmp_path / "owner's pictures"
    folder.mkdir()
    for index, kind in enumerate(("square", "disc", "texture", "square", "disc")):
        (folder / f"{index}.png").write_bytes(squares.draw(kind, 9_000 + index))
    shutil.copyfile(folder / "0.png", folder / "again.png")
    return folder


@pytest.fixture
def compared_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare a candidate's two files in this process: a fresh one takes seconds, and tests/train has it."""
    monkeypatch.setattr("train.facts.verify", lambda folder, pictures: check(folder, pictures)["difference"])
