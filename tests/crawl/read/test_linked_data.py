from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.read.linked_data import MAX_CHARS, MAX_DEPTH, pictures_in

NAMED: dict[str, Any] = {
    "string": {"image": "1.png"},
    "list": {"image": ["1.png"]},
    "object": {"image": {"url": "1.png"}},
    "content": {"image": {"@type": "ImageObject", "contentUrl": "1.png", "caption": "no.png"}},
    "list of objects": {"image": [{"url": "1.png", "width": 9}]},
    "list in a list": {"image": [["1.png"]]},
    "logo": {"publisher": {"@type": "Organization", "logo": {"@type": "ImageObject", "url": "1.png"}}},
    "photo": {"photo": {"contentUrl": ["1.png"]}},
    "thumbnail": {"@type": "VideoObject", "contentUrl": "film.mp4", "url": "/page.html", "thumbnailUrl": ["1.png"]},
    "graph": {"@graph": [{"@type": "WebPage", "url": "/page.html"}, {"@type": "ImageObject", "url": "1.png"}]},
    "type after": [{"contentUrl": "1.png", "@type": ["Thing", "http://schema.org/ImageObject"]}],
    "nested": {"a": {"b": [{"c": {"author": {"image": "1.png"}}}]}},
}


@pytest.mark.parametrize("name", NAMED)
def test_every_form_gives_its_picture(name: str) -> None:
    assert list(pictures_in(json.dumps(NAMED[name]))) == ["1.png"]


@pytest.mark.parametrize(
    "text",
    [
        '{"url": "/page.html", "name": "1.png", "@type": "Product", "sameAs": ["https://a.test/1.png"]}',
        '{"@type": "VideoObject", "contentUrl": "film.mp4"}',
        '{"image": "a picture", "logo": 3, "photo": null, "thumbnailUrl": ""}',
        '{"image": {"@id": "#primary"}}',
        '"image", "1.png"',
        "",
    ],
)
def test_anything_else_gives_none(text: str) -> None:
    assert list(pictures_in(text)) == []


BROKEN = {
    "cut": '{"image": "1.png", "name": "x',
    "cut in a list": '{"image": ["1.png"',
    "cut in an object": '{"image": {"url": "1.png"',
    "trailing comma": '{"image": ["1.png",],}',
    "in a comment": '<!-- {"image": "1.png"} -->',
    "in CDATA": '//<![CDATA[\n{"image": "1.png"}\n//]]>',
    "a semicolon": '{"image": "1.png"};',
    "two documents": '{"a": 1}{"image": "1.png"}',
    "line breaks": '{"name": "a\nb", "image": "1.png"}',
    "a wrong escape": '{"name": "it\\\'s", "image": "1.png"}',
    "too many brackets": '}]}{"image": "1.png"}',
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_json_gives_what_it_names(name: str) -> None:
    assert list(pictures_in(BROKEN[name])) == ["1.png"]


def test_escapes_are_undone() -> None:
    assert list(pictures_in(r'{"image": ["https:\/\/a.test\/\u00e4.png", "a\/b\'.png"]}')) == [
        "https://a.test/ä.png",
        "a/b\\'.png",
    ]


def test_depth_and_length_are_bounded() -> None:
    deep = '{"a":' * (MAX_DEPTH + 5) + '{"image": "deep.png"}' + "}" * (MAX_DEPTH + 5) + '{"image": "1.png"}'
    assert list(pictures_in(deep)) == ["1.png"]
    assert list(pictures_in(" " * MAX_CHARS + '{"image": "1.png"}')) == []


@pytest.mark.parametrize("piece", ["[", "{", '"', '"a":', '"image":"a/b",', "\\", '"\\', '{"url":"a.b"', "{}", "]"])
def test_hostile_repetition_ends(piece: str) -> None:
    assert len(list(pictures_in(piece * (MAX_CHARS // len(piece))))) <= MAX_CHARS


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["image", "url", "@type", "a"]) | st.text(), inner),
)


@given(values)
def test_any_json_is_read(value: Any) -> None:
    list(pictures_in(json.dumps(value)))


@given(values, st.text(min_size=1).map(lambda text: f"/{text}"))
def test_a_picture_is_found_beside_anything(value: Any, url: str) -> None:
    assert url in list(pictures_in(json.dumps({"a": value, "image": url})))


@given(st.text(alphabet='{}[]":,\\ image/url@typeImageObject', max_size=100))
def test_no_text_is_too_strange(text: str) -> None:
    list(pictures_in(text))
