"""What every room's tests may start from: a home of their own with a small, harmless policy."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from store.home import Home

# Started in the background by a shell without job control, this process ignores SIGINT, and so would what it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

SMALL_POLICY = """\
name = "shoes"
rule = "A picture of a bag is flagged. Everything else is not."

[classes.bag]
flagged = true
words = "a bag fills a good part of the picture"

[classes.shoe]
flagged = false

[classes.other]
flagged = false
"""


@pytest.fixture
def small_policy() -> str:
    """A benign policy in TOML: bag is flagged, shoe and other are not."""
    return SMALL_POLICY


@pytest.fixture
def home(tmp_path: Path, small_policy: str) -> Home:
    """An empty workspace with `small_policy` in force."""
    made = Home(tmp_path)
    made.policy.write_text(small_policy, encoding="utf-8")
    return made
