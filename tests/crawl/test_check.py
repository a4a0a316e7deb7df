"""The check before storing: what the decoder would say, for a fraction of its time, from a sandboxed worker."""

from __future__ import annotations

import asyncio
import time

import pytest
from PIL import Image

from crawl.check import Asked, Check, Checked, Checks, check
from store.errors import PictureError
from store.known_bad.pdq import POOR_QUALITY
from store.pictures import FORMATS, Limits, decode
from store.sandbox import Failure
from tests.store.drawn import LOSSLESS, clouds, encode, flat


def test_a_picture_as_it_will_be_stored() -> None:
    data = encode(Image.fromarray(clouds(800, 600, 1)), "JPEG", quality=85)
    assert check(data) == Checked("JPEG", 800, 600, 1, "medium")
    with_pdq = check(data, want_pdq=True)
    assert with_pdq.pdq is not None
    assert len(with_pdq.pdq) == 32
    assert with_pdq.pdq_quality > POOR_QUALITY


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(name: str) -> None:
    found = check(encode(flat("red"), name, **LOSSLESS[name]), want_pdq=True)
    assert (found.format, found.width_px, found.height_px, found.size_class) == (name, 8, 6, "tiny")
    assert found.pdq_quality == 0


@pytest.mark.parametrize(
    ("width", "height", "name"),
    [
        (1, 1, "tiny"),
        (63, 1, "tiny"),
        (64, 4, "strip"),
        (64, 5, "small"),
        (255, 255, "small"),
        (256, 17, "medium"),
        (1_023, 800, "medium"),
        (1_024, 800, "large"),
        (4_095, 256, "large"),
        (4_095, 255, "strip"),
        (4_096, 3_000, "huge"),
        (8, 8_000, "strip"),
    ],
)
def test_size_classes(width: int, height: int, name: str) -> None:
    assert check(encode(Image.new("L", (width, height)), "PNG")).size_class == name
    assert check(encode(Image.new("L", (height, width)), "PNG")).size_class == name


def test_frames_and_turned_pictures() -> None:
    moving = encode(flat("red"), "GIF", save_all=True, append_images=[flat("blue"), flat("green")])
    assert check(moving).frames == 3
    exif = Image.Exif()
    exif[0x0112] = 8
    turned = check(encode(Image.new("RGB", (300, 200)), "JPEG", exif=exif))
    assert (turned.width_px, turned.height_px) == (200, 300)


WHOLE = encode(Image.fromarray(clouds(200, 150, 2)), "JPEG")
REFUSED = {
    "empty": b"",
    "not_a_picture": b"<html>",
    "broken": WHOLE[: len(WHOLE) // 2],
    "too_large": encode(Image.new("1", (8_000, 7_000)), "PNG"),
    "unsupported": encode(Image.new("F", (9, 9)), "TIFF"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_may_not_be_stored_has_the_reason_of_the_decoder(reason: str) -> None:
    for refuse in (check, decode):
        with pytest.raises(PictureError) as caught:
            refuse(REFUSED[reason])
        assert caught.value.reason == reason


def test_an_honest_giant_is_kept_where_the_decoder_can_reduce_it() -> None:
    giant = encode(Image.new("L", (9_000, 8_000), 200), "JPEG")
    found = check(giant, want_pdq=True)
    assert (found.width_px, found.height_px, found.size_class) == (9_000, 8_000, "huge")
    assert decode(giant).reduced


def test_workers_answer_each_picture_with_a_check_or_a_reason() -> None:
    asked: list[Asked] = [(data, want_pdq) for data in (WHOLE, *REFUSED.values()) for want_pdq in (False, True)]
    with Checks(workers=1) as checks:
        answers = dict(zip(asked, asyncio.run(checks.all(asked)), strict=True))
    assert answers[WHOLE, True] == check(WHOLE, True)
    assert answers[WHOLE, False] == check(WHOLE)
    for reason, data in REFUSED.items():
        for want_pdq in (False, True):
            failure = answers[data, want_pdq]
            assert isinstance(failure, Failure)
            assert failure.reason == reason


def test_what_kills_its_worker_is_blamed_alone() -> None:
    """Three pictures that fit the worker's memory one by one, and one that does not."""
    endless = encode(Image.new("I;16", (9_900, 5_000)), "PNG")
    asked: list[Asked] = [(WHOLE, False), (endless, True), (WHOLE, True)]
    with Checks(workers=1) as checks:
        answers = asyncio.run(checks.all([*asked, (b"rubbish", False)]))
        alone = [checks.one(one) for one in asked]
    assert answers[:3] == alone
    assert isinstance(answers[3], Failure)
    assert answers[3].reason == "not_a_picture"


def test_limits_of_one_s_own() -> None:
    (found,) = Check(Limits(max_bytes=10)).answers([(WHOLE, False)])
    assert isinstance(found, Failure)
    assert found.reason == "too_many_bytes"


def test_a_check_is_much_cheaper_than_a_decode() -> None:
    """Measured on JPEGs of 110 KB and 1.2 Mpx: 2.0 ms without and 3.8 ms with PDQ, against 8.5 ms."""
    data = encode(Image.fromarray(clouds(1_340, 895, 3)), "JPEG", quality=85)

    def cost_s(look: object, **more: bool) -> float:
        times = []
        for _ in range(7):
            started = time.process_time()
            look(data, **more)  # type: ignore[operator]
            times.append(time.process_time() - started)
        return min(times)

    assert cost_s(check) < 0.6 * cost_s(decode)
    assert cost_s(check, want_pdq=True) < 0.9 * cost_s(decode)
