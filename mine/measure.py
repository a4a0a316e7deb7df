"""What a picture looks like, in numbers: measured once per picture, in the decode that also feeds the models.

Measuring is apart from judging: detectors read these columns, and a new threshold needs no new decode. The size in
bytes is in `pictures`, embeddings are in shards; the view `looks` adds what follows from these columns and that size.
"""

from __future__ import annotations

from typing import Any

from mine.measuring.areas import grey_levels, thumbnail
from mine.measuring.colours import border_flatness, colour_counts, colourfulness, entropy_bits, extremes_share
from mine.measuring.ink import components, ink
from mine.measuring.texture import texture
from store.pictures import Decoded

# Goes up with every change of what is measured or how: what a lower version measured is measured again from the stored
# bytes. 1 (and null): without components, ink and texture.
MEASURE_VERSION = 2
# A picture with this many distinct colours on its thumbnail counts as fully coloured. Chosen by eye.
FULL_PALETTE = 256


def measure(picture: Decoded) -> dict[str, Any]:
    """The row of `measurements` for a decoded picture, without its id and time.

    On a thumbnail of 64 px: `entropy_bits` in [0, 8]; `palette_share`, `extremes_share`, `border_flatness`,
    `top_colour_share` and `ink_share` in [0, 1]; `colourfulness` in [0, 298] (0 = grey, above 60 = vivid); `components`
    in [0, 1024], the pieces of ink. At native size: `sharpness`, `grain`, `flat_share` (see `Texture`), None after a
    reduced or scaled decode, whose pixels are not the original's.
    """
    small = thumbnail(picture.rgb)
    grey = grey_levels(small)
    counts, inked = colour_counts(small), ink(grey)
    native = picture.rgb.shape[:2] == (picture.height_px, picture.width_px)
    sharpness, grain, flat_share = texture(picture.rgb) if native else (None, None, None)
    return {
        "width_px": picture.width_px,
        "height_px": picture.height_px,
        "format": picture.format,
        "frames": picture.frames,
        "reduced": picture.reduced,
        "has_alpha": picture.has_alpha,
        "entropy_bits": entropy_bits(grey),
        "palette_share": min(1.0, len(counts) / FULL_PALETTE),
        "extremes_share": extremes_share(grey),
        "border_flatness": border_flatness(grey),
        "top_colour_share": float(counts.max() / counts.sum()),
        "colourfulness": colourfulness(small),
        "components": components(inked),
        "ink_share": float(inked.mean()),
        "sharpness": sharpness,
        "grain": grain,
        "flat_share": flat_share,
        "measure_version": MEASURE_VERSION,
    }
