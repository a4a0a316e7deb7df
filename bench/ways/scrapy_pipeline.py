"""A plain Scrapy project with one of its media pipelines."""

import json
import os
import time
from pathlib import Path
from typing import ClassVar

import scrapy
from scrapy.crawler import CrawlerProcess


class Pictures(scrapy.Spider):
    name = "pictures"
    custom_settings: ClassVar = {"LOG_LEVEL": "ERROR", "TELNETCONSOLE_ENABLED": False, "ROBOTSTXT_OBEY": True}

    async def start(self):
        for url in Path(os.environ["BENCH_DIR"], "urls.txt").read_text().split():
            yield {"file_urls": [url], "image_urls": [url]}


def run(pipeline: str, store: str) -> None:
    connections = int(os.environ["BENCH_CONNECTIONS"])
    process = CrawlerProcess(
        {
            "ITEM_PIPELINES": {pipeline: 1},
            store: os.environ["BENCH_DIR"] + "/store",
            "CONCURRENT_REQUESTS": connections,
            "CONCURRENT_REQUESTS_PER_DOMAIN": connections,
            "CONCURRENT_ITEMS": 100,
            "DOWNLOAD_DELAY": 0,
        }
    )
    process.crawl(Pictures)
    began = time.monotonic()
    process.start()
    kept = sum(1 for path in Path(os.environ["BENCH_DIR"], "store").rglob("*") if path.is_file())
    assert kept == len(Path(os.environ["BENCH_DIR"], "urls.txt").read_text().split()), kept
    print(json.dumps({"seconds": time.monotonic() - began}))
