"""A retraining, end to end, in the world of squares."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from mine.runtime import Runtime
from store.catalog import Snapshot
from store.embeddings import read_embeddings
from store.errors import ModelError, TooFewSamples
from store.fold import fold
from store.versions import find_version
from tests.mine.squares import variant
from tests.train.world import World
from train.candidate import train_candidate
from train.gate import judge
from train.head import read_head
from train.mix import MixSettings
from train.stages import Stage, fit_head

pytestmark = pytest.mark.usefixtures("compared_here")
# Ten times the rate and an eighth of the epochs: enough for sixteen cells, and seconds saved.
STAGES = (Stage("adam", "adam", 2e-2, 8, 8), Stage("sgd", "sgd", 1e-3, 1, 1))


@pytest.fixture(autouse=True)
def _quick_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.candidate.fit_head", functools.partial(fit_head, stages=STAGES))


def test_a_retrained_head_repairs_the_blind_spot_and_is_released(own_world: World) -> None:
    home, ours, said = own_world.home, own_world.ours, list[str]()
    made = train_candidate(home, own_world.policy, "champion", say=said.append)
    fold(home)
    assert (made.card.parent, made.card.mix, made.card.base) == (ours.version, made.mix.name, ours.base)
    assert find_version(home, made.card.version) == made.card
    assert said[0].startswith(f"mix {made.mix.name}: ")
    assert [line.split(":")[0] for line in said[1:]] == ["start", "adam", "sgd"]
    start = float(said[1].split()[-1])
    assert made.validation_loss < start
    with Snapshot(home) as snapshot:
        query = "SELECT picture, probabilities FROM raw_scores WHERE version = :v ORDER BY picture"
        rows = snapshot.rows(query, v=made.card.version)
        samples = snapshot.value("SELECT count(*) FROM mix_samples WHERE mix = :m", m=made.mix.name)
    assert samples == len(made.mix.samples)
    pictures, vectors = read_embeddings(home, ours.base)
    assert [row["picture"] for row in rows] == sorted(pictures), "scored on every picture that is embedded"
    answers = read_head(home.models / made.card.version).probabilities(vectors[np.argsort(pictures)])
    np.testing.assert_allclose([row["probabilities"] for row in rows], answers, atol=1e-6)
    Runtime(home.models / made.card.version)

    judged = judge(home, own_world.policy, own_world.serving, (ours, made.card), "tests", ("discs",)).certificate
    assert judged.decision == "release", judged.as_text()
    assert sum(s.split == "test" for s in made.mix.samples) > 0
    tested = {s.picture for s in made.mix.samples if s.split == "test"}
    assert tested <= {picture for group in ("discs", "squares", "textures") for picture in own_world.pictures[group]}


def test_a_benign_only_retraining_is_caught(own_world: World) -> None:
    """Verdicts on false positives alone, and nothing replayed: it is perfect on these and has forgotten the rest."""
    home = own_world.home
    _forget_squares(own_world)
    careless = train_candidate(home, own_world.policy, "champion", MixSettings(hold=0, sentinels=0))
    fold(home)
    certificate = judge(
        home, own_world.policy, own_world.serving, (own_world.ours, careless.card), "tests", ()
    ).certificate
    assert certificate.decision == "reject"
    assert {c.key for c in certificate.checks if c.answer == "reject"} >= {"collapse"}


def _forget_squares(world: World) -> None:
    rows = [
        {"verdict": f"undo {picture}", "picture": picture, "reviewer": "tests", "undoes": verdict}
        for picture, verdict in _verdicts(world).items()
        if picture in world.pictures["squares"]
    ]
    world.home.inbox().append("verdict_records", rows)
    fold(world.home)


def _verdicts(world: World) -> dict[str, str]:
    with Snapshot(world.home) as snapshot:
        return {row["picture"]: row["verdict"] for row in snapshot.rows("SELECT picture, verdict FROM verdicts")}


def test_a_score_only_parent_is_refused(own_world: World) -> None:
    variant(own_world.home.models, "foreign.1", level="score_only")
    with pytest.raises(ModelError, match=r"foreign\.1 is score-only"):
        train_candidate(own_world.home, own_world.policy, "foreign.1")


def test_too_few_verdicts_leave_nothing_behind(own_world: World) -> None:
    home = own_world.home
    before = sorted(home.models.iterdir()), home.inbox().files()
    with pytest.raises(TooFewSamples, match="wanted 500 reviewed pictures"):
        train_candidate(home, own_world.policy, "champion", MixSettings(least_verdicts=500))
    assert (sorted(home.models.iterdir()), home.inbox().files()) == before
