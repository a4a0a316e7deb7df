"""Our scan, from stored bytes to rows in the inbox: decode, prepare, score.

Measuring and hashing are part of it unless `BENCH_BEFORE` names a version that has looked at the pictures before.
"""

import datetime as dt
import json
import os
import time
from pathlib import Path

from bench.ways.jpegs import jpegs
from mine.scan import scan
from store.blobs import Blobs, picture_id
from store.cards import read_card
from store.fold import fold
from store.home import Home


def score() -> None:
    folder, version = Path(os.environ["BENCH_DIR"]), os.environ["BENCH_VERSION"]
    root = folder / f"home-{time.monotonic_ns()}"
    (root / "models").mkdir(parents=True)
    before = os.environ["BENCH_BEFORE"]
    for name in filter(None, (version, before)):
        (root / "models" / name).symlink_to(folder / "models" / name)
    home, blobs, now = Home(root), Blobs(str(root / "pictures")), dt.datetime.now(dt.UTC)
    rows = []
    for content in jpegs():
        picture = picture_id(content)
        blobs.put(content)
        rows.append({"picture": picture, "size_bytes": len(content), "source": "bench", "first_seen_at": now})
    home.inbox().append("pictures", rows)
    fold(home)
    if before:
        scan(home, [read_card(root / "models" / before)])
        fold(home)
    began = time.monotonic()
    done = scan(home, [read_card(root / "models" / version)])
    assert done.looked_at == len(rows), done
    assert not done.refused, done
    print(json.dumps({"seconds": time.monotonic() - began}))


if __name__ == "__main__":
    score()
