"""The Scrapy add-on: a project that names it collects the pictures of its pages into a blindspot home.

    ADDONS = {"crawl.addon.BlindspotAddon": 0}
    BLINDSPOT_HOME = "/path/of/the/home"
    BLINDSPOT_CONTACT = "https://example.org/about"

Its spiders stay as they are. Every request of the project passes the egress guard from then on.
"""

from __future__ import annotations

from crawl.shadow import stop_if_shadowed

stop_if_shadowed()  # before anything of ours is imported that a project's own folder could hide

# ruff: noqa: E402
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crawl.extension import Blindspot
from crawl.job import FOREIGN, Job
from crawl.settings import COMPONENTS, GUARDED, OURS
from crawl.spiders.base import PictureSpider
from store.errors import HomeError
from store.home import Home

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings

# Above a project's own settings (20) and a spider's (30): the guard is not for turning off.
PRIORITY = 50
# Settings of a project → fields of the job that takes its pictures.
FIELDS = {
    "BLINDSPOT_CONTACT": ("contact", str),
    "DOWNLOAD_DELAY": ("delay_s", float),
    "CONCURRENT_REQUESTS": ("concurrency", int),
    "DOWNLOAD_TIMEOUT": ("timeout_s", float),
    "BLINDSPOT_MAX_PICTURES": ("max_pictures", int),
    "BLINDSPOT_DELAY": ("delay_s", float),
}


class BlindspotAddon:
    """Sets the components in."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> BlindspotAddon:
        """As Scrapy makes its add-ons."""
        return cls(crawler)

    def update_settings(self, settings: BaseSettings) -> None:
        """Add the extension and the middleware, and close everything that the guard could be passed by."""
        for name, value in GUARDED.items():
            settings.set(name, value, priority=PRIORITY)
        for name, components in COMPONENTS.items():
            merged = dict(settings.getdict(name)) | components
            settings.set(name, merged, priority=PRIORITY)
        if isinstance(self._crawler.spider, PictureSpider):
            for name, value in OURS.items():
                settings.set(name, value, priority=PRIORITY)


def from_settings(crawler: Crawler) -> Blindspot:
    """The crawl of somebody's own project, or of `scrapy crawl`, from its settings. Raises HomeError."""
    settings, spider = crawler.settings, crawler.spider
    root = settings.get("BLINDSPOT_HOME")
    if not root or not (Path(root) / "blindspot.toml").is_file():
        raise HomeError(f"BLINDSPOT_HOME wants a home; make one with `blindspot --home DIR init`. Received: {root!r}")
    if isinstance(spider, PictureSpider):
        return Blindspot(spider.job, Home(Path(root)), alone=True)
    assert spider is not None
    return Blindspot(_job(spider.name, settings), Home(Path(root)), owns_pages=False, alone=True)


def _job(name: str, settings: BaseSettings) -> Job:
    set_here = {name: settings.get(name) for name in FIELDS if settings.get(name) is not None}
    given: dict[str, Any] = {FIELDS[name][0]: FIELDS[name][1](value) for name, value in set_here.items()}
    resolve: Mapping[str, str] = settings.getdict("BLINDSPOT_RESOLVE")
    allow = tuple(settings.getlist("BLINDSPOT_ALLOW_ADDRESSES"))
    return Job(name=name, spider=FOREIGN, allow_addresses=allow, resolve=resolve, **given)
