from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.read.gzipped import MAX_MEMBERS, PIECE_BYTES, GzipError, chunks, gunzipped


def read(packed: bytes) -> tuple[bytes, str]:
    """(what was readable, what was wrong)."""
    data = bytearray()
    try:
        for piece in gunzipped(chunks(packed)):
            assert len(piece) <= PIECE_BYTES
            data += piece
    except GzipError as error:
        return bytes(data), str(error)
    return bytes(data), ""


@given(st.lists(st.binary(max_size=300), max_size=4), st.sampled_from([b"", b"\0" * 9, b"\n", b"\x1f"]))
def test_streams_follow_one_another(parts: list[bytes], tail: bytes) -> None:
    data, problem = read(b"".join(map(gzip.compress, parts)) + (tail if parts and tail != b"\x1f" else b""))
    assert (data, problem) == (b"".join(parts), "")


TEXT = b"".join(b"http://a.test/%d\n" % n for n in range(50_000))


def test_a_cut_one_gives_all_that_is_readable() -> None:
    packed = gzip.compress(TEXT)
    for cut in (len(packed) // 2, len(packed) - 1, 30_000):
        data, problem = read(packed[:cut])
        machine = zlib.decompressobj(31)
        assert data == machine.decompress(packed[:cut])
        assert problem == "the gzip ends early"


def test_one_with_a_wrong_sum_gives_everything() -> None:
    for text in (TEXT, b"short"):
        packed = bytearray(gzip.compress(text))
        packed[-6] ^= 1
        data, problem = read(bytes(packed))
        assert data == text
        assert "incorrect data check" in problem


def test_a_damaged_one_gives_what_comes_before_the_damage() -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[50_000] ^= 0xFF
    data, problem = read(bytes(packed))
    assert problem.startswith("the gzip is damaged")
    assert TEXT.startswith(data[:50_000])
    assert len(data) > 50_000


def test_a_bomb_comes_in_small_pieces() -> None:
    size = 0
    for piece in gunzipped(chunks(gzip.compress(bytes(100_000_000)))):
        size += len(piece)
        if size > 1_000_000:
            break
    assert size <= 1_000_000 + PIECE_BYTES


def test_streams_without_end_are_given_up() -> None:
    data, problem = read(gzip.compress(b"a") * (MAX_MEMBERS + 5))
    assert data == b"a" * MAX_MEMBERS
    assert problem == f"the gzip has more than {MAX_MEMBERS} streams"


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_are_too_strange(data: bytes, like_gzip: bool) -> None:
    read((b"\x1f\x8b\x08\0" if like_gzip else b"") + data)


@pytest.mark.parametrize("data", [b"", b"\x1f", b"\x1f\x8b", b"plain text"])
def test_what_is_none_says_so(data: bytes) -> None:
    assert read(data) == (b"", "") if not data else read(data)[1].startswith("the gzip")
