"""What one crawl takes of each host and of each registered domain: pages, pictures and bytes, counted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from crawl.job import Job


class Spent(NamedTuple):
    """A budget that has just been reached: `scope` is `host` or `site`, `what` pages, pictures or bytes."""

    scope: str
    name: str
    what: str
    limit: int


class Budgets:
    """The budgets of one crawl."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._used: Counter[tuple[str, str, str]] = Counter()

    def spend(self, host: str, what: str, amount: int) -> Iterator[Spent]:
        """Count `amount` against the budgets of `host` and of its site; those that it reaches, each once."""
        for scope, name in (("host", host), ("site", self._job.site(host))):
            limit = self._job.budget(what, scope)
            if limit is None:
                continue
            before = self._used[scope, name, what]
            self._used[scope, name, what] = before + amount
            if before < limit <= before + amount:
                yield Spent(scope, name, what, limit)
