"""The policy file: its version follows its content, and what contradicts itself is refused in one line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from samples import card

from store.errors import CardError, PolicyError
from store.policy import Policy, read_policy


def policy_of(text: str) -> Policy:
    return Policy.model_validate(tomllib.loads(text))


def test_a_small_policy_has_the_defaults(tmp_path: Path, small_policy: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(small_policy)
    policy = read_policy(path)
    assert policy.classes["bag"].flagged
    assert not policy.classes["shoe"].flagged
    assert (policy.targets.false_positive_rate, policy.targets.miss_rate) == (0.01, 0.05)
    assert (policy.margins.misses, policy.margins.families, policy.margins.sources) == (0.03, 0.05, 0.05)
    assert policy.miss_evidence == "positives_suite"
    assert policy.latency_ratio == 1.2


def test_the_version_follows_the_content_and_not_its_spelling(small_policy: str) -> None:
    version = policy_of(small_policy).version
    assert version.startswith("shoes-")
    assert len(version) == len("shoes-") + 8
    assert policy_of("# a comment\n" + small_policy).version == version
    spelt_out = small_policy + "\n[targets]\nfalse_positive_rate = 0.01\n"
    assert policy_of(spelt_out).version == version, "a default that is written down changes nothing"
    for change in (
        small_policy.replace("fills", "covers"),
        small_policy.replace("Everything else", "All else"),
        small_policy.replace("[classes.other]\nflagged = false", "[classes.other]\nflagged = true"),
        small_policy + "\n[targets]\nfalse_positive_rate = 0.02\n",
        'guarded_families = ["digits"]\n' + small_policy,
    ):
        assert policy_of(change).version != version


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("rule =", "rul =", "rule: Field required"),
        ('name = "shoes"', 'name = "Shoes and bags"', "name:"),
        ("flagged = true", "flagged = false", "at least one flagged and one not flagged class"),
        ("flagged = true", 'flagged = "maybe"', "classes.bag.flagged:"),
        ("flagged = true", "flaged = true", "classes.bag"),
        ("[classes.shoe]", "[classes.flagged]", "are words of model cards"),
        ("[classes.shoe]", "[targets]\nfalse_positive_rate = 1.0\n[classes.shoe]", "targets.false_positive_rate"),
        ("[classes.shoe]", "[targets]\nfalse_positives = 0.1\n[classes.shoe]", "targets.false_positives"),
        ('name = "shoes"', 'miss_evidence = "none"\nname = "shoes"', "miss_evidence"),
        ("[classes.bag]", "[classes.bag", "is not TOML"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, small_policy: str, old: str, new: str, words: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(small_policy.replace(old, new))
    with pytest.raises(PolicyError) as caught:
        read_policy(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_policy_and_a_binary_one(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="`blindspot init` writes one"):
        read_policy(tmp_path / "policy.toml")
    (tmp_path / "policy.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyError, match="is not TOML"):
        read_policy(tmp_path / "policy.toml")


def test_flagged_names(small_policy: str) -> None:
    policy = policy_of(small_policy)
    assert [policy.is_flagged(name) for name in ("bag", "shoe", "flagged", "not_flagged")] == [True, False, True, False]
    with pytest.raises(PolicyError, match="unknown class 'hat' under policy shoes-"):
        policy.is_flagged("hat")


def test_masks_follow_the_order_of_the_model(small_policy: str) -> None:
    policy = policy_of(small_policy)
    assert policy.flag_mask(card()) == [1.0, 0.0, 0.0]
    two_sided = card(classes=("no", "yes"), class_map={"no": "not_flagged", "yes": "flagged"})
    assert policy.flag_mask(two_sided) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("class_map", "words"),
    [
        ({"bag": "glove", "shoe": "shoe", "hat": "other"}, "unknown class 'glove'"),
        ({"bag": "shoe", "shoe": "shoe", "hat": "other"}, "all not flagged"),
        ({"bag": "bag", "shoe": "bag", "hat": "flagged"}, "all flagged"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(small_policy: str, class_map: dict[str, str], words: str) -> None:
    with pytest.raises(CardError, match=r"the card of small\.00000001 does not fit") as caught:
        policy_of(small_policy).flag_mask(card(class_map=class_map))
    assert words in str(caught.value)
