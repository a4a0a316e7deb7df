"""What an edit of a picture costs the copies relation: how many of the edited are still joined to their original.

    python -m bench.edits

scikit-image's photographs, whole and in overlapping halves and quarters; each crop once as it is and once per edit.
Recall: edited crops within 4 bits that the second check confirms (a verdict is shared) and within 8 (kept on one side
of a split), of lively crops, and of flat ones, whose grey alone is compared. Precision: of all pairs found between the
edited and the originals, lively ones, those of one crop; overlapping crops of one photograph count as wrong. Stars know
one orientation: a mirrored or turned picture is a picture of its own, and the last column has those of which the
relation beside the stars says whose turned copy they are. No claim, a price list.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from mine.hamming import Indices, Pairs

SIDE = 256
# Of a photograph's shorter side: how large the crops are.
SHARES = (1.0, 0.7, 0.5)
Edit = Callable[[Image.Image], Image.Image]


def crops() -> list[Image.Image]:
    from skimage import data

    photographs = [data.astronaut(), data.camera(), data.cat(), data.coffee(), data.rocket(), data.coins(), data.moon()]
    photographs += [data.retina(), data.hubble_deep_field(), data.immunohistochemistry(), data.stereo_motorcycle()[0]]
    photographs += [data.brick(), data.grass(), data.gravel(), data.page(), data.clock()]
    made = []
    for photograph in map(Image.fromarray, photographs):
        width, height = photograph.size
        for share in SHARES:
            side = round(min(width, height) * share)
            for top in {0, (height - side) // 2, height - side}:
                for left in {0, (width - side) // 2, width - side}:
                    crop = photograph.convert("RGB").crop((left, top, left + side, top + side))
                    made.append(crop.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    return made


def saved(quality: int) -> Edit:
    def edit(crop: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        crop.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return edit


def cropped(share: float) -> Edit:
    return lambda crop: ImageOps.crop(crop, round(SIDE * share / 2))


def lettered(crop: Image.Image) -> Image.Image:
    written = crop.copy()
    ImageDraw.Draw(written).text((8, SIDE - 24), "HELLO THERE", fill="white", font_size=18)
    return written


EDITS: dict[str, Edit] = {
    "none": lambda crop: crop,
    "re-encoded, quality 60": saved(60),
    "re-encoded, quality 20": saved(20),
    "resized to half": lambda crop: crop.resize((SIDE // 2, SIDE // 2)),
    "resized to double": lambda crop: crop.resize((SIDE * 2, SIDE * 2)),
    "cropped by 2 %": cropped(0.02),
    "cropped by 10 %": cropped(0.1),
    "border of 5 %": lambda crop: ImageOps.expand(crop, SIDE // 20, "black"),
    "text across the foot": lettered,
    "mirrored": ImageOps.mirror,
    "turned by 90 degrees": lambda crop: crop.transpose(Image.Transpose.ROTATE_90),
    "mirrored, quality 60": lambda crop: saved(60)(ImageOps.mirror(crop)),
    "turned by 3 degrees": lambda crop: crop.rotate(3, Image.Resampling.BICUBIC),
    "brighter by 20 %": lambda crop: ImageEnhance.Brightness(crop).enhance(1.2),
    "grey": lambda crop: crop.convert("L").convert("RGB"),
    "colours doubled": lambda crop: ImageEnhance.Color(crop).enhance(2.0),
}


def gathered(blocks: Iterable[Pairs]) -> tuple[Indices, Indices]:
    """The two sides of all pairs."""
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for ours, theirs, _ in blocks:
        left.append(ours)
        right.append(theirs)
    return np.concatenate(left), np.concatenate(right)


def main() -> None:
    from mine.copies import ALIKE_THUMBNAIL, SAME_THUMBNAIL, SHARE_BITS, SPLIT_BITS, Hashed, near_pairs, turned_pairs
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
            np.frombuffer(b"".join(row["turned"] for row in rows), "<u8").reshape(len(rows), -1),
        )

    originals = crops()
    before = hashed(originals)
    flat = before.flat
    print(f"{len(originals)} crops of {SIDE} px, {int(flat.sum())} of them flat")
    print(
        f"{'edit':26}"
        + "".join(f"{f'recall at {bits}':>14}{'flat':>8}{'precision':>11}" for bits in (4, 8))
        + f"{'turned':>9}"
    )
    for name, edit in EDITS.items():
        after, cells = hashed([edit(crop) for crop in originals]), ""
        for bits, levels in ((SHARE_BITS, SAME_THUMBNAIL), (SPLIT_BITS, ALIKE_THUMBNAIL)):
            left, right = gathered(near_pairs(after, before, bits, levels))
            lively = ~(after.flat[left] & flat[right])
            own = left == right
            precision = f"{own[lively].mean():.3f}" if lively.any() else "-"
            cells += f"{(own & ~flat[right]).sum() / (~flat).sum():14.3f}"
            cells += f"{(own & flat[right]).sum() / max(1, flat.sum()):8.3f}{precision:>11}"
        left, right = gathered(turned_pairs(after, before, SHARE_BITS, SAME_THUMBNAIL))
        turned = len(np.unique(left[(left == right) & ~flat[right]])) / (~flat).sum()
        print(f"{name:26}{cells}{turned:9.3f}", flush=True)


if __name__ == "__main__":
    main()
