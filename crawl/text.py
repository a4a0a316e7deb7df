"""Text from the web made fit for a log line or a record: printable, without credentials, of bounded length.

Reads and writes nothing.
"""

from __future__ import annotations

import re

MAX_DETAIL_CHARS = 300
# Everything between the slashes and the last @ of the authority, also where no browser would look for it.
# The look-behind keeps the search linear in hostile text.
CREDENTIALS = re.compile(r"(?<![A-Za-z0-9+.-])(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*:[\\/]{2,})[^\s/\\?#<>\"']*@")


def clean(text: str, limit: int = MAX_DETAIL_CHARS) -> str:
    """`text` in one line of at most `limit` characters: no credentials in URLs, the unprintable escaped."""
    # Cut before the regular expression and after the escapes: both may lengthen or run over hostile text.
    shown = CREDENTIALS.sub(r"\g<scheme>", text[: 4 * limit])
    if not shown.isprintable():
        shown = "".join(_shown(character) for character in shown)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _shown(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
