"""The whole way into the store: guard, robots.txt, limits, known-bad bank, sandboxed check, blobs, inbox."""

import json
import os
import time
from pathlib import Path

from crawl.job import Job
from crawl.run import run
from store.home import Home


def crawl() -> None:
    folder = Path(os.environ["BENCH_DIR"])
    job = Job(
        name="bench",
        spider="url_list",
        list_file=folder / "urls.txt",
        allow_addresses=(f"127.0.0.1:{os.environ['BENCH_PORT']}",),
        delay_s=0,
        concurrency=int(os.environ["BENCH_CONNECTIONS"]),
        contact="https://example.org/about",
    )
    (folder / "home").mkdir()
    began = time.monotonic()
    summary = run(job, Home(folder / "home"))
    assert summary.pictures == len((folder / "urls.txt").read_text().split()), summary
    print(json.dumps({"seconds": time.monotonic() - began}))


if __name__ == "__main__":
    crawl()
