"""Small models as owners bring them, their cards, and a server that speaks TF Serving's predict on loopback."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

SIDE_PX = 16
CLASSES = ("cat", "dog", "owl")
CARD = """\
classes = ["cat", "dog", "owl"]
map = {cat = "flagged", dog = "not_flagged", owl = "not_flagged"}
preprocessing = {recipe = "nsfwjs", size = 16}
"""
TWO = """\
classes = ["fine", "bad"]
map = {fine = "not_flagged", bad = "flagged"}
preprocessing = {recipe = "nsfwjs", size = 16}
"""


def card(folder: Path, text: str = CARD, more: str = "") -> Path:
    """The card file, with `more` before its tables."""
    path = folder / "card.toml"
    path.write_text(text + more, encoding="utf-8")
    return path


def net(end: str = "softmax", units: int = len(CLASSES), seed: int = 1, side_px: int | None = SIDE_PX) -> keras.Model:
    """A functional net with batch norm and dropout, as many people write it; its names are not ours."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    picture = keras.Input((side_px, side_px, 3), name="shown")
    flow = layers.Rescaling(2.0, -1.0)(picture)
    flow = layers.Conv2D(8, 3, strides=2, use_bias=False, name="head")(flow)  # a name that ours must have for itself
    flow = layers.ReLU()(layers.BatchNormalization()(flow))
    flow = layers.Conv2D(12, 3, activation="relu", name="conv_b")(flow)
    flow = layers.GlobalAveragePooling2D(name="pool")(flow)
    flow = layers.Dense(6, activation="relu", name="hidden")(flow)
    flow = layers.Dropout(0.3)(flow)
    return shaken(keras.Model(picture, layers.Dense(units, activation=end, name="answer")(flow)))


def transferred() -> keras.Model:
    """A base that is a layer of the net, and a normalisation by operators: how transfer learning is taught."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(2)
    inside = keras.Input((None, None, 3))
    flow = layers.Conv2D(6, 3, activation="relu", name="same_name")(inside)
    flow = layers.MaxPooling2D(2)(layers.Conv2D(7, 3, padding="same", name="inner_conv")(flow))
    base = keras.Model(inside, flow, name="base")
    picture = keras.Input((SIDE_PX, SIDE_PX, 3))
    flow = layers.Flatten(name="same_name")(base(picture * 2.0 - 1.0, training=False))
    flow = layers.Dense(len(CLASSES))(flow)
    return shaken(keras.Model(picture, layers.Softmax()(flow)))


def in_a_row(*more: Any) -> keras.Model:
    """A Sequential; `more` layers come first."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    stock = [layers.Conv2D(5, 3, activation="relu"), layers.Flatten(), layers.Dense(len(CLASSES), activation="softmax")]
    return shaken(keras.Sequential([layers.Input((SIDE_PX, SIDE_PX, 3)), *more, *stock]))


def shaken(model: keras.Model) -> keras.Model:
    """The model with biases and batch norms that are not those of a fresh one."""
    rng = np.random.default_rng(7)
    model.set_weights([one + rng.normal(0, 0.1, one.shape) * (one.ndim < 2) for one in model.get_weights()])
    return model


def noise(n: int = 3, side_px: int = SIDE_PX) -> Any:
    """(N, S, S, 3) float32 in [0, 1), each brighter than the one before."""
    pictures = np.random.default_rng(5).random((n, side_px, side_px, 3), dtype=np.float32)
    return pictures * np.linspace(0.2, 1, n, dtype=np.float32)[:, None, None, None]


@dataclass
class Server:
    """A TF Serving on loopback: `answer` gets (N, S, S, 3) float32 and returns the rows of `predictions`."""

    answer: Callable[[Any], Any]
    url: str = ""
    raw: Callable[[], tuple[int, bytes]] | None = None
    asked: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def reply(self, path: str, body: bytes) -> tuple[int, bytes]:
        self.paths.append(path)
        if self.raw is not None:
            return self.raw()
        pictures = np.asarray(json.loads(body)["instances"], np.float32)
        self.asked.append(len(pictures))
        if path != "/v1/models/guard:predict":
            return 404, json.dumps({"error": "Servable not found for request: Latest(other)"}).encode()
        return 200, json.dumps({"predictions": self.answer(pictures)}).encode()


@contextlib.contextmanager
def serving(answer: Callable[[Any], Any]) -> Iterator[Server]:
    """Serve on a free port of loopback; the thread ends with the block."""
    server = Server(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status, content = server.reply(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # who has waited long enough hangs up
                self.wfile.write(content)

        def log_message(self, format: str, *words: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = False  # so that closing it waits for them
        server.url = f"http://127.0.0.1:{listener.server_address[1]}/v1/models/guard"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
