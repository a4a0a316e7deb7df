"""The log of a crawl: one clean line per message, on standard error or wherever the caller wants it.

What the web sends ends up in messages: control characters are escaped and credentials cut out of URLs.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from crawl.text import clean

LOGGERS = ("scrapy", "twisted", "aiohttp", "asyncio", "crawl", "protego")
# What they complain of becomes a row, or is meant so (redirects without a referer middleware).
TOO_LOUD = tuple(f"scrapy.downloadermiddlewares.{name}" for name in ("robotstxt", "redirect", "httpcompression"))
MAX_LINE_CHARS = 1_000


class CleanLines(logging.Filter):
    """Rewrites records so that any formatter prints them as clean lines; lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean `record` in place; always True."""
        message = record.getMessage()
        frames = ""
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            message += f" ({type(error).__name__}: {error})"
            # Only source lines stand in frames, nothing from the web; the last few tell where it happened.
            frames = "".join(f"\n{frame.rstrip()}" for frame in traceback.format_tb(error.__traceback__)[-3:])
        record.msg, record.args = clean(message, MAX_LINE_CHARS) + frames, ()
        record.exc_info = record.exc_text = None
        return True


@contextmanager
def clean_logs(handler: logging.Handler | None = None, level: int = logging.WARNING) -> Iterator[None]:
    """Meanwhile what a crawl logs at `level` or above goes to `handler` (standard error), cleaned."""
    handler = handler or _to_stderr()
    cleaner = CleanLines()
    handler.addFilter(cleaner)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger, logger.handlers, logger.propagate, logger.level) for logger in loggers]
    quiet = [(logging.getLogger(name), logging.getLogger(name).level) for name in TOO_LOUD]
    for logger in loggers:
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    for logger, _ in quiet:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, handlers, propagate, old_level in before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(old_level)
        for logger, old_level in quiet:
            logger.setLevel(old_level)
        handler.removeFilter(cleaner)


def _to_stderr() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    return handler
