"""Views: the same bytes as a pipeline may show them to a classifier, and when that cannot make a difference."""

from __future__ import annotations

import io
import itertools

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mine.pixels import Pixels
from mine.views import AS_SHOWN, DIFFERS, LETTERBOX_PX, VIEWS, View, cropped, letterboxed, resized, views_named
from store.errors import PictureError, UsageError
from store.pictures import Decoded, Limits, decode
from tests.train.adopt.pictures import pixels

ALWAYS_DIFFER = [name for name, view in VIEWS.items() if view.redraw and not view.oblong and not view.longest_px]


def encoded(image: Image.Image, name: str, **settings: object) -> bytes:
    out = io.BytesIO()
    image.save(out, name, **settings)
    return out.getvalue()


def seen(data: bytes, view: str) -> NDArray[np.uint8]:
    return Pixels(data, Limits()).view(view)


def photograph(width: int = 300, height: int = 200) -> Image.Image:
    return Image.fromarray(pixels("chelsea")).resize((width, height))


def test_alpha_on_black_and_dropped() -> None:
    picture = encoded(Image.new("RGBA", (4, 4), (200, 100, 0, 128)), "PNG")
    shown, black, dropped = (seen(picture, name)[0, 0].tolist() for name in (AS_SHOWN, "on_black", "alpha_dropped"))
    np.testing.assert_allclose(shown, [227, 177, 127], atol=1)
    np.testing.assert_allclose(black, [100, 50, 0], atol=1)
    assert dropped == [200, 100, 0]


@pytest.mark.parametrize(("count", "middle"), [(3, 1), (4, 2), (5, 2)])
def test_frames(count: int, middle: int) -> None:
    frames = [Image.new("RGB", (4, 4), (0, 60 * index, 0)) for index in range(count)]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    greens = {name: int(seen(data, f"{name}_frame")[0, 0, 1]) for name in ("first", "middle", "last")}
    assert greens == {"first": 0, "middle": 60 * middle, "last": 60 * (count - 1)}


@pytest.mark.parametrize("name", ALWAYS_DIFFER)
def test_a_redrawn_photograph_has_other_pixels(name: str) -> None:
    data = encoded(photograph(), "PNG")
    rgb = seen(data, name)
    assert rgb.dtype == np.uint8
    assert rgb.shape[2] == 3
    assert not np.array_equal(rgb, seen(data, AS_SHOWN))


def test_a_worse_jpeg_is_further_away() -> None:
    data = encoded(photograph(), "PNG")
    shown = seen(data, AS_SHOWN).astype(int)
    gaps = [np.abs(seen(data, f"jpeg_{quality}") - shown).mean() for quality in (90, 75, 50, 25)]
    assert 0 < gaps[0] < gaps[1] < gaps[2] < gaps[3]


def test_resizing_keeps_the_proportions_and_at_least_a_pixel() -> None:
    rgb = np.asarray(photograph())
    assert seen(encoded(photograph(), "PNG"), "resized_lanczos_128").shape == (85, 128, 3)
    assert resized(rgb, Image.Resampling.NEAREST, 512).shape == (341, 512, 3)
    assert resized(np.zeros((2, 4_000, 3), np.uint8), Image.Resampling.BOX, 128).shape == (1, 128, 3)


def test_a_letterbox_is_a_black_square_around_the_picture() -> None:
    rgb = np.full((20, 31, 3), 200, np.uint8)
    made = letterboxed(rgb)
    assert made.shape == (31, 31, 3)
    assert (made[5:25] == 200).all()
    assert made[:5].max() == made[25:].max() == 0
    assert letterboxed(np.zeros((8, 9_000, 3), np.uint8)).shape == (LETTERBOX_PX, LETTERBOX_PX, 3)


def test_a_crop_leaves_the_middle_and_never_nothing() -> None:
    rgb = np.arange(32 * 48, dtype=np.int64).reshape(32, 48, 1).repeat(3, axis=2).astype(np.uint8)
    assert np.array_equal(cropped(rgb), rgb[2:30, 3:45])
    assert [cropped(np.zeros((side, side, 3), np.uint8)).shape[0] for side in (1, 2, 3)] == [1, 2, 1]


def test_the_catalog_and_the_worker_agree_on_what_can_differ() -> None:
    looks = itertools.product((1, 2, 3), (False, True), (128, 200, 512), (128, 200))
    for frames, has_alpha, width, height in looks:
        picture = Decoded(np.zeros((1, 1, 3), np.uint8), width, height, "PNG", frames, has_alpha, False)
        row = f"SELECT {frames} AS frames, {has_alpha} AS has_alpha, {width} AS width_px, {height} AS height_px"
        for view in VIEWS.values():
            fields = ", ".join(f"{getattr(view, n)} AS {n}" for n in ("least_frames", "alpha", "oblong", "longest_px"))
            found = duckdb.sql(f"SELECT {DIFFERS} FROM ({row}) m, (SELECT {fields}) v").fetchone()
            assert found == (view.differs(picture),), (view, row)


def test_an_opaque_square_of_one_frame_can_only_be_redrawn() -> None:
    picture = decode(encoded(Image.new("RGB", (128, 128)), "PNG"))
    assert {name for name, view in VIEWS.items() if view != View() and view.differs(picture)} == {
        *ALWAYS_DIFFER,
        *(name for name in VIEWS if name.startswith("resized_") and not name.endswith("_128")),
    }


def test_names_of_views() -> None:
    assert views_named([]) == ("as_shown",)
    assert views_named(["jpeg_50", "first_frame", "jpeg_50", "as_shown"]) == ("as_shown", "jpeg_50")
    with pytest.raises(UsageError, match=r"no view 'sideways'; there are: as_shown, on_black, "):
        views_named(["on_black", "sideways"])


def test_what_an_encoder_cannot_write_is_one_views_refusal() -> None:
    strip = Pixels(encoded(Image.new("RGB", (66_000, 1)), "PNG"), Limits())
    with pytest.raises(PictureError, match="jpeg_50") as caught:
        strip.view("jpeg_50")
    assert caught.value.reason == "no_view"
    assert strip.view("cropped").shape[2] == 3


# ---- paths ------------------------------------------------------------------------------------------------


def test_full_and_scaled_decodes_are_never_mixed() -> None:
    data = encoded(photograph(900, 600), "JPEG")
    both = Pixels(data, Limits())
    for px in (None, 96, None, 96):
        assert np.array_equal(both.view(AS_SHOWN, px), decode(data, at_least_px=px).rgb)
    assert both.view(AS_SHOWN, 96).shape == (150, 225, 3)
    assert np.array_equal(both.view("cropped", 96), cropped(decode(data).rgb)), "views start from the full decode"


@pytest.mark.parametrize("name", ["PNG", "JPEG"])
@pytest.mark.parametrize("first", [None, 150])
def test_where_both_paths_give_the_same_pixels_they_are_decoded_once(name: str, first: int | None) -> None:
    both = Pixels(encoded(photograph(300, 200), name), Limits())
    made = both.shown(first)
    assert both.shown(150 if first is None else None) is made
