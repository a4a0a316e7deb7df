from __future__ import annotations

import base64
import hashlib
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from mine.preprocess import prepare
from mine.runtime import Runtime
from store.errors import AdoptionError
from tests.models import adopted
from tests.train.adopt.pictures import PICTURES, pixels
from train.adopt import frozen_graph, keras_topology, nsfwjs
from train.export import check

FOLDER = Path(__file__).parent / "recorded"
RECORDED = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in nsfwjs.READERS}
SIZES = {"mobilenet_v2": (224, 128), "mobilenet_v2_mid": (224, 1792), "inception_v3": (299, 128)}


@pytest.fixture(scope="module", params=list(nsfwjs.READERS))
def runtime(request: pytest.FixtureRequest) -> Runtime:
    return Runtime(adopted(f"nsfwjs/{request.param}"))


@pytest.mark.parametrize("name", PICTURES)
def test_answers_equal_those_of_the_original(runtime: Runtime, name: str) -> None:
    rgb, recorded = pixels(name), RECORDED[runtime.card.name.removeprefix("nsfwjs/")]["pictures"][name]
    same = hashlib.sha256(rgb.tobytes()).hexdigest() == recorded["sha256"]
    assert same, "this machine decodes the picture to other pixels than those recorded"
    found = runtime.run(prepare(rgb, runtime.card.preprocessing)).probabilities[0]
    np.testing.assert_allclose(found, recorded["probabilities"], rtol=0, atol=1e-5)


def test_the_inference_file_equals_the_keras_file(runtime: Runtime) -> None:
    assert check(adopted(runtime.card.name))["difference"] <= 1e-5


@pytest.mark.parametrize("name", RECORDED)
def test_the_record_has_every_picture_and_the_order_of_our_classes(name: str) -> None:
    assert set(RECORDED[name]["pictures"]) == set(PICTURES)
    assert tuple(one.lower() for one in RECORDED[name]["classes"]) == nsfwjs.CLASSES


def test_the_card_says_what_it_is(runtime: Runtime) -> None:
    card = runtime.card
    assert card.classes == nsfwjs.CLASSES
    assert card.class_map == {name: name for name in nsfwjs.CLASSES}
    assert (card.input_px, card.embedding_size) == SIZES[card.name.removeprefix("nsfwjs/")]
    assert (card.level, card.licence, card.preprocessing["size"]) == ("trainable", "MIT", card.input_px)


def test_minified_literals_become_data() -> None:
    script = (
        'x(function(e){n.exports={modelTopology:{a:!0,b:!1,c:null,d:.5,e:-.25,f:1e-3,g:"{a:!0,b:.5}"'
        ',$h_1:[-1,"x\\"y:.5"]},weightsManifest:[{paths:["p-1"]}]}},{}]'
    )
    assert nsfwjs.literal(script) == {
        "modelTopology": {
            **{"a": True, "b": False, "c": None, "d": 0.5, "e": -0.25, "f": 1e-3},
            **{"g": "{a:!0,b:.5}", "$h_1": [-1, 'x"y:.5']},
        },
        "weightsManifest": [{"paths": ["p-1"]}],
    }


def test_shards_are_the_base64_that_a_module_exports() -> None:
    data = bytes(range(256))
    script = f'!function(e){{n.exports="{base64.b64encode(data).decode()}"}},{{}}]'
    assert nsfwjs.shard(script) == data


def test_weights_are_dequantised_in_double() -> None:
    how = {"min": -0.87334511607301, "scale": 0.006666756611244351}
    specs = [
        {"name": "a", "shape": [2, 2], "quantization": how},
        {"name": "b", "shape": [1], "quantization": how},
    ]
    found = nsfwjs.dequantised(bytes([0, 1, 200, 255, 7]), specs)
    values = [np.float32(q * how["scale"] + how["min"]) for q in (0, 1, 200, 255, 7)]
    assert found["a"].ravel().tolist() == values[:4]
    assert found["b"].tolist() == values[4:]
    with pytest.raises(AdoptionError, match="received 6"):
        nsfwjs.dequantised(bytes(6), specs)


def test_another_tarball_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "other.tgz"
    with tarfile.open(path, "w:gz"):
        pass
    monkeypatch.setattr(nsfwjs, "npm_tarball", lambda: path)
    for read in nsfwjs.READERS.values():
        with pytest.raises(AdoptionError, match="cannot read it") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_topology_in_any_order_becomes_layers_in_order() -> None:
    def old(kind: str, name: str, reads: list[str], **config: object) -> dict[str, object]:
        return {"class_name": kind, "name": name, "config": config, "inbound_nodes": [[[one, 0, 0] for one in reads]]}

    dense = old("Dense", "dense_3", ["flatten_1"], units=1, activation="softmax", use_bias=True)
    layers = [dense, old("Flatten", "flatten_1", ["in"]), old("InputLayer", "in", [])]
    weights = {"dense_3/kernel": np.ones((2, 1), np.float32), "dense_3/bias": np.ones(1, np.float32)}
    topology = {"model_config": {"config": {"layers": layers}}}
    made = keras_topology.layers(topology, weights)
    assert [one.name for one in made] == ["in", "pooled", "head", "probabilities"]
    assert (made[2].config["activation"], len(made[2].weights)) == ("linear", 2)
    layers[2] = old("InputLayer", "in", ["dense_3"])
    with pytest.raises(AdoptionError, match="received a circle"):
        keras_topology.layers(topology, weights)
    layers[2] = old("Lambda", "in", [])
    with pytest.raises(AdoptionError, match="received a layer 'Lambda'"):
        keras_topology.layers(topology, weights)


def test_an_unknown_operator_in_a_graph_is_refused() -> None:
    with pytest.raises(AdoptionError, match="received an operator 'PyFunc'"):
        frozen_graph.layers({"node": [{"op": "PyFunc", "name": "x"}]}, {})
