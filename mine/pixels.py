"""The pixels of one picture, by path and view: each is made when somebody needs it, and once.

Full and scaled decodes are different paths and never stand in for each other, unless the bytes give the same pixels
either way. Reads and writes nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mine.views import AS_SHOWN, VIEWS
from store.errors import PictureError
from store.pictures import Decoded, Limits, decode


class Pixels:
    """One picture's bytes, and what was made of them so far."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._data, self._limits = data, limits
        self._shown: dict[int | None, Decoded] = {}
        self._view: tuple[str, NDArray[np.uint8]] | None = None

    def shown(self, at_least_px: int | None = None) -> Decoded:
        """The picture as shown, by the full decode or by one scaled to `at_least_px`. Raises PictureError."""
        if at_least_px not in self._shown:
            full = self._shown.get(None)
            made = full if full and _unscaled(full, at_least_px) else decode(self._data, self._limits, at_least_px)
            self._shown[at_least_px] = made
            if _unscaled(made, at_least_px):
                self._shown[None] = made
        return self._shown[at_least_px]

    def view(self, name: str, at_least_px: int | None = None) -> NDArray[np.uint8]:
        """`(H, W, 3) uint8 RGB` of a view; all but `as_shown` start from the full decode. Raises PictureError.

        Only the last one made is kept: a giant's would not all fit.
        """
        if name == AS_SHOWN:
            return self.shown(at_least_px).rgb
        if self._view is None or self._view[0] != name:
            self._view = None
            self._view = name, self._made(name)
        return self._view[1]

    def _made(self, name: str) -> NDArray[np.uint8]:
        view = VIEWS[name]
        stock = (view.frame, view.backdrop) == ("first", "white")
        rgb = self.shown().rgb if stock else decode(self._data, self._limits, None, view.frame, view.backdrop).rgb
        if view.redraw is None:
            return rgb
        try:
            return view.redraw(rgb)
        except (OSError, ValueError, MemoryError) as error:  # Pillow's encoders and sizes have limits of their own
            raise PictureError("no_view", f"{name}: {type(error).__name__}: {error}"[:200]) from None


def _unscaled(made: Decoded, at_least_px: int | None) -> bool:
    """Whether a full decode and one scaled to `at_least_px` give the same pixels, judged by what either has made."""
    whole = not made.reduced and made.rgb.shape[:2] == (made.height_px, made.width_px)
    jpeg = made.format in ("JPEG", "MPO")
    return whole and (at_least_px is None or not jpeg or min(made.width_px, made.height_px) // 2 < at_least_px)
