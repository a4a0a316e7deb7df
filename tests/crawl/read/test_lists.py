from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.read.lines import lines
from crawl.read.lists import Listed, listed
from crawl.urls import MAX_URL_CHARS
from store.errors import UsageError


def written(path: Path) -> list[str]:
    return [line.written for line in listed(path)]


def test_lines_are_numbered_and_comments_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("# mine\nhttp://a.test/1.png\n\n   \n  http://a.test/2.png  a caption\nrubbish\n#http://no/\n")
    assert list(listed(path)) == [
        Listed(2, "http://a.test/1.png", None, path),
        Listed(5, "http://a.test/2.png", None, path),
        Listed(6, "rubbish", None, path),
    ]


ENCODED = {
    "UTF-8": "http://a.test/ä\nb\n".encode(),
    "a mark": "http://a.test/ä\nb\n".encode("utf-8-sig"),
    "Windows": "http://a.test/ä\r\nb\r\n".encode(),
    "old Macs": "http://a.test/ä\rb\r".encode(),
    "no last line end": "http://a.test/ä\nb".encode(),
    "Latin-1": "http://a.test/ä\nb\n".encode("latin-1"),
    "UTF-16": "http://a.test/ä\r\nb\r\n".encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + "http://a.test/ä\nb\n".encode("utf-16-be"),
    "UTF-16 without a mark": "http://a.test/ä\nb\n".encode("utf-16-le"),
    "UTF-16 without a mark, big end first": "http://a.test/ä\nb\n".encode("utf-16-be"),
    "gzip": gzip.compress("http://a.test/ä\nb\n".encode()),
}


@pytest.mark.parametrize("name", ENCODED)
def test_encodings_and_line_ends(name: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(ENCODED[name])
    assert [(line.line, line.written) for line in listed(tmp_path / "list")] == [(1, "http://a.test/ä"), (2, "b")]


def test_each_line_has_its_own_encoding(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes("ä\n".encode() + "ö\n".encode("latin-1") + "ü\n".encode())
    assert written(tmp_path / "list") == ["ä", "ö", "ü"]


def test_an_over_long_line_is_cut_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(f"a\nhttp://a.test/{'x' * 2_000_000}\nb\n")
    first, long, last = listed(path)
    assert (first.written, last.written, last.line, last.problem) == ("a", "b", 3, None)
    assert (len(long.written), long.problem) == (MAX_URL_CHARS, f"2000014 characters, at most {MAX_URL_CHARS}")


def test_rubbish_is_handed_out_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(bytes(range(256)) * 4)
    assert len(written(tmp_path / "list")) == 5, "between line ends, blank ones apart"


@pytest.mark.parametrize("given_as", [".", "raw_data", "raw_data/drawings"])
def test_a_folder_by_class_gives_hints(given_as: str, tmp_path: Path) -> None:
    for name in ("neutral", "drawings"):
        (tmp_path / "raw_data" / name / "IMAGES").mkdir(parents=True)
        (tmp_path / "raw_data" / name / f"urls_{name}.txt").write_text(f"http://{name}.test/1.png\n")
        (tmp_path / "raw_data" / name / "notes.txt").write_text("http://no.test/\n")
    found = [(line.hint, line.written, line.line) for line in listed(tmp_path / given_as)]
    drawings, neutral = (("drawings", "http://drawings.test/1.png", 1), ("neutral", "http://neutral.test/1.png", 1))
    assert found == ([drawings] if given_as.endswith("drawings") else [drawings, neutral])
    single = next(listed(tmp_path / "raw_data" / "neutral" / "urls_neutral.txt"))
    assert single.hint == "neutral"


def test_a_class_is_text_of_a_bounded_length(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"urls_\xff\n.txt.gz")).write_bytes(gzip.compress(b"a\n"))
    (tmp_path / f"urls_{'x' * 200}.txt").write_text("b\n")
    hints = {line.written: line.hint or "" for line in listed(tmp_path)}
    assert hints["a"].isprintable()
    hints["a"].encode()
    assert len(hints["b"]) == 100


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_no_list_is_said(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty" / "urls_x.txt").mkdir(parents=True)
    with pytest.raises(UsageError, match=rf"raw_data/<class>/urls_<class>\.txt\. Received: .*{name}"):
        list(listed(tmp_path / name))


def test_a_gzip_that_is_cut_gives_what_was_readable(tmp_path: Path) -> None:
    path = tmp_path / "urls_x.txt.gz"
    path.write_bytes(gzip.compress(b"http://a.test/1\n" * 50_000)[:-9])
    *good, last = listed(path)
    assert len(good) > 49_000
    assert {line.written for line in good[:-1]} == {"http://a.test/1"}
    assert (last.written, last.hint, last.problem) == ("", "x", "urls_x.txt.gz cannot be read on: the gzip ends early")


def test_a_long_list_is_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "list"
    with path.open("wb") as file:
        for _ in range(6):
            file.write(b"http://a.test/some/picture/of/a/usual/length/1.png\n" * 100_000)
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom crawl.read.lists import listed\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(sum(1 for _ in listed(Path(sys.argv[1]))), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    count, grown_kb = map(int, done.stdout.split())
    assert count == 600_000
    assert grown_kb < 10_000


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xfe", b"\x1f\x8b\x08\0", b"h\0t\0"]))
def test_no_bytes_are_too_strange(tmp_path_factory: pytest.TempPathFactory, data: bytes, start: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any list"
    path.write_bytes(start + data)
    for line in listed(path):
        line.written.encode("utf-8", "strict")
        assert len(line.written) <= MAX_URL_CHARS


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]))), st.integers(1, 9))
def test_lines_are_those_of_the_text_however_it_is_cut(texts: list[str], size: int) -> None:
    data = "\ufeff".encode() + "".join(f"{text}\n" for text in texts).encode()
    found = list(lines(iter([data[at : at + size] for at in range(0, len(data), size)]), 8))
    assert [line for line, _ in found] == [text[:8] for text in texts]
    assert [length for _, length in found] == [len(text) for text in texts]
