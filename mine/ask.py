"""Asks model versions about prepared pictures, inside a worker, and tells whose fault it is when one does not answer.

Reads `models/<version>/`; writes nothing. A version that fails is tried again at the next picture, because a server
that is down may come back; when to stop asking is for `mine/blame.py`, which sees all workers.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mine.preprocess import prepare
from mine.runtime import Outputs, Runtime
from store.errors import CardError, ModelError, PictureError

BLANK = np.zeros((1, 1, 3), np.uint8)


class VersionFails(Exception):  # noqa: N818 -- a situation
    """A version cannot answer, and no picture is to blame; the text is one line."""


class Versions:
    """The versions of one worker, each with an interpreter of its own."""

    def __init__(self, models: Path, versions: tuple[str, ...]) -> None:
        """Load what can be loaded: a worker's memory is bounded from what it holds when it is ready."""
        self._models = models
        self._runtimes: dict[str, Runtime] = {}
        for version in versions:
            with suppress(VersionFails):
                self.loaded(version)

    def loaded(self, version: str) -> Runtime:
        """The runtime of a version that can answer about a blank picture. Raises VersionFails."""
        if version not in self._runtimes:
            try:
                runtime = Runtime(self._models / version)
                runtime.run(prepare(BLANK, runtime.card.preprocessing))
            except Exception as error:
                raise VersionFails(_one_line(error)) from None
            self._runtimes[version] = runtime
        return self._runtimes[version]

    def ask(self, version: str, rgb: NDArray[np.uint8]) -> Outputs:
        """What a version says of `(H, W, 3) uint8 RGB 0–255`.

        Raises VersionFails, or PictureError `model_failed` when it can answer about a blank picture and not about this.
        """
        runtime = self.loaded(version)
        try:
            return runtime.run(prepare(rgb, runtime.card.preprocessing))
        except (ModelError, CardError) as error:
            raise VersionFails(_one_line(error)) from None
        except PictureError:
            raise
        except Exception as error:
            del self._runtimes[version]
            self.loaded(version)
            raise PictureError("model_failed", _one_line(error)) from None


def _one_line(error: Exception) -> str:
    name = "" if isinstance(error, ModelError | CardError) else f"{type(error).__name__}: "
    return f"{name}{' '.join(str(error).split())}"[:300]
