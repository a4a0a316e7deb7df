"""Mutated pictures, each from its seed, through the sandboxed check and the whole decode.

    python -m tests.store.mutations --seeds 0:1000000 --state FILE

goes on where the state file says it was, and prints as it goes. Each picture must have exactly one outcome, `ok` or a
reason; a worker that died or hung, a reason nobody knows, or more time or memory than allowed is a finding.
"""

from __future__ import annotations

import argparse
import json
import random
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image

from store.files import write_durably
from store.pictures import FORMATS
from store.sandbox import Failure, Sandbox, SandboxLimits
from tests.store.picture_work import Looked, make

LIMITS = SandboxLimits(time_s=6.0, memory_bytes=900_000_000, recycle_after=2_000)
MOST_BYTES = 1 << 30
CHUNK = 2_000  # seeds between two writes of the state
KNOWN = frozenset(
    {"ok", "empty", "broken", "not_a_picture", "too_large", "unsupported", "too_many_frames", "too_many_scans"}
    | {"out_of_memory", "too_many_bytes"}
)
PNG = b"\x89PNG\r\n\x1a\n"
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)

Mutation = Callable[[random.Random, bytearray], None]


# ---- what is mutated ---------------------------------------------------------------------------------------


@cache
def samples() -> tuple[bytes, ...]:
    """Small valid files in every format, in the ways that decoders treat apart."""
    from tests.store.bombs import encoded
    from tests.store.drawn import clouds

    rgb = Image.fromarray(clouds(48, 32, 1))
    rgba, palette, grey = rgb.convert("RGBA"), rgb.convert("P"), rgb.convert("L")
    rgba.putalpha(grey)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    moving = {"save_all": True, "append_images": [rgb.rotate(n) for n in (90, 180)]}
    recipes = [
        (rgb, "JPEG", {"exif": exif}),
        (rgb, "JPEG", {"progressive": True, "quality": 90}),
        (rgb, "JPEG", {"subsampling": 0, "restart_marker_blocks": 1}),
        (rgb.convert("CMYK"), "JPEG", {"icc_profile": bytes(200)}),
        (grey, "JPEG", {"comment": b"said"}),
        (rgb, "PNG", {"exif": exif}),
        (rgba, "PNG", moving),
        (palette, "PNG", {"transparency": 3, "bits": 8}),
        (grey.convert("1"), "PNG", {"icc_profile": bytes(200)}),
        (grey.convert("I").point(lambda value: value * 257).convert("I;16"), "PNG", {}),
        (palette, "GIF", {"transparency": 3, "interlace": True}),
        (palette, "GIF", moving),
        (rgb, "WEBP", {"quality": 60}),
        (rgba, "WEBP", {"lossless": True}),
        (rgba, "WEBP", {"quality": 50, "exif": exif, "icc_profile": bytes(200)}),
        (rgba, "WEBP", moving),
        (rgb, "BMP", {}),
        (palette, "BMP", {}),
        (grey.convert("1"), "BMP", {}),
        (rgb, "TIFF", {}),
        (rgba, "TIFF", {"compression": "tiff_adobe_deflate", "exif": exif}),
        (palette, "TIFF", {"compression": "tiff_lzw", **moving}),
        (rgb, "TIFF", {"compression": "jpeg"}),
        (grey.convert("1"), "TIFF", {"compression": "group4"}),
        (rgb, "AVIF", {"quality": 50}),
        (rgba, "AVIF", {"exif": exif}),
        (rgb, "AVIF", moving),
    ]
    return tuple(encoded(image, name, **settings) for image, name, settings in recipes if name in FORMATS)


def flip_bytes(chance: random.Random, data: bytearray) -> None:
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        data[place(chance, data)] = chance.randrange(256)


def flip_bits(chance: random.Random, data: bytearray) -> None:
    for _ in range(chance.choice((1, 1, 3, 8))):
        data[place(chance, data)] ^= 1 << chance.randrange(8)


def set_number(chance: random.Random, data: bytearray) -> None:
    """A number of one, two or four bytes becomes an extreme one, most often in the header."""
    size, order = chance.choice((1, 2, 4)), chance.choice("<>")
    value = chance.choice(EXTREMES) & (256**size - 1)
    start = place(chance, data)
    data[start : start + size] = struct.pack(order + {1: "B", 2: "H", 4: "I"}[size], value)


def cut(chance: random.Random, data: bytearray) -> None:
    del data[chance.randrange(len(data)) :]


def leave_out(chance: random.Random, data: bytearray) -> None:
    start = place(chance, data)
    del data[start : start + chance.choice((1, 2, 4, 8, 64, 500))]


def say_twice(chance: random.Random, data: bytearray) -> None:
    """A piece comes again, once or many times, there or elsewhere."""
    start = place(chance, data)
    piece = data[start : start + chance.choice((1, 4, 12, 40, 400))] * chance.choice((1, 1, 2, 50))
    there = chance.choice((start, place(chance, data)))
    data[there:there] = piece


def splice(chance: random.Random, data: bytearray) -> None:
    """The end becomes that of another file, or a piece of it comes between."""
    other = chance.choice(samples())
    start, piece = place(chance, data), other[chance.randrange(len(other)) :]
    end = chance.choice((start, start + len(piece), len(data)))
    data[start:end] = piece


def insert(chance: random.Random, data: bytearray) -> None:
    start = place(chance, data)
    data[start:start] = chance.randbytes(chance.choice((1, 2, 4, 30)))


MUTATIONS: tuple[Mutation, ...] = (
    flip_bytes,
    flip_bits,
    set_number,
    set_number,
    cut,
    leave_out,
    say_twice,
    splice,
    insert,
)


def place(chance: random.Random, data: bytearray) -> int:
    """Anywhere, but half of the time in the first hundred bytes, where headers are."""
    return chance.randrange(min(len(data), 100) if chance.random() < 0.5 else len(data))


def mutated(seed: int) -> bytes:
    """The picture of a seed: always the same with the same versions of the encoders."""
    chance = random.Random(seed)
    data = bytearray(chance.choice(samples()))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        if data:
            chance.choice(MUTATIONS)(chance, data)
    return mended(bytes(data)) if chance.random() < 0.6 else bytes(data)


def mended(data: bytes) -> bytes:
    """With checksums and sizes that are right again, so that decoders look further."""
    if data[:4] == b"RIFF" and len(data) > 20:
        return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    if data[:8] != PNG:
        return data
    parts, at = [PNG], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + length]
        parts += [data[at : at + 4], body, struct.pack(">I", zlib.crc32(body))]
        at += 12 + length
    return b"".join([*parts, data[at:]])


# ---- what comes of it --------------------------------------------------------------------------------------


@dataclass
class State:
    """How far a range of seeds is done, and what it came to; `pairs` counts "check/decode"."""

    first: int
    last: int
    done: int = 0
    checked: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    slowest_seed: int = -1
    peak_bytes: int = 0
    findings: list[str] = field(default_factory=list)

    def take(self, seed: int, answer: Looked | Failure) -> None:
        """Count one outcome."""
        self.done += 1
        if isinstance(answer, Failure):
            self.checked[answer.reason] += 1
            if answer.reason != "out_of_memory":
                self.findings.append(f"seed {seed}: {answer.reason}: {answer.detail}")
            return
        self.checked[answer.checked] += 1
        if answer.checked != answer.decoded:
            self.pairs[f"{answer.checked}/{answer.decoded}"] += 1
        self.peak_bytes = max(self.peak_bytes, answer.peak_bytes)
        if answer.seconds > self.slowest_s:
            self.slowest_s, self.slowest_seed = answer.seconds, seed
        strange = {answer.checked, answer.decoded} - KNOWN
        if strange or answer.seconds > LIMITS.time_s or answer.peak_bytes > MOST_BYTES:
            self.findings.append(f"seed {seed}: {answer}")


def run(seeds: Iterable[int], state: State, sandbox: Sandbox[bytes, Looked]) -> None:
    """Each seed's picture through the sandbox; every one is counted once."""
    files = {}
    for seed in seeds:
        files[seed] = sandbox.submit(mutated(seed))
    for seed, answer in files.items():
        state.take(seed, answer.result())


def read_state(path: Path, first: int, last: int) -> State:
    """The state in the file if it is of this range, else a new one."""
    if path.exists():
        kept = State(**json.loads(path.read_text()))
        if (kept.first, kept.last) == (first, last):
            kept.checked, kept.pairs = Counter(kept.checked), Counter(kept.pairs)
            return kept
    return State(first, last)


def main(words: list[str] | None = None) -> State:
    """Run what is left of a range, or as much as `--seconds` allow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0:1000000", help="FIRST:LAST, the last not included")
    parser.add_argument("--state", type=Path, required=True, help="a file that keeps how far it is")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    asked = parser.parse_args(words)
    first, last = (int(part) for part in asked.seeds.split(":"))
    state, started = read_state(asked.state, first, last), time.monotonic()
    begun = state.done
    with Sandbox[bytes, Looked](make, limits=LIMITS) as sandbox:
        while first + state.done < last and time.monotonic() - started < asked.seconds:
            at = first + state.done
            run(range(at, min(at + CHUNK, last)), state, sandbox)
            write_durably(asked.state, json.dumps(vars(state), indent=1).encode())
            rate = (state.done - begun) / (time.monotonic() - started)
            print(f"{state.done} of {last - first}, {rate:.0f}/s, {len(state.findings)} findings", flush=True)
    print(json.dumps(vars(state), indent=1))
    return state


if __name__ == "__main__":
    main()
