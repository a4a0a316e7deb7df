"""Our look at a picture, from bytes to numbers; or only its hash, ours or the stock one."""

import io
import json
import sys
import time

import imagehash
from PIL import Image

from bench.looks import HASH_PX, SCALED_PX
from bench.ways.jpegs import jpegs
from mine.hashes import hash_picture
from mine.measure import measure
from store.pictures import decode


def look(data: bytes, at_least_px: int | None = None) -> None:
    picture = decode(data, at_least_px=at_least_px)
    measure(picture)
    hash_picture(picture)


WAYS = {
    "full": look,
    "scaled": lambda data: look(data, SCALED_PX),
    "hash": lambda data: hash_picture(decode(data, at_least_px=HASH_PX)),
    "stock": lambda data: imagehash.phash(Image.open(io.BytesIO(data))),
}

if __name__ == "__main__":
    way, contents = WAYS[sys.argv[1]], jpegs()
    way(contents[0])
    began = time.monotonic()
    for content in contents:
        way(content)
    print(json.dumps({"seconds": time.monotonic() - began}))
