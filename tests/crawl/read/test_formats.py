from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from crawl.read.formats import picture_format


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "webp", "bmp", "tiff", "avif"])
def test_what_pillow_writes_is_known(name: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), "teal").save(buffer, name)
    assert picture_format(buffer.getvalue()) == name


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BM",
        b"BMW and other cars are no pictures",
        b"RIFF....WAVEfmt ",
        b"....WEBP",
        b"<svg/>",
        b"\x89PNG",
        b"GIF",
    ],
)
def test_other_bytes_are_not(data: bytes) -> None:
    assert picture_format(data) is None


@given(st.text())
def test_text_is_no_picture(text: str) -> None:
    assert picture_format(f" {text}".encode("utf-8", "replace")) is None
