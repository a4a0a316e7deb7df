"""The decoder on hostile and damaged files: a reason code, quickly, and never another exception."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from bombs import WEBP_EXTENDED, WEBP_LOSSLESS, WEBP_LOSSY, ihdr, more_scans, png
from drawn import LOSSLESS, encode, flat, ramp, reason_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from store.errors import PictureError
from store.pictures import FORMATS, MAX_MARKERS, Decoded, Limits, decode

# What damage may come to. Anything else that comes out of `decode` is a bug.
REASONS = {"empty", "broken", "not_a_picture", "too_large", "unsupported", "too_many_frames"}


def outcome(data: bytes, limits: Limits | None = None) -> Decoded | str:
    """The picture, or the reason why there is none."""
    try:
        return decode(data, limits)
    except PictureError as error:
        return error.reason


@pytest.mark.parametrize("data", [WEBP_LOSSLESS, WEBP_LOSSY, WEBP_EXTENDED], ids=["VP8L", "VP8", "VP8X"])
def test_forty_bytes_of_webp_that_ask_for_gigabytes(data: bytes) -> None:
    assert len(data) == 40
    assert reason_of(data) == "too_large"


@pytest.mark.parametrize("size", [(100_000, 100_000), (2**31 - 1, 1), (50_000_001, 1)])
def test_a_png_header_that_asks_for_gigabytes(size: tuple[int, int]) -> None:
    assert reason_of(png(ihdr(*size))) == "too_large"


def test_bmp_gif_and_tiff_headers_that_ask_for_gigabytes() -> None:
    bmp = bytearray(encode(flat("red"), "BMP"))
    bmp[18:26] = struct.pack("<ii", 60_000, 60_000)
    assert reason_of(bytes(bmp)) == "too_large"
    gif = bytearray(encode(flat("red"), "GIF"))
    gif[6:10] = struct.pack("<HH", 65_535, 65_535)
    assert reason_of(bytes(gif)) == "too_large"
    tiff = encode(flat("red"), "TIFF")
    for tag, value in ((256, 8), (257, 6)):  # width, height
        for kind in (struct.pack("<HHII", tag, 4, 1, value), struct.pack("<HHIHH", tag, 3, 1, value, 0)):
            tiff = tiff.replace(kind, struct.pack("<HHII", tag, 4, 1, 100_000))
    assert reason_of(tiff) == "too_large"


def progressive(extra_scans: int) -> bytes:
    """A progressive JPEG whose last scan comes `extra_scans` times more. Ten scans are usual."""
    return more_scans(encode(Image.fromarray(ramp()), "JPEG", progressive=True), extra_scans)


def test_a_jpeg_of_too_many_scans() -> None:
    scans = progressive(0).count(b"\xff\xda")
    assert decode(progressive(64 - scans)).rgb.shape == (32, 48, 3)
    assert reason_of(progressive(65 - scans)) == "too_many_scans"
    assert reason_of(progressive(20_000)) == "too_many_scans"


def test_bytes_that_only_look_like_scans_do_not_count() -> None:
    """Phones append films to their pictures; by chance 5 MB of film hold 76 such pairs of bytes."""
    data = encode(Image.fromarray(ramp()), "JPEG")
    assert decode(data + b"\xff\xda" * 500).rgb.shape == (32, 48, 3)
    comment = b"\xff\xfe" + struct.pack(">H", 1_002) + b"\xff\xda" * 500
    assert decode(data[:2] + comment + data[2:]).rgb.shape == (32, 48, 3)


def test_a_jpeg_of_nothing_but_markers_costs_no_time() -> None:
    data = encode(flat("red"), "JPEG")
    assert reason_of(data[:2] + b"\xff\x01" * (MAX_MARKERS + 1) + data[2:] + b"\xff\xda" * 65) == "broken"
    assert reason_of(data[:2] + b"\xff\x01" * 10_000_000 + b"\xff\xda" * 65) == "broken"


def test_a_damaged_tag_is_no_reason_to_stop_where_a_picture_is_to_be_turned() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x011A] = 6, 72.0  # orientation; resolution, a fraction
    data = encode(Image.fromarray(ramp()), "JPEG", exif=exif)
    fraction = struct.pack(">HHI", 0x011A, 5, 1)
    assert fraction in data
    for kind in range(14):
        damaged = decode(data.replace(fraction, struct.pack(">HHI", 0x011A, kind, 1)))
        assert damaged.rgb.shape == (48, 32, 3)


def test_too_many_frames_and_too_many_bytes() -> None:
    frames = [flat((n, 0, 0)) for n in range(1, 8)]
    data = encode(flat("black"), "GIF", save_all=True, append_images=frames)
    assert reason_of(data, Limits(max_frames=7)) == "too_many_frames"
    assert decode(data, Limits(max_frames=8)).frames == 8
    assert reason_of(data, Limits(max_bytes=len(data) - 1)) == "too_many_bytes"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<html>", "not_a_picture"),
        (b"%PDF-1.7", "not_a_picture"),
        (b"RIFF\x00\x00\x00\x00WAVE", "not_a_picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "not_a_picture"),
        (b"\x00\x00\x01\x00", "not_a_picture"),
        (b"\xff\xd8\xff", "broken"),
        (b"BM", "broken"),
        (b"GIF89a", "broken"),
        (WEBP_LOSSY[:20], "broken"),
        (WEBP_LOSSLESS[:24], "broken"),
    ],
)
def test_what_is_no_picture_has_its_reason(data: bytes, reason: str) -> None:
    assert reason_of(data) == reason


@pytest.mark.parametrize("name", FORMATS)
def test_truncated_files_are_broken_at_every_length(name: str) -> None:
    data = encode(Image.fromarray(ramp()), name, **LOSSLESS[name])
    assert reason_of(data[: len(data) // 2]) == "broken"
    for length in range(1, len(data) - 1, max(1, len(data) // 60)):
        found = outcome(data[:length])
        whole = isinstance(found, Decoded) and found.rgb.shape == (32, 48, 3)  # what is lost was not needed
        assert whole or found in ("broken", "not_a_picture")


def test_memory_that_is_not_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(Image, "open", exhausted)
    assert reason_of(encode(flat("red"), "PNG")) == "out_of_memory"


SAMPLES = [encode(Image.fromarray(ramp()), name, **LOSSLESS[name]) for name in FORMATS] + [
    progressive(0),
    encode(flat("red"), "GIF", save_all=True, append_images=[flat("blue")]),
    encode(flat((1, 2, 3, 4), "RGBA"), "PNG", save_all=True, append_images=[flat((5, 6, 7, 8), "RGBA")]),
]


@given(
    sample=st.sampled_from(SAMPLES),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12),
    cut=st.floats(0.3, 1),
    more=st.binary(max_size=40),
)
@example(sample=SAMPLES[0], changes=[(0.5, 255)], cut=1.0, more=b"")
@settings(max_examples=400, deadline=None)
def test_mutated_files_give_pixels_or_a_reason_and_nothing_else(
    sample: bytes, changes: list[tuple[float, int]], cut: float, more: bytes
) -> None:
    data = bytearray(sample)
    for place, value in changes:
        data[min(int(place * place * len(data)), len(data) - 1)] = value  # headers are hit more often
    limits = Limits(max_pixels=300_000)
    found = outcome(bytes(data[: int(len(data) * cut)]) + more, limits)
    if isinstance(found, Decoded):
        assert found.rgb.dtype == np.uint8
        assert found.rgb.ndim == 3
        assert found.rgb.shape[2] == 3
        assert found.rgb.shape[0] * found.rgb.shape[1] <= limits.max_pixels
    else:
        assert found in REASONS


@given(st.binary(max_size=300), st.sampled_from([b"", *(sample[:24] for sample in SAMPLES)]))
@settings(max_examples=200, deadline=None)
def test_random_bytes_give_a_reason_and_nothing_else(data: bytes, start: bytes) -> None:
    found = outcome(start + data, Limits(max_pixels=300_000))
    assert isinstance(found, Decoded) or found in REASONS
