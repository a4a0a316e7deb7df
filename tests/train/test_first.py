"""A home's first version, from verdicts alone, by the commands that `init --domain` names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from blindspot.domains.lay import lay_out
from blindspot.domains.pack import find_pack
from blindspot.domains.truth import FOLDER
from blindspot.init import make_home
from store.errors import TooFewSamples
from store.home import Home
from store.policy import read_policy
from train.first import train_first


@pytest.fixture
def emblems(tmp_path: Path) -> Home:
    """A home of the stand-in with a fortieth of its pictures."""
    pack = find_pack("emblem")
    return make_home(tmp_path / "home", policy=pack.policy, furnish=lambda home: lay_out(home, pack.pictures(0.025)))


def _blindspot(home: Home, *words: str) -> str:
    command = (sys.executable, "-P", "-m", "blindspot", "--home", str(home.root), *words)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_without_verdicts_it_says_how_many_are_wanted(emblems: Home) -> None:
    with pytest.raises(TooFewSamples, match="wanted 100 reviewed pictures and some of every class, found 0 and none"):
        train_first(emblems, read_policy(emblems.policy))


@pytest.mark.slow
def test_from_an_empty_home_to_scores(emblems: Home) -> None:
    subprocess.run(["sh", str(emblems.root / FOLDER / "import.sh")], check=True, capture_output=True)
    _blindspot(emblems, "verdicts", "import", str(emblems.root / FOLDER / "first.csv"))
    made = json.loads(_blindspot(emblems, "train", "--from-scratch", "--json"))
    assert made["validation_loss"] < 1.6, "worse than a guess among four classes"
    _blindspot(emblems, "models", "promote", made["version"])
    _blindspot(emblems, "mine", "run")
    counted = "SELECT count(*) AS n FROM scores WHERE view = 'as_shown' UNION ALL SELECT count(*) FROM pictures"
    (scored,), (pictures,) = json.loads(_blindspot(emblems, "sql", counted, "--json"))["rows"]
    assert scored == pictures > 250
