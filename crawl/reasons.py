"""Why something was not kept: the reason codes in `refusals`, and how errors become them.

Reads and writes nothing.
"""

from __future__ import annotations

from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)
from scrapy.http import Response
from twisted.python.failure import Failure

from crawl.text import clean

REASONS: dict[str, str] = {
    "address_refused": "the address is loopback, private or otherwise not public, and not exempt",
    "bad_encoding": "the body is not packed in the way that its server says",
    "bad_url": "not a URL that can be fetched, or of a scheme other than http and https",
    "cannot_resolve": "the host name has no address",
    "connection_failed": "the host refused the connection, or broke it",
    "crawl_error": "a fault of the crawler itself; the log has more",
    "http_<status>": "the server answered with that status",
    "incomplete": "the server sent fewer bytes than it had announced",
    "not_a_page": "neither HTML nor a picture",
    "not_a_picture": "the bytes do not begin as any picture format does",
    "redirect_loop": "redirects lead in a circle, or there are too many",
    "robots": "the host's robots.txt forbids it",
    "timeout": "no complete answer in time",
    "too_large": "more bytes than the limit, as sent or when unpacked",
}

# The first row that fits wins.
_OF_ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (CannotResolveHostError, "cannot_resolve"),
    (DownloadTimeoutError, "timeout"),
    (ResponseDataLossError, "incomplete"),
    (DownloadConnectionRefusedError, "connection_failed"),
    (DownloadFailedError, "connection_failed"),
)


class Refused(IgnoreRequest):
    """A request that ends here for a known reason; Scrapy neither retries nor complains about it."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}")


def reason_of(failure: Failure) -> tuple[str, str]:
    """The (reason, detail) of a request that ended in an error; the detail is one clean line."""
    error = failure.value
    if isinstance(error, Refused):
        return error.reason, clean(error.detail)
    reason = next((reason for kind, reason in _OF_ERRORS if isinstance(error, kind)), None)
    return (reason, clean(str(error))) if reason else ("crawl_error", clean(f"{type(error).__name__}: {error}"))


def reason_of_answer(response: Response) -> str | None:
    """The reason of an answer that is no success; None for one that is."""
    return None if 200 <= response.status < 300 else f"http_{response.status}"
