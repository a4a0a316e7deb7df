"""Bad lists, sitemaps in circles and a disk that is full: rows and counts, never a crash, never silence."""

from __future__ import annotations

import gzip
import json
import random
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest

from crawl.run import run
from store.home import Home
from tests.crawl.site import Answer, Site, picture, png, reasons, records, seen

# ---- lists -------------------------------------------------------------------------------------------------

ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "UTF-8": str.encode,
    "UTF-8 with a mark": partial(str.encode, encoding="utf-8-sig"),
    "UTF-16": partial(str.encode, encoding="utf-16"),
    "UTF-16, big end first": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "Latin-1": partial(str.encode, encoding="latin-1"),
    "packed": lambda text: gzip.compress(text.encode()),
}
RUBBISH = (
    *("rubbish", "http://", "http:///x", "//a.test/x", "ftp://a.test/x", "file:///etc/passwd", "javascript:alert(1)"),
    *("http://a.test:99999/x", "http://[::1", "<html>", "\x1b[31m", "-", "ÿþ", "data:image/png;base64,x", "\x00\x00"),
    *("mailto:a@a.test", "C:\\pictures\\1.png", "http:/a.test", "{}", "http://a.test:0/", "http://\x07.test/"),
    f"http://a.test/{'x' * 2_000_000}",
)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_each_line_of_a_list_is_a_row_or_a_picture(encoding: str, site: Site, home: Home, tmp_path: Path) -> None:
    chance = random.Random(encoding)
    good = [f"/{chance.choice('äöü')}{number}.png" for number in range(12)]
    site.routes["/robots.txt"] = Answer(status=404)
    lines = [site.url("a.test", path) + chance.choice(("", "  a caption", "\t7", "#there")) for path in good]
    rubbish = [*chance.sample(RUBBISH[:-1], 15), RUBBISH[-1]]
    mixed = [f"{lines[0]}", *chance.sample(lines[1:] + rubbish, len(lines) - 1 + len(rubbish)), "", "# a comment"]
    (tmp_path / "list").write_bytes(ENCODINGS[encoding](chance.choice(("\n", "\r\n")).join(mixed)))
    for number, path in enumerate(good):
        escaped = "".join(one if one.isascii() else "".join(f"%{byte:02X}" for byte in one.encode()) for one in path)
        site.routes[escaped] = png(number)
    summary = run(site.job(spider="url_list", urls=(), list_file=tmp_path / "list"), home)
    assert (summary.pictures, summary.stopped) == (len(good), "finished")
    assert summary.refused == dict(Counter(row["reason"] for row in records(home, "refusals")))
    assert sum(summary.refused.values()) == len(rubbish)
    assert len(site.paths("a.test")) == 1 + len(good)
    assert {row["detail"].partition(",")[0] for row in records(home, "refusals") if len(row["url"]) > 999} == {
        f"{len(RUBBISH[-1])} characters"
    }


# ---- sitemaps in circles -----------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_indexes_in_a_circle_are_asked_once_each(length: int, seed: int, site: Site, home: Home) -> None:
    """Some packed, each naming one or two of the circle and a sitemap of its own that shows one picture."""
    chance = random.Random(seed)
    paths = [f"/{number}{chance.choice(('.xml', '.xml.gz'))}" for number in range(length)]
    for number, path in enumerate(paths):
        named = [paths[(number + 1) % length], chance.choice(paths), f"/m{number}.xml"]
        index = "".join(f"<sitemap><loc>{site.url('a.test', one)}</loc></sitemap>" for one in named)
        body = f"<sitemapindex>{index}</sitemapindex>".encode()
        shown = f"<image:image><image:loc>{site.url('a.test', f'/{number}.png')}</image:loc></image:image>"
        urls = f"<urlset><url><loc>{site.url('a.test', f'/p{number}')}</loc>{shown}</url></urlset>"
        site.routes |= {
            path: Answer(gzip.compress(body) if ".gz" in path else body, kind="application/xml"),
            f"/m{number}.xml": Answer(urls, kind="application/xml"),
            f"/{number}.png": png(number),
        }
    summary = run(site.job(f"a.test{paths[0]}", spider="sitemap"), home)
    assert summary.stopped == "finished"
    asked = Counter(site.paths("a.test"))
    assert {path: count for path, count in asked.items() if count > 1} == {}
    assert seen(home, site) >= {f"a.test/{number}.png" for number in range(min(length, 3))}, "so deep are indexes read"
    assert set(reasons(home, site).values()) <= {"http_404"}, "the pages that they list"


# ---- a disk that is full -----------------------------------------------------------------------------------

PICTURES = 60
LARGE = [picture(number) + bytes(40_000 + number) for number in range(PICTURES)]


def crawling(site: Site, home: Home, most_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    """A crawl in a process of its own; no file of it may grow beyond `most_bytes`, which is how a disk ends."""
    wanted = asdict(site.job("a.test/")) | {"home": str(home.root)}

    def limit() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    return subprocess.run(
        [sys.executable, "-m", "crawl.run", json.dumps(wanted)],
        capture_output=True, text=True, timeout=100, cwd=Path(__file__).parents[2], preexec_fn=limit,
    )  # fmt: skip


@pytest.mark.parametrize("most_bytes", [0, 40_030, 100_000])
def test_a_full_disk_is_one_line_and_nothing_is_lost(most_bytes: int, site: Site, home: Home) -> None:
    site.routes = {f"/{number}.png": Answer(body, kind="image/png") for number, body in enumerate(LARGE)}
    site.routes["/"] = Answer("".join(f"<img src={number}.png>" for number in range(PICTURES)))
    full = crawling(site, home, most_bytes)
    assert (full.returncode, full.stdout) == (1, "")
    assert full.stderr.startswith("error: ")
    assert full.stderr.count("\n") == 1, "no trace"
    assert any(words in full.stderr for words in ("mend that", "nothing is lost", "could not be written", "begin anew"))
    again = crawling(site, home)
    assert (again.returncode, again.stderr) == (0, "")
    assert json.loads(again.stdout)["refused"] == {}
    assert seen(home, site) == {f"a.test/{number}.png" for number in range(PICTURES)}
    assert {home.blobs().get(row["picture"]) for row in records(home, "sightings")} == set(LARGE)
    assert {row["picture"] for row in records(home, "pictures")} == set(home.blobs().ids())
