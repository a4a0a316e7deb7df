"""The gate, end to end, in the world of squares: who may serve, who may not, and who cannot be judged yet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from store.cards import Card
from store.catalog import Snapshot
from store.embeddings import append_embeddings, read_embeddings
from store.errors import GateLacksEvidence, GateRejects, ModelError
from store.fold import fold
from store.home import Home
from tests.mine.squares import REPAIRED, head, inference_with, variant
from tests.train.judging import answers, judged, keras_with, one, scored
from tests.train.world import EVALUATED, HELD_OUT, POSITIVES, World, add_head
from train.gate import raise_unless_released, reasons_of
from train.mix import Mix, MixSettings, Sample, record_mix

pytestmark = pytest.mark.usefixtures("compared_here")


def test_a_repaired_candidate_is_released(world: World) -> None:
    certificate = judged(world, world.candidates["repaired"], aimed_at=("discs",)).certificate
    assert certificate.decision == "release"
    assert answers(certificate) == {}
    raise_unless_released(certificate)
    assert one(certificate, "improvement").numbers["champion_only_wrong"] == HELD_OUT
    misses = one(certificate, "misses").numbers
    assert (misses["n"], misses["candidate_only_wrong"]) == (POSITIVES, 0), "with a positives suite misses are measured"
    assert certificate.as_text().startswith("RELEASE.\n")
    (row,) = certificate.families
    assert (row.name, row.aimed_at, row.paired.n) == ("discs", True, HELD_OUT)
    assert [level.kept == level.flagged > 200 for level in certificate.sentinels] == [True] * 3


def test_the_halves_do_not_share_a_picture(world: World) -> None:
    certificate = judged(world, world.candidates["repaired"]).certificate
    numbers = one(certificate, "false_positives").numbers
    assert numbers["set_on"] + numbers["n"] == len(world.pictures["ordinary"])
    assert certificate.candidate.negatives == certificate.champion.negatives == numbers["set_on"]


@pytest.mark.parametrize(
    ("name", "rejects"),
    [("shifted", {"threshold_only"}), ("collapsed", {"misses", "collapse"}), ("champion", {"threshold_only"})],
)
def test_what_is_no_repair_is_rejected(world: World, name: str, rejects: set[str]) -> None:
    card = {**world.candidates, "champion": world.ours}[name]
    certificate = judged(world, card).certificate
    assert certificate.decision == "reject"
    assert {key for key, answer in answers(certificate).items() if answer == "reject"} == rejects
    with pytest.raises(GateRejects, match=card.version):
        raise_unless_released(certificate)
    assert len(reasons_of(certificate)) == len(answers(certificate))


def test_without_positives_the_policy_must_waive_misses(own_world: World) -> None:
    home, card = own_world.home, own_world.candidates["repaired"]
    _without(home, "role = 'positives'")
    lacking = judged(own_world, card).certificate
    assert answers(lacking) == {"misses": "not_enough_evidence"}
    assert lacking.as_text().startswith("NOT ENOUGH EVIDENCE. Misses are NOT measured")
    with pytest.raises(GateLacksEvidence, match="misses"):
        raise_unless_released(lacking)
    waiver = own_world.policy.model_copy(update={"miss_evidence": "sentinels_only"})
    waived = judged(own_world, card, waiver).certificate
    assert waived.decision == "release"
    assert waived.as_text().startswith("RELEASE. Misses are NOT measured: the policy accepts sentinels_only.")
    # A head that has forgotten everything gives no false positive: the sentinels alone show it.
    forgot = judged(own_world, own_world.candidates["collapsed"], waiver).certificate
    assert answers(forgot) == {"collapse": "reject"}


def _without(home: Home, rows: str) -> None:
    """Forget suite pictures, as if the owner had never brought them."""
    import duckdb

    with duckdb.connect(home.catalog) as catalog:
        catalog.execute(f"DELETE FROM suite_pictures WHERE {rows}")
    home.snapshot.unlink()
    fold(home)


def test_without_any_suite_nothing_can_be_shown(own_world: World) -> None:
    _without(own_world.home, "true")
    certificate = judged(own_world, own_world.candidates["repaired"]).certificate
    assert certificate.decision == "not_enough_evidence"
    assert set(answers(certificate).values()) == {"not_enough_evidence"}
    assert set(answers(certificate)) >= {"false_positives", "improvement", "misses", "collapse", "export", "latency"}


def test_on_another_base_sentinels_are_no_stand_in_for_positives(own_world: World, tmp_path: Path) -> None:
    home, weights = own_world.home, head(REPAIRED)
    files = inference_with(*weights), keras_with(weights, tmp_path)
    card = variant(home.models, "rebased.1", *files, base="another base")
    append_embeddings(home, card.base, *read_embeddings(home, own_world.ours.base))
    scored(own_world, card, weights)
    certificate = judged(own_world, card).certificate
    assert certificate.decision == "release"
    assert certificate.sentinels == ()
    _without(home, "role = 'positives'")
    waiver = own_world.policy.model_copy(update={"miss_evidence": "sentinels_only"})
    lacking = answers(judged(own_world, card, waiver).certificate)
    assert lacking == {"misses": "not_enough_evidence", "collapse": "not_enough_evidence"}


def test_too_few_negatives_are_not_enough_evidence(world: World) -> None:
    strict = world.policy.model_copy(
        update={"targets": world.policy.targets.model_copy(update={"false_positive_rate": 0.001})}
    )
    certificate = judged(world, world.candidates["repaired"], strict).certificate
    assert answers(certificate)["false_positives"] == "not_enough_evidence"
    assert certificate.candidate.threshold is None
    assert "label" in one(certificate, "false_positives").reason


def test_a_guarded_family_that_nobody_labelled_is_not_enough_evidence(world: World) -> None:
    guarding = world.policy.model_copy(update={"guarded_families": ("discs", "rings")})
    certificate = judged(world, world.candidates["repaired"], guarding).certificate
    assert answers(certificate) == {"family:rings": "not_enough_evidence"}


def test_whoever_was_trained_on_the_suite_is_rejected(own_world: World) -> None:
    home = own_world.home
    learned = [own_world.pictures["ordinary"][5], own_world.pictures["held_out"][0]]
    samples = tuple(Sample(f"verdict:{p}", "verdict", p, "disc", 1.0, "train", p, "s") for p in learned)
    mix = Mix(own_world.ours.version, own_world.policy.version, MixSettings(), samples, 0)
    record_mix(home, mix)
    kernel, bias = head(REPAIRED)
    pupil = add_head(home, kernel * np.float32(1.01), bias, mix=mix.name)
    fold(home)
    certificate = judged(own_world, pupil).certificate
    assert answers(certificate) == {"separation": "reject"}
    assert one(certificate, "separation").reason.startswith("2 of ")
    grandchild = add_head(home, kernel * np.float32(1.02), bias, mix=None)
    _reparent(home, grandchild, pupil.version)
    assert answers(judged(own_world, grandchild).certificate) == {"separation": "reject"}, "its parent was"


def _reparent(home: Home, card: Card, parent: str) -> None:
    from store.cards import write_card

    write_card(card.model_copy(update={"parent": parent}), home.models / card.version)
    fold(home)


def test_a_candidate_without_scores_is_no_case_for_the_gate(own_world: World) -> None:
    card = variant(own_world.home.models, "new.1")
    fold(own_world.home)
    with pytest.raises(ModelError, match=f"has no score for {EVALUATED} of {EVALUATED} evaluation pictures"):
        judged(own_world, card)


def test_everything_is_on_record(own_world: World) -> None:
    home, card = own_world.home, own_world.candidates["repaired"]
    first = judged(own_world, card)
    assert first.certificate.decision == "release"
    text = (home.runs / "certificates" / f"{first.identity}.txt").read_text(encoding="utf-8")
    assert text == first.certificate.as_text()
    fold(home)
    with Snapshot(home) as snapshot:
        rows = snapshot.rows("SELECT * FROM certificates WHERE certificate = :one", one=first.identity)
        sheet = snapshot.rows("SELECT * FROM evaluations WHERE evaluation = :one", one=first.identity)
    assert [(r["candidate"], r["champion"], r["decision"], r["label"], r["reasons"]) for r in rows] == [
        (card.version, own_world.ours.version, "release", "tests", "[]")
    ]
    kinds = {(row["version"], row["threshold_kind"]) for row in sheet}
    ours, theirs = own_world.ours.version, card.version
    assert kinds == {(ours, "fixed"), (ours, "threshold_only"), (theirs, "fixed"), (theirs, "operating_point")}
    cells = {(r["slice"], r["name"], r["error"]): r for r in sheet if r["threshold_kind"] == "operating_point"}
    assert set(cells) == {
        ("role", "ordinary", "false_positive"),
        ("role", "positives", "miss"),
        ("role", "families", "false_positive"),
        ("family", "discs", "false_positive"),
        ("source", "held-out.example", "false_positive"),
    }
    discs = cells["family", "discs", "false_positive"]
    assert (discs["errors"], discs["n"], discs["rate"]) == (0, HELD_OUT, 0.0)
    assert 0 == discs["low_rate"] < discs["high_rate"] < 0.06
    assert all(r["threshold"] == first.certificate.candidate.threshold for r in cells.values())
    # A look at a suite is counted, and the next certificate says how often it was opened.
    assert dict(first.certificate.openings) == {"held-out": 1, "ordinary": 1, "positives": 1}
    assert dict(judged(own_world, card).certificate.openings) == {"held-out": 2, "ordinary": 2, "positives": 2}
