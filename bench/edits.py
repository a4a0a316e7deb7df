"""What an edit of a picture costs the copies relation: how many of the edited are still joined to their original.

    python -m bench.edits

scikit-image's photographs, cut into tiles so that there are a few hundred; each tile once as it is and once per edit.
Recall: edited tiles within 4 bits that the second check confirms (a verdict is shared) and within 8 (kept on one side
of a split). Precision: of all pairs found between the edited and the originals, those of one tile. Stars know one
orientation: a mirrored or turned picture is a picture of its own. No claim, a price list.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

SIDE = 160
Edit = Callable[[Image.Image], Image.Image]


def tiles() -> list[Image.Image]:
    from skimage import data

    photographs = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket(), data.retina()]
    return [
        Image.fromarray(photograph[top : top + SIDE, left : left + SIDE])
        for photograph in photographs
        for top in range(0, photograph.shape[0] - SIDE + 1, SIDE)
        for left in range(0, photograph.shape[1] - SIDE + 1, SIDE)
    ]


def saved(quality: int) -> Edit:
    def edit(tile: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        tile.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return edit


def cropped(share: float) -> Edit:
    return lambda tile: ImageOps.crop(tile, round(SIDE * share / 2))


def lettered(tile: Image.Image) -> Image.Image:
    written = tile.copy()
    ImageDraw.Draw(written).text((8, SIDE - 24), "HELLO THERE", fill="white", font_size=18)
    return written


EDITS: dict[str, Edit] = {
    "none": lambda tile: tile,
    "re-encoded, quality 60": saved(60),
    "re-encoded, quality 20": saved(20),
    "resized to half": lambda tile: tile.resize((SIDE // 2, SIDE // 2)),
    "resized to double": lambda tile: tile.resize((SIDE * 2, SIDE * 2)),
    "cropped by 2 %": cropped(0.02),
    "cropped by 10 %": cropped(0.1),
    "border of 5 %": lambda tile: ImageOps.expand(tile, SIDE // 20, "black"),
    "text across the foot": lettered,
    "mirrored": ImageOps.mirror,
    "turned by 90 degrees": lambda tile: tile.transpose(Image.Transpose.ROTATE_90),
    "turned by 3 degrees": lambda tile: tile.rotate(3, Image.Resampling.BICUBIC),
    "brighter by 20 %": lambda tile: ImageEnhance.Brightness(tile).enhance(1.2),
    "grey": lambda tile: tile.convert("L").convert("RGB"),
    "colours doubled": lambda tile: ImageEnhance.Color(tile).enhance(2.0),
}


def main() -> None:
    from mine.copies import ALIKE_THUMBNAIL, SAME_THUMBNAIL, SHARE_BITS, SPLIT_BITS, Hashed, near_pairs
    from mine.hashes import hash_picture
    from store.pictures import decode

    def hashed(pictures: list[Image.Image]) -> Hashed:
        rows = []
        for picture in pictures:
            buffer = io.BytesIO()
            picture.save(buffer, "PNG")
            rows.append(hash_picture(decode(buffer.getvalue())))
        thumbnails = np.frombuffer(b"".join(row["thumbnail"] for row in rows), np.uint8).reshape(len(rows), -1)
        return Hashed(
            np.array([str(index) for index in range(len(rows))]),
            np.array([row["phash"] for row in rows], np.uint64),
            np.array([row["energy"] for row in rows]),
            thumbnails,
        )

    originals = tiles()
    before = hashed(originals)
    print(f"{len(originals)} tiles of {SIDE} px, {int(before.flat.sum())} of them flat")
    print(f"{'edit':26}{'recall at 4':>14}{'precision':>12}{'recall at 8':>14}{'precision':>12}")
    for name, edit in EDITS.items():
        after, cells = hashed([edit(tile) for tile in originals]), ""
        for bits, levels in ((SHARE_BITS, SAME_THUMBNAIL), (SPLIT_BITS, ALIKE_THUMBNAIL)):
            found = [(left, right) for left, right, _ in near_pairs(after, before, bits, levels)]
            left, right = (np.concatenate(side) for side in zip(*found, strict=True))
            right_ones = int((left == right).sum())
            precision = f"{right_ones / len(left):.3f}" if len(left) else "-"
            cells += f"{right_ones / len(originals):14.3f}{precision:>12}"
        print(f"{name:26}{cells}", flush=True)


if __name__ == "__main__":
    main()
