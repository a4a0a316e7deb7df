"""Is it a picture? By the first bytes alone, whatever the server calls it. Reads and writes nothing."""

from __future__ import annotations

# Source: the formats' own specifications; each row is (name, offset, bytes that stand there).
MAGIC: tuple[tuple[str, int, bytes], ...] = (
    ("jpeg", 0, b"\xff\xd8\xff"),
    ("png", 0, b"\x89PNG\r\n\x1a\n"),
    ("gif", 0, b"GIF87a"),
    ("gif", 0, b"GIF89a"),
    ("webp", 8, b"WEBP"),
    ("tiff", 0, b"II*\0"),
    ("tiff", 0, b"MM\0*"),
    ("tiff", 0, b"II+\0"),  # BigTIFF
    ("tiff", 0, b"MM\0+"),
    ("avif", 4, b"ftypavif"),
    ("avif", 4, b"ftypavis"),
)
# Sizes of the header that follows the file header of a BMP: "BM" alone also begins many a text.
BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


def picture_format(data: bytes) -> str | None:
    """The name of the picture format that `data` begins as, or None."""
    for name, offset, magic in MAGIC:
        if data.startswith(magic, offset) and (name != "webp" or data.startswith(b"RIFF")):
            return name
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in BMP_HEADERS:
        return "bmp"
    return None
