"""What a detector is: a key, what it reads, a pure `find`, and examples that it must and must not find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True)
class Finding:
    """One suspicious picture: `score` in [0, 1], higher = more suspicious; `version` when a model was asked."""

    picture: str
    score: float
    threshold: float
    reason: str
    version: str | None = None


@dataclass(frozen=True)
class Example:
    """One picture that a detector must find or must leave: drawn (`rgb`), or as rows of what it reads."""

    name: str
    found: bool
    rgb: NDArray[np.uint8] | None = None
    rows: tuple[dict[str, Any], ...] = ()


class Detector(Protocol):
    """One kind of blind spot.

    `reads` is a SELECT over the catalog's views; `:champion` and `:policy` are given. `find` is pure: the same table
    gives the same findings, and it never looks at anything else.
    """

    @property
    def key(self) -> str: ...
    @property
    def reads(self) -> str: ...
    @property
    def threshold(self) -> float: ...
    def find(self, table: pa.Table) -> Iterator[Finding]: ...
    def examples(self) -> list[Example]: ...


def share(value: float, half: float) -> float:
    """`value` ≥ 0 as a score in [0, 1) that is .5 at `half`."""
    return value / (value + half)
