from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import numpy as np
import pytest
from PIL import Image

from mine.blame import GIVE_UP_AFTER
from mine.examine import Task
from mine.preprocess import prepare
from mine.runtime import Runtime
from mine.scan import Scanned, missing, scan
from store.backdrops import Backdrop
from store.cards import Card, Runs, read_card
from store.catalog import Snapshot
from store.embeddings import read_embeddings
from store.fold import fold
from store.home import Home
from store.pictures import decode
from store.policy import read_policy
from store.sandbox import SandboxLimits
from store.suites import add_to_suite
from tests.mine.squares import (
    FOOLED,
    add_pictures,
    champion,
    draw,
    head,
    inference_with,
    make_home,
    variant,
)
from train.export import load

# Forty bytes that ask for 16,383 x 16,383 pixels, a PNG that ends early, and bytes that are no picture.
WEBP_BODY = b"\x2f" + struct.pack("<I", 16_382 | 16_382 << 14) + bytes(15)
HOSTILE = b"RIFF" + struct.pack("<I", 32) + b"WEBPVP8L" + struct.pack("<I", len(WEBP_BODY)) + WEBP_BODY
BROKEN = draw("texture", 90)[:300]
REFUSED = {"too_large": 1, "broken": 1, "not_a_picture": 1, "missing": 1}
# Runs in a subprocess, in batches of four, and waits after the ninth picture to be killed.
SCAN = """
import sys, time, mine.scan
from pathlib import Path
from store.cards import read_card
from store.home import Home
mine.scan.BATCH = 4

def progress(done, total):
    if done == 9:
        print("nine", flush=True)
        time.sleep(60)

if __name__ == "__main__":
    home = Home(Path(sys.argv[1]), sys.argv[2])
    cards = [read_card(home.models / sys.argv[3])]
    mine.scan.scan(home, cards, progress)
"""


def gif() -> bytes:
    out = io.BytesIO()
    frames = [Image.open(io.BytesIO(draw("disc", seed))) for seed in (1, 2)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


@dataclass(frozen=True)
class Filled:
    """A home of nine pictures that can be read, `ids`, and four that cannot."""

    home: Home
    ids: list[str]

    def copy(self, root: Path) -> Filled:
        shutil.copytree(self.home.root, root)
        return Filled(Home(root, self.home.pictures_url), self.ids)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Nothing is looked at yet. The pictures lie outside the home."""
    folder = tmp_path_factory.mktemp("scan")
    home = Home(make_home(folder / "home").root, pictures_url=f"file://{folder}/pictures")
    good = [draw(kind, seed) for kind in ("square", "disc") for seed in range(4)] + [gif()]
    ids = add_pictures(home, good, "a.example")
    add_pictures(home, [HOSTILE, BROKEN, b"<html>not a picture</html>"], "b.example")
    (lost,) = add_pictures(home, [draw("texture", 91)], "b.example")
    next((folder / "pictures").rglob(lost)).unlink()
    fold(home)
    return Filled(home, sorted(ids))


@pytest.fixture(scope="module")
def looked(fresh: Filled, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Everything is looked at, and what was found waits in the inbox."""
    made = fresh.copy(tmp_path_factory.mktemp("looked") / "home")
    seen: list[tuple[int, int]] = []
    done = scan(made.home, [read_card(champion())], lambda *counts: seen.append(counts))
    assert done.looked_at == len(made.ids) + 4
    assert done.refused == REFUSED
    assert seen == [(count, 13) for count in range(1, 14)]
    return made


def scanned(home: Home) -> Scanned:
    done = scan(home, [read_card(champion())])
    fold(home)
    return done


def check_whole(filled: Filled) -> None:
    """Every readable picture has exactly one row of each kind and its embedding, every other one a reason."""
    home, ids = filled.home, filled.ids
    with Snapshot(home) as snapshot:
        for table in ("measurements", "hashes", "raw_scores"):
            assert sorted(row["picture"] for row in snapshot.rows(f"SELECT picture FROM {table}")) == ids, table
        refusals = snapshot.rows("SELECT picture, stage, reason FROM refusals")
        scores = {row["picture"]: row["probabilities"] for row in snapshot.rows("SELECT * FROM raw_scores")}
    assert Counter(row["reason"] for row in refusals) == REFUSED
    assert {row["stage"] for row in refusals} == {"decode"}
    runtime = Runtime(champion())
    prepared = [prepare(decode(home.blobs().get(p)).rgb, runtime.card.preprocessing) for p in ids]
    wanted = runtime.run(np.stack(prepared))
    assert np.array_equal(np.array([scores[p] for p in ids], np.float32), wanted.probabilities)
    pictures, vectors = read_embeddings(home, runtime.card.base)
    assert sorted(pictures) == ids
    assert wanted.embedding is not None
    assert np.array_equal(vectors[np.argsort(pictures)], wanted.embedding)


def test_a_scan_looks_at_everything_once(looked: Filled, tmp_path: Path) -> None:
    mine = looked.copy(tmp_path / "home")
    fold(mine.home)
    check_whole(mine)
    assert scanned(mine.home).looked_at == 0
    assert mine.home.inbox().files() == []


def test_a_killed_scan_goes_on_where_it_stopped(fresh: Filled, tmp_path: Path) -> None:
    mine = fresh.copy(tmp_path / "home")
    script = tmp_path / "scan_in_bites.py"
    script.write_text(SCAN, encoding="utf-8")
    words = [sys.executable, str(script), str(mine.home.root), mine.home.pictures_url, champion().name]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env=environment, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "nine\n"
        process.send_signal(signal.SIGKILL)
    kept = {"measurements", "raw_scores", "hashes", "refusals"}
    assert {path.name.split("-")[1] for path in mine.home.inbox().files()} <= kept
    fold(mine.home)
    assert len(missing(mine.home, [champion().name])) == 5, "two batches of four were kept"
    assert scanned(mine.home).looked_at == 5
    check_whole(mine)


def test_a_kill_between_the_files_of_a_batch_is_made_good(looked: Filled, tmp_path: Path) -> None:
    """Of one batch only the first file is there: what is missing is looked at again, nothing doubles."""
    mine = looked.copy(tmp_path / "home")
    for path in mine.home.inbox().files()[1:]:
        path.unlink()
    fold(mine.home)
    assert scanned(mine.home).looked_at >= len(mine.ids)
    check_whole(mine)


def test_an_interrupted_scan_keeps_what_it_has_seen(fresh: Filled, tmp_path: Path) -> None:
    home = fresh.copy(tmp_path / "home").home

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(home, [read_card(champion())], stop)
    fold(home)
    assert len(missing(home, [champion().name])) == 8


def test_a_new_version_needs_no_measuring_again(looked: Filled, tmp_path: Path) -> None:
    mine = looked.copy(tmp_path / "home")
    fold(mine.home)
    other = variant(mine.home.models, "other.1")
    tasks = missing(mine.home, [champion().name, other.version])
    assert tasks == [Task(picture, True, (("other.1", "as_shown"),)) for picture in mine.ids]


def test_what_an_older_version_of_ours_measured_and_hashed_is_looked_at_again_and_not_scored_again(
    looked: Filled, tmp_path: Path
) -> None:
    mine = looked.copy(tmp_path / "home")
    fold(mine.home)
    with duckdb.connect(str(mine.home.catalog)) as older:
        older.execute("ALTER TABLE measurements DROP COLUMN measure_version")
        older.execute("ALTER TABLE measurements DROP COLUMN sharpness")
        older.execute("ALTER TABLE hashes DROP COLUMN path_version")
        older.execute("UPDATE hashes SET hash_version = 'older', phash = 1")
    fold(mine.home)
    assert missing(mine.home, [champion().name]) == [Task(picture, False, ()) for picture in mine.ids]
    assert scanned(mine.home).looked_at == len(mine.ids)
    check_whole(mine)
    with Snapshot(mine.home) as snapshot:
        assert snapshot.value("SELECT count(sharpness) FROM measurements") == len(mine.ids)
        assert snapshot.value("SELECT count(*) FROM hashes WHERE phash = 1 OR hash_version = 'older'") == 0
    assert scanned(mine.home).looked_at == 0


def test_second_opinions_are_not_asked_about_suites(fresh: Filled, tmp_path: Path) -> None:
    mine = fresh.copy(tmp_path / "home")
    add_to_suite(mine.home, read_policy(mine.home.policy), "sealed", "disc", mine.ids[:3])
    fold(mine.home)
    asked = {task.picture: task.questions for task in missing(mine.home, [champion().name, "other.1"])}
    assert all(asked[picture] == ((champion().name, "as_shown"),) for picture in mine.ids[:3])
    assert all(len(asked[picture]) == 2 for picture in mine.ids[3:])


def test_a_version_that_answers_nan_keeps_no_other_from_a_picture(squares_home: Home) -> None:
    home = squares_home
    ids = sorted(add_pictures(home, [draw("disc", seed) for seed in range(3)], "a.example"))
    fold(home)
    kernel, bias = head(FOOLED)
    broken = variant(home.models, "nan.1", inference_with(kernel, bias * np.float32("nan")))
    assert scan(home, [read_card(champion()), broken]).refused == {"not_finite": 3}
    fold(home)
    assert missing(home, [champion().name, "nan.1"]) == [], "it is not asked again"
    assert missing(home, ["third.1"]) == [Task(picture, True, (("third.1", "as_shown"),)) for picture in ids]
    with Snapshot(home) as snapshot:
        assert snapshot.rows("SELECT version, count(*) AS n FROM raw_scores GROUP BY version") == [
            {"version": champion().name, "n": 3}
        ]
        rows = snapshot.rows("SELECT DISTINCT stage, reason, detail FROM refusals")
    assert rows == [{"stage": "score", "reason": "not_finite", "detail": "nan.1"}]


def test_a_version_that_cannot_answer_at_all_is_no_pictures_fault(fresh: Filled, tmp_path: Path) -> None:
    mine = fresh.copy(tmp_path / "home")
    broken = variant(mine.home.models, "broken.1", preprocessing={"recipe": "nsfwjs", "size": 16, "crop": 3})
    done = scan(mine.home, [read_card(champion()), broken])
    assert list(done.failed) == ["broken.1"]
    assert "crop" in done.failed["broken.1"]
    assert done.refused == REFUSED
    fold(mine.home)
    check_whole(mine)
    assert [task.questions for task in missing(mine.home, [champion().name, "broken.1"])] == [
        (("broken.1", "as_shown"),)
    ] * len(mine.ids), "it is asked again when it is mended"


# ---- views -------------------------------------------------------------------------------------------------


def scored_views(home: Home) -> dict[str, list[str]]:
    """The pictures that have a row, by view."""
    found: dict[str, list[str]] = {}
    with Snapshot(home) as snapshot:
        for row in snapshot.rows("SELECT view, picture FROM raw_scores ORDER BY ALL"):
            found.setdefault(row["view"], []).append(row["picture"])
    return found


def half_clear(seed: int) -> bytes:
    """A red square, half transparent and green where it is wholly so."""
    image = Image.new("RGBA", (40, 30), (0, 255, 0, 0))
    image.paste((200 + seed, 0, 0, 128), (5, 5, 25, 25))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_views_are_scored_where_they_can_differ_and_then_no_more(squares_home: Home) -> None:
    home, views = squares_home, ("as_shown", "on_black", "last_frame", "middle_frame", "letterboxed", "jpeg_50")
    plain, clear, film = (
        sorted(add_pictures(home, [draw("disc", 1)], "a")),
        *(add_pictures(home, [data], "a") for data in (half_clear(0), gif())),
    )
    every = sorted(plain + clear + film)
    fold(home)
    asked = len(views) * len(every)
    assert sum(len(task.questions) for task in missing(home, [champion().name], views)) == asked, "not measured yet"
    assert scan(home, [read_card(champion())], views=views).looked_at == 3
    fold(home)
    wanted = {"as_shown": every, "on_black": clear, "last_frame": film, "letterboxed": clear, "jpeg_50": every}
    assert scored_views(home) == wanted
    assert missing(home, [champion().name], views) == []
    assert len(read_embeddings(home, read_card(champion()).base)[0]) == 3, "of the picture as shown alone"

    # A view that is asked for later needs no measuring, and only of those that have it.
    assert missing(home, [champion().name], ("as_shown", "alpha_dropped")) == [
        Task(clear[0], True, ((champion().name, "alpha_dropped"),))
    ]
    assert scan(home, [read_card(champion())], views=("as_shown", "alpha_dropped")).looked_at == 1
    fold(home)
    assert scored_views(home) == wanted | {"alpha_dropped": clear}


def test_scores_are_those_of_the_keras_file(squares_home: Home) -> None:
    ids = add_pictures(squares_home, [half_clear(seed) for seed in range(4)], "a.example")
    fold(squares_home)
    scan(squares_home, [read_card(champion())], views=("as_shown", "alpha_dropped"))
    fold(squares_home)
    model, preprocessing = load(champion()), read_card(champion()).preprocessing
    with Snapshot(squares_home) as snapshot:
        rows = snapshot.rows("SELECT picture, view, probabilities FROM raw_scores ORDER BY picture, view")
    assert [row["picture"] for row in rows] == sorted(ids * 2)
    backdrops: dict[str, Backdrop] = {"as_shown": "white", "alpha_dropped": "dropped"}
    blobs = squares_home.blobs()
    batch = [prepare(decode(blobs.get(r["picture"]), backdrop=backdrops[r["view"]]).rgb, preprocessing) for r in rows]
    wanted = model.predict(np.stack(batch), verbose=0)["probabilities"]
    np.testing.assert_allclose([row["probabilities"] for row in rows], wanted, rtol=0, atol=1e-5)
    assert np.abs(wanted[0] - wanted[1]).max() > 0.01, "the two views are told apart"


def test_a_view_that_cannot_be_made_is_a_refusal_of_its_own(squares_home: Home) -> None:
    out = io.BytesIO()
    Image.new("RGB", (66_000, 1)).save(out, "PNG")
    (strip,) = add_pictures(squares_home, [out.getvalue()], "a.example")
    fold(squares_home)
    done = scan(squares_home, [read_card(champion())], views=("as_shown", "jpeg_50"))
    fold(squares_home)
    assert done.refused == {"no_view": 1}
    assert scored_views(squares_home) == {"as_shown": [strip]}
    assert missing(squares_home, [champion().name], ("as_shown", "jpeg_50")) == []


# ---- versions that do not answer ---------------------------------------------------------------------------


OVER = threading.Event()


class Served(BaseHTTPRequestHandler):
    """Speaks TF Serving's predict: the same three numbers for every picture, and silence about white ones."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        if np.min(asked) > 0.99:
            OVER.wait(30)
            return
        body = json.dumps({"predictions": [[0.2, 0.3, 0.5]] * len(asked)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Served) as made:
        made.daemon_threads, made.block_on_close = True, False
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        OVER.clear()
        yield f"http://127.0.0.1:{made.server_port}/v1/models/m:predict"
        OVER.set()
        made.shutdown()
        thread.join()


def behind(home: Home, url: str) -> Card:
    """A version that lives behind a URL: it scores, and has no embedding."""
    runs = Runs(backend="tf_serving", url=url)
    return variant(home.models, "served.1", runs=runs, level="score_only", embedding_size=None, base="served")


def test_a_version_without_an_embedding_is_scored(squares_home: Home, server: str) -> None:
    ids = sorted(add_pictures(squares_home, [draw("disc", seed) for seed in range(3)], "a.example"))
    fold(squares_home)
    done = scan(squares_home, [read_card(champion()), behind(squares_home, server)])
    fold(squares_home)
    assert (done.failed, done.unanswered, done.refused) == ({}, {}, {})
    with Snapshot(squares_home) as snapshot:
        rows = snapshot.rows("SELECT picture, probabilities FROM raw_scores WHERE version = 'served.1' ORDER BY ALL")
    assert [row["picture"] for row in rows] == ids
    np.testing.assert_allclose(rows[0]["probabilities"], [0.2, 0.3, 0.5], atol=1e-6)
    assert read_embeddings(squares_home, "served")[0] == []


def test_a_server_that_is_down_is_given_up_and_no_pictures_fault(squares_home: Home) -> None:
    count = 40
    add_pictures(squares_home, [draw("disc", seed) for seed in range(count)], "a.example")
    fold(squares_home)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    down = behind(squares_home, f"http://127.0.0.1:{port}/v1/models/m:predict")
    done = scan(squares_home, [read_card(champion()), down])
    fold(squares_home)
    assert done.looked_at == count
    assert list(done.failed) == ["served.1"]
    assert "is down" in done.failed["served.1"]
    assert GIVE_UP_AFTER <= done.unanswered["served.1"] < count / 2
    assert done.refused == {}
    left = missing(squares_home, [champion().name, "served.1"])
    assert [task.questions for task in left] == [(("served.1", "as_shown"),)] * count


def test_a_worker_that_dies_is_the_fault_of_one_question(squares_home: Home, server: str) -> None:
    """The server does not answer about one picture: that one is refused for that version, and nothing else."""
    out = io.BytesIO()
    Image.new("RGB", (40, 40), "white").save(out, "PNG")
    (white,) = add_pictures(squares_home, [out.getvalue()], "a.example")
    ids = sorted([white, *add_pictures(squares_home, [draw("disc", seed) for seed in range(3)], "a.example")])
    fold(squares_home)
    cards = [read_card(champion()), behind(squares_home, server)]
    done = scan(squares_home, cards, limits=SandboxLimits(time_s=4.0))
    fold(squares_home)
    assert (done.looked_at, done.refused, done.failed, done.unanswered) == (4, {"timeout": 1}, {}, {})
    with Snapshot(squares_home) as snapshot:
        refusals = snapshot.rows("SELECT picture, stage, reason, detail FROM refusals")
        scores = snapshot.rows("SELECT picture FROM raw_scores WHERE version = :v ORDER BY ALL", v=champion().name)
        measured = snapshot.value("SELECT count(*) FROM measurements")
    assert refusals == [{"picture": white, "stage": "score", "reason": "timeout", "detail": "served.1"}]
    assert [row["picture"] for row in scores] == ids
    assert measured == 4
    assert missing(squares_home, [card.version for card in cards]) == []


def test_two_versions_that_refuse_one_picture_are_two_refusals(squares_home: Home) -> None:
    add_pictures(squares_home, [draw("disc", 1)], "a.example")
    fold(squares_home)
    kernel, bias = head(FOOLED)
    content = inference_with(kernel, bias * np.float32("nan"))
    broken = [variant(squares_home.models, name, content) for name in ("nan.1", "nan.2")]
    assert scan(squares_home, broken, views=("as_shown", "jpeg_50")).refused == {"not_finite": 4}
    fold(squares_home)
    assert missing(squares_home, ["nan.1", "nan.2"], ("as_shown", "jpeg_50")) == []
