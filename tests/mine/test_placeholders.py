"""Placeholders among real pictures: measured, hashed and grouped as mining does it."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from mine.hashes import hash_picture
from mine.measure import measure
from mine.stars import join_copies
from store.catalog import Snapshot
from store.fold import fold
from store.home import Home
from store.pictures import decode
from tests.mine import squares

NOW = dt.datetime.now(dt.UTC)


def pixels(seed: int) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(squares.draw("disc", seed))).convert("RGB"))


def with_note(image: Image.Image, note: str) -> bytes:
    """As a server that writes a time or an id into every answer."""
    info, out = PngImagePlugin.PngInfo(), io.BytesIO()
    info.add_text("Comment", note)
    image.save(out, "PNG", pnginfo=info)
    return out.getvalue()


def re_encoded() -> list[bytes]:
    """One picture of an error, packed anew for every URL."""
    image = Image.new("RGB", (200, 120), "white")
    ImageDraw.Draw(image).text((20, 50), "This image was removed", fill="grey")
    return [with_note(image, f"answer {n}") for n in range(12)]


def burst() -> list[bytes]:
    """A still scene photographed 12 times: nothing moves, the sensor's noise alone differs."""
    scene = np.kron(pixels(3), np.ones((6, 6, 1))).astype(np.float64)
    noise = np.random.default_rng(1)
    return [squares.png((scene + noise.normal(0, 3, scene.shape)).clip(0, 255).astype(np.uint8)) for _ in range(12)]


def sizes() -> list[bytes]:
    image = Image.fromarray(pixels(5))
    return [with_note(image.resize((60 + 4 * n, 60 + 4 * n)), "x") for n in range(12)]


def icons() -> list[bytes]:
    """White shapes on nothing: on white, as they are shown by default, all alike."""
    made = []
    for n in range(12):
        image = Image.new("RGBA", (32, 32), (255, 255, 255, 0))
        ImageDraw.Draw(image).rectangle((n, n, n + 9, n + 9), fill=(255, 255, 255, 255))
        out = io.BytesIO()
        image.save(out, "PNG")
        made.append(out.getvalue())
    return made


def shown(home: Home, pictures: Iterable[bytes]) -> int:
    """Let one host serve every picture under a URL of its own; how many are placeholders, and out of the pool."""
    ids = squares.add_pictures(home, pictures, "a.example")
    inbox = home.inbox()
    urls = [
        {"picture": p, "url": f"http://a.example/{n}", "host": "a.example", "seen_at": NOW} for n, p in enumerate(ids)
    ]
    inbox.append("sightings", urls)
    looks = {picture: decode(home.blobs().get(picture)) for picture in ids}
    inbox.append("measurements", [{"picture": picture, **measure(look)} for picture, look in looks.items()])
    inbox.append("hashes", [{"picture": picture, **hash_picture(look)} for picture, look in looks.items()])
    fold(home)
    join_copies(home)
    fold(home)
    with Snapshot(home) as snapshot:
        left = snapshot.value("SELECT count(*) FROM pool")
        found = int(snapshot.value("SELECT count(*) FROM placeholders"))
        largest = snapshot.value("SELECT max(n) FROM copies_groups")
    assert largest == len(set(ids)), "all near-copies of each other"
    assert left == len(set(ids)) - found
    return found


@pytest.fixture
def plain(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_placeholder_that_is_packed_anew_for_every_url_is_one(plain: Home) -> None:
    assert shown(plain, re_encoded()) == 12


@pytest.mark.parametrize("gallery", [burst, sizes, icons], ids=lambda make: make.__name__)
def test_galleries_of_near_copies_are_none(plain: Home, gallery: object) -> None:
    assert callable(gallery)
    assert shown(plain, gallery()) == 0
