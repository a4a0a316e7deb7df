"""The bytes of pictures: what went in comes out, under the name that its content gives it."""

from __future__ import annotations

import hashlib
import multiprocessing
from pathlib import Path

import pytest

from store.blobs import Blobs, picture_id
from store.errors import PictureMissing
from store.files import TEMPORARY, write_durably
from store.home import Home

KNOWN = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # sha256 of b"abc", FIPS 180-2


def test_bytes_come_back_under_their_sha256(home: Home) -> None:
    blobs = home.blobs()
    assert not blobs.has(KNOWN)
    assert list(blobs.ids()) == []
    assert blobs.put(b"abc") == KNOWN == picture_id(b"abc")
    assert blobs.get(KNOWN) == b"abc"
    assert blobs.has(KNOWN)
    assert (home.root / "pictures" / KNOWN[:2] / KNOWN).read_bytes() == b"abc"
    assert blobs.get(blobs.put(b"")) == b""
    assert set(blobs.ids()) == {KNOWN, hashlib.sha256(b"").hexdigest()}


def test_the_same_bytes_again_change_nothing(home: Home) -> None:
    blobs = home.blobs()
    path = home.root / "pictures" / KNOWN[:2] / KNOWN
    blobs.put(b"abc")
    before = path.stat().st_ino
    assert blobs.put(b"abc") == KNOWN
    assert path.stat().st_ino == before


def test_a_missing_picture_is_one_line_that_says_what_next(home: Home) -> None:
    with pytest.raises(PictureMissing, match="doctor --repair") as caught:
        home.blobs().get(KNOWN)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "abc", KNOWN.upper(), KNOWN + "0", "../" * 20, f"{KNOWN[:62]}/x", "g" * 64])
def test_a_name_that_is_no_picture_id_never_reaches_the_disk(home: Home, name: str) -> None:
    for ask in (home.blobs().get, home.blobs().has):
        with pytest.raises(PictureMissing, match="64 hex digits"):
            ask(name)


def test_leftovers_and_strange_files_are_not_pictures(home: Home) -> None:
    blobs = home.blobs()
    blobs.put(b"abc")
    (home.root / "pictures" / "ba" / f"{TEMPORARY}x-{KNOWN}").write_bytes(b"ab")
    (home.root / "pictures" / "README").write_text("no picture")
    assert list(blobs.ids()) == [KNOWN]


def test_an_object_store_by_url_keeps_the_same_contract() -> None:
    blobs = Blobs("memory://test-blobs/pictures")
    assert list(blobs.ids()) == []
    assert blobs.put(b"abc") == KNOWN
    assert blobs.put(b"abc") == KNOWN
    assert blobs.get(KNOWN) == b"abc"
    assert list(Blobs("memory://test-blobs/pictures").ids()) == [KNOWN]
    with pytest.raises(PictureMissing):
        blobs.get("0" * 64)


def _put_many(root: str) -> None:
    for number in range(50):
        Blobs(root).put(str(number).encode() * 1_000)


def test_several_processes_may_put_the_same_pictures(tmp_path: Path) -> None:
    root = str(tmp_path / "pictures")
    context = multiprocessing.get_context("forkserver")
    processes = [context.Process(target=_put_many, args=(root,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    blobs = Blobs(root)
    assert {hashlib.sha256(blobs.get(picture)).hexdigest() for picture in blobs.ids()} == set(blobs.ids())
    assert len(list(blobs.ids())) == 50


def test_a_failed_write_leaves_neither_file_nor_leftover(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(OSError, match="directory"):
        write_durably(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("url", ["", "memory://dropped"])
def test_dropped_bytes_are_gone_and_may_come_again(home: Home, url: str) -> None:
    blobs = Blobs(url or str(home.root / "pictures"))
    assert blobs.drop(KNOWN) == 0, "nothing was there"
    blobs.put(b"abc")
    kept = blobs.put(b"abcd")
    assert blobs.drop(KNOWN) == 3
    blobs.settle({KNOWN})
    assert list(blobs.ids()) == [kept]
    assert blobs.put(b"abc") == KNOWN
    assert blobs.get(KNOWN) == b"abc"
    with pytest.raises(PictureMissing):
        blobs.drop("../../etc/passwd")
