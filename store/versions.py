"""Model versions on disk and the pointer to the champion.

`models/<version>/` is immutable. `models/champion` is one small JSON file, replaced atomically: version and
operating point together, so that no reader ever sees one without the other. The pointer is the truth; the
fold writes its history into `promotions`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from store.cards import CARD_FILE, Card, read_card
from store.errors import ModelError, UnknownModel
from store.files import TEMPORARY, write_durably
from store.home import Home

How = Literal["first", "certificate", "operating_point", "rollback"]


class Champion(BaseModel):
    """What serves: a version at a threshold on `flag_score` in [0, 1], and what served before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    policy_version: str
    threshold: float = Field(ge=0, le=1)
    how: How
    by: str
    certificate: str | None = None
    promoted_at: AwareDatetime
    previous: Champion | None = None


def versions(home: Home) -> list[Card]:
    """The cards of all versions, by name. Raises CardError for a broken one."""
    if not home.models.is_dir():
        return []
    folders = (path for path in home.models.iterdir() if not path.name.startswith(TEMPORARY))
    return [read_card(folder) for folder in sorted(folders) if (folder / CARD_FILE).exists()]


def find_version(home: Home, name: str) -> Card:
    """The card of a version, by its full name, by `champion`, or by a model name that only one version has.

    Raises UnknownModel that names what there is, ModelError when the champion itself is gone.
    """
    if name == "champion":
        name = require_champion(home).version
    known = versions(home)
    found = [card for card in known if card.version == name] or [card for card in known if card.name == name]
    if len(found) == 1:
        return found[0]
    names = ", ".join(card.version for card in known) or "none; `blindspot models adopt` brings one"
    problem = f"{len(found)} versions are called" if found else "no model version is called"
    # A pointer to a version that is gone is a broken home, not a misspelt name.
    champion = read_champion(home)
    kind = ModelError if champion and champion.version == name else UnknownModel
    raise kind(f"{problem} {name!r} in {home.models}; there is: {names}")


def version_folder(home: Home, version: str) -> Path:
    """Where the files of a version lie."""
    return home.models / version


def read_champion(home: Home) -> Champion | None:
    """The champion, or None before the first promotion. Raises ModelError for a pointer that is none."""
    path = home.models / "champion"
    try:
        return Champion.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ModelError(f"{path} is not a champion pointer: {error.errors()[0]['msg']}") from None


def require_champion(home: Home) -> Champion:
    """The champion. Raises ModelError when there is none."""
    champion = read_champion(home)
    if champion is None:
        raise ModelError(f"{home.root} has no champion; `blindspot models promote VERSION` makes the first")
    return champion


def point_to(home: Home, new: Champion, expected: str | None) -> Champion:
    """Make `new` the champion if the present one is still the version `expected`; the pointer as written.

    Two promotions at once: one wins, the other gets a ModelError. Keeps one step of history for `roll_back`.
    """
    with _pointer_lock(home):
        present = read_champion(home)
        found = present.version if present else None
        if found != expected:
            raise ModelError(f"wanted champion {expected} to be replaced, found {found}; judge against that one")
        before = present.model_copy(update={"previous": None}) if present else None
        return _write(home, new.model_copy(update={"previous": before}))


def roll_back(home: Home, by: str) -> Champion:
    """Make the previous champion serve again, at its own operating point; a second call undoes the first."""
    with _pointer_lock(home):
        present = require_champion(home)
        if present.previous is None:
            raise ModelError(f"champion {present.version} had none before it; nothing to roll back to")
        now = dt.datetime.now(dt.UTC)
        back = present.previous.model_copy(
            update={
                "how": "rollback",
                "by": by,
                "promoted_at": now,
                "previous": present.model_copy(update={"previous": None}),
            }
        )
        return _write(home, back)


def _write(home: Home, champion: Champion) -> Champion:
    text = json.dumps(champion.model_dump(mode="json"), indent=2)
    write_durably(home.models / "champion", f"{text}\n".encode())
    return champion


@contextlib.contextmanager
def _pointer_lock(home: Home) -> Iterator[None]:
    home.models.mkdir(parents=True, exist_ok=True)
    with (home.models / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
