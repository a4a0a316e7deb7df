from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from store.catalog import Snapshot
from store.errors import ModelError
from store.fold import fold
from store.home import Home
from tests.mine.squares import champion, make_home, variant
from tests.train.rows import NOW, Known, crowd, review, score, suite, write
from train.evidence import Evidence, gather


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a second version, `other.1`, that a mix `m` taught."""
    home = make_home(tmp_path / "home")
    variant(home.models, "other.1", parent=champion().name, mix="m")
    return home


def both() -> tuple[str, str]:
    return champion().name, "other.1"


def gathered(home: Home, mix: str | None = "m") -> Evidence:
    fold(home)
    with Snapshot(home) as snapshot:
        return gather(snapshot, champion().name, "other.1", mix)


def record(home: Home, **splits: str) -> None:
    """Samples of the mix `m`: each picture in its split, from source `s`."""
    rows = [
        {"mix": "m", "sample": f"verdict:{picture}", "picture": picture, "split": split, "source": "s"}
        for picture, split in splits.items()
    ]
    home.inbox().append("mix_samples", rows)


def test_one_picture_per_copies_group_and_role(home: Home) -> None:
    copies = [Known("o900", 1, star="o900"), Known("o901", 3, star="o900"), Known("p1", 2, star="o900", flag=0.9)]
    write(home, [*crowd("o", 4, 1), *copies, Known("p2", 2**40, flag=0.9)], versions=both())
    suite(home, "ordinary", "texture", ["o000", "o001", "o002", "o003", "o900", "o901"])
    suite(home, "positives", "square", ["p1", "p2"])
    found = gathered(home)
    assert found.pictures == ["o000", "o001", "o002", "o003", "o900", "p1", "p2"]
    assert found.roles.tolist() == ["ordinary"] * 5 + ["positives"] * 2
    assert found.truth.tolist() == [False] * 5 + [True] * 2
    np.testing.assert_allclose(found.champion, [0.1] * 5 + [0.9] * 2, atol=1e-6)
    assert found.suites == ("ordinary", "positives")
    assert (found.not_finite, found.learned) == (0, 0)


def test_a_missing_score_is_an_error_that_names_the_version(home: Home) -> None:
    write(home, crowd("o", 3, 1))
    suite(home, "ordinary", "texture", ["o000", "o001"])
    with pytest.raises(ModelError, match=r"other\.1 has no score for 2 of 2 evaluation pictures"):
        gathered(home)
    score(home, "other.1", {"o000": 0.2})
    with pytest.raises(ModelError, match=r"other\.1 has no score for 1 of 2"):
        gathered(home)


def test_what_cannot_be_decoded_is_no_evidence(home: Home) -> None:
    write(home, crowd("o", 2, 1), versions=both())
    suite(home, "ordinary", "texture", ["o000", "o001"])
    home.inbox().append("refusals", [{"picture": "o001", "stage": "decode", "reason": "broken", "refused_at": NOW}])
    assert gathered(home).pictures == ["o000"]


@pytest.mark.parametrize("how", ["refused", "nan"])
def test_an_answer_that_is_not_finite_is_counted_and_flags(home: Home, how: str) -> None:
    write(home, crowd("o", 3, 1))
    suite(home, "ordinary", "texture", ["o000", "o001", "o002"])
    score(home, "other.1", {"o000": 0.2, "o001": 0.3})
    if how == "nan":
        score(home, "other.1", {"o002": float("nan")})
    else:
        row = {"picture": "o002", "stage": "score", "reason": "not_finite", "detail": "other.1", "refused_at": NOW}
        home.inbox().append("refusals", [row])
    found = gathered(home)
    assert found.not_finite == 1
    np.testing.assert_allclose(found.candidate, [0.2, 0.3, 1.0], atol=1e-6)


def test_halves_are_disjoint_cover_and_stay_the_same(home: Home) -> None:
    write(home, [*crowd("o", 200, 1), *crowd("p", 5, 2)], versions=both())
    suite(home, "ordinary", "texture", [f"o{i:03d}" for i in range(200)])
    suite(home, "positives", "square", [f"p{i:03d}" for i in range(5)])
    found = gathered(home)
    first, second = found.ordinary_halves("seed")
    assert not (first & second).any()
    assert np.array_equal(first | second, found.role("ordinary"))
    assert 70 <= first.sum() <= 130
    assert np.array_equal(gathered(home).ordinary_halves("seed")[0], first)
    assert not np.array_equal(found.ordinary_halves("another")[0], first)


def test_paired_counts_both_errors_at_their_own_thresholds(home: Home) -> None:
    flags = {"a": (0.9, 0.1), "b": (0.1, 0.9), "c": (0.9, 0.9), "d": (0.1, 0.1)}
    write(home, [Known(name, 0xFF << 8 * i, flag=ours) for i, (name, (ours, _)) in enumerate(flags.items())])
    score(home, "other.1", {name: theirs for name, (_, theirs) in flags.items()})
    suite(home, "ordinary", "texture", flags)
    found = gathered(home)
    every = found.role("ordinary")
    pair = found.paired(every, 0.5, 0.5)
    assert (pair.n, pair.champion_only_wrong, pair.candidate_only_wrong, pair.both_wrong) == (4, 1, 1, 1)
    strict = found.paired(every, 0.5, 0.95)
    assert (strict.candidate_wrong, strict.champion_wrong) == (0, 2)
    assert found.paired(every, 0.95, 1.0).candidate_wrong == 0


def test_the_test_split_and_held_out_suites_are_families(home: Home) -> None:
    write(home, [*crowd("r", 4, 1), *crowd("h", 2, 2)], versions=both())
    review(home, ["r000", "r001", "r002"], "disc")
    suite(home, "blind", "disc", ["h000", "h001"], role="families")
    record(home, r000="test", r001="train", r002="validation")
    assert gathered(home).pictures == ["h000", "h001", "r000"]
    assert gathered(home, mix=None).pictures == ["h000", "h001"]
    assert gathered(home).suites == ("blind",), "the pool is no suite"


def test_what_a_mix_has_learned_is_counted_in_suites_and_dropped_from_the_pool(home: Home) -> None:
    write(home, [*crowd("r", 4, 1), *crowd("h", 2, 2)], versions=both())
    review(home, ["r000", "r001", "r002"], "disc")
    suite(home, "blind", "disc", ["h000", "h001"], role="families")
    record(home, r000="test", r001="train", r002="validation", h001="train")
    assert (gathered(home).learned, len(gathered(home).pictures)) == (1, 3)
    # A later crawl brings a picture that chains the tested one to one that was trained on.
    first, second = crowd("r", 4, 1)[:2]
    bits = [bit for bit in range(64) if (first.phash ^ second.phash) >> bit & 1]
    steps = [first.phash ^ sum(1 << bit for bit in bits[:n]) for n in range(7, len(bits), 7)]
    write(home, [Known(f"bridge{i}", step) for i, step in enumerate(steps)], versions=both())
    assert (gathered(home).learned, gathered(home).pictures) == (1, ["h000", "h001"])


def test_the_audit_stands_in_for_an_ordinary_suite(home: Home) -> None:
    write(home, [*crowd("a", 6, 1), *crowd("q", 3, 2), *crowd("o", 2, 3)], versions=both())
    review(home, [f"a{i:03d}" for i in range(6)], "texture", lane="audit")
    review(home, [f"q{i:03d}" for i in range(3)], "texture", lane="flagged")
    record(home, a000="train", a001="test")
    found = gathered(home)
    audited = [p for p, role in zip(found.pictures, found.roles.tolist(), strict=True) if role == "ordinary"]
    assert audited == ["a001", "a002", "a003", "a004", "a005"], "never the queue, never what was learned from"
    suite(home, "ordinary", "texture", ["o000", "o001"])
    found = gathered(home)
    assert [p for p, r in zip(found.pictures, found.roles.tolist(), strict=True) if r == "ordinary"] == ["o000", "o001"]


def test_sources_are_held_out_when_nothing_was_learned_from_them(home: Home) -> None:
    known = [dataclasses.replace(k, source=s) for k, s in zip(crowd("h", 3, 2), ("s", "x", "y"), strict=True)]
    write(home, [*known, *crowd("r", 2, 1)], versions=both())
    review(home, ["r000", "r001"], "disc")
    suite(home, "blind", "disc", ["h000", "h001", "h002"], role="families")
    record(home, r000="train", r001="validation")
    found = gathered(home)
    assert {name: int(chosen.sum()) for name, chosen in found.by_source(found.role("families")).items()} == {
        "x": 1,
        "y": 1,
    }
