"""Moments as headers and pages write them, as datetimes in UTC. Pure."""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime

MAX_CHARS = 64  # no form is longer


def moment(text: str) -> dt.datetime | None:
    """The moment that `text` names: ISO 8601, RFC 822 or 1123, RFC 850, or asctime; None for anything else.

    Without a zone it is UTC. Source: RFC 9110, 5.6.7 (the last three are the forms of an HTTP-date).
    """
    written = text.strip()
    if len(written) > MAX_CHARS:
        return None
    for read in (dt.datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = read(written)
            return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
        except (ValueError, OverflowError, TypeError, IndexError):  # parsedate is not careful with rubbish
            continue
    return None
