"""Percent-encoding brought into one form, so that two spellings of one URL are equal as text. Pure.

Source: RFC 3986, 2.3 and 6.2.2.
"""

from __future__ import annotations

import re

UNRESERVED = r"A-Za-z0-9._~\-"  # inside [ ] of a regular expression
_PLAIN = re.compile(f"[{UNRESERVED}]")


def besides(kept: str) -> re.Pattern[str]:
    """What `in_one_form` has to look at: escapes, and characters that are neither unreserved nor in `kept`."""
    return re.compile(f"%([0-9A-Fa-f]{{2}})|%|[^%{UNRESERVED}{re.escape(kept)}]+")


def in_one_form(text: str, wanted: re.Pattern[str]) -> str:
    """`text` with unreserved characters as they are, other escapes in capitals, and what `wanted` finds escaped.

    A percent sign that begins no escape is escaped itself, so that a second pass changes nothing. Bytes that
    were no UTF-8 are expected as surrogate escapes. Raises UnicodeEncodeError for other lone surrogates.
    """
    return wanted.sub(_one, text) if wanted.search(text) else text


def _one(found: re.Match[str]) -> str:
    if found[1] is None:
        return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape"))
    character = chr(int(found[1], 16))
    return character if _PLAIN.fullmatch(character) else found[0].upper()
