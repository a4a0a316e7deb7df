from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.read.carriers import MAX_URLS, carriers, srcset, style_carriers

PAGE = "http://a.test/gallery/index.html"
HERE = "http://a.test/gallery/"

# One row per way in which a page can name a picture.
NAMED = {
    "img": '<img src="1.png">',
    "img in capitals": "<IMG SRC='1.png'>",
    "srcset": '<img srcset="1.png 2x">',
    "picture": '<picture><source srcset="1.png"><img></picture>',
    "lazy": '<img data-src="1.png">',
    "lazy srcset": '<img data-srcset="1.png 100w">',
    "style attribute": "<p style=\"background: url('1.png')\">",
    "style element": "<style>p { background: url(1.png) }</style>",
    "Open Graph": '<meta property="og:image" content="1.png">',
    "card": '<meta name="twitter:image" content="1.png">',
    "microdata": '<meta itemprop="image" content="1.png">',
    "icon": '<link rel="shortcut icon" href="1.png">',
    "preload": '<link rel=preload as=image href="1.png">',
    "preloaded set": '<link rel=preload as=image imagesrcset="1.png 1x">',
    "poster": '<video poster="1.png"></video>',
    "svg": '<svg><image href="1.png"/></svg>',
    "old svg": '<svg><image xlink:href="1.png"/></svg>',
    "input": '<input type="image" src="1.png">',
    "object": '<object type="image/png" data="1.png"></object>',
    "embed": '<embed type="image/png" src="1.png">',
    "background": '<body background="1.png">',
    "link to a picture": '<a href="1.png">large</a>',
    "noscript": '<noscript><img src="1.png"></noscript>',
    "noscript in the head": '<head><noscript><img src="1.png"></noscript></head>',
    "noscript beside a stand-in": '<img class=lazy src="data:,"><noscript><img src="1.png"></noscript>',
    "AMP": '<amp-img src="1.png"></amp-img>',
    "AMP srcset": '<amp-img srcset="1.png 1x"></amp-img>',
    "AMP film": '<amp-video poster="1.png"></amp-video>',
    "lazy original": '<img data-original="1.png">',
    "lazy background": '<div data-bg="1.png"></div>',
    "lazy background with url()": '<div data-background-image="url(1.png)"></div>',
    "lazy set of backgrounds": '<div data-bgset="1.png [--small] | 1.png"></div>',
    "lazy srcset of its own": '<img data-lazy-srcset="1.png 100w">',
    "lazy with descriptors": '<img data-lazyload="1.png 1x, 1.png 2x">',
    "carousel": '<img data-flickity-lazyload="1.png">',
    "zoom": '<a data-zoom-image="1.png">x</a>',
    "any data attribute": '<p data-whatever="./1.png">',
    "JSON-LD": '<script type="application/ld+json">{"image": "1.png"}</script>',
    "JSON-LD called otherwise": '<script type="Application/LD+JSON; charset=utf-8">{"image": "1.png"}</script>',
    "unclosed all around": '<p><table><img src="1.png"><b',
}


@pytest.mark.parametrize("markup", NAMED.values(), ids=NAMED.keys())
def test_every_carrier_gives_its_picture(markup: str) -> None:
    assert carriers(markup, PAGE).pictures == (HERE + "1.png",)


def test_pictures_come_once_and_in_the_order_of_the_page() -> None:
    page = '<img src="2.png"><img srcset="1.png 1x, 2.png 2x, 3.png 3x"><img src="#x"><img src=" 1.png\n">'
    assert carriers(page, PAGE).pictures == tuple(HERE + name for name in ("2.png", "1.png", "3.png"))


def test_links_are_pages_and_not_what_they_point_at_inside() -> None:
    page = (
        '<a href="/x#part">x</a> <a href="#top">top</a> <a href="mailto:a@b.test">m</a> '
        '<a href="javascript:1">j</a> <a href="big.JPG?s=1">picture</a> <area href="y"> '
        '<iframe src="z"></iframe>'
        '<link rel=next href="?p=2">'
        '<meta http-equiv="Refresh" content="3; URL=\'/moved\'"> <a>no</a> <a href="file:///etc/passwd">f</a>'
    )
    found = carriers(page, PAGE)
    assert found.links == ("http://a.test/x", HERE + "y", HERE + "z", PAGE + "?p=2", "http://a.test/moved")
    assert found.pictures == (HERE + "big.JPG?s=1",)
    assert found.unusable == ()


def test_style_sheets_are_linked_or_imported() -> None:
    page = '<link rel="stylesheet alternate" href="a.css"><style>@import "b.css"; p {}</style>'
    assert carriers(page, PAGE).styles == (HERE + "a.css", HERE + "b.css")


def test_the_base_of_the_page_counts() -> None:
    page = '<base target=x><base href="http://cdn.test/i/"><base href="http://no.test/"><img src="1.png">'
    assert carriers(page, PAGE).pictures == ("http://cdn.test/i/1.png",)
    assert carriers('<base href="data:x"><img src="1.png">', PAGE).pictures == (HERE + "1.png",)


def test_what_cannot_be_fetched_is_handed_back() -> None:
    page = (
        '<img src="data:image/png;base64,AAAA"><img src=""><img src="file:///1.png"><img src="http://[::1">'
        '<img src="ftp://a.test/1.png"><img src="http://a.test:99999/1.png">'
    )
    found = carriers(page, PAGE)
    assert found.pictures == ()
    assert found.unusable == (
        "file:///1.png",
        "http://[::1",
        "ftp://a.test/1.png",
        "http://a.test:99999/1.png",
    )


@pytest.mark.parametrize("page", ["", " ", "\0", "<!-- -->", "<?xml version='1.0'?>", "<", "<html", "\ud800"])
def test_a_page_of_nothing_carries_nothing(page: str) -> None:
    assert carriers(page, PAGE) == carriers("", PAGE)


def test_a_page_that_declares_another_encoding_is_read_as_the_text_it_is() -> None:
    page = '<?xml version="1.0" encoding="utf-16"?><meta charset="koi8-r"><img src="ä.png">'
    assert carriers(page, PAGE).pictures == (HERE + "ä.png",)


@pytest.mark.parametrize(
    "markup",
    [
        '<div data-bg="dark">',
        '<div data-image="42" data-large="true" data-thumb="/folder/">',
        '<img data-src="" data-zoom-image="">',
        '<iframe data-src="/player"></iframe><script data-src="/app.js"></script><video data-src="/film.mp4"></video>',
        '<div data-src="/img_{width}x.png" data-bg="{{ url }}/1.png">',
        '<p data-url="/page" data-title="1.png">',
        '<div data-options=\'{"image": "/1.png"}\'>',
    ],
)
def test_data_that_names_no_picture_names_none(markup: str) -> None:
    found = carriers(markup, PAGE)
    assert (found.pictures, found.unusable) == ((), ())


def test_a_lazy_picture_needs_no_suffix_where_the_attribute_says_enough() -> None:
    page = '<div data-bg="/i/7"></div><li data-thumb="//cdn.test/i?n=8"></li><iframe data-src="/i/9.jpg"></iframe>'
    assert carriers(page, PAGE).pictures == ("http://a.test/i/7", "http://cdn.test/i?n=8", "http://a.test/i/9.jpg")


def test_feeds_and_the_canonical_url_are_handed_out() -> None:
    page = (
        '<link rel="alternate" type="application/rss+xml; charset=utf-8" href="f.rss">'
        '<link rel="ALTERNATE" type="application/atom+xml" href="f.atom">'
        "<link rel=alternate type=application/feed+json href=f.json>"
        '<link rel=alternate hreflang=de href="/de"><link rel=alternate type=text/html href="/m">'
        '<link rel=canonical href="/real?p=1#x"><link rel=canonical href="/second">'
    )
    found = carriers(page, PAGE)
    assert found.feeds == (HERE + "f.rss", HERE + "f.atom", HERE + "f.json")
    assert found.canonical == "http://a.test/real?p=1"
    assert (found.links, found.pictures) == ((), ())
    assert carriers('<link rel=canonical href="file:///etc/passwd">', PAGE).canonical is None


def test_what_a_page_tells_crawlers_is_handed_out() -> None:
    page = (
        '<meta name="ROBOTS" content=" noindex, NoFollow "><meta name=googlebot content=none>'
        "<meta name=blindspot content=noimageai><meta property=robots content=all>"
        '<meta name="tdm-reservation" content=1>'
    )
    found = carriers(page, PAGE).meta
    assert found == (("robots", "noindex, NoFollow"), ("blindspot", "noimageai"), ("tdm-reservation", "1"))
    assert len(carriers('<meta name=robots content="x">' * 1_000, PAGE).meta) == 100


def test_nofollow_is_heeded() -> None:
    page = '<a rel="nofollow" href="/a"></a><a rel="noopener NoFollow" href="/b"></a><a rel="me" href="/c"></a>'
    assert carriers(page, PAGE).links == ("http://a.test/c",)
    assert carriers('<a rel=nofollow href="1.png">', PAGE).pictures == (HERE + "1.png",), "a picture is no page"


def test_a_page_names_no_more_than_its_share() -> None:
    page = (
        "".join(f'<img src="{n}.png"><a href="{n}.png"><a href="{n}">' for n in range(MAX_URLS)) + '<img src="data:,">'
    )
    found = carriers(page, PAGE)
    assert len(found.pictures) + len(found.links) == MAX_URLS
    assert found.dropped == 3 * MAX_URLS - len(found.pictures) * 3, "each further mention"
    sheet = style_carriers("".join(f"url({n}.png)" for n in range(MAX_URLS + 7)), PAGE)
    assert (len(sheet.pictures), sheet.dropped) == (MAX_URLS, 7)


HOSTILE = {
    "200,000 nested elements": "<div>" * 200_000 + '<img src="1.png">' + "</div>" * 200_000,
    "deep with wrong ends": "<i>" * 150_000 + "</b>" * 150_000 + '<img src="1.png">',
    "a million attributes": "<img " + " ".join(f"a{n}=1" for n in range(1_000_000)) + ' src="1.png">',
    "a million times the same": "<p " + "x=1 " * 1_000_000 + '><img src="1.png">',
    "5 MB of <a": "<a" * 2_500_000 + '><img src="1.png">',
    "5 MB of <a href": "<a href=x" * 555_555 + '><img src="1.png">',
    "1 MB of <": "<" * 1_000_000 + '<img src="1.png">',
    "1 MB of tables": "<table>" * 150_000 + '<img src="1.png">',
    "5 MB of commas": '<img srcset="' + "a.png," * 833_333 + '"><img src="1.png">',
    "5 MB of style": '<p style="' + "url(" * 1_250_000 + '"><img src="1.png">',
    "5 MB of JSON": '<script type="application/ld+json">' + '{"image":[' * 500_000 + '</script><img src="1.png">',
    "5 MB of a string": "<style>'" + "x" * 5_000_000 + '</style><img src="1.png">',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_end_and_give_what_comes_after(name: str) -> None:
    found = carriers(HOSTILE[name], PAGE)
    assert HERE + "1.png" in found.pictures


@given(st.text())
def test_no_page_is_too_strange(page: str) -> None:
    found = carriers(page, PAGE)
    assert all(url.startswith(("http://", "https://")) for url in found.pictures + found.links + found.styles)


@given(st.text(alphabet="<>/=\" 'abcimgsrcsetstyleurl()@import;:,#?\\{}[]-_dat", max_size=200))
def test_no_markup_is_too_strange(page: str) -> None:
    carriers(page, PAGE)
    style_carriers(page, PAGE)


def test_a_style_sheet_resolves_against_itself() -> None:
    found = style_carriers('@import "b.css"; p { background: url(1.png), url(file:///2.png) }', "http://c.test/s/a.css")
    assert found.pictures == ("http://c.test/s/1.png",)
    assert found.styles == ("http://c.test/s/b.css",)
    assert found.unusable == ("file:///2.png",)


# ---- srcset -----------------------------------------------------------------------------------------------

SRCSETS = {
    "": [],
    " , ,": [],
    "a.png": ["a.png"],
    "a.png 1x, b.png 2x": ["a.png", "b.png"],
    "a.png, b.png": ["a.png", "b.png"],
    "a.png,b.png": ["a.png,b.png"],
    "a.png 1x,b.png 2x": ["a.png", "b.png"],
    "a.png,,, b.png": ["a.png", "b.png"],
    ",a.png 100w,": ["a.png"],
    "a,b.png 1x, c.png": ["a,b.png", "c.png"],
    "data:image/png;base64,AA== 1x, b.png": ["data:image/png;base64,AA==", "b.png"],
    "a.png (1,2) 1x, b.png": ["a.png", "b.png"],
    "a.png calc(1x, b.png": ["a.png"],
    "a.png\n\t100w 50h ,\f b.png": ["a.png", "b.png"],
    "a.png nonsense, b.png 7": ["a.png", "b.png"],
    "/w_100,h_50/a.png 100w, /w_200,h_90/a.png 200w": ["/w_100,h_50/a.png", "/w_200,h_90/a.png"],
}


@pytest.mark.parametrize("value", SRCSETS)
def test_srcset_by_the_standard(value: str) -> None:
    assert srcset(value) == SRCSETS[value]


urls = st.text("abc/.,-_:;()=%", min_size=1, max_size=12).filter(lambda url: url.strip(",") == url)
descriptors = st.sampled_from(["", " 1x", " 2.5x", " 100w", "  640w 480h", " 1e3x", " (a,b)"])
gaps = st.sampled_from([", ", " , ", ",\n", " ,\t"])


@given(st.lists(st.tuples(urls, descriptors, gaps), max_size=8))
def test_what_is_written_by_the_grammar_is_read_back(candidates: list[tuple[str, str, str]]) -> None:
    value = "".join(url + descriptor + gap for url, descriptor, gap in candidates)
    assert srcset(value) == [url for url, _, _ in candidates]


@given(st.text(alphabet=" ,()ax\t\n", max_size=60))
def test_srcset_ends_and_gives_no_empty_url(value: str) -> None:
    assert all(url and not url.endswith(",") and not url.startswith(",") for url in srcset(value))
