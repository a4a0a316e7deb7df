"""Makes a folder a home: settings, a policy to start from, an empty catalog with its first snapshot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from blindspot.domains.truth import FOLDER
from blindspot.settings import TEMPLATE
from store.errors import HomeError
from store.files import write_durably
from store.fold import fold
from store.home import Home

POLICY = """\
# The policy: what is flagged, and how sure a release must be. Every edit makes a new version.
name = "default"
rule = "Flagged is what shows sexual acts or bared genitals, photographed or drawn; everything else is not."

[classes.neutral]
flagged = false
words = "nothing sexual, photographed"
[classes.drawing]
flagged = false
words = "nothing sexual, drawn or rendered"
[classes.sexy]
flagged = false
words = "suggestive, nothing bared"
[classes.porn]
flagged = true
words = "sexual acts or bared genitals, photographed"
[classes.hentai]
flagged = true
words = "the same, drawn or rendered"

[targets]
false_positive_rate = 0.01
miss_rate = 0.05
"""


def make_home(
    root: Path,
    settings: str = TEMPLATE,
    policy: str = POLICY,
    furnish: Callable[[Home], object] = lambda home: None,
) -> Home:
    """Make `root` a home; `furnish` puts its own into the folder `domain`, anew when an earlier try was killed.

    Raises HomeError when `root` holds a home already, or other people's files.
    """
    home = Home(root.resolve())
    if home.settings.exists():
        raise HomeError(f"{home.root} is a blindspot home already; nothing was changed")
    # What an init that was killed left behind is ours to go on with.
    ours = {path.name for path in (home.policy, home.catalog, home.snapshot, home.lock)} | {
        "inbox",
        f"{home.catalog.name}.wal",
        FOLDER,
    }
    names = [path.name for path in home.root.iterdir()] if home.root.exists() else []
    if any(not name.startswith(".") and name not in ours for name in names):
        raise HomeError(f"{home.root} is not empty; wanted a new or empty folder for a home")
    home.root.mkdir(parents=True, exist_ok=True)
    if not home.policy.exists():
        write_durably(home.policy, policy.encode())
    fold(home)
    furnish(home)
    write_durably(home.settings, settings.encode())  # last: its presence says that the home is whole
    return home
