"""The spiders, by the name that `crawl` knows them by. Adding one: its file and a line here."""

from __future__ import annotations

from crawl.spiders.base import PictureSpider
from crawl.spiders.pages import Pages
from crawl.spiders.recheck import Recheck
from crawl.spiders.sitemap import Sitemap
from crawl.spiders.url_list import UrlList

SPIDERS: dict[str, type[PictureSpider]] = {spider.name: spider for spider in (Pages, Sitemap, UrlList, Recheck)}
