from __future__ import annotations

import psutil
import pytest

import crawl.download
from crawl.addon import BlindspotAddon
from crawl.guard import Gate
from crawl.run import run
from crawl.settings import settings_for, user_agent
from store.home import Home
from tests.crawl.site import Answer, Site


def test_the_user_agent_is_honest() -> None:
    assert user_agent("").startswith("blindspot/")
    assert user_agent("https://example.org/bot").endswith(" (+https://example.org/bot)")


def test_while_a_crawl_runs_it_listens_nowhere_and_only_our_handler_is_made(site: Site, home: Home) -> None:
    listening: list[object] = []

    def look(path: str) -> Answer:
        connections = psutil.Process().net_connections(kind="inet")
        listening.extend(c.laddr for c in connections if c.status == psutil.CONN_LISTEN and c.laddr.port != site.port)
        return Answer("words")

    site.routes = {"/": look}
    run(site.job("a.test/"), home)
    assert listening == []


def test_no_scheme_but_http_has_a_handler(site: Site) -> None:
    from scrapy.crawler import Crawler
    from scrapy.spiders import Spider

    crawler = Crawler(Spider, settings_for(site.job("a.test/")))
    BlindspotAddon(crawler).update_settings(crawler.settings)
    crawler._apply_reactorless_default_settings()  # what Scrapy does itself at the start of a crawl
    handlers = crawler.settings.getwithbase("DOWNLOAD_HANDLERS")
    made = {scheme: path for scheme, path in handlers.items() if path is not None}
    assert set(made) == {"http", "https"}
    assert set(made.values()) == {f"{crawl.download.__name__}.GatedDownloads"}


def test_every_connection_of_a_crawl_asks_the_gate(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(Gate, "check", lambda self, host, port: asked.append((host, port)))
    site.routes = {"/": Answer("words")}
    run(site.job("a.test/", allow_addresses=()), home)
    assert set(asked) == {("127.0.0.1", site.port)}
