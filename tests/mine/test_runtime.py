from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mine.preprocess import prepare
from mine.runtime import OUTPUTS, Floats, Runtime
from store.cards import CARD_FILE, INFERENCE_FILE
from store.errors import CardError, ModelError
from tests.models import adopted
from tests.train.adopt.pictures import pixels


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return Runtime(adopted("open_nsfw"))


@pytest.fixture(scope="module")
def batch(runtime: Runtime) -> Floats:
    names = ("china", "chelsea", "digit_1_dark_on_light")
    return np.stack([prepare(pixels(name), runtime.card.preprocessing) for name in names])


def test_outputs_have_the_shapes_of_the_card(runtime: Runtime, batch: Floats) -> None:
    outputs = runtime.run(batch)
    assert outputs.probabilities.shape == outputs.logits.shape == (3, len(runtime.card.classes))
    assert outputs.embedding.shape == (3, runtime.card.embedding_size)
    assert all(getattr(outputs, name).dtype == np.float32 for name in OUTPUTS)
    np.testing.assert_allclose(outputs.probabilities.sum(axis=1), 1, atol=1e-6)
    odds = np.exp(outputs.logits.astype(float))
    np.testing.assert_allclose(outputs.probabilities, odds / odds.sum(axis=1, keepdims=True), atol=1e-6)


def test_one_picture_is_a_batch_of_one_and_none_is_none(runtime: Runtime, batch: Floats) -> None:
    assert np.array_equal(runtime.run(batch[1]).logits, runtime.run(batch).logits[1:2])
    assert runtime.run(batch[:0]).embedding.shape == (0, runtime.card.embedding_size)


def test_threads_do_not_disturb_each_other(runtime: Runtime, batch: Floats) -> None:
    alone = [runtime.run(picture).logits for picture in batch]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda i: runtime.run(batch[i % 3]).logits, range(12)))
    assert all(np.array_equal(found, alone[i % 3]) for i, found in enumerate(together))


def test_another_shape_is_refused(runtime: Runtime) -> None:
    with pytest.raises(ModelError, match=r"wanted pictures \(N, 224, 224, 3\), received \(1, 9, 9, 3\)"):
        runtime.run(np.zeros((1, 9, 9, 3), np.float32))


def test_an_altered_file_is_refused(runtime: Runtime, tmp_path: Path) -> None:
    folder = tmp_path / runtime.card.version
    shutil.copytree(adopted("open_nsfw"), folder)
    content = bytearray((folder / INFERENCE_FILE).read_bytes())
    content[-1000] ^= 1
    (folder / INFERENCE_FILE).write_bytes(content)
    with pytest.raises(ModelError, match="sha256"):
        Runtime(folder)
    (folder / INFERENCE_FILE).unlink()
    with pytest.raises(ModelError, match="found none"):
        Runtime(folder)
    (folder / CARD_FILE).unlink()
    with pytest.raises(CardError, match="found none"):
        Runtime(folder)


def test_running_a_version_never_loads_tensorflow(runtime: Runtime) -> None:
    script = (
        "import sys, pathlib, numpy as np; from mine.runtime import Runtime\n"
        "Runtime(pathlib.Path(sys.argv[1])).run(np.zeros((224, 224, 3), np.float32))\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, adopted("open_nsfw")], check=True, timeout=60)
