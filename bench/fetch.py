"""How fast pictures are fetched and stored, beside the field's ways, from one local server in one run.

    python bench/fetch.py [--pictures 3000] [--rounds 3] [--img2dataset /path/of/its/python]

Prints pictures per second, CPU-seconds per 1,000 pictures and peak memory (PSS summed over the process tree) of each
way: the median of the rounds, which take turns. img2dataset wants an environment of its own (`pip install
img2dataset` there); without one its row is left out. Every way gets the same list of URLs and as many connections.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

CONNECTIONS = 32
WAYS = Path(__file__).parent / "ways"


def pictures(count: int) -> list[bytes]:
    """`count` JPEGs of about 100 KB and 1.2 Mpx: crops of scikit-image's photographs, each once."""
    from skimage import data

    photographs = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket(), data.retina()]
    dice, made = np.random.default_rng(1), []
    for index in range(count):
        photograph = photographs[index % len(photographs)]
        side = int(dice.integers(120, min(photograph.shape[:2])))
        top, left = (int(dice.integers(0, size - side + 1)) for size in photograph.shape[:2])
        crop = Image.fromarray(photograph[top : top + side, left : left + side]).resize((1264, 948))
        buffer = io.BytesIO()
        crop.save(buffer, "JPEG", quality=80)
        made.append(buffer.getvalue())
    return made


def serve(count: int, ready: multiprocessing.connection.Connection) -> None:
    """A server of the pictures, from memory, until it is killed."""
    from aiohttp import web

    made = pictures(count)

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/robots.txt":
            return web.Response(text="User-agent: *\nDisallow: /private/\n")
        return web.Response(body=made[int(request.match_info["number"])], content_type="image/jpeg")

    async def start(app: web.Application) -> None:
        ready.send(sum(map(len, made)) / len(made))

    app = web.Application()
    app.router.add_get("/robots.txt", answer)
    app.router.add_get(r"/{number:\d+}.jpg", answer)
    app.on_startup.append(start)
    web.run_app(app, host="127.0.0.1", port=PORT, print=lambda line: None, access_log=None)


PORT = 18_999


def memory_of(process: psutil.Process) -> float:
    """PSS in bytes of a process and all its children, as far as they are there while it looks."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += one.memory_full_info().pss
    return total


def measure(words: list[str], env: dict[str, str]) -> tuple[float, float, float]:
    """(seconds, CPU-seconds, peak PSS in bytes) of a command and all its children."""
    before = os.times()
    began = time.monotonic()
    process = psutil.Popen(words, env=os.environ | env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    peak, watching = [0.0], threading.Event()

    def watch() -> None:
        while not watching.wait(0.25):
            peak[0] = max(peak[0], memory_of(process))

    watcher = threading.Thread(target=watch)
    watcher.start()
    said = process.communicate()[0]
    seconds = time.monotonic() - began
    watching.set()
    watcher.join()
    after = os.times()
    if process.returncode:
        raise SystemExit(f"{words}: exit code {process.returncode}\n{said.decode(errors='replace')[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return float(json.loads(said.splitlines()[-1])["seconds"]) if said.strip().endswith(b"}") else seconds, cpu, peak[0]


def main() -> None:
    """Run all ways, round after round, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--img2dataset", default="")
    parser.add_argument("--only", default="")
    wanted = parser.parse_args()
    ways: dict[str, tuple[str, str]] = {
        "aiohttp alone": (sys.executable, "bare_aiohttp.py"),
        "Scrapy FilesPipeline": (sys.executable, "files_pipeline.py"),
        "Scrapy ImagesPipeline": (sys.executable, "images_pipeline.py"),
        "blindspot, fetching only": (sys.executable, "blindspot_fetch.py"),
        "blindspot, into the store": (sys.executable, "blindspot_store.py"),
    }
    if wanted.img2dataset:
        ways["img2dataset, no resize"] = (wanted.img2dataset, "img2dataset_run.py")
    if wanted.only:
        ways = {name: way for name, way in ways.items() if wanted.only in name}
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(wanted.pictures, theirs), daemon=True)
    server.start()
    print(
        f"{wanted.pictures} pictures of {ours.recv() / 1000:.0f} KB, {CONNECTIONS} connections, {os.cpu_count()} cores"
    )
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
    for _ in range(wanted.rounds):
        for name, (python, script) in ways.items():
            scratch = tempfile.mkdtemp(prefix="bench-")
            Path(scratch, "urls.txt").write_text(
                "".join(f"http://127.0.0.1:{PORT}/{number}.jpg\n" for number in range(wanted.pictures))
            )
            env = {"BENCH_DIR": scratch, "BENCH_CONNECTIONS": str(CONNECTIONS), "BENCH_PORT": str(PORT)}
            found[name].append(measure([python, str(WAYS / script)], env))
            print(f"  {name}: {wanted.pictures / found[name][-1][0]:.0f}/s", flush=True)
            shutil.rmtree(scratch)
    server.kill()
    print(f"\n{'way':28}{'pictures/s':>12}{'CPU s/1,000':>14}{'peak MB':>10}")
    for name, runs in found.items():
        rate, cpu, peak = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:28}{wanted.pictures / rate:12.0f}{cpu / wanted.pictures * 1000:14.2f}{peak / 1e6:10.0f}")


if __name__ == "__main__":
    main()
