from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from pathlib import Path

import pytest

from store.catalog import Snapshot
from store.errors import TooFewSamples
from store.fold import fold
from store.home import Home
from store.policy import read_policy
from tests.mine.squares import champion, make_home
from tests.train.rows import Known, crowd, review, suite, write
from train.mix import Mix, MixSettings, make_mix, record_mix

SMALL = MixSettings(least_verdicts=10, hold=30, sentinels=20)


@pytest.fixture
def squares_home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 reviewed pictures and 96 unreviewed ones, among them chains that join both, and a suite of 5."""
    home = make_home(tmp_path_factory.mktemp("reviewed") / "home")
    chains = [Known(f"c{i}{j}", (1 << 63) | (0xFF << 8 * j) | i << 60) for i in range(4) for j in range(6)]
    write(home, [*crowd("r", 52, 1), *crowd("u", 80, 2), *crowd("s", 5, 3), *chains])
    suite(home, "sealed", "texture", [f"s{i:03d}" for i in range(5)])
    review(home, [f"r{i:03d}" for i in range(52)], "disc")
    review(home, [f"c{i}{j}" for i in range(4) for j in (0, 3)], "square")
    fold(home)
    return home.root


@pytest.fixture
def reviewed(template: Path, tmp_path: Path) -> Home:
    shutil.copytree(template, tmp_path / "home")
    return Home(tmp_path / "home")


def mix_of(home: Home, settings: MixSettings = SMALL) -> Mix:
    fold(home)
    return make_mix(home, champion().name, read_policy(home.policy).version, settings)


def test_splits_never_straddle_a_split_group(reviewed: Home) -> None:
    mix = mix_of(reviewed, dataclasses.replace(SMALL, hold=500, sentinels=500))
    places: dict[str, set[str]] = {}
    for sample in mix.samples:
        places.setdefault(sample.split_group, set()).add("test" if sample.split == "test" else sample.split)
    assert all(len(splits) == 1 for splits in places.values())
    chained = Counter(sample.split_group for sample in mix.samples if sample.picture.startswith("c"))
    assert max(chained.values()) > 2, "chains are one group"
    counts = Counter(sample.split for sample in mix.samples)
    assert set(counts) == {"train", "validation", "test"}
    assert counts["train"] > counts["validation"]


def test_only_verdicts_are_tested_and_only_they_have_labels(reviewed: Home) -> None:
    samples = mix_of(reviewed, dataclasses.replace(SMALL, hold=500, sentinels=500)).samples
    assert {s.kind for s in samples if s.split == "test"} == {"verdict"}
    assert {s.kind for s in samples} == {"verdict", "hold", "sentinel"}
    assert {s.label for s in samples if s.kind == "verdict"} == {"disc", "square"}
    assert {s.label for s in samples if s.kind != "verdict"} == {None}
    assert {s.weight for s in samples if s.kind == "verdict"} == {SMALL.verdict_weight}
    tested = {s.split_group for s in samples if s.split == "test"}
    assert not tested & {s.split_group for s in samples if s.split != "test"}


def test_suites_and_their_near_copies_are_left_out_and_counted(reviewed: Home) -> None:
    before = mix_of(reviewed)
    assert before.dropped == 0
    used = {s.picture for s in before.samples}
    assert not any(picture.startswith("s") for picture in used)
    victim = crowd("r", 52, 1)[7]
    write(reviewed, [Known("twin", victim.phash ^ 0b1011)])
    suite(reviewed, "sealed", "texture", ["twin"])
    after = mix_of(reviewed)
    assert after.dropped == 1
    assert victim.name not in {s.picture for s in after.samples}
    held = crowd("u", 80, 2)[5]
    write(reviewed, [Known("another", held.phash ^ 0xFF)])
    suite(reviewed, "sealed", "texture", ["another"])
    assert held.name not in {s.picture for s in mix_of(reviewed, dataclasses.replace(SMALL, hold=500)).samples}


def test_the_hash_is_reproducible_and_changes_with_anything(reviewed: Home) -> None:
    first = mix_of(reviewed)
    record_mix(reviewed, first)
    assert mix_of(reviewed) == first
    assert mix_of(reviewed).name == first.name
    sample = first.samples[0]
    others = [
        dataclasses.replace(first, parent="other.1"),
        dataclasses.replace(first, policy_version="other-1"),
        dataclasses.replace(first, settings=dataclasses.replace(SMALL, hold=31)),
        dataclasses.replace(first, samples=first.samples[1:]),
        dataclasses.replace(first, samples=(*first.samples[1:], sample)),
        *(
            dataclasses.replace(first, samples=(dataclasses.replace(sample, **{field: value}), *first.samples[1:]))
            for field, value in (("label", "texture"), ("weight", 2.0), ("split", "test"), ("kind", "hold"))
        ),
    ]
    assert len({first.name, *(mix.name for mix in others)}) == 1 + len(others)
    review(reviewed, ["u000"], "texture")
    assert mix_of(reviewed).name != first.name


def test_a_mix_is_recorded_once(reviewed: Home) -> None:
    mix = mix_of(reviewed)
    for _ in range(2):
        record_mix(reviewed, mix)
        fold(reviewed)
    with Snapshot(reviewed) as snapshot:
        assert snapshot.rows("SELECT mix, parent FROM mixes") == [{"mix": mix.name, "parent": champion().name}]
        rows = snapshot.rows("SELECT * FROM mix_samples ORDER BY sample")
    assert [row["sample"] for row in rows] == sorted(sample.sample for sample in mix.samples)
    assert {row["class"] for row in rows} == {"disc", "square", None}


def test_too_few_verdicts_say_what_is_missing(reviewed: Home) -> None:
    write(reviewed, [Known("twin", crowd("r", 52, 1)[7].phash)])
    suite(reviewed, "sealed", "texture", ["twin"])
    with pytest.raises(TooFewSamples, match=r"wanted 100 reviewed .* found 59 \(1 more are near-copies of suite"):
        mix_of(reviewed, MixSettings(least_verdicts=100))


def test_a_group_of_copies_is_one_sample_with_the_newest_answer_on_any_of_them(squares_home: Home) -> None:
    home = squares_home
    star = [Known("a", 5, star="a"), Known("b", 7, star="a"), Known("c", 4, star="a")]
    write(home, [*crowd("r", 12, 1), *star])
    review(home, [f"r{i:03d}" for i in range(12)], "disc")
    review(home, ["a"], "square")
    review(home, ["b"], "texture", minutes=5)
    found = [s for s in mix_of(home).samples if s.picture in "abc"]
    assert [(s.sample, s.label) for s in found] == [("verdict:a", "texture")]


def test_without_an_ordinary_suite_nothing_is_learned_from_the_audit(squares_home: Home) -> None:
    home = squares_home
    write(home, [*crowd("r", 20, 1), *crowd("a", 8, 2), *crowd("s", 2, 3)])
    review(home, [f"r{i:03d}" for i in range(20)], "disc")
    audited = [f"a{i:03d}" for i in range(8)]
    review(home, audited, "texture", lane="audit")
    everything = dataclasses.replace(SMALL, hold=500, sentinels=500)
    assert not {s.picture for s in mix_of(home, everything).samples} & set(audited)
    suite(home, "sealed", "texture", ["s000", "s001"])
    learned = {s.picture for s in mix_of(home, everything).samples if s.kind == "verdict"}
    assert learned >= set(audited)


@pytest.mark.parametrize(
    ("hold", "sentinels", "held", "started", "both"),
    [(30, 20, 30, 20, 0), (70, 20, 70, 20, 10), (500, 20, 80, 20, 20), (500, 500, 80, 80, 80), (0, 0, 0, 0, 0)],
)
def test_sentinels_start_after_what_is_held_while_there_is_enough(
    squares_home: Home, hold: int, sentinels: int, held: int, started: int, both: int
) -> None:
    write(squares_home, [*crowd("r", 10, 1), *crowd("u", 80, 2), *crowd("f", 9, 3, flag=0.8)])
    review(squares_home, [f"r{i:03d}" for i in range(10)], "disc")
    settings = MixSettings(10, hold, sentinels, test_share=0.0)
    samples = mix_of(squares_home, settings).samples
    by_kind = {kind: {s.picture for s in samples if s.kind == kind} for kind in ("hold", "sentinel")}
    assert [len(by_kind["hold"]), len(by_kind["sentinel"])] == [held, started]
    assert len(by_kind["hold"] & by_kind["sentinel"]) == both
    assert not any(s.picture.startswith("f") for s in samples), "what is flagged is held by no sample"


def test_a_picture_without_a_hash_stays_out(squares_home: Home) -> None:
    write(squares_home, crowd("r", 12, 1))
    write(squares_home, [Known("old", 0)], hashed=False)
    review(squares_home, ["old", *(f"r{i:03d}" for i in range(12))], "disc")
    assert "old" not in {sample.picture for sample in mix_of(squares_home).samples}
