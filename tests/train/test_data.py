from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from store.cards import read_card
from store.embeddings import append_embeddings
from store.errors import ModelError, TooFewSamples
from store.home import Home
from store.policy import read_policy
from tests.mine.squares import CELLS, champion, make_home
from train.data import load_arrays, target
from train.head import read_head
from train.mix import Mix, MixSettings, Sample

OLD = np.array([0.5, 0.2, 0.3], np.float32)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


def sample(picture: str, kind: str = "verdict", label: str | None = "disc", split: str = "train") -> Sample:
    return Sample(f"{kind}:{picture}", kind, picture, label, 3.0 if kind == "verdict" else 1.0, split, picture, "s")


def mix(*samples: Sample) -> Mix:
    return Mix(champion().name, "squares-1", MixSettings(), samples, 0)


def test_a_verdict_goes_to_the_classes_that_map_to_it(home: Home) -> None:
    policy, card = read_policy(home.policy), read_card(champion())
    assert target(OLD, "disc", card, policy).tolist() == [0, 1, 0]
    both = card.model_copy(update={"class_map": {"square": "square", "disc": "texture", "texture": "texture"}})
    np.testing.assert_allclose(target(OLD, "texture", both, policy), [0, 0.4, 0.6], atol=1e-6)


def test_without_such_a_class_it_goes_to_its_side_in_the_old_proportions(home: Home) -> None:
    policy, card = read_policy(home.policy), read_card(champion())
    sides = {"square": "flagged", "disc": "not_flagged", "texture": "not_flagged"}
    foreign = card.model_copy(update={"class_map": sides})
    np.testing.assert_allclose(target(OLD, "disc", foreign, policy), [0, 0.4, 0.6], atol=1e-6)
    assert target(OLD, "square", foreign, policy).tolist() == [1, 0, 0]
    # A class that the old answer rules out wholly is no obstacle.
    np.testing.assert_allclose(target(np.array([1, 0, 0], np.float32), "disc", foreign, policy), [0, 0.5, 0.5])


def embedded(home: Home, *pictures: str) -> None:
    rng = np.random.default_rng(7)
    vectors = rng.uniform(0, 0.03, (len(pictures), 2 * CELLS)).astype(np.float32)
    append_embeddings(home, read_card(champion()).base, pictures, vectors)


def test_arrays_hold_verdicts_old_answers_and_sentinels(home: Home) -> None:
    embedded(home, *"abcdef")
    policy, card, head = read_policy(home.policy), read_card(champion()), read_head(champion())
    whole = mix(
        sample("a"),
        sample("b", "hold", None),
        sample("c", "sentinel", None),
        sample("d", split="validation"),
        sample("e", split="test"),
    )
    arrays = load_arrays(home, whole, card, head, policy)
    assert set(arrays) == {"train", "validation"}, "nobody learns from the test split"
    train = arrays["train"]
    assert train.features.shape == (5, 2 * CELLS), "a verdict, a held answer and three sentinels"
    assert train.targets[0].tolist() == [0, 1, 0]
    np.testing.assert_allclose(train.targets[1], head.probabilities(train.features[1:2])[0])
    assert train.targets[2:].tolist() == [[1, 0, 0]] * 3
    assert train.weights.tolist() == [3, 1, 1, 1, 1]
    np.testing.assert_allclose(train.targets.sum(axis=1), 1, atol=1e-6)
    assert arrays["validation"].weights.tolist() == [3]


def test_a_picture_without_an_embedding_is_told(home: Home) -> None:
    embedded(home, "a", "d")
    arguments = read_card(champion()), read_head(champion()), read_policy(home.policy)
    with pytest.raises(ModelError, match="1 pictures of the mix have no embedding"):
        load_arrays(home, mix(sample("a"), sample("x")), *arguments)


def test_a_mix_whose_pictures_are_all_alike_is_too_small(home: Home) -> None:
    embedded(home, "a", "d")
    arguments = read_card(champion()), read_head(champion()), read_policy(home.policy)
    with pytest.raises(TooFewSamples, match="nothing for its validation split"):
        load_arrays(home, mix(sample("a"), sample("d")), *arguments)
