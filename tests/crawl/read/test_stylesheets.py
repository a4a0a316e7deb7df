from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.read.stylesheets import imports, pictures_in

PICTURES = {
    "p { background: url(a.png) }": ["a.png"],
    "url( 'a b.png' ) url(\"c.png\"), URL(d.png)": ["a b.png", "c.png", "d.png"],
    r"url(a\).png) url('it\'s.png') url(\61.png)": ["a).png", "it's.png", "a.png"],
    "url('a\\\nb.png')": ["ab.png"],
    "/* url(no.png) */ url(a.png) /* open url(no.png)": ["a.png"],
    "p::after { content: '/* url(no.png)' } q { cursor: url(a.png) }": ["a.png"],
    "b: image-set('a.png' 1x, url(b.png) 2x, 'c.avif' type('image/avif')); c: 'no'": [
        "a.png", "b.png", "c.avif",
    ],
    "-webkit-image-set(url(a.png) 1x)": ["a.png"],
    "@font-face { src: url(f.woff2), url(f.svg#f) } p { background: url(a.png) }": ["a.png"],
    "@namespace url(http://www.w3.org/1999/xhtml); p { background: url(a.png) }": ["a.png"],
    "@import url(no.css); p { background: url(a.png) }": ["a.png"],
    "url(": [""],
    "url(a.png": ["a.png"],
    "curl(a.png)": [],
}  # fmt: skip


@pytest.mark.parametrize("css", PICTURES)
def test_pictures(css: str) -> None:
    assert pictures_in(css) == PICTURES[css]


def test_imports() -> None:
    css = "@charset 'utf-8'; @import 'a.css'; @IMPORT url(b.css) print; @import url(\"c.css\"); p { c: 'd' }"
    assert imports(css) == ["a.css", "b.css", "c.css"]


urls = st.text("abc/.-_?=&%,;:{}@ '", min_size=1, max_size=20).map(str.strip).filter(bool)


@given(st.lists(urls, max_size=6))
def test_quoted_urls_are_read_back(wanted: list[str]) -> None:
    css = "".join(f'p {{ background: url("{url}") }} /* " */' for url in wanted)
    assert pictures_in(css) == wanted


@given(st.text(alphabet="url(){}'\"\\/*@import; \nset-", max_size=200))
def test_no_sheet_is_too_strange(css: str) -> None:
    pictures_in(css)
    imports(css)


@pytest.mark.parametrize(
    "piece", ["url(", "url('", "/*", "@import ", "\\", "'", "image-set(", "@font-face", "url(\\", "type('"]
)
def test_hostile_repetition_takes_linear_time(piece: str) -> None:
    began = time.perf_counter()
    pictures_in(piece * 50_000)
    assert time.perf_counter() - began < 2
