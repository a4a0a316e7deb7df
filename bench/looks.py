"""How fast pictures are measured and hashed from their bytes, beside CleanVision and stock ImageHash, in one run.

    python -m bench.looks [--pictures 300] [--rounds 3] [--cleanvision /path/of/its/bin/python]

One process each, on the same JPEGs of 1.2 Mpx; the ways take turns, medians of the rounds. CleanVision (`pip install
cleanvision` in an environment of its own) runs its default checks with one job. A scaled decode is no path of ours, but
for versions that were trained with it; its measurements lack what wants the original's pixels.

Below that, what the path of a hash costs: by how many of 64 bits the hash of a picture moves when others save or resize
it, for stock ImageHash, for our path and for a scaled decode; and how far our path is from the stock one.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from bench.fetch import measure, pictures
from mine.hashes import hash_picture
from store.pictures import decode

WAYS = Path(__file__).parent / "ways"
# A thumbnail of 64 px is measured; a hash wants 32.
SCALED_PX, HASH_PX = 256, 64
OURS, SCALED, HASHED = "ours, full decode", "ours, scaled decode", "our hash, scaled decode"
CLEANVISION, STOCK = "CleanVision", "stock ImageHash"
# What is compared with what, and by how much faster ours is to be.
WANTED = ((OURS, CLEANVISION, 4), (SCALED, CLEANVISION, 12), (HASHED, STOCK, 4))


def stock(data: bytes) -> int:
    """ImageHash as its documentation calls it."""
    with Image.open(io.BytesIO(data)) as image:
        return int(str(imagehash.phash(image)), 16)


def ours(data: bytes) -> int:
    return int(hash_picture(decode(data))["phash"])


def scaled(data: bytes) -> int:
    return int(hash_picture(decode(data, at_least_px=HASH_PX))["phash"])


def saved(quality: int) -> Callable[[Image.Image], bytes]:
    def edit(image: Image.Image) -> bytes:
        out = io.BytesIO()
        image.save(out, "JPEG", quality=quality)
        return out.getvalue()

    return edit


def resized(share: float, kernel: Image.Resampling) -> Callable[[Image.Image], bytes]:
    return lambda image: saved(90)(image.resize([round(side * share) for side in image.size], kernel))


EDITS: dict[str, Callable[[Image.Image], bytes]] = {
    "saved again, quality 90": saved(90),
    "saved again, quality 60": saved(60),
    "half the size, bicubic": resized(0.5, Image.Resampling.BICUBIC),
    "a third of the size, nearest": resized(1 / 3, Image.Resampling.NEAREST),
}


def stability(contents: list[bytes]) -> None:
    """Print median, 99 % and the share beyond 8 bits, for each edit and path."""
    print(f"{'bits that move (median, 99 %, share > 8)':32}{'stock':>20}{'ours':>20}{'scaled':>20}")
    images = [Image.open(io.BytesIO(data)).convert("RGB") for data in contents]
    before = {path: [path(data) for data in contents] for path in (stock, ours, scaled)}
    for name, edit in EDITS.items():
        edited = [edit(image) for image in images]
        row = [_spread(before[path], [path(data) for data in edited]) for path in (stock, ours, scaled)]
        print(f"{name:32}" + "".join(f"{said:>20}" for said in row))
    for name, path in (("our path from the stock one", ours), ("scaled from the stock one", scaled)):
        print(f"{name:32}{_spread(before[stock], before[path]):>20}")


def _spread(one: list[int], other: list[int]) -> str:
    bits = [(a ^ b).bit_count() for a, b in zip(one, other, strict=True)]
    return f"{np.median(bits):.0f}, {np.percentile(bits, 99):.0f}, {np.mean(np.array(bits) > 8):.1%}"


def rates(wanted: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Pictures per second of each way, the median of the rounds."""
    own = [sys.executable, str(WAYS / "look_at.py")]
    commands = {OURS: [*own, "full"], SCALED: [*own, "scaled"], HASHED: [*own, "hash"], STOCK: [*own, "stock"]}
    if wanted.cleanvision:
        commands[CLEANVISION] = [wanted.cleanvision, str(WAYS / "cleanvision_look.py")]
    env = {"BENCH_DIR": str(folder), "BENCH_COUNT": str(wanted.pictures), "PYTHONPATH": str(Path.cwd())}
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(wanted.rounds):
        for name, words in commands.items():
            found[name].append(wanted.pictures / measure(words, env)[0])
            print(json.dumps({"way": name, "pictures_per_s": round(found[name][-1], 1)}), flush=True)
    return {name: statistics.median(runs) for name, runs in found.items()}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cleanvision", default="")
    wanted = parser.parse_args()
    contents = list(pictures(wanted.pictures))
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        (Path(scratch) / "pictures").mkdir()
        for number, content in enumerate(contents):
            Path(scratch, "pictures", f"{number:05}.jpg").write_bytes(content)
        found = rates(wanted, Path(scratch))
    print(f"{wanted.pictures} pictures, one process each of {os.cpu_count()} cores, median of {wanted.rounds} rounds")
    print(f"{'way':28}{'pictures/s':>12}")
    for name, rate in found.items():
        print(f"{name:28}{rate:12.1f}")
    for name, peer, least in WANTED:
        if peer in found:
            print(f"{name} is {found[name] / found[peer]:.1f}x {peer}; wanted {least}x")
    stability(contents[:100])


if __name__ == "__main__":
    main()
