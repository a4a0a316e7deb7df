from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.read.markup import CHUNK_BYTES, MAX_DEPTH, Tag, tags


def found(page: str) -> list[Tag]:
    """All but what a parser adds of its own."""
    return [tag for tag in tags(page) if tag.name not in ("html", "head", "body", "p")]


def test_tags_come_in_order_with_their_attributes() -> None:
    page = '<IMG SRC="a&amp;b&#228;" alt=x checked><svg><image xlink:href=c></svg><br/>'
    assert found(page) == [
        Tag("img", {"src": "a&bä", "alt": "x", "checked": ""}),
        Tag("svg", {}),
        Tag("image", {"xlink:href": "c"}),
        Tag("br", {}),
    ]
    assert found(page)[0].get("nothing") == ""


def test_only_scripts_and_styles_have_text() -> None:
    page = '<div>text</div><script type=a>1 < 2 "</div>"</script><style>p > a { }</style>'
    assert found(page) == [
        Tag("div", {}),
        Tag("script", {"type": "a"}, '1 < 2 "</div>"'),
        Tag("style", {}, "p > a { }"),
    ]


def test_what_is_no_tag_gives_none() -> None:
    assert found("<!-- <img> --><?php <img> ?>&lt;img&gt;<title><img></title><textarea><img></textarea>") == [
        Tag("title", {}),
        Tag("textarea", {}),
    ]


@pytest.mark.parametrize("length", range(CHUNK_BYTES - 40, CHUNK_BYTES + 3))
def test_chunks_do_not_show(length: int) -> None:
    page = " " * length + '<img src="ä">' + "<script>" + "x" * length + "</script><b>"
    assert found(page) == [Tag("img", {"src": "ä"}), Tag("script", {}, "x" * length), Tag("b", {})]


def test_a_fresh_parser_loses_nothing() -> None:
    page = "".join(f'<div id="{n}">' for n in range(10 * MAX_DEPTH)) + "<style>" + "x" * 20_000 + "</style><img>"
    names = [tag.get("id") or tag.name for tag in found(page)]
    assert names == [*map(str, range(10 * MAX_DEPTH)), "style", "img"]


@given(st.text() | st.text(alphabet="<>/=\"' abimgscriptyle!-&;"))
def test_no_page_is_too_strange(page: str) -> None:
    assert all(tag.name for tag in tags(page))


names = st.sampled_from(["img", "span", "em", "b"])
attributes = st.dictionaries(st.sampled_from(["src", "alt", "data-x"]), st.text("abc<>&'= \n"), max_size=3)


@given(st.lists(st.tuples(names, attributes), max_size=30))
def test_what_is_written_by_the_grammar_is_read_back(written: list[tuple[str, dict[str, str]]]) -> None:
    def tag(name: str, pairs: dict[str, str]) -> str:
        escaped = {key: value.replace("&", "&amp;") for key, value in pairs.items()}
        return f"<{name}" + "".join(f' {key}="{value}"' for key, value in escaped.items()) + ">"

    assert found("".join(tag(*one) for one in written)) == [Tag(*one) for one in written]
