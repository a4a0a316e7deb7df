"""The one decoder: pictures as shown, in every format, and honest giants smaller."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from drawn import LOSSLESS, encode, flat, only_colour, ramp, reason_of
from PIL import Image

from store.backdrops import Backdrop
from store.errors import PictureError
from store.pictures import FORMATS, Frame, Limits, decode, sniff


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
    assert not picture.rgb.flags.writeable
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


# ---- scaled decodes, frames and backdrops ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at_least_px", "shape"),
    [
        (None, (96, 160)),
        (97, (96, 160)),
        (49, (96, 160)),
        (48, (48, 80)),
        (24, (24, 40)),
        (12, (12, 20)),
        (1, (12, 20)),
    ],
)
def test_a_scaled_decode_is_the_smallest_whose_sides_are_long_enough(
    at_least_px: int | None, shape: tuple[int, int]
) -> None:
    original = ramp(160, 96)
    picture = decode(encode(Image.fromarray(original), "JPEG", quality=95), at_least_px=at_least_px)
    assert picture.rgb.shape[:2] == shape
    assert (picture.width_px, picture.height_px, picture.reduced) == (160, 96, False)
    smaller = np.asarray(Image.fromarray(original).resize(shape[::-1], Image.Resampling.BOX))
    assert np.abs(picture.rgb.astype(int) - smaller).max() <= 12


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "JPEG"])
def test_other_formats_are_not_scaled(name: str) -> None:
    data = encode(Image.fromarray(ramp()), name, **LOSSLESS[name])
    assert np.array_equal(decode(data, at_least_px=4).rgb, decode(data).rgb)


def test_a_scaled_giant_is_as_small_as_either_wants() -> None:
    data = encode(Image.fromarray(ramp(160, 96)), "JPEG", quality=95)
    tight = Limits(max_pixels=80 * 48)
    assert decode(data, tight, at_least_px=90).rgb.shape == (48, 80, 3)
    assert decode(data, tight, at_least_px=12).rgb.shape == (12, 20, 3)
    assert decode(data, tight, at_least_px=12).reduced


def test_a_turned_picture_is_scaled_and_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = decode(encode(Image.fromarray(ramp(160, 96)), "JPEG", exif=exif), at_least_px=24)
    assert (picture.width_px, picture.height_px, picture.rgb.shape) == (96, 160, (40, 24, 3))


@pytest.mark.parametrize("name", [name for name in ("GIF", "PNG", "WEBP", "TIFF", "AVIF") if name in FORMATS])
def test_a_later_frame(name: str) -> None:
    later = [flat(colour) for colour in ("lime", "white", "blue")]
    data = encode(flat("red"), name, save_all=True, append_images=later, **LOSSLESS[name])
    middle, last = decode(data, frame="middle"), decode(data, frame="last")
    assert middle.frames == last.frames == 4
    np.testing.assert_allclose(only_colour(middle), [255, 255, 255], atol=3)
    np.testing.assert_allclose(only_colour(last), [0, 0, 255], atol=3)


@pytest.mark.parametrize("frame", ["first", "middle", "last"])
def test_the_only_frame_is_every_frame(frame: Frame) -> None:
    data = encode(Image.fromarray(ramp()), "PNG")
    assert np.array_equal(decode(data, frame=frame).rgb, ramp())


def test_the_picture_behind_a_jpeg_is_decoded_by_itself_with_every_limit() -> None:
    second = Image.fromarray(ramp(160, 96))
    data = encode(flat("red"), "MPO", save_all=True, append_images=[second])
    found = decode(data, frame="last")
    assert (found.frames, found.format, found.rgb.shape) == (2, "MPO", (96, 160, 3))
    assert np.abs(found.rgb.astype(int) - ramp(160, 96)).max() <= 20
    assert decode(data, Limits(max_pixels=4_000), frame="last").reduced
    assert decode(data, at_least_px=12, frame="last").rgb.shape == (12, 20, 3)


def test_the_way_to_a_frame_is_bounded() -> None:
    frames = [flat((0, 0, 2 * index)) for index in range(100)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    tight = Limits(max_seek_pixels=99 * 48 - 1)
    with pytest.raises(PictureError, match="99 frames before it") as caught:
        decode(data, tight, frame="last")
    assert caught.value.reason == "too_far"
    assert decode(data, tight, frame="middle").frames == 100


def test_a_frame_larger_than_the_first_has_the_same_limit() -> None:
    data = encode(flat("red"), "TIFF", save_all=True, append_images=[Image.new("RGB", (60, 60))])
    assert decode(data, Limits(max_pixels=3_600), frame="last").rgb.shape == (60, 60, 3)
    with pytest.raises(PictureError, match="60x60 px") as caught:
        decode(data, Limits(max_pixels=3_599), frame="last")
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize(("backdrop", "shown"), [("white", 255), ("black", 0), ("dropped", 7)])
def test_what_is_transparent_shows_the_backdrop(backdrop: Backdrop, shown: int) -> None:
    deep = Image.fromarray(np.full((6, 8), 7 * 257, np.uint16))
    for image, settings in (
        (flat((7, 7, 7, 0), "RGBA"), {}),
        (flat(7, "L"), {"transparency": 7}),
        (deep, {"transparency": 7 * 257}),
    ):
        assert only_colour(decode(encode(image, "PNG", **settings), backdrop=backdrop)) == [shown] * 3
