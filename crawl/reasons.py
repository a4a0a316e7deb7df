"""Why something was not kept: the reason codes in `refusals`, and the two ways in which a request ends early.

Reads and writes nothing.
"""

from __future__ import annotations

from scrapy.exceptions import IgnoreRequest

REASONS: dict[str, str] = {
    "address_refused": "the address is loopback, private or otherwise not public, and not exempt",
    "bad_certificate": "the host's certificate is expired, of another name, or of an unknown authority",
    "bad_encoding": "the body is not packed in the way that its server says",
    "bad_url": "not a URL that can be fetched, or of a scheme other than http and https",
    "budget": "the job's limit for this host, site, format or size is reached",
    "cannot_resolve": "the host name has no address",
    "connection_failed": "the host refused the connection, or broke it",
    "crawl_error": "a fault of the crawler itself; the log has more",
    "damaged": "a sitemap or feed that is none, or only in part; what could be read of it counts",
    "foreign": "a sitemap lists what is on hosts for which it may not speak",
    "forgotten": "purged by this home's owner, not to be fetched or kept again",
    "http_<status>": "the server answered with that status",
    "incomplete": "the server sent fewer bytes than it had announced",
    "known_bad": "the bytes or the picture are on a known-bad list of this home; nothing was written",
    "not_a_page": "neither HTML nor a picture",
    "not_a_picture": "the bytes do not begin as any picture format does",
    "opted_out": "the page or the picture says that it does not want to be collected (noindex, noai, noimageai)",
    "redirect_loop": "redirects lead in a circle, or there are too many",
    "robots": "the host's robots.txt forbids it, or could not be asked",
    "timeout": "no complete answer in time",
    "too_large": "more bytes than the limit, as sent or when unpacked",
    "unreadable": "a page or style sheet that could not be read within the limits of time and memory",
    "trap": "a URL as endless sites make them: repeating paths, calendars, too many parameters",
}


class Refused(IgnoreRequest):
    """A request that ends here for a known reason; asking again is of no use.

    `status` is what the host had answered, 0 when nothing was asked of it.
    """

    def __init__(self, reason: str, detail: str = "", status: int = 0) -> None:
        self.reason, self.detail, self.status = reason, detail, status
        super().__init__(f"{reason}: {detail}")


class Failed(Exception):  # noqa: N818 -- named after its situation
    """A request without an answer; it may have one later."""

    status = None

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}")
