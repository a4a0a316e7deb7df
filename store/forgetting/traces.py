"""Traces: where free text (a reason, a log line, a report) names something that is to be forgotten.

Reads and writes nothing. Ids and URLs are recognised by the tombstones; names in clear (a source, a folder) are known
only while a purge is carried out, and only then can text be searched for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import unquote

from store.forgetting.tombstones import Tombstones

PURGED = "[purged]"
# A picture's id, or a URL up to what ends one in text, JSON and HTML.
TOKEN = r"""(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])|[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>\\|]+"""
# What follows a URL in a sentence and is no part of it.
AFTER = ".,;:!?)]}…"


class Traces:
    """Finds tombstoned ids and URLs, and `names`, in text."""

    def __init__(self, tombstones: Tombstones, names: Iterable[str] = ()) -> None:
        self._tombstones = tombstones
        patterns = [pattern for name in sorted(set(names), reverse=True) for pattern in _patterns(name)]
        # For a first look at many texts; RE2 and `re` both take it.
        self.hint = "|".join(["[0-9a-f]{64}", "://", *(f"(?i:{re.escape(name)})" for name in _written(names))])
        self._any = re.compile("|".join([f"(?P<token>{TOKEN})", *patterns]))

    def found(self, text: str) -> bool:
        """Whether `text` names any of it."""
        return any(self._forbidden(match) for match in self._any.finditer(text))

    def found_in_value(self, value: str) -> bool:
        """The same for a value that may be a URL, or a host, as a whole: in text both end earlier."""
        if "://" in value:
            return self._tombstones.forbids_url(value) or self.found(value)
        if re.fullmatch(r"[\w.-]+\.[\w-]+(:\d+)?|\[[0-9a-f:]+\](:\d+)?", value):
            return self._tombstones.forbids_url(f"http://{value}/") or self.found(value)
        return self.found(value)

    def without(self, text: str) -> str:
        """`text` with `[purged]` for every such name; JSON stays JSON."""
        return self._any.sub(lambda match: PURGED if self._forbidden(match) else match[0], text)

    def _forbidden(self, match: re.Match[str]) -> bool:
        token = match["token"]
        if token is None:
            return True  # a name in clear
        return self._purged(token) or any(self._purged(nested) for nested in _nested(token))

    def _purged(self, token: str) -> bool:
        if "://" not in token:
            return self._tombstones.forbids_picture(token)
        return any(self._tombstones.forbids_url(url) for url in {token, token.rstrip(AFTER)})


def _nested(url: str) -> list[str]:
    """The URLs and ids inside a URL, as redirects and archives have them, percent-encoded or not."""
    found = re.findall(TOKEN, unquote(url.partition("://")[2]))
    return found + [nested.partition("&")[0] for nested in found]


def _written(names: Iterable[str]) -> list[str]:
    """Every name as it stands in text, and as JSON escapes it."""
    return sorted({spelling for name in names for spelling in (name, json.dumps(name)[1:-1])})


def _patterns(name: str) -> list[str]:
    """How a name in clear is recognised without taking every word that is spelt alike for it.

    A folder: whatever path begins with it. A domain: alone or behind subdomains, with or without a port. Any other
    word (an import's source may be called `a`): only in quotes, or where an import says what it came from.
    """
    found = []
    for spelling in _written([name]):
        exact = re.escape(spelling)
        if name.endswith("/"):
            found.append(rf"""{exact}[^\n"<>]*""")
        elif re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?|\[?[0-9a-f:]+\]?:\d+", name, re.IGNORECASE):
            found.append(rf"(?i:(?<![\w.-])(?:[\w-]+\.)*{exact}(?![\w-]|\.\w))")
        else:
            found.append(rf"""(?<=["']){exact}(?=["'])|(?<=imported from ){exact}\b""")
    return found
