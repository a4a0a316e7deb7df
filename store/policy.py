"""The owner's policy: which classes there are, which are flagged, and how sure a release must be.

Reads `policy.toml`. Its version is made from its content, so that no edit can go unnoticed: verdicts,
operating points and certificates name the version they were made under.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from store.cards import FLAGGED, NOT_FLAGGED, Card
from store.errors import CardError, PolicyError


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PolicyClass(_Part):
    """One class of the policy; `words` says when a reviewer chooses it."""

    flagged: bool
    words: str = ""


class Targets(_Part):
    """Rates in (0, 1) that a released model must keep."""

    false_positive_rate: float = Field(0.01, gt=0, lt=1)
    miss_rate: float = Field(0.05, gt=0, lt=1)


class Margins(_Part):
    """How much worse than the champion a candidate may be, as differences of rates."""

    misses: float = Field(0.03, gt=0, lt=1)
    families: float = Field(0.05, gt=0, lt=1)
    sources: float = Field(0.05, gt=0, lt=1)


class Costs(_Part):
    """What an error costs, in any one unit, and what a review costs in seconds."""

    false_positive: float = Field(1.0, ge=0)
    miss: float = Field(5.0, ge=0)
    review_s: float = Field(6.0, ge=0)


class Policy(_Part):
    """The whole policy file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    rule: str = Field(min_length=1)
    classes: dict[str, PolicyClass] = Field(min_length=2)
    targets: Targets = Targets()
    margins: Margins = Margins()
    costs: Costs = Costs()
    guarded_families: tuple[str, ...] = ()
    miss_evidence: Literal["positives_suite", "sentinels_only"] = "positives_suite"
    latency_ratio: float = Field(1.2, gt=0)

    @model_validator(mode="after")
    def _both_sides(self) -> Policy:
        reserved = {FLAGGED, NOT_FLAGGED} & set(self.classes)
        if reserved:
            raise ValueError(f"{sorted(reserved)} are words of model cards, not names for classes")
        if len({c.flagged for c in self.classes.values()}) < 2:
            raise ValueError("wanted at least one flagged and one not flagged class")
        return self

    @property
    def version(self) -> str:
        """`<name>-<8 hex digits of the content>`."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()
        return f"{self.name}-{hashlib.sha256(canonical).hexdigest()[:8]}"

    def is_flagged(self, name: str) -> bool:
        """Whether a policy class, or a card's `flagged` / `not_flagged`, counts as flagged.

        Raises PolicyError for a name that is neither.
        """
        if name in (FLAGGED, NOT_FLAGGED):
            return name == FLAGGED
        if name not in self.classes:
            known = ", ".join(sorted(self.classes))
            raise PolicyError(f"unknown class {name!r} under policy {self.version}; it has: {known}")
        return self.classes[name].flagged

    def flag_mask(self, card: Card) -> list[float]:
        """1.0 for every class of the model, in output order, that this policy flags; else 0.0.

        Raises CardError when the card maps to a class the policy does not have, or to one side only.
        """
        return self.mask_of(card.version, card.classes, card.class_map)

    def mask_of(self, version: str, classes: Sequence[str], class_map: Mapping[str, str]) -> list[float]:
        """What `flag_mask` gives, for a version that has no card yet. Raises CardError."""
        try:
            mask = [float(self.is_flagged(class_map[name])) for name in classes]
        except PolicyError as error:
            raise CardError(f"the card of {version} does not fit: {error}") from None
        if len(set(mask)) < 2:
            raise CardError(
                f"the card of {version} does not fit policy {self.version}: its classes are all "
                f"{'flagged' if mask[0] else 'not flagged'}, so it could never tell the two apart"
            )
        return mask


def read_policy(path: Path) -> Policy:
    """The policy in the TOML file `path`. Raises PolicyError with one line when it cannot be used."""
    try:
        return Policy.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise PolicyError(f"wanted a policy at {path}, found none; `blindspot init` writes one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise PolicyError(f"{path}: {one_line(error)}") from None


def one_line(error: ValidationError) -> str:
    """The first complaint of a validation, with the place and what was received."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "file"
    received = "" if first["type"] in ("missing", "value_error") else f". Received: {str(first['input'])[:80]!r}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}: {first['msg']}{received}{more}"
