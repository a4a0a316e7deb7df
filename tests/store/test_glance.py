"""A glance: what the decoder says of a file, for less; and a small grey of the picture as shown and as stored."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from drawn import LOSSLESS, encode, flat, ramp
from numpy.typing import NDArray
from PIL import Image

from store.errors import PictureError
from store.glance import GREY_PX, Glance, glance
from store.pictures import FORMATS, Limits, decode


def seen(data: bytes, limits: Limits | None = None) -> tuple[Any, ...] | str:
    try:
        found = glance(data, True, limits)
    except PictureError as error:
        return error.reason
    return found.format, found.width_px, found.height_px, found.frames


def decoded(data: bytes, limits: Limits | None = None) -> tuple[Any, ...] | str:
    try:
        found = decode(data, limits)
    except PictureError as error:
        return error.reason
    return found.format, found.width_px, found.height_px, found.frames


def whole(grey: NDArray[np.uint8], step: int) -> NDArray[np.float64]:
    """The means of `step x step` blocks of a picture in grey, the last ones of what is left."""
    rows = np.add.reduceat(grey.astype(float), np.arange(0, grey.shape[0], step), axis=0)
    sums = np.add.reduceat(rows, np.arange(0, grey.shape[1], step), axis=1)
    counts = [np.diff([*range(0, length, step), length]) for length in grey.shape]
    return sums / np.outer(*counts)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("width", [48, 1_500])
def test_every_format_as_the_decoder_sees_it(name: str, width: int) -> None:
    data = encode(Image.fromarray(ramp(width, width * 2 // 3)), name, **LOSSLESS[name])
    assert seen(data) == decoded(data) == (name, width, width * 2 // 3, 1)
    assert glance(data) == Glance(name, width, width * 2 // 3, 1)
    (grey,) = glance(data, True).greys
    expected = whole(np.asarray(Image.fromarray(decode(data).rgb).convert("L")), grey.step)
    assert grey.pixels.dtype == np.uint8
    assert np.abs(grey.pixels - expected).max() <= 4
    assert (grey.width_px, grey.height_px) == (width, width * 2 // 3)


@pytest.mark.parametrize("name", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(511, 9), (1_023, 40), (1_024, 8), (3, 4_100), (5_000, 70), (9_000, 1)])
def test_the_grey_has_a_bounded_longer_side(name: str, size: tuple[int, int]) -> None:
    (grey,) = glance(encode(Image.new("RGB", size), name), True).greys
    longer = max(grey.pixels.shape)
    assert min(GREY_PX, *[max(size)]) <= longer < 2 * GREY_PX
    assert grey.pixels.shape == (-(-size[1] // grey.step), -(-size[0] // grey.step))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_shown_is_turned_and_stored_is_not(name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(ramp()), name, exif=exif, **LOSSLESS[name])
    found = glance(data, True)
    shown = np.asarray(Image.fromarray(decode(data).rgb).convert("L"), dtype=int)
    assert np.abs(found.greys[0].pixels - shown).max() <= 3
    assert (found.height_px, found.width_px) == (found.greys[0].height_px, found.greys[0].width_px) == shown.shape
    assert len(found.greys) == (1 if orientation == 1 else 2)
    assert np.abs(found.greys[-1].pixels - np.asarray(Image.fromarray(ramp()).convert("L"), dtype=int)).max() <= 3
    assert (found.greys[-1].height_px, found.greys[-1].width_px) == (32, 48)


def test_exif_that_comes_after_the_pixels_turns_too() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(Image.fromarray(ramp()), "PNG", exif=exif)
    start = data.index(b"eXIf") - 4
    length = 12 + int.from_bytes(data[start : start + 4], "big")
    late = data[:start] + data[start + length : -12] + data[start : start + length] + data[-12:]
    assert seen(late) == decoded(late) == ("PNG", 32, 48, 1)


def hidden(mode: str) -> Image.Image:
    """A ramp that nobody sees: all of it is transparent."""
    image = Image.fromarray(ramp()).convert("RGBA")
    image.putalpha(0)
    return image if mode == "RGBA" else image.convert(mode)


@pytest.mark.parametrize(("mode", "name"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF")])
def test_what_alpha_hides_is_white_as_shown_and_there_as_stored(mode: str, name: str) -> None:
    shown, stored = glance(encode(hidden(mode), name, **({"exact": True} if name == "WEBP" else {})), True).greys
    assert (shown.pixels == 255).all()
    assert np.ptp(stored.pixels) > 100


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "CMYK", "YCbCr", "LAB"])
def test_every_mode_has_the_grey_of_its_decode(mode: str) -> None:
    image = Image.fromarray(ramp())
    deep = Image.fromarray((np.asarray(image.convert("L")).astype(np.uint16)) * 257)
    data = encode(deep if mode == "I;16" else image.convert(mode), "TIFF")
    (grey,) = glance(data, True).greys
    assert np.abs(grey.pixels - np.asarray(Image.fromarray(decode(data).rgb).convert("L"), dtype=int)).max() <= 1


@pytest.mark.parametrize(("mode", "settings"), [("L", {}), ("RGB", {"keep_rgb": True}), ("CMYK", {}), ("YCbCr", {})])
@pytest.mark.parametrize("width", [48, 1_500])
def test_every_kind_of_jpeg_has_the_grey_of_its_decode(mode: str, settings: dict[str, Any], width: int) -> None:
    data = encode(Image.fromarray(ramp(width, 400)).convert(mode), "JPEG", quality=95, **settings)
    (grey,) = glance(data, True).greys
    assert grey.step == (2 if width == 1_500 else 1)
    expected = whole(np.asarray(Image.fromarray(decode(data).rgb).convert("L")), grey.step)
    assert np.abs(grey.pixels - expected).max() <= 4


def test_transparent_colours_and_floating_points() -> None:
    image = Image.fromarray(ramp()).convert("P")
    shown, stored = glance(encode(image, "GIF", transparency=image.getpixel((0, 0))), True).greys
    assert shown.pixels[0, 0] == 255 != stored.pixels[0, 0]
    assert seen(encode(Image.new("F", (9, 9)), "TIFF")) == "unsupported"


def with_size(data: bytes, width: int, height: int) -> bytes:
    """The same JPEG with another size in its frame header."""
    place = data.index(b"\xff\xc0")
    return data[: place + 5] + struct.pack(">HH", height, width) + data[place + 9 :]


def test_giants_have_the_outcome_that_the_decoder_gives_them() -> None:
    giant, limits = encode(Image.new("L", (1_600, 960)), "JPEG"), Limits(max_pixels=800 * 480)
    assert seen(giant, limits) == decoded(giant, limits) == ("JPEG", 1_600, 960, 1)
    assert decode(giant, limits).reduced
    for data in (encode(Image.new("L", (1_600, 960)), "PNG"), encode(Image.new("L", (16_000, 9_600)), "JPEG")):
        assert seen(data, limits) == decoded(data, limits) == "too_large"
    frames = [flat((n, 0, 0)) for n in range(1, 8)]
    moving = encode(flat("black"), "GIF", save_all=True, append_images=frames)
    assert seen(moving, Limits(max_frames=7)) == decoded(moving, Limits(max_frames=7)) == "too_many_frames"


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_cut_off_is_as_broken_as_the_decoder_finds_it(name: str) -> None:
    """Also at an eighth of its size a JPEG is read to the end."""
    noise = np.random.default_rng(5).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    for settings in (LOSSLESS[name], LOSSLESS[name] | {"progressive": True}) if name == "JPEG" else (LOSSLESS[name],):
        data = encode(Image.fromarray(noise), name, **settings)
        for length in range(1, len(data), max(1, len(data) // 80)):
            for want_grey in (False, True):
                try:
                    found: Any = glance(data[:length], want_grey)
                except PictureError as error:
                    found = error.reason
                told = decoded(data[:length])
                assert isinstance(found, Glance) == isinstance(told, tuple), length
                assert isinstance(found, Glance) or found == told
