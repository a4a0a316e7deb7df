"""Judging in the world of squares: shorthand for the tests of the gate."""

from __future__ import annotations

from pathlib import Path

from store.cards import KERAS_FILE, Card
from store.fold import fold
from store.policy import Policy
from tests.mine.squares import champion
from tests.train.world import World
from train.archive import replaced
from train.candidate import score_from_embeddings
from train.certificate import Certificate
from train.checks import Check
from train.gate import Judgement, judge
from train.head import Floats, Head

Weights = tuple[Floats, Floats]


def judged(world: World, card: Card, policy: Policy | None = None, aimed_at: tuple[str, ...] = ()) -> Judgement:
    return judge(world.home, policy or world.policy, world.serving, (world.ours, card), "tests", aimed_at)


def answers(certificate: Certificate) -> dict[str, str]:
    """What did not pass, by key."""
    return {c.key: c.answer for c in certificate.checks if c.answer != "pass"}


def one(certificate: Certificate, key: str) -> Check:
    (found,) = [found for found in certificate.checks if found.key == key]
    return found


def scored(world: World, card: Card, weights: Weights) -> Card:
    score_from_embeddings(world.home, card, Head(*weights))
    fold(world.home)
    return card


def keras_with(weights: Weights, tmp_path: Path) -> bytes:
    return replaced(champion() / KERAS_FILE, "head", weights, tmp_path / "changed.keras").read_bytes()
