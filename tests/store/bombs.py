"""Hostile and absurd picture files, made when asked for: name → maker. All benign to look at: blanks and ramps.

Small ones ask for much: memory, time, frames, scans, tags. What honest decoders make of each is not the point; that
each costs one row and no more is.
"""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

from PIL import Image

Bytes = Callable[[], bytes]


def encoded(image: Image.Image, name: str, **settings: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, name, **settings)
    return out.getvalue()


def small(name: str, **settings: Any) -> bytes:
    """A picture of 8 x 6 pixels."""
    return encoded(Image.new("RGB", (8, 6), "red"), name, **settings)


def zeros(length: int) -> bytes:
    """So many zero bytes, deflated: a mebibyte packed once, again and again."""
    packer = zlib.compressobj(wbits=-15)
    mebibyte = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(bytes(length & 0xFFFFF)) + packer.flush()
    # Source: RFC 1950, section 8.2: of zeros only, the first sum stays 1 and the second counts them.
    return b"\x78\x9c" + mebibyte * (length >> 20) + rest + struct.pack(">HH", length % 65_521, 1)


# ---- PNG ---------------------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def ihdr(width: int, height: int, bits: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace))


def png(head: bytes, *more: bytes, pixels: bytes | None = None) -> bytes:
    data = zlib.compress(bytes(100)) if pixels is None else pixels
    return PNG + head + b"".join(more) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def png_of_zeros(width: int, height: int, bits: int, colour: int, channels: int, interlace: int = 0) -> bytes:
    """An honest picture that unpacks to what its header says."""
    row = 1 + (width * channels * bits + 7) // 8
    return png(ihdr(width, height, bits, colour, interlace), pixels=zeros(row * height + (1 << 20) * bool(interlace)))


def apng(frames: int, declared: int) -> bytes:
    """A PNG of 1 x 1 pixel that moves."""
    control = partial(struct.pack, ">IIIIIHHBB")
    pixels = zlib.compress(bytes(4))
    parts = [chunk(b"acTL", struct.pack(">II", declared, 0)), chunk(b"fcTL", control(0, 1, 1, 0, 0, 1, 10, 0, 0))]
    body = chunk(b"IDAT", pixels)
    for number in range(1, frames):
        body += chunk(b"fcTL", control(2 * number - 1, 1, 1, 0, 0, 1, 10, 0, 0))
        body += chunk(b"fdAT", struct.pack(">I", 2 * number) + pixels)
    return PNG + ihdr(1, 1) + b"".join(parts) + body + chunk(b"IEND", b"")


def packed_text(kind: bytes, length: int) -> bytes:
    head = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"iCCP": b"a\0\0"}[kind]
    return chunk(kind, head + zeros(length))


PNGS: dict[str, Bytes] = {
    "png 10 gigapixels": lambda: png(ihdr(100_000, 100_000)),
    "png 2^31 wide": lambda: png(ihdr(2**31 - 1, 1)),
    "png 50 Mpx RGBA": lambda: png_of_zeros(7_000, 7_000, 8, 6, 4),
    "png 50 Mpx RGBA 16 bit": lambda: png_of_zeros(7_000, 7_000, 16, 6, 4),
    "png 50 Mpx 1 bit": lambda: png_of_zeros(7_000, 7_000, 1, 0, 1),
    "png 50 Mpx interlaced": lambda: png_of_zeros(7_000, 7_000, 8, 2, 3, interlace=1),
    "png strip": lambda: png_of_zeros(49_000_000, 1, 8, 0, 1),
    "png too much data": lambda: png(ihdr(8, 8), pixels=zeros(1 << 30)),
    "png zTXt of 200 MB": lambda: png(ihdr(1, 1), packed_text(b"zTXt", 200_000_000)),
    "png iTXt of 200 MB": lambda: png(ihdr(1, 1), packed_text(b"iTXt", 200_000_000)),
    "png iCCP of 200 MB": lambda: png(ihdr(1, 1), packed_text(b"iCCP", 200_000_000)),
    "png 100 zTXt of 1 MB": lambda: png(ihdr(1, 1), *itertools.repeat(packed_text(b"zTXt", 1_000_000), 100)),
    "png a million chunks": lambda: png(ihdr(1, 1), chunk(b"tEXt", b"") * 1_000_000),
    "png 2^32 frames": lambda: apng(2, 2**32 - 1),
    "png 6,000 frames": lambda: apng(6_000, 6_000),
    "png chunk of 2 GB": lambda: PNG + ihdr(8, 8) + struct.pack(">I", 2**31 - 1) + b"IDAT" + bytes(1_000),
}

# ---- JPEG --------------------------------------------------------------------------------------------------


def with_size(data: bytes, width: int, height: int) -> bytes:
    """The same JPEG with another size in its frame header."""
    place = next(data.index(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in data)
    return data[: place + 5] + struct.pack(">HH", height, width) + data[place + 9 :]


def more_scans(data: bytes, extra: int) -> bytes:
    """A JPEG whose last scan comes so many times more."""
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * extra + data[-2:]


def after_start(data: bytes, more: bytes) -> bytes:
    return data[:2] + more + data[2:]


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def exif_of_many_tags(count: int) -> bytes:
    """An EXIF block of tags whose values lie outside of it."""
    tags = b"".join(struct.pack("<HHII", 0x9000 + n % 999, 2, 2**31, 2**31) for n in range(count))
    return segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", count) + tags + bytes(4))


def by_component(data: bytes) -> bytes:
    """A JPEG whose first scan holds one component only: the decoder then keeps all of the picture."""
    scan = data.index(b"\xff\xda")
    return data[:scan] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + data[scan + 14 :]


def blank_jpeg(width: int, height: int, mode: str = "L", **settings: Any) -> bytes:
    return encoded(Image.new(mode, (width, height)), "JPEG", **settings)


JPEGS: dict[str, Bytes] = {
    "jpeg 4 gigapixels": lambda: with_size(small("JPEG"), 65_500, 65_500),
    "jpeg 4 gigapixels progressive": lambda: with_size(small("JPEG", progressive=True), 65_500, 65_500),
    "jpeg 400 Mpx in parts": lambda: with_size(by_component(small("JPEG")), 20_000, 20_000),
    "jpeg 400 Mpx cut off": lambda: with_size(small("JPEG"), 20_000, 20_000),
    "jpeg 100 Mpx honest": lambda: blank_jpeg(10_000, 10_000),
    "jpeg 49 Mpx progressive": lambda: blank_jpeg(7_000, 7_000, "RGB", progressive=True),
    "jpeg 49 Mpx of 60 scans": lambda: more_scans(blank_jpeg(7_000, 7_000, "L", progressive=True), 54),
    "jpeg 49 Mpx CMYK": lambda: blank_jpeg(7_000, 7_000, "CMYK"),
    "jpeg 20,000 scans": lambda: more_scans(small("JPEG", progressive=True), 20_000),
    "jpeg of markers": lambda: after_start(small("JPEG"), b"\xff\x01" * 10_000_000) + b"\xff\xda" * 65,
    "jpeg of comments": lambda: after_start(small("JPEG"), segment(0xFE, bytes(65_000)) * 600),
    "jpeg EXIF of 5,000 tags": lambda: after_start(small("JPEG"), exif_of_many_tags(5_000)),
    "jpeg 500 Photoshop blocks": lambda: after_start(
        small("JPEG"), segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\0" * 5_000) * 500
    ),
    "jpeg 700 tables": lambda: after_start(small("JPEG"), segment(0xC4, b"\0" + bytes(16)) * 700),
}

# ---- GIF, WebP, BMP ----------------------------------------------------------------------------------------


def gif(width: int, height: int, frames: bytes) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frames + b";"


def gif_frame(width: int, height: int, codes: bytes) -> bytes:
    blocks = b"".join(bytes([len(part)]) + part for part in (codes[n : n + 255] for n in range(0, len(codes), 255)))
    return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02" + blocks + b"\0"


def lzw_of_zeros(length: int) -> bytes:
    """At least so many zero pixels in the fewest codes: each is longer than the one before by one."""
    bits, used, value, size, table, done = bytearray(), 0, 0, 3, 6, 0

    def write(code: int) -> None:
        nonlocal used, value
        value |= code << used
        used += size
        while used >= 8:
            bits.append(value & 255)
            value, used = value >> 8, used - 8

    write(4)  # clear
    write(0)
    for run in itertools.count(2):
        if done >= length:
            break
        write(min(table, 4_095))  # the code that is only being made: the last run and one more
        done += min(run, 4_091)  # at most what the last place of the table stands for
        if table < 4_096:
            table += 1
            size = min(12, max(size, table.bit_length()))
    write(5)
    write(0)
    write(0)
    return bytes(bits)


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBP" + kind + struct.pack("<I", len(body)) + body


HUGE = 16_383
WEBP_LOSSLESS = webp(b"VP8L", b"\x2f" + struct.pack("<I", (HUGE - 1) | (HUGE - 1) << 14) + bytes(15))
WEBP_LOSSY = webp(b"VP8 ", b"\x50\x01\x00\x9d\x01\x2a" + struct.pack("<HH", HUGE, HUGE) + bytes(10))
WEBP_EXTENDED = webp(b"VP8X", bytes(4) + (2**24 - 1).to_bytes(3, "little") * 2 + bytes(10))


def moving(name: str, frames: int, **settings: Any) -> bytes:
    made = [Image.new("RGB", (2, 2), (n % 256, n // 256, 0)) for n in range(frames)]
    return encoded(made[0], name, save_all=True, append_images=made[1:], **settings)


def lying_webp() -> bytes:
    """A canvas of one pixel that holds a frame of 268 Mpx."""
    data = bytearray(moving("WEBP", 2, lossless=True))
    place = data.index(b"ANMF") + 8
    data[place + 6 : place + 12] = (HUGE - 1).to_bytes(3, "little") * 2
    return bytes(data)


def bmp(width: int, height: int, bits: int, compression: int, body: bytes, colours: int = 0) -> bytes:
    """`colours` is what the header says; there is a palette of 256 when it says nothing."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 0, 0, colours, 0)
    table = bytes(1024 if bits == 8 and not colours else 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(table) + len(body), 0, 0, 54 + len(table)) + head + table + body


OTHERS: dict[str, Bytes] = {
    "gif 4 gigapixels": lambda: gif(65_535, 65_535, gif_frame(1, 1, b"\x44\x01")),
    "gif 100,000 frames": lambda: gif(1, 1, gif_frame(1, 1, b"\x44\x01") * 100_000),
    "gif 49 Mpx of codes": lambda: gif(7_000, 7_000, gif_frame(7_000, 7_000, lzw_of_zeros(49_000_000))),
    "gif 4,000 frames of 1 Mpx": lambda: gif(1_000, 1_000, gif_frame(1_000, 1_000, lzw_of_zeros(1_000_000)) * 4_000),
    "gif of comments": lambda: gif(1, 1, (b"!\xfe" + (b"\xff" + bytes(255)) * 1_000 + b"\0") * 100),
    "gif frame beyond its canvas": lambda: gif(1, 1, gif_frame(65_535, 65_535, b"\x44\x01")),
    "webp lossless 268 Mpx": lambda: WEBP_LOSSLESS,
    "webp lossy 268 Mpx": lambda: WEBP_LOSSY,
    "webp canvas 281 terapixels": lambda: WEBP_EXTENDED,
    "webp frame beyond its canvas": lying_webp,
    "webp 2,000 frames": lambda: moving("WEBP", 2_000, lossless=True),
    "webp 36 Mpx": lambda: encoded(Image.new("RGB", (6_000, 6_000)), "WEBP", quality=0, method=0),
    "bmp 3.6 gigapixels": lambda: bmp(60_000, 60_000, 24, 0, bytes(1_000)),
    "bmp run lengths": lambda: bmp(7_000, 7_000, 8, 1, b"\xff\x00" * 193_000 + b"\0\1"),
    "bmp upside down": lambda: bmp(7_000, -7_000, 1, 0, bytes(1_000)),
    "bmp of 2 billion colours": lambda: bmp(8, 8, 8, 0, bytes(64), colours=2**31 - 1),
}

# ---- TIFF, AVIF --------------------------------------------------------------------------------------------

SHORT, LONG = 3, 4


def ifd(tags: dict[int, tuple[int, int, int]], following: int = 0) -> bytes:
    """A directory: tag → type, count, value or offset."""
    rows = b"".join(struct.pack("<HHII", tag, *row) for tag, row in sorted(tags.items()))
    return struct.pack("<H", len(tags)) + rows + struct.pack("<I", following)


def tiff_tags(width: int, height: int, **changed: tuple[int, int, int]) -> dict[int, tuple[int, int, int]]:
    numbers = {"bits": 258, "compression": 259, "samples": 277, "rows": 278, "offset": 273, "length": 279}
    tags = {
        256: (LONG, 1, width),
        257: (LONG, 1, height),
        258: (SHORT, 1, 8),
        259: (SHORT, 1, 1),
        262: (SHORT, 1, 1),
        273: (LONG, 1, 8),
        277: (SHORT, 1, 1),
        278: (LONG, 1, height),
        279: (LONG, 1, 64),
    }
    return tags | {numbers[name]: row for name, row in changed.items()}


def tiff(tags: dict[int, tuple[int, int, int]], body: bytes = bytes(64), following: int = 0) -> bytes:
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + ifd(tags, following)


def packed_tiff(length: int, width: int, height: int) -> bytes:
    """A TIFF of one deflated strip."""
    body = zeros(length)
    return tiff(tiff_tags(width, height, compression=(SHORT, 1, 8), length=(LONG, 1, len(body))), body)


def tiff_of_directories(count: int) -> bytes:
    """So many pages, all of the same pixels."""
    one = len(ifd(tiff_tags(8, 8)))
    starts = [72 + one * n for n in range(1, count)] + [0]
    return b"II*\0" + struct.pack("<I", 72) + bytes(64) + b"".join(ifd(tiff_tags(8, 8), next_) for next_ in starts)


TIFFS: dict[str, Bytes] = {
    "tiff 10 gigapixels": lambda: tiff(tiff_tags(100_000, 100_000)),
    "tiff that begins again": lambda: tiff(tiff_tags(8, 8), following=72),
    "tiff 20,000 pages": lambda: tiff_of_directories(20_000),
    "tiff 49 Mpx deflated": lambda: packed_tiff(49_000_000, 7_000, 7_000),
    "tiff 1 GB in 64 pixels": lambda: packed_tiff(1 << 30, 8, 8),
    "tiff 2^32 values": lambda: tiff(tiff_tags(8, 8) | {320: (SHORT, 2**32 - 1, 8)}),
    "tiff 2^32 strips": lambda: tiff(tiff_tags(8, 8, offset=(LONG, 2**32 - 1, 8), length=(LONG, 2**32 - 1, 8))),
    "tiff 65,535 samples": lambda: tiff(tiff_tags(8, 8, samples=(SHORT, 1, 65_535))),
    "tiff no rows a strip": lambda: tiff(tiff_tags(7_000, 7_000, rows=(LONG, 1, 0))),
    "tiff 65,535 bits": lambda: tiff(tiff_tags(8, 8, bits=(SHORT, 1, 65_535))),
}


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def with_extent(width: int, height: int) -> bytes:
    """An AVIF that says it is of another size."""
    data = bytearray(small("AVIF"))
    place = data.index(b"ispe") + 8
    data[place : place + 8] = struct.pack(">II", width, height)
    return bytes(data)


def grid(cells: int) -> bytes:
    """An AVIF that says it is a grid of cells x cells pictures, all of which are missing."""
    full = partial(struct.pack, ">I")
    body = struct.pack(">BBBB", 0, 1, cells - 1, cells - 1) + struct.pack(">II", 65_000, 65_000)
    info = box(b"iinf", full(0) + b"\0\1" + box(b"infe", full(0x02000000) + struct.pack(">HH", 1, 0) + b"grid\0"))
    place = box(b"iloc", full(0x01000000) + b"\x44\0\0\1" + struct.pack(">HHHHII", 1, 1, 0, 1, 0, len(body)))
    size = box(b"ipco", box(b"ispe", full(0) + struct.pack(">II", 65_000, 65_000)))
    refs = box(b"iref", full(0) + box(b"dimg", struct.pack(">HH", 1, 1) + b"\0\2"))
    props = box(b"iprp", size + box(b"ipma", full(0) + full(1) + b"\0\1\1\1"))
    handler = box(b"hdlr", full(0) + full(0) + b"pict" + bytes(13))
    meta = box(b"meta", full(0) + handler + box(b"pitm", full(0) + b"\0\1") + place + info + refs + props)
    return box(b"ftyp", b"avif\0\0\0\0avifmif1") + meta + box(b"idat", body)


AVIFS: dict[str, Bytes] = {
    "avif 4 gigapixels": lambda: with_extent(65_535, 65_535),
    "avif 49 Mpx in name": lambda: with_extent(7_000, 7_000),
    "avif grid of 65,536": lambda: grid(256),
    "avif 300 frames": lambda: moving("AVIF", 300, speed=10),
    "avif box of 16 exabytes": lambda: (
        small("AVIF")[:32] + struct.pack(">I", 1) + b"meta" + struct.pack(">Q", 2**64 - 1)
    ),
}

BOMBS: dict[str, Bytes] = PNGS | JPEGS | OTHERS | TIFFS | AVIFS


# Those that take a second or more to make or to look at: for the slow lane.
HEAVY = frozenset(
    {
        "png 50 Mpx RGBA",
        "png 50 Mpx RGBA 16 bit",
        "png 50 Mpx interlaced",
        "png a million chunks",
        "jpeg 49 Mpx of 60 scans",
        "jpeg 500 Photoshop blocks",
        "webp 36 Mpx",
        "tiff 20,000 pages",
        "avif 49 Mpx in name",
    }
)
