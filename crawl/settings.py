"""How Scrapy is set up: every setting that differs from its default, and why.

Only the components named here run: Scrapy's defaults open a telnet and a remote-control port, read `file://`, take
proxies from the environment (past which no gate can see) and have readers for ftp and s3. It is also a settings
module for `scrapy crawl` (`SCRAPY_SETTINGS_MODULE=crawl.settings`). Reads and writes nothing.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crawl.job import Job

PRODUCT = "blindspot"

BOT_NAME = PRODUCT
SPIDER_MODULES = ["crawl.spiders"]
ADDONS = {"crawl.addon.BlindspotAddon": 0}

# What the guard stands on, in any project: nothing but our handler opens a connection, nothing listens.
GUARDED: dict[str, Any] = {
    "DOWNLOAD_HANDLERS": dict.fromkeys(("http", "https"), "crawl.download.GatedDownloads")
    | dict.fromkeys(("data", "file", "ftp", "s3")),
    "TELNETCONSOLE_ENABLED": False,
    "REMOTE_CONTROL_ENABLED": False,
}
COMPONENTS: dict[str, dict[str, int]] = {
    "EXTENSIONS": {"crawl.extension.Blindspot": 0},
    "SPIDER_MIDDLEWARES": {"crawl.harvest.Harvest": 5},
}
# For our own spiders: robots.txt, delays, retries, redirects and duplicates are the frontier's and the turn-taker's.
OURS: dict[str, Any] = {
    "DOWNLOADER_MIDDLEWARES_BASE": {},
    "SPIDER_MIDDLEWARES_BASE": {},
    "EXTENSIONS_BASE": {},
    "DUPEFILTER_CLASS": "scrapy.dupefilters.BaseDupeFilter",
    "STATS_CLASS": "scrapy.statscollectors.DummyStatsCollector",
    "CONCURRENT_REQUESTS_PER_DOMAIN": 1_000,  # no limit of Scrapy's: the turn-taker gives what may be asked now
    "DOWNLOAD_DELAY": 0,
    "SCRAPER_SLOT_MAX_ACTIVE_SIZE": 1 << 40,  # one large page would hold up all hosts; crawl/room.py bounds memory
    "CONCURRENT_ITEMS": 1,  # callbacks give requests, no items; Scrapy starts this many tasks per response
    "ROBOTSTXT_OBEY": False,  # by Scrapy; see crawl/hosts.py
    "COOKIES_ENABLED": False,
    "HTTPCACHE_ENABLED": False,
    "STATS_DUMP": False,
}


def settings_for(job: Job) -> dict[str, Any]:
    """The Scrapy settings of `job` when we run it ourselves: one asyncio loop and no Twisted reactor."""
    return {
        "TWISTED_REACTOR_ENABLED": False,
        "LOG_ENABLED": False,
        "ADDONS": ADDONS,
        "CONCURRENT_REQUESTS": job.concurrency,
    }


def user_agent(contact: str) -> str:
    """What the crawler says it is, with a way to reach its owner where the job names one."""
    return f"{PRODUCT}/{version(PRODUCT)}" + (f" (+{contact})" if contact else "")
