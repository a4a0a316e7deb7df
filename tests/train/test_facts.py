from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mine.runtime import Runtime
from store.cards import KERAS_FILE
from store.catalog import Snapshot
from tests.mine.squares import champion
from tests.train.world import EVALUATED, World
from train.evidence import gather
from train.facts import PICTURES, foreign_code, measure_facts, signature


@pytest.mark.usefixtures("compared_here")
def test_facts_of_a_good_candidate(world: World) -> None:
    check_facts(world)


@pytest.mark.slow
def test_the_same_with_the_export_compared_in_a_fresh_process(world: World) -> None:
    check_facts(world)


def check_facts(world: World) -> None:
    card = world.candidates["repaired"]
    with Snapshot(world.home) as snapshot:
        evidence = gather(snapshot, world.ours.version, card.version, card.mix)
        facts = measure_facts(world.home, snapshot, world.ours, card, evidence)
    assert facts.export_difference is not None
    assert facts.export_difference <= 1e-5
    assert facts.exported == PICTURES
    assert facts.labels == facts.labels_wanted
    assert facts.signature == facts.signature_wanted
    assert (facts.scores, facts.not_finite, facts.in_mix, facts.evaluated) == (facts.evaluated, 0, 0, EVALUATED)
    assert facts.foreign_code == ()
    assert facts.latency_s
    assert facts.champion_latency_s
    # One net against itself, whatever else the machine does.
    assert 0.4 < facts.latency_s / facts.champion_latency_s < 2.5


def test_a_signature_says_input_and_outputs() -> None:
    wanted = "picture 16x16x3 float32 to probabilities 3, logits 3, embedding 32"
    assert signature(Runtime(champion())) == wanted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(champion(), tmp_path / "version")
    return tmp_path / "version"


def changed_config(folder: Path, **changes: Any) -> None:
    """Rewrite the first layer of the Keras file."""
    path = folder / KERAS_FILE
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["layers"][0].update(changes)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else content)


def test_stock_layers_are_no_foreign_code(folder: Path) -> None:
    assert foreign_code(folder) == ()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"class_name": "Lambda"}, "keras.layers.Lambda"),
        ({"module": "mypackage.layers", "class_name": "Mine"}, "mypackage.layers.Mine"),
        ({"module": "keras_lookalike", "class_name": "Dense"}, "keras_lookalike.Dense"),
        ({"config": {"function": {"class_name": "__lambda__", "config": {"value": "4wEAAA=="}}}}, "None.__lambda__"),
        ({"config": {"activation": {"module": "builtins", "class_name": "function"}}}, "builtins.function"),
    ],
)
def test_code_in_the_keras_file_is_found(folder: Path, changes: dict[str, Any], found: str) -> None:
    changed_config(folder, **changes)
    assert foreign_code(folder) == (found,)


@pytest.mark.parametrize("name", ["weights.pkl", "head.joblib", "layers.py", "ops.so"])
def test_files_that_could_run_are_found(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    assert foreign_code(folder) == (name,)


def test_a_pickle_inside_the_keras_file_is_found(folder: Path) -> None:
    with zipfile.ZipFile(folder / KERAS_FILE, "a") as archive:
        archive.writestr("assets/state.pkl", b"")
    assert foreign_code(folder) == ("assets/state.pkl",)
