"""The one decoder: pictures as shown, in every format, and hostile files as reasons."""

from __future__ import annotations

import io
import struct
import time
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from store.errors import PictureError
from store.pictures import FORMATS, MAX_MARKERS, Decoded, Limits, decode, sniff

LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "GIF": {},
    "WEBP": {"lossless": True},
    "BMP": {},
    "TIFF": {},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    "JPEG": {"quality": 100, "subsampling": 0},
}


def encode(image: Image.Image, name: str, **settings: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, name, **settings)
    return out.getvalue()


def ramp(width: int = 48, height: int = 32) -> NDArray[np.uint8]:
    """A smooth picture whose four corners differ: red grows to the right, green downwards."""
    across, down = np.linspace(0, 250, width), np.linspace(0, 250, height)
    return np.stack(np.broadcast_arrays(across[None, :], down[:, None], 60.0), axis=-1).astype(np.uint8)


def flat(colour: Any, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (8, 6), colour)


def only_colour(picture: Decoded) -> list[int]:
    colours = np.unique(picture.rgb.reshape(-1, 3), axis=0)
    assert len(colours) == 1
    return [int(value) for value in colours[0]]


def reason_of(data: bytes, limits: Limits | None = None) -> str:
    started = time.monotonic()
    with pytest.raises(PictureError) as caught:
        decode(data, limits)
    assert time.monotonic() - started < 2, "a refusal costs no time"
    assert "\n" not in caught.value.reason
    return caught.value.reason


# ---- as shown --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_pixels(name: str) -> None:
    original = ramp()
    data = encode(Image.fromarray(original), name, **LOSSLESS[name])
    picture = decode(data)
    assert sniff(data) == picture.format == name
    assert (picture.width_px, picture.height_px, picture.frames) == (48, 32, 1)
    assert (picture.has_alpha, picture.reduced) == (False, False)
    assert picture.rgb.shape == (32, 48, 3)
    assert picture.rgb.dtype == np.uint8
    assert picture.rgb.flags.writeable
    tolerance = {"JPEG": 4, "AVIF": 4, "GIF": 40}.get(name, 0)  # a GIF has 256 colours
    assert np.abs(picture.rgb.astype(int) - original).max() <= tolerance


@pytest.mark.parametrize("name", [name for name in ("JPEG", "PNG", "WEBP", "AVIF") if name in FORMATS])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(name: str, orientation: int) -> None:
    stored = ramp()
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(encode(Image.fromarray(stored), name, exif=exif, **LOSSLESS[name]))
    # Source: EXIF 2.3, tag 0112: which stored row and column are shown at the top and at the left.
    shown = stored.swapaxes(0, 1) if orientation >= 5 else stored
    shown = shown[::-1] if orientation in (3, 4, 7, 8) else shown
    shown = shown[:, ::-1] if orientation in (2, 3, 6, 7) else shown
    assert (picture.height_px, picture.width_px) == shown.shape[:2] == picture.rgb.shape[:2]
    assert np.abs(picture.rgb.astype(int) - shown).max() <= 4


def test_a_damaged_exif_block_does_not_stop_the_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(flat("red"), "JPEG", exif=exif)
    assert decode(data).rgb.shape == (8, 6, 3)
    inside = data.index(b"Exif\x00\x00") + 6
    for place in range(inside, inside + 26):
        damaged = bytearray(data)
        damaged[place] ^= 0xFF
        assert sorted(decode(bytes(damaged)).rgb.shape) == [3, 6, 8]


@pytest.mark.parametrize("name", [name for name in ("PNG", "WEBP", "TIFF", "AVIF") if name in FORMATS])
def test_alpha_is_shown_on_white(name: str) -> None:
    settings = {"exact": True} | LOSSLESS[name] if name == "WEBP" else LOSSLESS[name]
    hidden = decode(encode(flat((200, 0, 0, 0), "RGBA"), name, **settings))
    half = decode(encode(flat((200, 0, 0, 128), "RGBA"), name, **settings))
    assert hidden.has_alpha
    assert half.has_alpha
    assert only_colour(hidden) == [255, 255, 255]
    np.testing.assert_allclose(only_colour(half), [227, 127, 127], atol=2)


@pytest.mark.parametrize(
    ("image", "settings"),
    [
        (flat((0, 0), "LA"), {}),
        (flat(7, "L"), {"transparency": 7}),
        (flat(0, "1"), {"transparency": 0}),
        (flat((1, 2, 3)), {"transparency": (1, 2, 3)}),
        (Image.fromarray(np.full((6, 8), 30_000, np.uint16)), {"transparency": 30_000}),
    ],
    ids=["LA", "L", "1", "RGB", "16 bit"],
)
def test_every_kind_of_png_transparency_is_white(image: Image.Image, settings: dict[str, Any]) -> None:
    picture = decode(encode(image, "PNG", **settings))
    assert picture.has_alpha
    assert only_colour(picture) == [255, 255, 255]


@pytest.mark.parametrize("name", ["PNG", "GIF"])
def test_palette_transparency_is_white_and_the_rest_keeps_its_colour(name: str) -> None:
    image = Image.new("P", (8, 6), 1)
    image.putpalette([10, 20, 30, 200, 100, 0] + [0] * 762)
    image.putpixel((0, 0), 0)
    picture = decode(encode(image, name, transparency=0))
    assert picture.has_alpha
    assert picture.rgb[0, 0].tolist() == [255, 255, 255]
    assert picture.rgb[5, 7].tolist() == [200, 100, 0]
    half = decode(encode(image, "PNG", transparency=b"\x80\xff"))
    np.testing.assert_allclose(half.rgb[0, 0], [132, 137, 142], atol=1)


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_cmyk_is_turned_into_rgb(name: str) -> None:
    assert only_colour(decode(encode(flat((0, 255, 255, 0), "CMYK"), name))) == [255, 0, 0]
    assert only_colour(decode(encode(flat((0, 0, 0, 255), "CMYK"), name))) == [0, 0, 0]


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_clipped(name: str) -> None:
    levels = np.arange(256, dtype=np.uint16)
    picture = decode(encode(Image.fromarray(np.tile(levels * 257, (4, 1))), name))
    np.testing.assert_array_equal(picture.rgb[0], np.repeat(levels[:, None], 3, axis=1))
    dark = decode(encode(Image.fromarray(np.full((4, 4), 255, np.uint16)), name))
    assert only_colour(dark) == [0, 0, 0], "nearly black stays black, whatever its brightest pixel"


@pytest.mark.parametrize(
    ("image", "colour"),
    [(flat(1, "1"), 255), (flat(90, "L"), 90), (flat((90, 255), "LA"), 90), (flat(90, "I"), 0)],
)
def test_grey_modes(image: Image.Image, colour: int) -> None:
    assert only_colour(decode(encode(image, "TIFF"))) == [colour] * 3


def test_floating_point_samples_are_unsupported() -> None:
    assert reason_of(encode(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF")) == "unsupported"


@pytest.mark.parametrize("name", [name for name in ("GIF", "PNG", "WEBP", "TIFF", "AVIF") if name in FORMATS])
def test_of_an_animation_the_first_frame_is_shown(name: str) -> None:
    later = [flat(colour) for colour in ("lime", "blue")]
    picture = decode(encode(flat("red"), name, save_all=True, append_images=later, **LOSSLESS[name]))
    assert picture.frames == 3
    np.testing.assert_allclose(only_colour(picture), [255, 0, 0], atol=3)


def test_a_picture_with_a_second_one_behind_it_is_shown_and_reduced_like_any_jpeg() -> None:
    data = encode(Image.fromarray(ramp()), "MPO", save_all=True, append_images=[flat("red")])
    assert np.abs(decode(data).rgb.astype(int) - ramp()).max() <= 20
    assert decode(data, Limits(max_pixels=700)).rgb.shape == (16, 24, 3)


# ---- giants ----------------------------------------------------------------------------------------------


def test_an_honest_giant_is_decoded_smaller() -> None:
    data = encode(Image.new("L", (8_000, 7_000), 130), "JPEG")
    picture = decode(data)
    assert picture.reduced
    assert (picture.width_px, picture.height_px) == (8_000, 7_000)
    assert picture.rgb.shape == (3_500, 4_000, 3)
    assert (picture.rgb == 130).all()


@pytest.mark.parametrize(
    ("limit", "shape"), [(160 * 96, (96, 160)), (160 * 96 - 1, (48, 80)), (3_000, (24, 40)), (240, (12, 20))]
)
def test_the_first_halving_that_fits_is_taken(limit: int, shape: tuple[int, int]) -> None:
    original = ramp(160, 96)
    picture = decode(encode(Image.fromarray(original), "JPEG", quality=95), Limits(max_pixels=limit))
    assert picture.rgb.shape[:2] == shape
    assert (picture.width_px, picture.height_px) == (160, 96)
    assert picture.reduced == (shape != (96, 160))
    smaller = np.asarray(Image.fromarray(original).resize(shape[::-1], Image.Resampling.BOX))
    assert np.abs(picture.rgb.astype(int) - smaller).max() <= 12


def test_a_turned_giant_has_its_sizes_as_shown() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = decode(encode(Image.new("RGB", (160, 96)), "JPEG", exif=exif), Limits(max_pixels=5_000))
    assert (picture.width_px, picture.height_px, picture.rgb.shape[:2]) == (96, 160, (80, 48))


def test_a_giant_strip_is_no_error() -> None:
    assert decode(encode(Image.new("RGB", (2_000, 1)), "JPEG"), Limits(max_pixels=700)).reduced


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "JPEG"])
def test_other_formats_above_the_limit_are_too_large(name: str) -> None:
    data = encode(Image.fromarray(ramp()), name, **LOSSLESS[name])
    assert reason_of(data, Limits(max_pixels=48 * 32 - 1)) == "too_large"
    assert not decode(data, Limits(max_pixels=48 * 32)).reduced


def test_a_jpeg_beyond_the_smallest_reduction_is_too_large() -> None:
    assert reason_of(encode(Image.new("L", (160, 96)), "JPEG"), Limits(max_pixels=239)) == "too_large"


def with_size(data: bytes, width: int, height: int) -> bytes:
    """The same JPEG with another size in its frame header."""
    place = next(data.index(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in data)
    return data[: place + 5] + struct.pack(">HH", height, width) + data[place + 9 :]


def test_giants_in_several_scans_are_too_large_because_reducing_saves_nothing() -> None:
    """Asked for an eighth of the size, the decoder still took 2.6 GB for the 557 bytes of this one."""
    assert reason_of(with_size(encode(flat("red"), "JPEG", progressive=True), 30_000, 30_000)) == "too_large"
    plain = encode(flat("red"), "JPEG")
    scan = plain.index(b"\xff\xda")
    one_component = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    by_parts = plain[:scan] + one_component + plain[scan + 14 :]
    assert reason_of(with_size(by_parts, 20_000, 20_000)) == "too_large"


# ---- hostile files ---------------------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBP" + kind + struct.pack("<I", len(body)) + body


HUGE = 16_383
WEBP_LOSSLESS = webp(b"VP8L", b"\x2f" + struct.pack("<I", (HUGE - 1) | (HUGE - 1) << 14) + bytes(15))
WEBP_LOSSY = webp(b"VP8 ", b"\x50\x01\x00\x9d\x01\x2a" + struct.pack("<HH", HUGE, HUGE) + bytes(10))
WEBP_EXTENDED = webp(b"VP8X", bytes(4) + (2**24 - 1).to_bytes(3, "little") * 2 + bytes(10))


@pytest.mark.parametrize("data", [WEBP_LOSSLESS, WEBP_LOSSY, WEBP_EXTENDED], ids=["VP8L", "VP8", "VP8X"])
def test_forty_bytes_of_webp_that_ask_for_gigabytes(data: bytes) -> None:
    assert len(data) == 40
    assert reason_of(data) == "too_large"


@pytest.mark.parametrize("size", [(100_000, 100_000), (2**31 - 1, 1), (50_000_001, 1)])
def test_a_png_header_that_asks_for_gigabytes(size: tuple[int, int]) -> None:
    assert reason_of(png_header(*size)) == "too_large"


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
    data = encode(Image.fromarray(ramp()), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * extra_scans + data[-2:]


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
        try:
            assert decode(data[:length]).rgb.shape == (32, 48, 3)  # what is lost was not needed
        except PictureError as error:
            assert error.reason in ("broken", "not_a_picture")


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
    try:
        picture = decode(bytes(data[: int(len(data) * cut)]) + more, limits)
    except PictureError as error:
        assert error.reason in {"broken", "not_a_picture", "too_large", "unsupported", "too_many_frames"}
    else:
        assert picture.rgb.dtype == np.uint8
        assert picture.rgb.ndim == 3
        assert picture.rgb.shape[2] == 3
        assert picture.rgb.shape[0] * picture.rgb.shape[1] <= limits.max_pixels


@given(st.binary(max_size=300), st.sampled_from([b"", *(sample[:24] for sample in SAMPLES)]))
@settings(max_examples=200, deadline=None)
def test_random_bytes_give_a_reason_and_nothing_else(data: bytes, start: bytes) -> None:
    try:
        decode(start + data, Limits(max_pixels=300_000))
    except PictureError as error:
        assert error.reason
