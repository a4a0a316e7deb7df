"""URLs as they stand on pages, made into URLs that can be fetched and recorded. Reads and writes nothing."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from w3lib.url import safe_url_string

# Nothing in it that could need an escape.
PLAIN = re.compile(r"https?://[a-z0-9.:-]+[A-Za-z0-9/._~-]*(?:\?[A-Za-z0-9/._~=&-]*)?")
UNPRINTABLE = re.compile(r"[\0-\x20\x7f-\x9f]")
SPACE = " \t\n\r\f"
# Longest URL that is fetched or kept. Chosen by eye: browsers go on up to 2 MB, links hardly pass 2,000.
MAX_URL_CHARS = 8_192


def resolve(base: str, written: str) -> str | None:
    """The absolute http(s) URL of `written`, without fragment and credentials; None when there is none."""
    text = re.sub(r"[\t\n\r]", "", written.strip(SPACE + "\0"))
    if not text or text.startswith("#") or len(text) > MAX_URL_CHARS:
        return None
    path = re.search(r"[?#]", text)
    cut = path.start() if path else len(text)
    try:  # browsers read a backslash before the query as a slash
        absolute = without_credentials(urljoin(base, text[:cut].replace("\\", "/") + text[cut:]))
        parts = urlsplit(absolute)
        absolute.encode()  # half a surrogate pair, as JSON may hold, cannot be sent
        named = bool(parts.hostname) and not UNPRINTABLE.search(parts.netloc)
        usable = parts.scheme in ("http", "https") and named and parts.port != 0
    except ValueError:
        return None
    return parts._replace(fragment="").geturl() if usable and len(absolute) <= MAX_URL_CHARS else None


def without_credentials(url: str) -> str:
    """`url` without the user and password of its authority; everything else is left as it is."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url


def referer(page: str | None, url: str) -> dict[str, str]:
    """The Referer header for `url` as named on `page`: its origin, and nothing from https to http.

    Source: Referrer Policy, "strict-origin"; some hosts give pictures to their own pages only.
    """
    if page is None or (page.startswith("https:") and url.startswith("http:")):
        return {}
    parts = urlsplit(page)
    return {"Referer": f"{parts.scheme}://{parts.netloc}/"}


def as_sent(url: str) -> str:
    """`url` as it goes over the wire: what is not ASCII is escaped, and escapes stay as they are."""
    return url if PLAIN.fullmatch(url) else str(safe_url_string(url))
