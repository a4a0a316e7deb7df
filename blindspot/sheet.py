"""The offline review sheet: one HTML file from which a person answers a queue without any server.

Reads pictures by id, in the sandbox, because pictures are hostile; writes the file. Nothing comes back to the
store from here: the person downloads a CSV, which `blindspot verdicts import` takes.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import importlib.resources
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from store.blobs import Blobs
from store.errors import PictureError, PictureMissing
from store.files import write_durably
from store.home import Home
from store.pictures import decode
from store.policy import Policy
from store.sandbox import Failure, Sandbox

# Longest and shortest side of a thumbnail: a strip stays wide enough to be seen. Chosen by eye.
LONGEST_PX, SHORTEST_PX = 256, 32
QUALITY = 85  # of the JPEG: the edges of enlarged pixels stay clean. Chosen by eye.
MAX_ENTRIES = 200  # on one sheet. Chosen by eye.
REVEAL_CAP = 100  # pictures that a person uncovers before the sheet asks for a pause. Chosen by eye.

# A JPEG thumbnail with the original's width and height as shown, in px; or why there is none.
Look = tuple[bytes, int, int] | Failure


@dataclass(frozen=True)
class Entry:
    """One picture on the sheet; `thumbnail` is JPEG bytes, or None and `failure` says why in one line."""

    rank: int
    picture: str
    lane: str
    reason: str
    thumbnail: bytes | None
    width_px: int | None
    height_px: int | None
    failure: str = ""


def sheet_entries(home: Home, rows: Sequence[Mapping[str, Any]], limit: int = MAX_ENTRIES) -> list[Entry]:
    """The first `limit` rows of the view `queue` (rank, picture, lane, reason), each with a thumbnail.

    A picture that is missing or cannot be decoded stays on the sheet, with the reason in its place.
    """
    rows = rows[: max(0, limit)]
    if not rows:
        return []
    # What a worker makes of this is `_look` with the blobs at hand.
    make = functools.partial(functools.partial, _look, home.blobs())
    with Sandbox(make, workers=min(len(rows), os.cpu_count() or 1)) as sandbox:
        looks = dict(sandbox.map([str(row["picture"]) for row in rows]))
    return [_entry(row, looks[str(row["picture"])]) for row in rows]


def write_sheet(path: Path, entries: Sequence[Entry], policy: Policy, title: str, reveal_cap: int = REVEAL_CAP) -> None:
    """Write the sheet to `path`, durably, in place of what was there; its folder must exist.

    The page runs its own script alone, named by its hash, and may not ask anybody for anything.
    """
    template = importlib.resources.files("blindspot").joinpath("sheet.html").read_text(encoding="utf-8")
    data = json.dumps(_data(entries, policy, reveal_cap), default=_base64)
    values = {
        "title": html.escape(title),
        # Inside a script element only these three could end the data or begin something else.
        "data": re.sub("[<>&]", lambda match: f"\\u{ord(match[0]):04x}", data),
        "style": _hash(template, "<style>", "</style>"),
        "script": _hash(template, "<script>", "</script>"),
    }
    page = re.sub(r"%%(\w+)%%", lambda match: values[match[1]], template)
    write_durably(path, page.encode("utf-8", "xmlcharrefreplace"))


def fit(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`(H, W, 3) uint8 RGB 0–255` within 256 x 256 px: large ones averaged, tiny ones by repeating pixels.

    The aspect is kept, except that no side falls below 32 px: of a strip of 2000 x 3 nothing would be left.
    """
    size = rgb.shape[1], rgb.shape[0]
    scale = LONGEST_PX / max(size)
    wanted = [max(SHORTEST_PX, round(side * (int(scale) or scale))) for side in size]
    smaller = (min(size[0], wanted[0]), min(size[1], wanted[1]))
    image = Image.fromarray(rgb).resize(smaller, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(image.resize((wanted[0], wanted[1]), Image.Resampling.NEAREST))


def _look(blobs: Blobs, picture: str) -> Look:
    try:
        decoded = decode(blobs.get(picture))
    except (PictureError, PictureMissing) as error:
        return Failure("unreadable", str(error))
    out = io.BytesIO()
    Image.fromarray(fit(decoded.rgb)).save(out, "JPEG", quality=QUALITY, subsampling=0)
    return out.getvalue(), decoded.width_px, decoded.height_px


def _entry(row: Mapping[str, Any], look: Look) -> Entry:
    shown = (None, None, None, f"{look.reason}: {look.detail}") if isinstance(look, Failure) else (*look, "")
    return Entry(int(row["rank"]), str(row["picture"]), str(row["lane"]), str(row["reason"] or ""), *shown)


def _data(entries: Sequence[Entry], policy: Policy, reveal_cap: int) -> dict[str, Any]:
    """What the page's script reads. By its id, of policy and pictures, a sheet finds its answers again."""
    identity = "\n".join([policy.version, *(entry.picture for entry in entries)])
    return {
        "id": hashlib.sha256(identity.encode()).hexdigest()[:16],
        "policy": {"version": policy.version, "rule": policy.rule},
        "classes": [{"name": name} | kind.model_dump() for name, kind in policy.classes.items()],
        "cap": reveal_cap,
        "entries": [asdict(entry) for entry in entries],
    }


def _hash(template: str, start: str, end: str) -> str:
    """What the page's security policy calls the inline element between `start` and `end`."""
    return _base64(hashlib.sha256(template.partition(start)[2].partition(end)[0].encode()).digest())


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
