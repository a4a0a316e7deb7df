from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from crawl.run import run
from store.errors import CrawlError, UsageError
from store.home import Home
from tests.crawl.site import Answer, Site, is_recent, picture, png, reasons, records, seen


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def test_the_pictures_of_a_site_are_in_the_store_when_run_returns(site: Site, home: Home) -> None:
    site.routes = {
        "a.test/": Answer('<img src="1.png"><a href="two">2</a><a href="http://b.test/">other site</a>'),
        "a.test/two": Answer(f'<img src="2.png"><img src="/1.png"><img src="{site.url("cdn.test", "/1.png")}">'),
        "/1.png": png(1),
        "/2.png": png(2),
    }
    summary = run(site.job("a.test/"), home)
    assert (summary.pages, summary.pictures, summary.new_pictures, summary.refused) == (2, 3, 2, {})
    assert summary.stopped == "finished"
    assert seen(home, site) == {"a.test/1.png", "a.test/2.png", "cdn.test/1.png"}
    assert len(site.hits) == len(set(site.hits))
    assert site.agents == {next(iter(site.agents))}
    assert "blindspot/" in next(iter(site.agents))
    assert "(+https://example.org/about)" in next(iter(site.agents))


def test_rows_say_where_and_how_a_picture_was_seen(site: Site, home: Home) -> None:
    site.routes = {"/": Answer(f'<img src="{site.url("cdn.test", "/1.png")}">'), "/1.png": png(1)}
    run(site.job("a.test/", name="nightly"), home)
    (sighting,), (row,) = records(home, "sightings"), records(home, "pictures")
    assert is_recent(sighting.pop("seen_at"))
    assert is_recent(row.pop("first_seen_at"))
    assert sighting == {
        "picture": row["picture"],
        "url": site.url("cdn.test", "/1.png"),
        "page": site.url("a.test"),
        "host": "cdn.test",
        "source": "a.test",
        "hint": None,
        "job": "nightly",
        "http_status": 200,
        "content_type": "image/png",
    }
    assert row == {"picture": row["picture"], "size_bytes": len(picture(1)), "source": "a.test"}
    assert home.blobs().get(row["picture"]) == picture(1)
    assert site.referers["cdn.test/1.png"] == site.url("a.test")


def test_what_the_store_holds_is_seen_again_and_not_new(site: Site, home: Home) -> None:
    site.routes = {
        "/": Answer('<img src="1.png"><img src="same.png">'),
        "/1.png": png(1),
        "/same.png": png(1),
    }
    first, second = run(site.job("a.test/"), home), run(site.job("a.test/"), home)
    assert (first.pictures, first.new_pictures) == (2, 1)
    assert (second.pictures, second.new_pictures) == (2, 0)
    assert len(records(home, "sightings")) == 4


def test_robots_txt_is_obeyed_by_pages_and_by_pictures(site: Site, home: Home) -> None:
    site.routes = {
        "/robots.txt": Answer("User-agent: blindspot\nDisallow: /private", kind="text/plain"),
        "/": Answer('<img src="private/1.png"><img src="2.png"><a href="private/page">no</a>'),
        "/private/1.png": png(1),
        "/2.png": png(2),
    }
    summary = run(site.job("a.test/"), home)
    assert summary.refused == {"robots": 2}
    assert reasons(home, site) == {"a.test/private/1.png": "robots", "a.test/private/page": "robots"}
    assert not [hit for hit in site.hits if "private" in hit]


def test_an_empty_site_is_no_failure_and_the_summary_says_so(site: Site, home: Home) -> None:
    site.routes = {"/": Answer("<p>words only")}
    summary = run(site.job("a.test/"), home)
    assert (summary.pages, summary.pictures) == (1, 0)
    assert "1 pages, 0 pictures (the site shows no picture)" in summary.sentence()


def test_a_host_that_refuses_is_one_clear_line_and_a_row(home: Home, site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    job = site.job(urls=(f"http://a.test:{port}/",), allow_addresses=(f"127.0.0.1:{port}",))
    with pytest.raises(CrawlError, match=r"^test: nothing could be fetched: http://a.test:\d+/: connection_failed"):
        run(job, home)
    (row,) = records(home, "refusals")
    assert (row["stage"], row["reason"], row["job"]) == ("fetch", "connection_failed", "test")


def test_a_site_that_may_not_be_crawled_is_a_failure(site: Site, home: Home) -> None:
    site.routes = {"/robots.txt": Answer("User-agent: *\nDisallow: /", kind="text/plain")}
    with pytest.raises(CrawlError, match=r"robots.*the host does not want to be crawled"):
        run(site.job("a.test/"), home)


def test_without_an_exemption_nothing_is_fetched(site: Site, home: Home) -> None:
    with pytest.raises(CrawlError, match=r"address_refused .*loopback.*--allow-address"):
        run(site.job("a.test/", allow_addresses=()), home)
    assert site.hits == []
    (row,) = records(home, "crawls")
    assert (row["stopped"], row["pages"]) == ("failed", 0)
    assert "--allow-address" in json.loads(row["summary"])["error"]
    assert len((home.runs / "crawls.jsonl").read_text().splitlines()) == 1


def test_what_was_refused_for_want_of_an_exemption_is_asked_again_with_it(site: Site, home: Home) -> None:
    site.routes = {"/": Answer('<img src="1.png">'), "/1.png": png(1)}
    with pytest.raises(CrawlError, match="address_refused"):
        run(site.job("a.test/", allow_addresses=()), home)
    assert run(site.job("a.test/"), home).pictures == 1


def test_a_host_that_was_down_is_asked_again_by_the_next_crawl(site: Site, home: Home) -> None:
    site.routes = {"/robots.txt": Answer("", drop=True), "/": Answer('<img src="1.png">'), "/1.png": png(1)}
    with pytest.raises(CrawlError, match="connection_failed"):
        run(site.job("a.test/"), home)
    del site.routes["/robots.txt"]
    assert run(site.job("a.test/"), home).pictures == 1


def test_caps_end_a_crawl_and_it_says_so(site: Site, home: Home) -> None:
    links = "".join(f'<a href="/p?{number}">p</a>' for number in range(20))
    site.routes = {
        "/": Answer(links),
        "/p": lambda path: Answer(f'<img src="/i.png?{path.partition("?")[2]}">'),
    }
    site.routes["/i.png"] = lambda path: png(int(path.partition("?")[2]))
    by_pages = run(site.job("a.test/", max_pages=4), home)
    assert (by_pages.pages, by_pages.pictures, by_pages.stopped, by_pages.left_links) == (
        4,
        3,
        "max_pages",
        17,
    )
    by_pictures = run(site.job("a.test/", max_pictures=5, concurrency=1), home)
    assert (by_pictures.pictures, by_pictures.stopped) == (5, "max_pictures")
    assert by_pages.refused == by_pictures.refused == {}


def test_progress_is_told_and_the_last_word_is_right(site: Site, home: Home) -> None:
    site.routes = {"/": Answer('<img src="1.png"><img src="no.png">'), "/1.png": png(1)}
    told: list[str] = []
    run(site.job("a.test/"), home, progress=lambda tally: told.append(tally.sentence(2.0)))
    assert told[-1] == "1 pages, 1 pictures (0.5 a second, 1 new, 0 MB); refused: 1 http_404"


def test_log_lines_carry_nothing_of_the_web_that_could_hurt(site: Site, home: Home) -> None:
    handler = Lines()
    evil = "\x1b]0;owned\x07\r\nFAKE"
    site.routes = {
        "/": Answer(
            f"<img src='http://user:S3CRET@a.test:{site.port}/{evil}.png'><img src='x{evil}'><a href='y{evil}'>"
        ),
    }
    run(site.job("a.test/", contact=""), home, log_handler=handler)
    logging.getLogger("scrapy.core").error("http://user:S3CRET@a.test %s", evil)
    everything = "".join(handler.lines) + str(records(home, "refusals"))
    assert "S3CRET" not in everything
    assert "\x1b" not in everything
    assert handler.lines == [
        "the crawler names no contact; set one in blindspot.toml, so that owners of hosts can reach you"
    ]


def test_a_list_of_urls(site: Site, home: Home, tmp_path: Path) -> None:
    urls = tmp_path / "urls.txt"
    lines = [
        "\ufeff# pictures",
        "",
        site.url("a.test", "/1.png"),
        f"  {site.url('b.test', '/1.png')}\tlabel",
        "no url",
    ]
    urls.write_text("\n".join([*lines, site.url("a.test", "/page")]), encoding="utf-8")
    site.routes = {"/1.png": png(1), "/page": Answer("<html>")}
    summary = run(site.job(spider="url_list", urls=(), list_file=urls), home)
    assert (summary.pages, summary.pictures, summary.new_pictures) == (0, 2, 1)
    assert {row["page"] for row in records(home, "sightings")} == {None}
    assert {row["source"] for row in records(home, "sightings")} == {"a.test", "b.test"}
    assert reasons(home, site) == {"no": "bad_url", "a.test/page": "not_a_picture"}


def test_an_empty_list_is_a_failure_in_one_line(site: Site, home: Home, tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("# nothing yet\n")
    with pytest.raises(CrawlError, match=r"wanted URLs in .*urls.txt, found none"):
        run(site.job(spider="url_list", urls=(), list_file=tmp_path / "urls.txt"), home)
    with pytest.raises(UsageError, match="--list"):
        site.job(spider="url_list", urls=(), list_file=tmp_path / "absent.txt")


# ---- as a process of its own ------------------------------------------------------------------------------


def process(site: Site, home: Home, **settings: object) -> subprocess.Popen[str]:
    wanted = {**asdict(site.job("a.test/", **settings)), "home": str(home.root)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "crawl.run", json.dumps(wanted)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def test_a_process_prints_its_summary_and_fails_with_one_line(site: Site, home: Home) -> None:
    site.routes = {"/": Answer('<img src="1.png">'), "/1.png": png(1)}
    fine = process(site, home)
    out, complaints = fine.communicate(timeout=60)
    assert (fine.returncode, complaints) == (0, "")
    assert json.loads(out)["pictures"] == 1
    broken = process(site, home, allow_addresses=())
    out, complaints = broken.communicate(timeout=60)
    assert (broken.returncode, out) == (1, "")
    assert complaints.startswith("error: test: nothing could be fetched")
    assert complaints.count("\n") == 1


def test_an_interrupt_keeps_what_was_fetched(site: Site, home: Home) -> None:
    site.routes = {"/": Answer("".join(f'<img src="{number}.png?">' for number in range(1000)))}
    site.routes |= {f"/{number}.png": png(number) for number in range(1000)}
    running = process(site, home, delay_s=0.05)
    deadline = time.monotonic() + 30
    while len(site.hits) < 8 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    out, complaints = running.communicate(timeout=60)
    assert running.returncode == 0, complaints
    summary = json.loads(out)
    assert summary["stopped"] == "interrupted"
    assert 0 < summary["pictures"] == len(records(home, "sightings")) < 1000
    assert "stopping after the requests under way" in complaints
