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
from train.adopt import nsfwjs

NAME = "nsfwjs/mobilenet_v2"
RECORDED = json.loads((Path(__file__).parent / "recorded" / "nsfwjs.json").read_text())


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return Runtime(adopted(NAME))


@pytest.mark.parametrize("name", PICTURES)
def test_answers_equal_those_of_the_original(runtime: Runtime, name: str) -> None:
    rgb, recorded = pixels(name), RECORDED["pictures"][name]
    same = hashlib.sha256(rgb.tobytes()).hexdigest() == recorded["sha256"]
    assert same, "this machine decodes the picture to other pixels than those recorded"
    found = runtime.run(prepare(rgb, runtime.card.preprocessing)).probabilities[0]
    np.testing.assert_allclose(found, recorded["probabilities"], rtol=0, atol=1e-5)


def test_the_record_has_every_picture_and_the_order_of_our_classes() -> None:
    assert set(RECORDED["pictures"]) == set(PICTURES)
    assert tuple(name.lower() for name in RECORDED["classes"]) == nsfwjs.CLASSES


def test_the_card_says_what_it_is(runtime: Runtime) -> None:
    card = runtime.card
    assert card.classes == nsfwjs.CLASSES
    assert card.class_map == {name: name for name in nsfwjs.CLASSES}
    assert (card.input_px, card.embedding_size, card.level, card.licence) == (224, 128, "trainable", "MIT")


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
    with pytest.raises(AdoptionError, match="cannot read it") as caught:
        nsfwjs.read()
    assert "\n" not in str(caught.value)
