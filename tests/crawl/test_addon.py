"""Somebody's own Scrapy project, run as they would run it."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blindspot.init import make_home
from store.home import Home
from tests.crawl.site import Answer, Site, png, reasons, records, seen, serving

SPIDER = """
import scrapy


class Goods(scrapy.Spider):
    name = "goods"

    async def start(self):
        yield scrapy.Request("{start}")

    def parse(self, response):
        yield {{"title": response.css("title::text").get()}}
        for href in response.css("a::attr(href)").getall():
            yield response.follow(href)
"""
SETTINGS = """
SPIDER_MODULES = ["shop.spiders"]
FEEDS = {{"goods.jsonl": {{"format": "jsonlines"}}}}
DOWNLOAD_DELAY = 0
RETRY_ENABLED = False

ADDONS = {{"crawl.addon.BlindspotAddon": 0}}
BLINDSPOT_HOME = "{home}"
BLINDSPOT_CONTACT = "https://example.org/about"
"""


@pytest.fixture
def web() -> Iterator[Site]:
    with serving(Site()) as site:
        site.routes["/robots.txt"] = Answer("User-agent: *\nDisallow: /secret\n", kind="text/plain")
        site.routes["/"] = Answer('<title>shop</title><img src="a.png"><img src="secret/s.png"><a href="/two">2</a>')
        site.routes["/two"] = Answer('<title>two</title><img src="b.png"><img src="a.png">')
        site.routes["/a.png"], site.routes["/b.png"], site.routes["/secret/s.png"] = png(1), png(2), png(3)
        yield site


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


def project(folder: Path, home: Home, web: Site, more: str = "") -> Path:
    spiders = folder / "shop" / "spiders"
    spiders.mkdir(parents=True)
    (folder / "scrapy.cfg").write_text("[settings]\ndefault = shop.settings\n")
    (folder / "shop" / "__init__.py").touch()
    (spiders / "__init__.py").touch()
    (spiders / "goods.py").write_text(SPIDER.format(start=web.url("127.0.0.1")))
    allow = f'BLINDSPOT_ALLOW_ADDRESSES = ["127.0.0.1:{web.port}"]\n'
    (folder / "shop" / "settings.py").write_text(SETTINGS.format(home=home.root) + allow + more)
    return folder


def scrapy(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scrapy", "crawl", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, env=os.environ | env)


def test_three_lines_of_settings_collect_the_pictures_of_unchanged_spiders(
    home: Home, web: Site, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project", home, web)
    done = scrapy(folder, "goods")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert sorted((folder / "goods.jsonl").read_text().split("\n")) == ["", '{"title": "shop"}', '{"title": "two"}']
    assert seen(home, web) == {"127.0.0.1/a.png", "127.0.0.1/b.png"}
    assert reasons(home, web) == {"127.0.0.1/secret/s.png": "robots"}
    assert {row["job"] for row in records(home, "sightings")} == {"goods"}
    assert {row["page"] for row in records(home, "sightings")} == {web.url("127.0.0.1"), web.url("127.0.0.1", "/two")}
    assert len(list(home.blobs().ids())) == 2


def test_what_their_pages_do_not_give_is_rows(home: Home, web: Site, tmp_path: Path) -> None:
    web.routes["/"] = Answer('<title>shop</title><img src="http://[bad/"><img src="a.png"><a href="/two">2</a>')
    web.routes["/two"] = Answer('<title>two</title><meta name="robots" content="noai"><img src="b.png">')
    done = scrapy(project(tmp_path / "project", home, web), "goods")
    assert done.returncode == 0, done.stderr
    assert seen(home, web) == {"127.0.0.1/a.png"}
    assert sorted(row["reason"] for row in records(home, "refusals")) == ["bad_url", "opted_out"]


def test_the_guard_stands_before_their_pages_too(home: Home, web: Site, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", home, web, "BLINDSPOT_ALLOW_ADDRESSES = []\nTELNETCONSOLE_ENABLED = True\n")
    done = scrapy(folder, "goods", "-s", "TELNETCONSOLE_ENABLED=1")
    assert "address_refused" in done.stderr
    assert "Telnet console listening" not in done.stderr
    assert web.hits == []
    assert not (folder / "goods.jsonl").exists() or (folder / "goods.jsonl").read_text() == ""


def test_our_requests_keep_their_distance_from_those_of_the_project(home: Home, web: Site, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", home, web, "BLINDSPOT_DELAY = 0.4\n")
    assert scrapy(folder, "goods").returncode == 0
    assert seen(home, web) == {"127.0.0.1/a.png", "127.0.0.1/b.png"}
    theirs = {"/", "/two"}
    ours = [(one, later) for one, later in itertools.pairwise(web.asked) if later.path not in theirs]
    assert [later.path for _, later in ours] == ["/robots.txt", "/a.png", "/b.png"]
    assert min(later.at_s - one.at_s for one, later in ours) >= 0.4 - 0.1


def test_a_project_that_owns_a_folder_of_our_name_is_told_in_one_line(home: Home, web: Site, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", home, web)
    (folder / "store").mkdir()
    (folder / "store" / "__init__.py").write_text("SHELVES = 7\n")
    done = scrapy(folder, "goods")
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("blindspot: ")]
    assert str(folder / "store") in line
    assert str(Path(__file__).parents[2] / "store") in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("settings", "complaint"), [("BLINDSPOT_HOME = '/nowhere'\n", "BLINDSPOT_HOME wants a home")])
def test_a_home_that_is_none_is_told(home: Home, web: Site, tmp_path: Path, settings: str, complaint: str) -> None:
    done = scrapy(project(tmp_path / "project", home, web, settings), "goods")
    assert complaint in done.stderr
    assert web.hits == []


def test_our_spiders_run_under_scrapy_crawl(home: Home, web: Site, tmp_path: Path) -> None:
    words = ["pages", "-s", f"BLINDSPOT_HOME={home.root}", "-a", f"url={web.url('127.0.0.1')}", "-a", "delay_s=0"]
    words += ["-a", f"allow_addresses=127.0.0.1:{web.port}"]
    done = scrapy(tmp_path, *words, SCRAPY_SETTINGS_MODULE="crawl.settings")
    assert done.returncode == 0, done.stderr
    assert seen(home, web) == {"127.0.0.1/a.png", "127.0.0.1/b.png"}
    assert reasons(home, web) == {"127.0.0.1/secret/s.png": "robots"}


def test_what_scrapyd_adds_is_passed_over_and_the_crawl_is_written_down(home: Home, web: Site, tmp_path: Path) -> None:
    given = ("-a", f"url={web.url('127.0.0.1')}", "-a", "delay_s=0", "-a", "hunt=false", "-a", "_job=6e1f0a")
    where = ("-s", f"BLINDSPOT_HOME={home.root}", "-a", f"allow_addresses=127.0.0.1:{web.port}")
    done = scrapy(tmp_path, "pages", *given, *where, SCRAPY_SETTINGS_MODULE="crawl.settings")
    assert done.returncode == 0, done.stderr
    (row,) = records(home, "crawls")
    assert (row["job"], row["pages"], row["pictures"]) == ("pages", 2, 2)
    assert len((home.runs / "crawls.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("given", ["pages=3", "delay_s=soon", "hunt=perhaps"])
def test_an_argument_that_is_none_is_told(given: str, home: Home, tmp_path: Path) -> None:
    where = ("-s", f"BLINDSPOT_HOME={home.root}", "-a", given)
    done = scrapy(tmp_path, "pages", *where, SCRAPY_SETTINGS_MODULE="crawl.settings")
    assert given.partition("=")[0] in done.stderr
    assert "UsageError" in done.stderr
