"""Which of the URLs that are found are asked for, and how soon: no traps, nothing purged, pictures before pages.

Keeps count of what it lets through; reads the tombstones and the hunt's beliefs, writes nothing.
"""

from __future__ import annotations

from collections import Counter
from urllib.parse import urlsplit

from crawl.collect import Tally
from crawl.frontier import Frontier, Link
from crawl.hunting.hunt import Hunt
from crawl.job import Job
from crawl.keep import Rows
from crawl.rules.traps import TemplateCaps, why_trap
from crawl.slices import Slices
from crawl.urls import as_sent
from store.forgetting.tombstones import Tombstones

PAGE, PICTURE, STYLE = "page", "picture", "style"
# Style sheets before pictures before pages: what a page shows belongs to the page that was just read.
PRIORITY = {STYLE: 20, PICTURE: 10, PAGE: 0}
TRAP_ROWS = 20  # per site; more of them say nothing new, and are counted. Chosen by eye


class Links:
    """The links of one crawl."""

    def __init__(self, job: Job, tombstones: Tombstones, hunt: Hunt, tally: Tally) -> None:
        self._job, self._tombstones, self._hunt, self._tally = job, tombstones, hunt, tally
        self._templates = TemplateCaps()
        self._trapped: Counter[str] = Counter()

    def to(
        self,
        url: str,
        kind: str,
        page: str | None,
        depth: int,
        rows: Rows,
        hops: int = 0,
        hint: str | None = None,
    ) -> Link | None:
        """The link to `url`, None when it is not to be asked for; why is added to `rows`."""
        url = as_sent(url)
        host = urlsplit(url).hostname or ""
        if refused := self._why_not(url, kind):
            if refused[0] != "trap" or self._is_news(host):
                rows.append(self._tally.refusal(url, *refused, self._job.name))
            return None
        priority = PRIORITY[kind] + self._hunt.priority(url, page, kind)
        return Link(url, kind, host, page, depth, hops, priority, hint)

    def credit(self, page: str, picture: str) -> None:
        """The page brought a new picture: pages like it are no trap."""
        self._templates.credit(page, picture)

    async def recall(self, frontier: Frontier) -> None:
        """Count what an earlier part of this crawl let through, else a trap had its share again with every part.

        Which pictures were new then is not known any more: each counts for its page.
        """
        slices = Slices()
        for rows in frontier.earlier():
            for kind, url, page, picture in rows:
                if kind == PAGE:
                    self._templates.admits(url)
                elif page and picture:
                    self._templates.credit(page, picture)
                if slices.over:
                    await slices.next()

    def _why_not(self, url: str, kind: str) -> tuple[str, str] | None:
        if kind == PAGE:
            trap = why_trap(url)
            if trap or not self._templates.admits(url):
                return "trap", trap or "too many pages of one pattern"
        if self._tombstones.forbids_url(url):
            return "forgotten", "this URL was purged"
        return None

    def _is_news(self, host: str) -> bool:
        site = self._job.site(host)
        self._trapped[site] += 1
        if self._trapped[site] > TRAP_ROWS:
            self._tally.refused["trap"] += 1
        return self._trapped[site] <= TRAP_ROWS
