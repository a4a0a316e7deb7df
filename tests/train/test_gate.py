"""The gate, end to end, in the world of squares: who may serve, who may not, and who cannot be judged yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from store.cards import INFERENCE_FILE, KERAS_FILE, Card
from store.catalog import Snapshot
from store.errors import GateLacksEvidence, GateRejects, ModelError
from store.fold import fold
from store.home import Home
from store.policy import Policy
from tests.mine.squares import CLASSES, REPAIRED, champion, head, inference_with, net, variant
from tests.train.world import World, add_head
from train.archive import replaced
from train.candidate import score_from_embeddings
from train.certificate import Certificate
from train.checks import Check
from train.export import export
from train.gate import Judgement, judge, raise_unless_released, reasons_of
from train.head import Head
from train.mix import Mix, MixSettings, Sample, record_mix

pytestmark = pytest.mark.usefixtures("compared_here")


def judged(world: World, card: Card, policy: Policy | None = None, aimed_at: tuple[str, ...] = ()) -> Judgement:
    return judge(world.home, policy or world.policy, world.serving, (world.ours, card), "tests", aimed_at)


def answers(certificate: Certificate) -> dict[str, str]:
    """What did not pass, by key."""
    return {c.key: c.answer for c in certificate.checks if c.answer != "pass"}


def one(certificate: Certificate, key: str) -> Check:
    (found,) = [found for found in certificate.checks if found.key == key]
    return found


def test_a_repaired_candidate_is_released(world: World) -> None:
    certificate = judged(world, world.candidates["repaired"], aimed_at=("discs",)).certificate
    assert certificate.decision == "release"
    assert answers(certificate) == {}
    raise_unless_released(certificate)
    assert one(certificate, "improvement").numbers["champion_only_wrong"] == 90
    misses = one(certificate, "misses").numbers
    assert (misses["n"], misses["candidate_only_wrong"]) == (130, 0), "with a positives suite misses are measured"
    assert certificate.as_text().startswith("RELEASE.\n")
    (row,) = certificate.families
    assert (row.name, row.aimed_at, row.paired.n) == ("discs", True, 90)
    assert [level.kept == level.flagged > 300 for level in certificate.sentinels] == [True] * 3


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
    _without_positives(home)
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


def _without_positives(home: Home) -> None:
    import duckdb

    with duckdb.connect(home.catalog) as catalog:
        catalog.execute("DELETE FROM suite_pictures WHERE role = 'positives'")
    home.snapshot.unlink()
    fold(home)


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


def scored(world: World, card: Card, weights: tuple[Any, Any]) -> Card:
    score_from_embeddings(world.home, card, Head(*weights))
    fold(world.home)
    return card


def keras_with(weights: tuple[Any, Any], tmp_path: Path) -> bytes:
    return replaced(champion() / KERAS_FILE, "head", weights, tmp_path / "changed.keras").read_bytes()


@pytest.mark.parametrize("how", ["refused", "scored"])
def test_a_candidate_that_answers_nan_is_rejected(own_world: World, tmp_path: Path, how: str) -> None:
    home = own_world.home
    kernel, bias = head(REPAIRED)
    weights = kernel, bias * np.float32("nan")
    card = variant(home.models, "nan.1", inference_with(*weights), keras_with(weights, tmp_path))
    if how == "scored":
        scored(own_world, card, weights)
    else:
        rows = [
            {"picture": picture, "stage": "score", "reason": "not_finite", "detail": card.version}
            for group in ("ordinary", "positives", "held_out")
            for picture in own_world.pictures[group]
        ]
        home.inbox().append("refusals", rows)
        fold(home)
    certificate = judged(own_world, card).certificate
    assert certificate.decision == "reject"
    assert answers(certificate)["finite"] == "reject"
    assert one(certificate, "finite").reason.startswith("550 of 550 ")
    assert answers(certificate)["export"] == "reject"


def test_swapped_labels_are_rejected(own_world: World, tmp_path: Path) -> None:
    kernel, bias = head(REPAIRED)
    weights = np.ascontiguousarray(kernel[:, ::-1]), np.ascontiguousarray(bias[::-1])
    backwards = variant(
        own_world.home.models, "back.1", inference_with(*weights), keras_with(weights, tmp_path), classes=CLASSES[::-1]
    )
    certificate = judged(own_world, scored(own_world, backwards, weights)).certificate
    assert certificate.decision == "reject"
    assert one(certificate, "label_order").reason == "wanted square, disc, texture, found texture, disc, square"


def test_a_lambda_layer_is_rejected_without_being_loaded(own_world: World) -> None:
    import keras

    model = net(REPAIRED)
    same = keras.layers.Lambda(lambda x: x * 1.0, name="same")(model.input)
    target = own_world.home.root / "lambda.keras"
    keras.Model(model.input, {"same": same, **model.output}).save(target)
    card = variant(own_world.home.models, "lambda.1", inference_with(*head(REPAIRED)), target.read_bytes())
    certificate = judged(own_world, scored(own_world, card, head(REPAIRED))).certificate
    assert answers(certificate) == {"no_code": "reject", "export": "not_enough_evidence"}
    assert "Lambda" in one(certificate, "no_code").reason


def test_an_exported_file_that_differs_from_the_keras_file_is_rejected(own_world: World) -> None:
    # The Keras file stays the fooled one's.
    card = variant(own_world.home.models, "unequal.1", inference_with(*head(REPAIRED)))
    certificate = judged(own_world, scored(own_world, card, head(REPAIRED))).certificate
    assert answers(certificate) == {"export": "reject"}


def test_scores_that_another_file_made_are_rejected(own_world: World, tmp_path: Path) -> None:
    weights = head(REPAIRED)
    card = variant(own_world.home.models, "stale.1", inference_with(*weights), keras_with(weights, tmp_path))
    kernel, bias = weights
    certificate = judged(own_world, scored(own_world, card, (kernel * 1.05, bias))).certificate
    assert answers(certificate) == {"export": "reject"}


def test_a_slow_candidate_is_rejected(own_world: World, tmp_path: Path) -> None:
    model = net(REPAIRED, slow=True)
    model.save(tmp_path / KERAS_FILE)
    files = export(model, tmp_path).read_bytes(), (tmp_path / KERAS_FILE).read_bytes()
    card = variant(own_world.home.models, "slow.1", *files)
    certificate = judged(own_world, scored(own_world, card, head(REPAIRED))).certificate
    assert answers(certificate) == {"latency": "reject"}
    assert one(certificate, "latency").numbers["ratio"] > 25


def test_a_candidate_without_scores_is_no_case_for_the_gate(own_world: World) -> None:
    card = variant(own_world.home.models, "new.1")
    fold(own_world.home)
    with pytest.raises(ModelError, match=r"new\.1 has no score for 550 of 550 evaluation pictures"):
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
    assert (discs["errors"], discs["n"], discs["rate"]) == (0, 90, 0.0)
    assert 0 == discs["low_rate"] < discs["high_rate"] < 0.05
    assert all(r["threshold"] == first.certificate.candidate.threshold for r in cells.values())
    # A look at a suite is counted, and the next certificate says how often it was opened.
    assert dict(first.certificate.openings) == {"held-out": 1, "ordinary": 1, "positives": 1}
    assert dict(judged(own_world, card).certificate.openings) == {"held-out": 2, "ordinary": 2, "positives": 2}


def test_the_inference_file_is_looked_at_and_not_only_the_card(own_world: World) -> None:
    card = own_world.candidates["repaired"]
    path = own_world.home.models / card.version / INFERENCE_FILE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="sha256"):
        judged(own_world, card)
