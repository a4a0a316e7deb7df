from __future__ import annotations

import io
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
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
from store.errors import SandboxError
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
    make_home,
    variant,
)

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
    assert tasks == [Task(picture, True, ("other.1",)) for picture in mine.ids]


def test_second_opinions_are_not_asked_about_suites(fresh: Filled, tmp_path: Path) -> None:
    mine = fresh.copy(tmp_path / "home")
    add_to_suite(mine.home, read_policy(mine.home.policy), "sealed", "disc", mine.ids[:3])
    fold(mine.home)
    asked = {task.picture: task.versions for task in missing(mine.home, [champion().name, "other.1"])}
    assert all(asked[picture] == (champion().name,) for picture in mine.ids[:3])
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
    assert missing(home, ["third.1"]) == [Task(picture, True, ("third.1",)) for picture in ids]
    with Snapshot(home) as snapshot:
        assert snapshot.rows("SELECT version, count(*) AS n FROM raw_scores GROUP BY version") == [
            {"version": champion().name, "n": 3}
        ]
        rows = snapshot.rows("SELECT DISTINCT stage, reason, detail FROM refusals")
    assert rows == [{"stage": "score", "reason": "not_finite", "detail": "nan.1"}]


def test_a_version_that_cannot_answer_at_all_is_no_pictures_fault(fresh: Filled, tmp_path: Path) -> None:
    home = fresh.copy(tmp_path / "home").home
    broken = variant(home.models, "broken.1", preprocessing={"recipe": "nsfwjs", "size": 16, "crop": 3})
    with pytest.raises(SandboxError, match=r"could not start: CardError: .*crop"):
        scan(home, [read_card(champion()), broken])
    assert home.inbox().files() == []
