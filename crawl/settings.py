"""How Scrapy is set up for a job: every setting that differs from its default, and why.

Only the components named here run: Scrapy's defaults open a telnet and a remote-control port, read `file://`,
take proxies from the environment (past which no gate can see) and have readers for ftp and s3. Reads and
writes nothing.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crawl.job import Job

PRODUCT = "blindspot"

DOWNLOADER_MIDDLEWARES = {
    "crawl.middleware.Robots": 100,
    "crawl.middleware.PageCap": 110,
    "scrapy.downloadermiddlewares.defaultheaders.DefaultHeadersMiddleware": 400,
    "scrapy.downloadermiddlewares.useragent.UserAgentMiddleware": 500,
    "scrapy.downloadermiddlewares.retry.RetryMiddleware": 550,
    "crawl.middleware.Unpacking": 590,
    "crawl.middleware.Redirects": 600,
}


def settings_for(job: Job) -> dict[str, Any]:
    """The Scrapy settings of `job`."""
    return _fixed() | {
        "USER_AGENT": user_agent(job.contact),
        "CONCURRENT_REQUESTS": job.concurrency,
        # With a delay, one request at a time per host: otherwise a slow host would get a burst.
        "CONCURRENT_REQUESTS_PER_DOMAIN": job.concurrency if job.delay_s == 0 else 1,
        "DOWNLOAD_DELAY": job.delay_s,
        "AUTOTHROTTLE_ENABLED": job.delay_s > 0,
        "AUTOTHROTTLE_START_DELAY": job.delay_s,
        "DOWNLOAD_MAXSIZE": job.max_bytes,
        "DOWNLOAD_WARNSIZE": 0,
        "DOWNLOAD_TIMEOUT": job.timeout_s,
    }


def user_agent(contact: str) -> str:
    """What the crawler says it is, with a way to reach its owner where the job names one."""
    return f"{PRODUCT}/{version(PRODUCT)}" + (f" (+{contact})" if contact else "")


def _fixed() -> dict[str, Any]:
    return {
        # One asyncio loop, no Twisted reactor: nothing but our download handler can open a connection, and a
        # process can run one job after the other.
        "TWISTED_REACTOR_ENABLED": False,
        # Not DOWNLOAD_HANDLERS_BASE: without a reactor, Scrapy puts its own unguarded handlers there.
        "DOWNLOAD_HANDLERS": dict.fromkeys(("http", "https"), "crawl.download.GatedDownloads")
        | dict.fromkeys(("data", "file", "ftp", "s3")),
        "DOWNLOADER_MIDDLEWARES_BASE": DOWNLOADER_MIDDLEWARES,
        # None: with Scrapy's own for depth and referer a picture cost 1.7 ms of the loop, without 1.4.
        "SPIDER_MIDDLEWARES_BASE": {},
        "STATS_CLASS": "scrapy.statscollectors.DummyStatsCollector",
        "EXTENSIONS_BASE": {"scrapy.extensions.throttle.AutoThrottle": 0},
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        "COOKIES_ENABLED": False,
        "HTTPCACHE_ENABLED": False,
        "ROBOTSTXT_OBEY": True,
        "ROBOTSTXT_USER_AGENT": PRODUCT,
        "REDIRECT_MAX_TIMES": 10,
        "RETRY_TIMES": 1,
        "RETRY_EXCEPTIONS": [
            f"scrapy.exceptions.{name}"
            for name in (
                "DownloadTimeoutError",
                "DownloadConnectionRefusedError",
                "DownloadFailedError",
                "ResponseDataLossError",
            )
        ],
        # What is given up becomes a row; a line in the log besides would say it twice.
        "RETRY_GIVE_UP_LOG_LEVEL": "DEBUG",
        # First come, first served, pictures before pages: a crawl that is stopped has finished the pages it
        # began.
        "SCHEDULER_MEMORY_QUEUE": "scrapy.squeues.FifoMemoryQueue",
        # Callbacks give requests, no items; Scrapy starts this many tasks per response.
        "CONCURRENT_ITEMS": 1,
        "STATS_DUMP": False,
        "LOG_ENABLED": False,
    }
