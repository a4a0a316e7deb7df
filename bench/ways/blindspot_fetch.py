"""Fetching alone: guard, robots.txt, limits, frontier and sha256; nothing is checked or stored."""

from blindspot_store import crawl as run_crawl

import crawl.extension
from crawl.keep import Keeper
from store.blobs import picture_id


class HashOnly(Keeper):
    async def keep(self, data, seen):
        return picture_id(data), True, []


if __name__ == "__main__":
    crawl.extension.Keeper = HashOnly
    run_crawl()
