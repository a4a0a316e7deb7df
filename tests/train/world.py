"""A home of squares and discs where the champion is fooled by discs, with suites, verdicts and candidates.

Mined by the real thing once per session. Candidates differ in their heads or files alone, so each costs milliseconds.
"""

from __future__ import annotations

import atexit
import dataclasses
import functools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mine.run import mine
from store.cards import Card, read_card
from store.fold import fold
from store.home import Home
from store.policy import Policy, read_policy
from store.suites import add_to_family, add_to_suite
from store.verdicts import record_verdicts
from store.versions import Champion, require_champion
from tests.mine.squares import FOOLED, REPAIRED, add_pictures, champion, draw, head, make_home
from train.candidate import score_from_embeddings
from train.head import Floats, Head
from train.publish import publish_head

ORDINARY, POSITIVES, HELD_OUT = 260, 110, 70
EVALUATED = ORDINARY + POSITIVES + HELD_OUT


@dataclass(frozen=True)
class World:
    """The home, what is in force in it, and candidates by name; `pictures` by group."""

    home: Home
    policy: Policy
    serving: Champion
    ours: Card
    candidates: dict[str, Card]
    pictures: dict[str, list[str]]


def drawn(kind: str, first: int, n: int) -> list[bytes]:
    return [draw(kind, seed) for seed in range(first, first + n)]


def heads() -> dict[str, tuple[Floats, Floats]]:
    """What the candidates answer by."""
    kernel, bias = head(FOOLED)
    benign = kernel.copy()
    benign[:, 0] = 0
    return {
        "repaired": head(REPAIRED),
        "shifted": (kernel, bias + np.array([1, 0, 0], np.float32)),
        "collapsed": (benign, bias),
    }


@functools.cache
def world_of_squares() -> World:
    """Build it; the folder goes when the session ends."""
    folder = Path(tempfile.mkdtemp(prefix="blindspot-world-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = make_home(folder / "home")
    policy = read_policy(home.policy)
    pictures = {
        "ordinary": add_pictures(home, drawn("texture", 1_000, ORDINARY), "tiles"),
        "positives": add_pictures(home, drawn("square", 1_000, POSITIVES), "owner"),
        "held_out": add_pictures(home, drawn("disc", 1_000, HELD_OUT), "held-out.example"),
        "discs": add_pictures(home, drawn("disc", 0, 50), "a.example"),
        "squares": add_pictures(home, drawn("square", 0, 20), "b.example"),
        "textures": add_pictures(home, drawn("texture", 0, 80), "b.example"),
    }
    add_to_suite(home, policy, "ordinary", "texture", pictures["ordinary"])
    add_to_suite(home, policy, "positives", "square", pictures["positives"])
    add_to_suite(home, policy, "held-out", "disc", pictures["held_out"], role="families")
    add_to_family(home, "discs", [*pictures["held_out"], *pictures["discs"]], "filled green discs")
    mine(home, queue_size=40)
    fold(home)
    labels = {"discs": ("disc", 50), "squares": ("square", 20), "textures": ("texture", 30)}
    answers = [
        {"picture": picture, "class": label, "reviewer": "tests", "lane": "flagged"}
        for group, (label, n) in labels.items()
        for picture in pictures[group][:n]
    ]
    record_verdicts(home, policy, answers)
    ours = read_card(champion())
    candidates = {name: add_head(home, kernel, bias) for name, (kernel, bias) in heads().items()}
    fold(home)
    return World(home, policy, require_champion(home), ours, candidates, pictures)


def add_head(home: Home, kernel: Floats, bias: Floats, mix: str | None = None) -> Card:
    """A candidate with another head, scored; not folded."""
    card = publish_head(home.models / champion().name, kernel, bias, mix)
    score_from_embeddings(home, card, Head(kernel, bias))
    return card


def copied(world: World, root: Path) -> World:
    shutil.copytree(world.home.root, root)
    return dataclasses.replace(world, home=Home(root))
