"""Hash lists: what other tools write comes in, rubbish is counted, and what is written comes back the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import BankError
from store.home import Home
from store.known_bad.hashlists import HashList, as_text, list_files, read_list, write_list

A, B, C = "a" * 64, "b1" * 32, "0" * 63 + "c"


def read(tmp_path: Path, text: str | bytes, kind: str = "pdq") -> HashList:
    path = tmp_path / "list.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_list(path, "friends", kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "quality"),
    [
        (A, None),
        (A.upper(), None),
        (f"  {A}  # from the street", None),
        (f"{A},87", 87),
        (f"{A}, 100, some/file.jpg", 100),
        (f"hash={A},norm=128,delta=0,quality=64,dims=512,filename=a.jpg", 64),
        (f"{A},idx=5", None),
        (f"{A},5files/quality=high", None),
    ],
)
def test_a_line_in_every_known_shape(tmp_path: Path, line: str, quality: int | None) -> None:
    found = read(tmp_path, line)
    assert (found.hashes, found.rubbish) == ({A: quality}, [])


def test_rubbish_is_counted_by_line_and_costs_nothing_else(tmp_path: Path) -> None:
    lines = [
        "# a comment",
        A,
        "",
        "no hash",
        A[:-1],
        A + "0",
        f"{B};5",
        "\x00\x01",
        "g" * 64,
        C,
        f"x{B}",
        "y" * 2_000_000,
    ]
    found = read(tmp_path, "\n".join(lines))
    assert list(found.hashes) == [A, C]
    assert found.rubbish == [4, 5, 6, 7, 8, 9, 11, 12]


def test_poor_pdqs_are_left_out_and_counted(tmp_path: Path) -> None:
    found = read(tmp_path, f"{A},49\n{B},50\n{C},0\n")
    assert (found.hashes, found.poor, found.rubbish) == ({B: 50}, 2, [])
    assert read(tmp_path, f"{A},49\n", "sha256").hashes == {A: None}, "a SHA-256 has no quality"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_any_encoding_and_line_end(tmp_path: Path, encoding: str) -> None:
    found = read(tmp_path, f"# Bücher\r\n{A}\r\n{B}".encode(encoding))
    assert (list(found.hashes), found.rubbish) == ([A, B], [])


@given(st.binary(max_size=300))
def test_no_bytes_break_it(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "wild"
    path.write_bytes(data + f"\n{A}\n".encode())
    found = read_list(path, "wild", "sha256")
    assert set(found.hashes) <= {A}
    assert len(found.hashes) + len(found.rubbish) > 0


def test_what_is_written_comes_back(home: Home) -> None:
    wanted = HashList("friends", "pdq", {A: 87, B: None, C: 50})
    path = write_list(home, wanted)
    assert path.name == "friends.pdq"
    assert read_list(path, "friends", "pdq") == wanted
    assert as_text(wanted).splitlines() == ["# friends: 3 hashes, pdq", f"{A},87", B, f"{C},50"]
    write_list(home, HashList("friends", "pdq", {C: None}))
    write_list(home, HashList("friends", "sha256", {A: None}))
    (path.parent / "notes.txt").write_text(A)
    found = [(name, kind, list(read_list(path, name, kind).hashes)) for path, name, kind in list_files(home)]
    assert found == [("friends", "pdq", [C]), ("friends", "sha256", [A])]


def test_a_home_without_a_bank_has_no_lists(home: Home) -> None:
    assert list(list_files(home)) == []


def test_a_list_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(BankError, match="cannot be read: Is a directory; mend that, or `blindspot bank off`"):
        read_list(tmp_path, "friends", "pdq")
