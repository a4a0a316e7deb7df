"""What becomes of an entry once it is answered: pictures are kept, redirects and links wait, the rest becomes a row.

Each answer ends its lease together with its rows, in one transaction of the frontier; its links wait by then. The many
links of a large page are let in slice by slice, so that nobody waits for them.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from crawl.budgets import Budgets, Spent
from crawl.collect import Seen, Tally
from crawl.frontier import Entry, Frontier, Kept, Link
from crawl.hosts import Hosts
from crawl.hunting.hunt import Hunt
from crawl.job import Job
from crawl.keep import Keeper, Rows, sighting
from crawl.links import PAGE, PICTURE, STYLE, Links
from crawl.read.answers import Named, directives_of
from crawl.reasons import Refused
from crawl.rules.outcomes import Gone, Later, Moved, Outcome
from crawl.rules.robots import Rules
from crawl.slices import Slices
from crawl.text import clean
from crawl.turns import Turns, origin_of
from crawl.urls import without_credentials

MAX_IMPORTS = 3  # style sheets that import style sheets; chosen by eye
UNUSABLE_ROWS = 50  # per answer; more of them say nothing new, and are counted. Chosen by eye
# A validator that is longer is not kept: honest ones have some 40 characters. Chosen by eye.
MAX_VALIDATOR_CHARS = 256

Found = tuple[str, str, int]  # URL, kind, depth


class Settler:
    """Settles entries. `turns` is set by the crawl, which makes both."""

    turns: Turns

    def __init__(self, job: Job, frontier: Frontier, hosts: Hosts, keeper: Keeper, hunt: Hunt, tally: Tally) -> None:
        self._job, self._frontier, self._hosts = job, frontier, hosts
        self._keeper, self.tally = keeper, tally
        self.links = Links(job, keeper.tombstones, hunt, tally)
        self._budgets = Budgets(job)
        self.claimed = 0

    # ---- what was answered ---------------------------------------------------------------------------------

    async def picture(self, entry: Entry, status: int, headers: Mapping[str, str], body: bytes) -> bool:
        """Keep the picture in `body`, or say why not; False when the job has all it wants."""
        if self.claimed >= self._job.max_pictures:
            self._frontier.give_back(entry, tried=False)
            return False
        self.claimed += 1  # before anything is awaited: others are at it too
        seen = self._seen(entry, status, headers)
        try:
            if refused := directives_of(headers).refuses_pictures:
                raise Refused("opted_out", refused)
            if self._keeper.tombstones.forbids_source(seen.source):
                raise Refused("forgotten", f"the source {seen.source} was purged")
            picture, new, rows = await self._keeper.keep(body, seen)
        except Refused as error:
            self.claimed -= 1
            self.gone(entry, error.reason, error.detail)
            return True
        self._frontier.finish(entry, rows, kept=Kept(*_validators(headers), picture))
        self._count_picture(entry, len(body), new)
        if new and entry.page:
            self.links.credit(entry.page, picture)
        return True

    async def unchanged(self, entry: Entry) -> None:
        """The server says that what it gave last time is still there."""
        self.tally.answered += 1
        if entry.picture:
            now = dt.datetime.now(dt.UTC)
            self._frontier.finish(entry, [sighting(entry.picture, self._seen(entry, 304, {}), self._job.name, now)])
            self._count_picture(entry, 0, new=False)
            return
        packed = self._frontier.named_by(entry)
        found = json.loads(zlib.decompress(packed)) if packed else []
        rows: Rows = []
        links = await self._to_wait(_deeper(found, entry), entry.url, rows)
        self.turns.wake(self._frontier.finish(entry, rows, links))

    async def page(self, entry: Entry, named: Named, followed: list[str], headers: Mapping[str, str]) -> None:
        """A page was read: what it names waits, and so do the links that its spider follows."""
        rows = self._left_out(entry.url, named, f"on {entry.url}")
        pictures: tuple[str, ...] = named.pictures
        if opted := named.directives.refuses_pictures:
            rows.append(self.refusal_of(entry.url, "opted_out", f"{opted}; {len(pictures)} pictures left alone"))
            pictures = ()
        if named.directives.refuses_links:
            followed = []
        found = [(url, PICTURE) for url in pictures]
        found += [(url, STYLE) for url in named.styles if not opted]
        found += [(url, PAGE) for url in followed]
        etag, modified = _validators(headers)
        packed = None
        if etag or modified:  # next time it may say "unchanged", and nothing else
            packed = await asyncio.to_thread(zlib.compress, json.dumps(found).encode())
        links = await self._to_wait(_deeper(found, entry), entry.url, rows)
        self.turns.wake(self._frontier.finish(entry, rows, links, Kept(etag, modified, named=packed)))
        self.tally.pages += 1

    async def style(self, entry: Entry, named: Named) -> None:
        """A style sheet was read: its pictures wait, and what it imports."""
        rows = self._left_out(entry.url, named, f"in the style sheet {entry.url}")
        imports = named.styles if entry.depth < MAX_IMPORTS else ()
        found = [(url, PICTURE, 0) for url in named.pictures] + [(url, STYLE, entry.depth + 1) for url in imports]
        links = await self._to_wait(found, entry.page, rows)
        self.turns.wake(self._frontier.finish(entry, rows, links))

    def _left_out(self, url: str, named: Named, where: str) -> Rows:
        """What an answer names and nobody will ask for, and what was wrong with it: a row for each URL or cause."""
        rows = self._unusable(named, where)
        if named.problem:
            rows.append(self.refusal_of(url, "damaged", f"{named.kind}: {named.problem}"))
        if named.foreign:
            rows.append(self.refusal_of(url, "foreign", f"{named.foreign} URLs of other hosts"))
        if named.dropped:
            rows.append(self.refusal_of(url, "trap", f"{named.dropped} more URLs than a {named.kind} may name"))
        return rows

    def _unusable(self, named: Named, where: str) -> Rows:
        rows = [self.refusal_of(url, "bad_url", where) for url in named.unusable[:UNUSABLE_ROWS]]
        if more := named.unusable[UNUSABLE_ROWS:]:
            self.tally.refused["bad_url"] += len(more) - 1
            rows.append(self.refusal_of(more[0], "bad_url", f"{where}, and {len(more) - 1} more"))
        return rows

    def other(self, entry: Entry, outcome: Outcome) -> None:
        """Settle an answer that is none of the above."""
        if isinstance(outcome, Moved):
            self._moved(entry, outcome.url)
        elif isinstance(outcome, Later):
            self._frontier.give_back(entry, max(outcome.in_s, self._job.retry_s * 2**entry.tries))
        elif isinstance(outcome, Gone):
            self.gone(entry, outcome.reason, outcome.detail)

    def gone(self, entry: Entry, reason: str, detail: str = "") -> None:
        """The entry gave nothing, for this reason."""
        self._frontier.finish(entry, [self.refusal_of(entry.url, reason, detail)])

    def forbidden(self, entry: Entry, rules: Rules) -> None:
        """The host's robots.txt forbids the entry, or nobody could ask for it."""
        self.gone(entry, *self._hosts.why(origin_of(entry.url), rules))

    def blocked(self, host: str) -> None:
        """A host has failed too often in a row: what waits of it is left for the next crawl."""
        self.refuse(f"http://{host}/", "connection_failed", "failed too often in a row; what waits is left for later")

    def refuse(self, url: str, reason: str, detail: str) -> None:
        """Record that `url`, which no entry is for, gave nothing."""
        self._frontier.finish(None, [self.refusal_of(url, reason, detail)])

    def _moved(self, entry: Entry, target: str) -> None:
        if self._leads_back(entry.url, target):
            self.gone(entry, "redirect_loop", f"back to {target}")
            return
        rows: Rows = []
        link = self.links.to(target, entry.kind, entry.page, entry.depth, rows, entry.hops + 1, entry.hint)
        self.turns.wake(self._frontier.finish(entry, rows, [link] if link else [], Kept(moved=target)))

    def _leads_back(self, start: str, target: str) -> bool:
        seen, url = {start}, target
        while url not in seen:
            seen.add(url)
            following = self._frontier.moved_to(url)
            if following is None:
                return False
            url = following
        return True

    # ---- what waits ----------------------------------------------------------------------------------------

    async def _to_wait(self, found: Iterable[Found], page: str | None, rows: Rows) -> list[Link]:
        """The links to what `page` names; of many all but the last wait already when this returns."""
        links: list[Link] = []
        slices = Slices()
        for url, kind, depth in found:
            if link := self.links.to(url, kind, page, depth, rows):
                links.append(link)
            if slices.over:
                self.add(links, [])
                links = []
                await slices.next()
        return links

    async def add_found(self, found: Iterable[Found], page: str, named: Named) -> None:
        """Let wait what a page names that is not ours to settle, and record what of it will not be asked for."""
        rows = self._left_out(page, named, f"on {page}")
        self.add(await self._to_wait(found, page, rows), rows)

    def add(self, links: Iterable[Link], rows: Rows) -> None:
        """Let links wait that come from no answer: a spider's start, a list."""
        self.turns.wake(self._frontier.finish(None, rows, links))

    # ---- what it costs -------------------------------------------------------------------------------------

    def _count_picture(self, entry: Entry, size: int, new: bool) -> None:
        self.tally.pictures += 1
        self.tally.new_pictures += new
        self.tally.bytes += size
        self._spend(entry.host, "pictures", 1)

    def asking_page(self, entry: Entry) -> None:
        """A page is asked for: that counts, whatever comes of it."""
        if not entry.tries:
            self._spend(entry.host, "pages", 1)

    def weighed(self, entry: Entry, size: int) -> None:
        """So many bytes came, of whatever it was."""
        self._spend(entry.host, "bytes", size)

    def _spend(self, host: str, what: str, amount: int) -> None:
        """Count against the budgets of a host and of its site; what is over ends that host's or site's part."""
        for spent in self._budgets.spend(host, what, amount):
            self._end_part(host, spent)

    def _end_part(self, host: str, spent: Spent) -> None:
        scope, name, what, limit = spent
        self.refuse(f"http://{host}/", "budget", f"{limit} {what} of {scope} {name}; what waits is left for later")
        kinds = {PAGE} if what == "pages" else {PAGE, PICTURE, STYLE}
        if scope == "host":
            self.turns.close(name, kinds)
        else:
            self.turns.close_site(name, kinds)

    def refusal_of(self, url: str, reason: str, detail: str) -> tuple[str, dict[str, object]]:
        """The (kind, row) of a refusal, which counts from now on."""
        return self.tally.refusal(url, reason, detail, self._job.name)

    def _seen(self, entry: Entry, status: int, headers: Mapping[str, str]) -> Seen:
        url = without_credentials(entry.url)
        return Seen(
            url=url,
            page=entry.page,
            host=urlsplit(url).hostname or "",
            source=self._job.source(entry.page or url),
            http_status=status,
            content_type=clean(headers.get("Content-Type", ""), limit=200) or None,
            hint=entry.hint,
        )


def _validators(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """(ETag, Last-Modified) where they can be sent again."""
    etag, modified = (headers.get(name, "") for name in ("ETag", "Last-Modified"))
    return _kept(etag), _kept(modified)


def _kept(validator: str) -> str | None:
    fits = validator.isascii() and validator.isprintable() and len(validator) <= MAX_VALIDATOR_CHARS
    return validator if validator and fits else None


def _deeper(found: Sequence[tuple[str, str]], entry: Entry) -> Iterable[Found]:
    """What a page names, as deep as it lies: its pages are one deeper."""
    return ((url, kind, entry.depth + (kind == PAGE)) for url, kind in found)
