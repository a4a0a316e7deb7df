from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.read.xml import MAX_DEPTH, Element, Xml, root_name


def read(document: bytes | str, size: int = 16_384) -> tuple[list[Element], str | None]:
    data, xml = document.encode() if isinstance(document, str) else document, Xml()
    found = list(xml.elements(data[at : at + size] for at in range(0, len(data), size)))
    return found, xml.problem


def texts(document: bytes | str, size: int = 16_384) -> list[str]:
    return [element.text for element in read(document, size)[0] if element.name == "a"]


def test_elements_come_at_their_end_with_their_way_from_the_root() -> None:
    found, problem = read('<R xmlns:n="u:n"><n:A b="1"> x <c/></n:A></R>')
    assert found == [
        Element(("r", "a", "c"), "", {}, ""),
        Element(("r", "a"), "u:n", {"b": "1"}, "x"),
        Element(("r",), "", {}, ""),
    ]
    assert problem is None
    assert (found[0].name, found[0].parent, found[2].parent) == ("c", "a", "")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("<a>?x=1&y=2</a>", "?x=1&y=2"),
        ("<a>?x=1&amp;y=2</a>", "?x=1&y=2"),
        ("<a>a&nbsp;b&#228;&#xe4;</a>", "a&nbsp;bää"),
        ("<a>&</a>", "&"),
        ("<a>&amp;#38;</a>", "&#38;"),
        ("<a>&lt;&#</a>", "<&#"),
        ("<n:a>undeclared</n:a>", "undeclared"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_what_strict_parsers_lose_is_kept(written: str, meant: str, size: int) -> None:
    assert texts(f"<r>{written}</r>", size) == [meant]


def test_attributes_are_read_the_same_way() -> None:
    for written, meant in (
        ("?a=1&b=2", "?a=1&b=2"),
        ("?a=1&amp;b=2", "?a=1&b=2"),
        ("&amp;#38;&lt;&nbsp;", "&#38;<&nbsp;"),
    ):
        assert read(f'<r><a b="{written}"/></r>')[0][0].attributes == {"b": meant}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1"])
@pytest.mark.parametrize("size", [1, 7, 100])
def test_encodings(encoding: str, size: int) -> None:
    declared = "" if encoding == "utf-16-be" else f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>'
    assert texts(f"{declared}<r><a>ä&b</a></r>".encode(encoding), size) == ["ä&b"]


BOMBS = {
    "billion laughs": '<!DOCTYPE r [<!ENTITY b "lol">'
    + "".join(f'<!ENTITY {chr(99 + n)} "{f"&{chr(98 + n)};" * 10}">' for n in range(10))
    + "]><r><a>&l;</a></r>",
    "quadratic": f'<!DOCTYPE r [<!ENTITY b "{"x" * 100_000}">]><r><a>{"&b;" * 100_000}</a></r>',
    "in an attribute": '<!DOCTYPE r [<!ENTITY b "lol"><!ENTITY c "&b;&b;&b;">]><r><a b="&c;">&c;</a></r>',
    "of the outside": '<!DOCTYPE r [<!ENTITY b SYSTEM "file:///etc/hostname">]><r><a>&b;</a></r>',
    "of the network": '<!DOCTYPE r SYSTEM "http://127.0.0.1:1/x.dtd"><r><a>&b;</a></r>',
    "of a parameter": '<!DOCTYPE r [<!ENTITY % b SYSTEM "file:///etc/hostname">%b;]><r><a>&b;</a></r>',
    "to itself": '<!DOCTYPE r [<!ENTITY b "&b;">]><r><a>&b;</a></r>',
}


@pytest.mark.parametrize("name", BOMBS)
def test_entities_of_a_document_stand_for_nothing(name: str) -> None:
    tracemalloc.start()
    try:
        assert {text.strip("&bcl;") for text in texts(BOMBS[name])} == {""}
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_depth_and_number_of_elements_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "<b>" * 200_000 + "</b>" * 200_000
    found, _ = read(f"<r>{deep}<a>after</a></r>")
    assert max(len(element.path) for element in found) == MAX_DEPTH
    assert found[-2].text == "after"
    monkeypatch.setattr("crawl.read.xml.MAX_ELEMENTS", 10_000)
    found, problem = read("<r>" + "<a/>" * 100_000)
    assert len(found) < 20_000
    assert problem == "more than 10000 elements; the rest was not read"


@pytest.mark.parametrize("document", ["<r><a>1</a><a>2", "<r><a>1</a><a>2</b></r>", "<r><a>1</a>\0\1"])
def test_broken_documents_give_what_was_whole(document: str) -> None:
    found, problem = read(document)
    assert found[0].text == "1"
    assert problem


def test_nothing_and_no_xml_say_so() -> None:
    for document in ("", " ", "hello", "{}"):
        assert read(document)[0] == []
        assert read(document)[1]


HOSTILE = [
    b"<",
    b"<a",
    b"<a ",
    b"&",
    b"<!--",
    b"<![CDATA[",
    b"<?",
    b"</a>",
    b"<a>",
    b"<!DOCTYPE ",
    b"<!DOCTYPE a [",
    b"\0",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_repetition_ends(piece: bytes) -> None:
    read(piece * 200_000)
    read(b"<r>" + piece * 200_000)
    assert root_name(piece * 10_000) in (None, "a")


@given(st.binary(max_size=200), st.sampled_from([b"", b"<r>", b"\xff\xfe", b"<\0r\0>\0", b"<!DOCTYPE r ["]))
def test_no_bytes_are_too_strange(data: bytes, start: bytes) -> None:
    read(start + data)
    root_name(start + data)


@given(st.text(alphabet="<>/!?[]&;#x='\"abDOCTYPE -", max_size=100))
def test_no_markup_is_too_strange(text: str) -> None:
    read(text)
    root_name(text.encode())


@pytest.mark.parametrize(
    ("data", "root"),
    [
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- <no> --><?x y?><n:UrlSet xmlns:n="u">', "urlset"),
        (b'<!DOCTYPE rss PUBLIC "x" "y" [<!ENTITY a "b">]> <rss>', "rss"),
        ("<feed >".encode("utf-16"), "feed"),
        (b"<!DOCTYPE html><html>", "html"),
        (b"http://a.test/", None),
        (b"<cut", None),
        (b"", None),
    ],
)
def test_the_root_is_known_from_the_first_bytes(data: bytes, root: str | None) -> None:
    assert root_name(data) == root
