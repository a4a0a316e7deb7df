from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl.urls import MAX_URL_CHARS, resolve, without_credentials

BASE = "http://a.test/dir/page.html?q=1"
RESOLVED = {
    "b.png": "http://a.test/dir/b.png",
    "/b.png": "http://a.test/b.png",
    "//c.test/b.png": "http://c.test/b.png",
    "?p=2": "http://a.test/dir/page.html?p=2",
    " \n b.png\t ": "http://a.test/dir/b.png",
    "b\n.p\tng": "http://a.test/dir/b.png",
    "\\img\\b.png?x=\\": "http://a.test/img/b.png?x=\\",
    "b.png#part": "http://a.test/dir/b.png",
    "https://u:p@c.test:8443/b.png": "https://c.test:8443/b.png",
    "HTTP://C.TEST/b.png": "http://C.TEST/b.png",
    "#top": None,
    "": None,
    "  ": None,
    "file:///etc/passwd": None,
    "javascript:alert(1)": None,
    "data:image/png,x": None,
    "https://": None,
    "https:///b.png": None,
    "http://[::1": None,
    "http://c.test:port/": None,
    "http://c.test:0/": None,
    "x" * (MAX_URL_CHARS + 1): None,
}


@pytest.mark.parametrize("written", RESOLVED)
def test_resolve(written: str) -> None:
    assert resolve(BASE, written) == RESOLVED[written]


@given(st.text(), st.text())
def test_resolve_gives_something_to_fetch_or_nothing(base: str, written: str) -> None:
    url = resolve(base, written)
    if url is not None:
        parts = urlsplit(url)
        assert parts.scheme in ("http", "https")
        assert parts.hostname
        assert parts.username is None
        assert parts.fragment == ""


@given(st.text("abc:/@%", max_size=20))
def test_credentials_never_stay(userinfo: str) -> None:
    clean = without_credentials(f"http://{userinfo.replace('/', '')}@host.test/a@b?c@d")
    assert clean == "http://host.test/a@b?c@d"
