from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.read.sitemaps import MAX_BYTES, MAX_LINES, MAX_URLS, Sitemap, looks_like_sitemap, read_sitemap

AT = "http://a.test/maps/sitemap.xml"
NS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def urlset(*urls: str, ns: str = NS) -> bytes:
    return (
        f"<?xml version='1.0'?><urlset {ns}>{''.join(f'<url><loc>{url}</loc></url>' for url in urls)}</urlset>".encode()
    )


FORMS = {
    "urlset": urlset("http://a.test/1", "http://a.test/2"),
    "no namespace": urlset("http://a.test/1", "http://a.test/2", ns=""),
    "an old namespace": urlset("http://a.test/1", "http://a.test/2", ns='xmlns="http://www.google.com/schemas/sitemap/0.84"'),
    "a prefix": b'<s:urlset xmlns:s="x"><s:url><s:loc>http://a.test/1</s:loc></s:url><s:url><s:loc>/2</s:loc></s:url></s:urlset>',
    "gzip": gzip.compress(urlset("http://a.test/1", "http://a.test/2")),
    "two gzips": gzip.compress(urlset("http://a.test/1", "http://a.test/2")[:70])
    + gzip.compress(urlset("http://a.test/1", "http://a.test/2")[70:]),
    "UTF-16": urlset("http://a.test/1", "http://a.test/2").decode().encode("utf-16"),
    "text": b"\xef\xbb\xbfhttp://a.test/1\r\n\r\nhttp://a.test/2",
    "text in UTF-16": "http://a.test/1\nhttp://a.test/2\n".encode("utf-16"),
    "text in gzip": gzip.compress(b"http://a.test/1\rhttp://a.test/2\r", mtime=0),
    "RSS": b"<rss><channel><link>http://a.test/home</link><item><link>http://a.test/1</link></item>"
    b"<item><link>http://a.test/2</link></item></channel></rss>",
    "Atom": b'<feed xmlns="http://www.w3.org/2005/Atom"><link href="http://a.test/home"/><entry><link href="http://a.test/1"/>'
    b'<link rel="edit" href="http://a.test/no"/></entry><entry><link rel="alternate" href="http://a.test/2"/></entry></feed>',
    "spaces, CDATA, repeats": urlset("\n http://a.test/1 \n", "<![CDATA[http://a.test/1]]>", "http://a.test/2#x"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_lists_its_pages(form: str) -> None:
    assert read_sitemap(FORMS[form], AT) == Sitemap(pages=("http://a.test/1", "http://a.test/2"))


def test_an_index_lists_sitemaps() -> None:
    index = b"<sitemapindex><sitemap><loc>http://a.test/1.xml.gz</loc><lastmod>2020</lastmod></sitemap></sitemapindex>"
    assert read_sitemap(index, AT) == Sitemap(sitemaps=("http://a.test/1.xml.gz",))


def test_pictures_may_lie_anywhere() -> None:
    page = (
        "http://a.test/1</loc><image:image><image:loc>http://cdn.test/1.png</image:loc></image:image>"
        "<image:image><image:loc>/2.png</image:loc></image:image>"
        "<video:video><video:thumbnail_loc>http://cdn.test/3.png</video:thumbnail_loc></video:video><loc>"
    )
    for ns in (NS, f'{NS} xmlns:image="http://www.google.com/schemas/sitemap-image/1.1" xmlns:video="v"'):
        found = read_sitemap(urlset(page, ns=ns), AT)
        assert found.pictures == ("http://cdn.test/1.png", "http://a.test/2.png", "http://cdn.test/3.png")
        assert (found.pages, found.problem) == (("http://a.test/1",), None)


def test_a_sitemap_speaks_for_its_own_host_only() -> None:
    urls = ("http://a.test/1", "https://www.a.test/2", "http://x.a.test:81/3", "http://b.test/4", "http://aa.test/5")
    found = read_sitemap(urlset(*urls), AT)
    assert (found.pages, found.foreign) == (urls[:3], 2)
    assert read_sitemap(urlset(*urls), "http://www.a.test/s.xml").pages == urls[:3]
    index = b"<sitemapindex><sitemap><loc>http://b.test/1.xml</loc></sitemap></sitemapindex>"
    assert read_sitemap(index, AT).foreign == 1


def test_rubbish_is_handed_back() -> None:
    found = read_sitemap(urlset("rubbish", "file:///etc/passwd", "http://u:p@[::1", "", "http://u:p@a.test/1"), AT)
    assert found.pages == ("http://a.test/1",)
    assert found.unusable == ("rubbish", "file:///etc/passwd", "http://[::1")
    text = read_sitemap(b"http://a.test/1\nrubbish\n" + b"x" * 2_000_000, AT)
    assert (text.pages, len(text.unusable)) == (("http://a.test/1",), 2)
    assert max(map(len, text.unusable)) < 1_000


def test_the_limits_of_the_protocol_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (MAX_URLS, MAX_BYTES) == (50_000, 50 * 1024 * 1024)
    monkeypatch.setattr("crawl.read.sitemaps.MAX_URLS", 500)
    urls = [f"http://a.test/{n}" for n in range(509)]
    for data in (urlset(*urls), gzip.compress(urlset(*urls)), "\n".join(urls).encode()):
        found = read_sitemap(data, AT)
        assert (len(found.pages), found.dropped, found.problem) == (500, 9, None)
    endless = read_sitemap(urlset(*(f"http://a.test/{n}" for n in range(50_000))), AT)
    assert (len(endless.pages), endless.dropped) == (500, 500)
    assert "the rest was not read" in (endless.problem or "")
    assert read_sitemap(b"\n" * 2_000_000, AT).problem == f"more than {MAX_LINES} lines; the rest was not read"


def test_a_bomb_is_stopped_at_the_limit() -> None:
    for inside in (b" " * 60_000_000, b"http://a.test/1\n" + b" " * 60_000_000, urlset("/1") + b" " * 60_000_000):
        found = read_sitemap(gzip.compress(inside, 1), AT)
        assert found.problem == f"more than {MAX_BYTES} bytes; the rest was not read"


def test_a_gzip_that_is_cut_or_lies_gives_what_was_readable() -> None:
    whole = gzip.compress(urlset(*(f"http://a.test/{n}" for n in range(2_000))))
    cut = read_sitemap(whole[: len(whole) // 2], AT)
    assert 500 < len(cut.pages) < 1_500
    assert cut.problem == "the gzip ends early"
    lying = bytearray(whole)
    lying[-5] ^= 1
    found = read_sitemap(bytes(lying), AT)
    assert len(found.pages) == 2_000
    assert "data check" in (found.problem or "")
    assert read_sitemap(urlset("/1"), "http://a.test/sitemap.xml.gz").pages == ("http://a.test/1",), "unpacked already"


def test_a_cut_document_gives_its_whole_urls() -> None:
    found = read_sitemap(urlset("http://a.test/1", "http://a.test/2")[:-25], AT)
    assert found.pages == ("http://a.test/1",)
    assert found.problem


@pytest.mark.parametrize(
    "page", [b"<!DOCTYPE html><html><body>Not found</body></html>", b"<svg></svg>", b"just text", b""]
)
def test_what_is_no_sitemap_says_so_or_lists_nothing(page: bytes) -> None:
    found = read_sitemap(page, AT)
    assert found.pages == ()
    assert found.problem or not page


def test_entities_are_harmless() -> None:
    laughs = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))
    bomb = f'<!DOCTYPE urlset [<!ENTITY a "http://a.test/">{laughs}]>'.encode() + urlset("&m;", "http://a.test/1")[21:]
    found = read_sitemap(bomb, AT)
    assert found.pages == ("http://a.test/1",)
    assert found.unusable == ("&m;",)


@pytest.mark.parametrize(
    ("kind", "data", "is_one"),
    [
        ("text/html", urlset("/1"), True),
        ("", gzip.compress(urlset("/1"), mtime=0), True),
        ("", b"<!-- x --><sitemapindex>", True),
        ("text/plain; charset=utf-8", b"http://a.test/1\n\nhttp://a.test/2", True),
        ("text/plain", gzip.compress(b"http://a.test/1", mtime=0), True),
        ("text/html", b"http://a.test/1", False),
        ("text/plain", b"http://a.test/1\nhello", False),
        ("text/plain", b"", False),
        ("application/xml", b"<rss>", False),
        ("text/html", b"<html>", False),
        ("image/png", b"\x89PNG", False),
        ("", b"\x1f\x8b broken", False),
    ],
)
def test_what_looks_like_one(kind: str, data: bytes, is_one: bool) -> None:
    assert looks_like_sitemap(kind, data) is is_one


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"<urlset><url><loc>", b"\x1f\x8b\x08\0", b"http://a.test/", b"\xff\xfe"]),
)
def test_no_bytes_are_too_strange(data: bytes, start: bytes) -> None:
    found = read_sitemap(start + data, AT)
    assert all(url.startswith(("http://", "https://")) for url in found.pages + found.sitemaps + found.pictures)
    looks_like_sitemap("text/plain", start + data)


@given(st.text(alphabet="<>/&;![]'\" urlsetloc:image.http", max_size=200))
def test_no_markup_is_too_strange(text: str) -> None:
    read_sitemap(text.encode(), AT)
    read_sitemap(f"<urlset>{text}".encode(), "")
