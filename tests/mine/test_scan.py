from __future__ import annotations

import io
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mine.examine import Task
from mine.preprocess import prepare
from mine.runtime import Runtime
from mine.scan import Scanned, missing, scan
from store.cards import read_card
from store.catalog import Snapshot
from store.embeddings import read_embeddings
from store.fold import fold
from store.home import Home
from store.pictures import decode
from store.policy import read_policy
from store.suites import add_to_suite
from tests.mine.squares import (
    FOOLED,
    add_pictures,
    champion,
    draw,
    head,
    inference_with,
    variant,
)

# Forty bytes that ask for 16,383 x 16,383 pixels, a PNG that ends early, and bytes that are no picture.
WEBP_BODY = b"\x2f" + struct.pack("<I", 16_382 | 16_382 << 14) + bytes(15)
HOSTILE = b"RIFF" + struct.pack("<I", 32) + b"WEBPVP8L" + struct.pack("<I", len(WEBP_BODY)) + WEBP_BODY
BROKEN = draw("texture", 90)[:300]
REFUSED = {"too_large": 1, "broken": 1, "not_a_picture": 1, "missing": 1}
# Sits in a subprocess and says after every picture how many it has looked at; batches of four.
SCAN = """
import sys, mine.scan
from pathlib import Path
from store.cards import read_card
from store.home import Home
mine.scan.BATCH = 4
if __name__ == "__main__":
    home = Home(Path(sys.argv[1]))
    cards = [read_card(home.models / sys.argv[2])]
    mine.scan.scan(home, cards, lambda done, total: print(done, flush=True))
"""


def gif() -> bytes:
    out = io.BytesIO()
    frames = [Image.open(io.BytesIO(draw("disc", seed))) for seed in (1, 2)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


@pytest.fixture
def filled(squares_home: Home) -> tuple[Home, list[str]]:
    """Nine pictures that can be read and four that cannot."""
    good = [draw(kind, seed) for kind in ("square", "disc") for seed in range(4)] + [gif()]
    ids = add_pictures(squares_home, good, "a.example")
    add_pictures(squares_home, [HOSTILE, BROKEN, b"<html>not a picture</html>"], "b.example")
    (lost,) = add_pictures(squares_home, [draw("texture", 91)], "b.example")
    next((squares_home.root / "pictures").rglob(lost)).unlink()
    fold(squares_home)
    return squares_home, sorted(ids)


def scanned(home: Home) -> Scanned:
    done = scan(home, [read_card(champion())])
    fold(home)
    return done


def check_whole(home: Home, ids: list[str]) -> None:
    """Every readable picture has exactly one row of each kind and its embedding, every other one a reason."""
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
    assert np.array_equal(vectors[np.argsort(pictures)], wanted.embedding)


def test_a_scan_looks_at_everything_once(filled: tuple[Home, list[str]]) -> None:
    home, ids = filled
    seen: list[tuple[int, int]] = []
    done = scan(home, [read_card(champion())], lambda *counts: seen.append(counts))
    assert done.looked_at == len(ids) + 4
    assert done.refused == REFUSED
    assert seen == [(count, 13) for count in range(1, 14)]
    fold(home)
    check_whole(home, ids)
    assert scanned(home).looked_at == 0
    assert home.inbox().files() == []


def test_a_killed_scan_goes_on_where_it_stopped(filled: tuple[Home, list[str]]) -> None:
    home, ids = filled
    script = home.root / "scan_in_bites.py"
    script.write_text(SCAN, encoding="utf-8")
    words = [sys.executable, str(script), str(home.root), champion().name]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env=environment, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        while process.stdout.readline().strip() != "9":
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    kept = {"measurements", "raw_scores", "hashes", "refusals"}
    assert {path.name.split("-")[1] for path in home.inbox().files()} <= kept
    fold(home)
    lacking = len(missing(home, [champion().name]))
    assert 0 < lacking <= 5, "two batches of four were kept"
    assert scanned(home).looked_at == lacking
    check_whole(home, ids)


def test_a_kill_between_the_files_of_a_batch_is_made_good(filled: tuple[Home, list[str]]) -> None:
    """Whatever prefix of one batch's files is there: what is missing is looked at again, nothing doubles."""
    home, ids = filled
    scan(home, [read_card(champion())])
    files = home.inbox().files()
    for path in files[1:]:
        path.unlink()
    fold(home)
    assert scanned(home).looked_at >= len(ids)
    check_whole(home, ids)


def test_a_new_version_is_scored_without_measuring_again(filled: tuple[Home, list[str]]) -> None:
    home, ids = filled
    scanned(home)
    other = variant(home.models, "other.1")
    tasks = missing(home, [champion().name, other.version])
    assert tasks == [Task(picture, True, ("other.1",)) for picture in ids]
    assert scan(home, [read_card(champion()), other]).looked_at == len(ids)


def test_second_opinions_are_not_asked_about_suites(filled: tuple[Home, list[str]]) -> None:
    home, ids = filled
    other = variant(home.models, "other.1")
    add_to_suite(home, read_policy(home.policy), "sealed", "disc", ids[:3])
    fold(home)
    asked = {task.picture: task.versions for task in missing(home, [champion().name, other.version])}
    assert all(asked[picture] == (champion().name,) for picture in ids[:3])
    assert all(len(asked[picture]) == 2 for picture in ids[3:])


def test_a_version_that_answers_nan_keeps_no_other_from_a_picture(squares_home: Home) -> None:
    home = squares_home
    ids = sorted(add_pictures(home, [draw("disc", seed) for seed in range(3)], "a.example"))
    fold(home)
    kernel, bias = head(FOOLED)
    broken = variant(home.models, "nan.1", inference_with(kernel, bias * np.float32("nan")))
    assert scan(home, [broken]).refused == {"not_finite": 3}
    fold(home)
    assert missing(home, ["nan.1"]) == [], "it is not asked again"
    assert [task.picture for task in missing(home, [champion().name])] == ids
    assert scanned(home).looked_at == 3
    check_scored = "SELECT count(*) FROM raw_scores WHERE version = :version"
    with Snapshot(home) as snapshot:
        assert snapshot.value(check_scored, version=champion().name) == 3
        assert snapshot.value(check_scored, version="nan.1") == 0
        rows = snapshot.rows("SELECT DISTINCT stage, reason, detail FROM refusals")
    assert rows == [{"stage": "score", "reason": "not_finite", "detail": "nan.1"}]


def test_pictures_may_lie_elsewhere(squares_home: Home, tmp_path: Path) -> None:
    home = Home(squares_home.root, pictures_url=f"file://{tmp_path}/elsewhere")
    add_pictures(home, [draw("square", 1)], "a.example")
    fold(home)
    shutil.rmtree(home.root / "pictures", ignore_errors=True)
    assert scanned(home).refused == {}


def test_an_interrupted_scan_keeps_what_it_has_seen(filled: tuple[Home, list[str]]) -> None:
    home, ids = filled

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(home, [read_card(champion())], stop)
    fold(home)
    assert len(missing(home, [champion().name])) == 8
    assert scanned(home).looked_at == 8
    check_whole(home, ids)
