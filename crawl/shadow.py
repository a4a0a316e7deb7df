"""Whether a folder of somebody's project hides a package of ours: Python takes the first `store/` that it meets.

Imports nothing of ours but itself, so that it can tell before anything goes wrong in a way that nobody understands.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

HIDEABLE = ("store",)  # what crawl/ imports


def stop_if_shadowed() -> None:
    """End the process with one line that names both folders, when one of our packages is hidden."""
    ours = Path(__file__).resolve().parent.parent
    for name in HIDEABLE:
        loaded = sys.modules.get(name)
        spec = loaded.__spec__ if loaded is not None else find_spec(name)
        places = list(spec.submodule_search_locations or []) if spec is not None else []
        found = Path(places[0]).resolve() if places else Path((spec and spec.origin) or "nothing")
        if found != ours / name:
            raise SystemExit(
                f"blindspot: wanted its package {ours / name}, Python finds {found} instead; rename that folder, "
                f"or put the project's packages below one of its own"
            )
