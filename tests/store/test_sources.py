from __future__ import annotations

import pytest

from store.sources import source_of


@pytest.mark.parametrize(
    ("host", "port", "source"),
    [
        ("images.example.com", None, "example.com"),
        ("images.example.com", 8080, "example.com"),
        ("a.b.example.co.uk", None, "example.co.uk"),
        ("EXAMPLE.com.", None, "example.com"),
        ("co.uk", None, "co.uk"),
        ("bücher.example.de", None, "example.de"),
        ("xn--bcher-kva.example", None, "xn--bcher-kva.example"),
        ("127.0.0.1", 8000, "127.0.0.1:8000"),
        ("127.0.0.1", 8001, "127.0.0.1:8001"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.9.9.9", 80, "127.9.9.9:80"),
        ("[::1]", 8000, "::1:8000"),
        ("localhost", 8000, "localhost:8000"),
        ("localhost", None, "localhost"),
        ("93.184.216.34", 8000, "93.184.216.34"),
        ("site-a.test", 80, "site-a.test"),
        ("site-b.test", 80, "site-b.test"),
    ],
)
def test_sources(host: str, port: int | None, source: str) -> None:
    assert source_of(host, port) == source
