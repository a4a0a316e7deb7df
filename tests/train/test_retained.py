"""Heads are still trained, and judged, without the pictures that they learned from."""

from __future__ import annotations

import datetime as dt
import functools

import pytest

from mine.run import mine
from mine.scan import missing
from store.catalog import Snapshot
from store.fold import fold
from store.forgetting.requests import RETENTION, ask_to_forget
from store.home import Home
from tests.mine import squares
from tests.train.world import World
from train.candidate import train_candidate
from train.gate import judge
from train.mix import make_mix
from train.stages import Stage, fit_head

pytestmark = pytest.mark.usefixtures("compared_here")
# Ten times the rate and an eighth of the epochs: enough for sixteen cells, and seconds saved.
STAGES = (Stage("adam", "adam", 2e-2, 8, 8), Stage("sgd", "sgd", 1e-3, 1, 1))


@pytest.fixture(autouse=True)
def _quick_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.candidate.fit_head", functools.partial(fit_head, stages=STAGES))


def drop_everything(home: Home, suites_too: bool = False) -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    ask_to_forget(home, RETENTION, later.isoformat(), suites_too=suites_too)
    assert fold(home).forgot


def test_a_head_is_trained_and_released_without_the_pictures(own_world: World) -> None:
    home = own_world.home
    before = make_mix(home, own_world.ours.version, own_world.policy.version)
    drop_everything(home)
    with Snapshot(home) as snapshot:
        suites = {row["picture"] for row in snapshot.rows("SELECT DISTINCT picture FROM suite_pictures")}
    assert set(home.blobs().ids()) == suites
    made = train_candidate(home, own_world.policy, "champion")
    assert made.mix.samples == before.samples, "the same mix as with the pictures"
    fold(home)
    judged = judge(home, own_world.policy, own_world.serving, (own_world.ours, made.card), "tests", ("discs",))
    assert judged.certificate.decision == "release", judged.certificate.as_text()


def test_the_gate_passes_over_evaluation_pictures_that_are_gone(own_world: World) -> None:
    drop_everything(own_world.home, suites_too=True)
    cards = own_world.ours, own_world.candidates["repaired"]
    certificate = judge(own_world.home, own_world.policy, own_world.serving, cards, "tests", ()).certificate
    lacking = {check.key for check in certificate.checks if check.answer == "not_enough_evidence"}
    assert (certificate.decision, lacking) == ("not_enough_evidence", {"export", "latency"})


def test_dropped_pictures_are_not_scanned_or_queued(own_world: World) -> None:
    home, champion = own_world.home, own_world.ours.version
    fresh = squares.add_pictures(home, [squares.draw("disc", 77_000)], "late.example")
    fold(home)
    drop_everything(home)
    assert missing(home, [champion]) == [], "although it was never measured"
    new = squares.add_pictures(home, [squares.draw("disc", 77_001)], "later.example")
    done = mine(home)
    fold(home)
    assert (done.looked_at, done.refused) == (1, {})
    with Snapshot(home) as snapshot:
        queued = {row["picture"] for row in snapshot.rows("SELECT picture FROM queue")}
        refused = snapshot.value("SELECT count(*) FROM refusals WHERE picture = :p", p=fresh[0])
    assert queued == set(new)
    assert refused == 0
