from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.read.carriers import MAX_URLS
from crawl.read.feeds import MAX_BYTES, Feed, looks_like_feed, read_feed

AT = "http://a.test/blog/feed.xml"
HERE = "http://a.test/blog/"


def rss(inside: str, around: str = "") -> bytes:
    return f"<?xml version='1.0'?><rss version='2.0'><channel>{around}<item>{inside}</item></channel></rss>".encode()


def atom(inside: str, around: str = "") -> bytes:
    return f'<feed xmlns="http://www.w3.org/2005/Atom">{around}<entry>{inside}</entry></feed>'.encode()


def rdf(inside: str) -> bytes:
    return (
        f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><item>{inside}</item>{"</rdf:RDF>"}'.encode()
    )


def as_json(item: dict[str, Any], **around: Any) -> bytes:
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": [item], **around}).encode()


PICTURES = {
    "enclosure": rss('<enclosure url="1.png" type="image/png" length="1"/>'),
    "enclosure without a type": rss('<enclosure url="1.png"/>'),
    "Media RSS": rss('<media:content url="1.png" medium="image"/>'),
    "Media RSS in a group": rss('<media:group><media:content url="1.png" type="image/png"/></media:group>'),
    "thumbnail": rss('<media:thumbnail url="1.png" width="9"/>'),
    "iTunes": rss("", '<itunes:image href="1.png"/>'),
    "channel": rss("", "<image><url>1.png</url><link>http://a.test/</link></image>"),
    "description": rss('<description>&lt;p&gt;&lt;img src="1.png"&gt;</description>'),
    "description in CDATA": rss('<description><![CDATA[<img src="1.png" srcset="1.png 2x">]]></description>'),
    "description escaped twice": rss('<description>&amp;lt;img src="1.png"&amp;gt;</description>'),
    "content": rss('<content:encoded><![CDATA[<p>a &amp; b<img data-src="1.png"></p>]]></content:encoded>'),
    "RSS 1.0": rdf('<description>&lt;img src="1.png"&gt;</description>'),
    "RSS 1.0 resource": rdf('<image rdf:resource="1.png"/>'),
    "Atom enclosure": atom('<link rel="enclosure" type="image/png" href="1.png"/>'),
    "Atom summary": atom('<summary type="html">&lt;img src="1.png"&gt;</summary>'),
    "Atom content": atom('<content type="html">&lt;img src="1.png"&gt;</content>'),
    "Atom elsewhere": atom('<content type="image/png" src="1.png"/>'),
    "Atom in XHTML": atom(
        '<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><img src="1.png"/></div></content>'
    ),
    "Atom logo": atom("", "<logo>1.png</logo>"),
    "JSON image": as_json({"image": "1.png"}),
    "JSON banner": as_json({"banner_image": "1.png"}),
    "JSON text": as_json({"content_html": '<img src="1.png">'}),
    "JSON attachment": as_json({"attachments": [{"url": "1.png", "mime_type": "image/png"}]}),
    "JSON icon": as_json({}, icon="1.png"),
    "UTF-16": rss('<enclosure url="1.png"/>').decode().encode("utf-16"),
}  # fmt: skip


@pytest.mark.parametrize("form", PICTURES)
def test_every_form_gives_its_picture(form: str) -> None:
    assert read_feed(PICTURES[form], AT) == Feed(pictures=(HERE + "1.png",))
    assert looks_like_feed("", PICTURES[form])


NONE = {
    "a film": rss('<enclosure url="film.mp4" type="video/mp4"/><media:content url="film.jpg" type="video/x"/>'),
    "a page in the text": rss('<description>&lt;a href="/page"&gt;x&lt;/a&gt;</description>'),
    "no URL": rss('<enclosure type="image/png"/><media:thumbnail/><itunes:image/>'),
    "no fetchable URL": rss('<enclosure url="file:///1.png" type="image/png"/>'),
    "other JSON": as_json({"image": 7, "attachments": ["1.png", {"url": None}], "tags": {"image": "1.png"}}),
}  # fmt: skip


@pytest.mark.parametrize("form", NONE)
def test_anything_else_gives_none(form: str) -> None:
    found = read_feed(NONE[form], AT)
    assert found == Feed(unusable=("file:///1.png",) if form == "no fetchable URL" else ())


LINKS = {
    "RSS": rss("<link> 1 </link><guid isPermaLink='false'>http://a.test/2</guid>", "<link>/</link>"),
    "RSS guid": rss("<guid>http://a.test/blog/1</guid>"),
    "Atom": atom('<link href="1"/><link rel="edit" href="/edit"/><link rel="self" href="/self"/>', '<link href="/"/>'),
    "RSS 1.0": rdf("<link>http://a.test/blog/1</link>"),
    "JSON": as_json({"url": "1", "external_url": "http://b.test/"}, home_page_url="/"),
    "next page": atom("", '<link rel="next" href="1"/>'),
    "next page in JSON": as_json({}, next_url="1"),
}  # fmt: skip


@pytest.mark.parametrize("form", LINKS)
def test_links_are_the_pages_of_items(form: str) -> None:
    assert read_feed(LINKS[form], AT) == Feed(links=(HERE + "1",))


def test_each_comes_once_and_in_order() -> None:
    found = read_feed(rss('<enclosure url="2.png"/><enclosure url="1.png"/><enclosure url="./2.png"/>'), AT)
    assert found.pictures == (HERE + "2.png", HERE + "1.png")


def test_broken_feeds_give_what_was_readable() -> None:
    found = read_feed(rss('<enclosure url="1.png?a=1&b=2"/><link>http://a.test/1')[:-30], AT)
    assert found.pictures == (HERE + "1.png?a=1&b=2",)
    assert found.problem
    assert read_feed(b'{"version": "https://jsonfeed.org/version/1", "items": [', AT).problem
    assert read_feed(b'{"a":' * 100_000, AT).problem
    assert read_feed(b"[]", AT).problem
    assert read_feed(b"", AT).problem


def test_a_feed_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_feed(rss("".join(f'<enclosure url="{n}.png"/>' for n in range(MAX_URLS + 5))), AT)
    assert (len(found.pictures), found.dropped) == (MAX_URLS, 5)
    monkeypatch.setattr("crawl.read.feeds.MAX_TEXTS", 20)
    many = read_feed(rss("".join(f"<description>&lt;img src={n}.png&gt;</description>" for n in range(30))), AT)
    assert (len(many.pictures), many.dropped) == (20, 10)
    long = read_feed(rss('<enclosure url="1.png"/>' + " " * MAX_BYTES), AT)
    assert (long.pictures, long.problem) == ((HERE + "1.png",), f"more than {MAX_BYTES} bytes; the rest was not read")


@pytest.mark.parametrize(
    ("kind", "data", "is_one"),
    [
        ("text/html", b"<?xml version='1.0'?><!-- x --><rss>", True),
        ("application/json", b'{"version":"https:\\/\\/jsonfeed.org\\/version\\/1"}', True),
        ("application/json", b'{"version": 1}', False),
        ("text/html", b"<html>https://jsonfeed.org/version/1", False),
        ("application/rss+xml", b"<html>", False),
        ("application/xml", b"<urlset>", False),
        ("", b"", False),
    ],
)
def test_what_looks_like_one(kind: str, data: bytes, is_one: bool) -> None:
    assert looks_like_feed(kind, data) is is_one


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"<rss><item><description>", b"{", b"\xff\xfe", b"<feed><entry>"])
)
def test_no_bytes_are_too_strange(data: bytes, start: bytes) -> None:
    found = read_feed(start + data, AT)
    assert all(url.startswith(("http://", "https://")) for url in found.pictures + found.links)
    looks_like_feed("application/json", start + data)


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["items", "image", "attachments", "url"]), inner),
)


@given(values)
def test_any_json_is_read(value: Any) -> None:
    read_feed(json.dumps({"version": "https://jsonfeed.org/version/1", "items": value}).encode(), AT)
