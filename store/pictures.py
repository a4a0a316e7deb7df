"""The one decoder: the same bytes give the same pixels to the hasher, the scorer, the trainer and every page.

Every limit is checked on the header before pixels are made, so that a hostile file costs an exception with a
reason code (a row in `refusals`) and not the process. Time and memory are bounded by whoever runs this:
`store/sandbox.py`.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features
from PIL.JpegImagePlugin import JpegImageFile

from store.backdrops import Backdrop, flattened
from store.errors import PictureError
from store.rgb import image_of, pixels_of

# The limits below replace Pillow's own, which only warns.
Image.MAX_IMAGE_PIXELS = None

FORMATS: tuple[str, ...] = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
if features.check("avif"):
    FORMATS += ("AVIF",)

MAGIC: tuple[tuple[bytes, int, str], ...] = (
    (b"\xff\xd8\xff", 0, "JPEG"),
    (b"\x89PNG\r\n\x1a\n", 0, "PNG"),
    (b"GIF87a", 0, "GIF"),
    (b"GIF89a", 0, "GIF"),
    (b"WEBP", 8, "WEBP"),
    (b"BM", 0, "BMP"),
    (b"II*\x00", 0, "TIFF"),
    (b"MM\x00*", 0, "TIFF"),
    (b"ftypavif", 4, "AVIF"),
    (b"ftypavis", 4, "AVIF"),
)


# Source: EXIF 2.3, tag 0112: how the stored picture is turned to be shown.
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (TURNS[5], TURNS[6], TURNS[7], TURNS[8])

# Which frame of how many, counted from 0.
Frame = Literal["first", "middle", "last"]
FRAMES: dict[Frame, Callable[[int], int]] = {"first": lambda n: 0, "middle": lambda n: n // 2, "last": lambda n: n - 1}

# In JPEG data 0xFF begins a marker unless 0x00 (a stuffed byte), 0xFF (filling) or a restart follows.
SCAN, MARKER = b"\xff\xda", re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
# A picture of 64 scans has a few hundred. Chosen by eye.
MAX_MARKERS = 10_000


@dataclass(frozen=True)
class Limits:
    """What a picture may ask for. At 50 Mpx and 64 scans a decode takes up to 470 MB and some seconds."""

    max_bytes: int = 50_000_000
    max_pixels: int = 50_000_000
    max_scans: int = 64
    max_frames: int = 5_000
    # On the way to a later frame, which is made from all before it. Of noise, the worst there is, an animated PNG makes
    # 17 Mpx a second, GIF and WebP 38.
    max_seek_pixels: int = 50_000_000


@dataclass(frozen=True)
class Decoded:
    """A picture as pixels: `rgb` is `(H, W, 3) uint8 RGB 0–255`, as shown, not to be written to.

    That is with EXIF applied, alpha on white, the first frame, unless another frame or backdrop was asked for.
    `width_px`, `height_px` are the sizes of the original as shown, also when `rgb` is smaller: because the picture is
    above the limit (`reduced`), or because a scaled decode was asked for.
    """

    rgb: NDArray[np.uint8]
    width_px: int
    height_px: int
    format: str
    frames: int
    has_alpha: bool
    reduced: bool

    def pillow(self) -> Image.Image:
        """The same pixels as Pillow holds them."""
        return image_of(self.rgb)


def sniff(data: bytes) -> str | None:
    """The picture format that the first bytes announce, or None."""
    for magic, offset, name in MAGIC:
        if data[offset : offset + len(magic)] == magic and (name != "WEBP" or data[:4] == b"RIFF"):
            return name
    return None


def decode(
    data: bytes,
    limits: Limits | None = None,
    at_least_px: int | None = None,
    frame: Frame = "first",
    backdrop: Backdrop = "white",
) -> Decoded:
    """The bytes of a picture as pixels.

    A JPEG of one scan above `max_pixels` is decoded at the first of 1/2, 1/4, 1/8 that fits; anything else above it is
    refused. `at_least_px` asks for a scaled decode: of a JPEG the smallest of 1/8, 1/4, 1/2 whose sides are both at
    least that long, which is several times faster and gives **other pixels**. Raises PictureError with reason `empty`,
    `too_many_bytes`, `not_a_picture`, `too_large`, `too_many_scans`, `too_many_frames`, `too_far`, `out_of_memory`,
    `unsupported` or `broken`.
    """
    limits = limits or Limits()
    with opened(data, limits) as image:
        frames = frames_of(image, limits) if frame != "first" else 1
        index = FRAMES[frame](frames)
        if index and isinstance(image, JpegImageFile):  # a JPEG in itself, with size, scans and EXIF of its own
            image.seek(index)
            alone = decode(data[vars(image)["offset"] :], limits, at_least_px, backdrop=backdrop)
            return replace(alone, frames=frames, format=image.format or "?")
        _seek(image, index, limits)
        return _decode_open(image, data, limits, at_least_px, backdrop)


def _seek(image: Image.Image, index: int, limits: Limits) -> None:
    """Go to frame `index`, one by one, because a frame may enlarge the canvas. Raises PictureError."""
    # A TIFF's frames are pictures of their own: the way to one makes no pixels.
    if index and image.format != "TIFF" and index * math.prod(image.size) > limits.max_seek_pixels:
        raise PictureError("too_far", f"{index} frames before it, at most {limits.max_seek_pixels} pixels in all")
    for before in range(index):
        image.seek(before + 1)
        if math.prod(image.size) > limits.max_pixels:
            raise PictureError("too_large", f"frame {before + 1}: {image.width}x{image.height} px")


@contextlib.contextmanager
def opened(data: bytes, limits: Limits) -> Iterator[Image.Image]:
    """The picture with its header read and no pixel made; whatever goes wrong in the block is a PictureError."""
    _check_bytes(data, limits)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a damaged EXIF block is no reason to stop
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                yield image
    except PictureError:
        raise
    except MemoryError:
        raise PictureError("out_of_memory", f"{len(data)} bytes ask for more than there is") from None
    except Exception as error:  # Pillow raises ten kinds of exception on mutated files
        raise PictureError("broken", f"{type(error).__name__}: {error}"[:200]) from None


def _check_bytes(data: bytes, limits: Limits) -> None:
    if not data:
        raise PictureError("empty", "0 bytes")
    if len(data) > limits.max_bytes:
        raise PictureError("too_many_bytes", f"{len(data)} bytes, at most {limits.max_bytes}")
    name = sniff(data)
    if name not in FORMATS:
        raise PictureError("not_a_picture", f"starts with {data[:12].hex()}")
    # Counting bytes is quick and never too low; only what looks like too many is read marker by marker.
    if name == "JPEG" and data.count(SCAN) > limits.max_scans:
        scans = sum(1 for _ in islice(_jpeg_scans(data), limits.max_scans + 1))
        if scans > limits.max_scans:
            raise PictureError("too_many_scans", f"more than {limits.max_scans} scans")
    if name == "WEBP":
        # Pillow makes the whole canvas while opening: 40 bytes of WebP cost 2.7 GB.
        width, height = _webp_size(data)
        if width * height > limits.max_pixels:
            raise PictureError("too_large", f"{width}x{height} px, at most {limits.max_pixels} pixels")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Canvas width and height from a WebP header. Source: RFC 9649, sections 2.5–2.7."""
    chunk = data[12:16]
    try:
        if chunk == b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        if chunk == b"VP8L":
            (bits,) = struct.unpack("<I", data[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        width, height = struct.unpack("<HH", data[26:30])
    except struct.error:
        raise PictureError("broken", "WebP header ends early") from None
    return width & 0x3FFF, height & 0x3FFF


def _jpeg_scans(data: bytes) -> Iterator[int]:
    """The number of components in each scan before the end of the image. Source: ITU-T T.81, annex B.

    Thumbnails inside segments and what phones append after the end (a film, a second picture) do not count.
    """
    position = 2
    for _ in range(MAX_MARKERS):
        found = MARKER.search(data, position)
        position, marker = (found.end(), data[found.end() - 1]) if found else (len(data), 0xD9)
        if marker == 0xD9:
            return
        if marker == 0xDA:
            yield data[position + 2] if position + 2 < len(data) else 0
        if marker not in (0x01, 0xD8):
            position += int.from_bytes(data[position : position + 2], "big")
    raise PictureError("broken", f"more than {MAX_MARKERS} markers in one JPEG")


def _decode_open(
    image: Image.Image, data: bytes, limits: Limits, at_least_px: int | None, backdrop: Backdrop
) -> Decoded:
    width, height = image.size
    needed = reduction(image, data, limits)
    factor = max(needed, scaling(image, at_least_px))
    if factor > 1:
        image.draft(image.mode, smaller(image.size, factor))
    frames = frames_of(image, limits)
    name = image.format or "?"
    image.load()  # before its EXIF is asked for: in a PNG that may come last
    turn = turn_of(image)
    if turn is not None:
        image = image.transpose(turn)
    width, height = turned((width, height), turn)
    has_alpha = image.has_transparency_data
    shown = flattened(image, backdrop)
    return Decoded(pixels_of(shown), width, height, name, frames, has_alpha, needed > 1)


def scaling(image: Image.Image, at_least_px: int | None) -> int:
    """By how much a scaled decode reduces a picture: 8, 4, 2, or 1 for what is no JPEG, small, or not to be scaled."""
    if at_least_px is None or not isinstance(image, JpegImageFile):
        return 1
    fitting = (factor for factor in (8, 4, 2) if min(image.size) // factor >= at_least_px)
    return next(fitting, 1)


def reduction(image: Image.Image, data: bytes, limits: Limits) -> int:
    """By how much a picture must be reduced to be within `max_pixels`: 1, 2, 4 or 8. Raises PictureError `too_large`.

    Not when the picture comes in several scans: the JPEG decoder then keeps all of it, however small the result
    (557 bytes of progressive JPEG took 2.6 GB).
    """
    width, height = image.size
    if width * height <= limits.max_pixels:
        return 1
    if isinstance(image, JpegImageFile) and "progressive" not in image.info:
        whole = next(_jpeg_scans(data), 0) == image.layers
        for factor in (2, 4, 8) if whole else ():
            if math.prod(smaller(image.size, factor)) <= limits.max_pixels:
                return factor
    raise PictureError("too_large", f"{width}x{height} px, at most {limits.max_pixels} pixels")


def smaller(size: tuple[int, int], factor: int) -> tuple[int, int]:
    """What to ask a JPEG decoder for, to have `size` reduced by `factor`."""
    return max(1, size[0] // factor), max(1, size[1] // factor)


def frames_of(image: Image.Image, limits: Limits) -> int:
    """How many frames a picture has. Raises PictureError `too_many_frames`."""
    frames = int(getattr(image, "n_frames", 1))
    if frames > limits.max_frames:
        raise PictureError("too_many_frames", f"{frames} frames, at most {limits.max_frames}")
    return frames


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """How a loaded picture is to be turned to be shown; None for as it is.

    Pillow's own function also writes the EXIF block anew, and fails on one with a damaged tag.
    """
    return TURNS.get(image.getexif().get(ORIENTATION, 1))


def turned(size: tuple[int, int], turn: Image.Transpose | None) -> tuple[int, int]:
    """Width and height after that turn."""
    return (size[1], size[0]) if turn in SIDEWAYS else size
