"""Domain packs by name: a folder beside this file with `domain.toml`, a policy, and `pictures.py`, which makes them.

A new pack is a new folder; no line elsewhere changes. `NAME/VARIANT` chooses another policy of the same pack.
"""

from __future__ import annotations

import importlib
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blindspot.domains.planted import Planted
from store.errors import UsageError

PACKS = Path(__file__).parent
# Where Debian's packages put their data. Another place for who cannot install them: `apt-get download` and `dpkg -x`.
SHARE, SHARE_VARIABLE = "/usr/share", "BLINDSPOT_SHARE"


@dataclass(frozen=True)
class Pack:
    """A domain: its name, what `domain.toml` says (the variant's own facts on top), its policy as text."""

    name: str
    facts: dict[str, Any]
    policy: str

    def pictures(self, size: float = 1.0) -> Iterator[Planted]:
        """Its pictures, always the same; `size` scales their number. Raises HomeError where a package is missing."""
        module = importlib.import_module(f"{__package__}.{self.name}.pictures")
        share = Path(os.environ.get(SHARE_VARIABLE) or SHARE)
        made: Iterator[Planted] = module.pictures(self.facts, share, size)
        return made


def pack_names() -> list[str]:
    """Every pack and, after a slash, every variant of those that have some."""
    names = []
    for path in sorted(PACKS.glob("*/domain.toml")):
        variants = _read(path).get("variants", {})
        names += [path.parent.name, *(f"{path.parent.name}/{variant}" for variant in variants)]
    return names


def find_pack(name: str) -> Pack:
    """The pack of that name; of one with variants the first when none is named. Raises UsageError."""
    if name not in pack_names():
        raise UsageError(f"wanted a domain: {', '.join(pack_names())}. Received: {name!r}")
    folder, _, variant = name.partition("/")
    facts = _read(PACKS / folder / "domain.toml")
    variants = facts.pop("variants", {})
    facts |= variants.get(variant or next(iter(variants), ""), {})
    policy = (PACKS / folder / facts.get("policy", "policy.toml")).read_text(encoding="utf-8")
    return Pack(folder, facts, policy)


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
