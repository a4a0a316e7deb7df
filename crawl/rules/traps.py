"""URLs as endless sites make them. Pure.

The three questions: which URLs are one and the same (`canonical`, the key of "asked already"), which is a trap by
itself (`why_trap`), and were there too many of its kind (`TemplateCaps`, by `template`).
"""

from __future__ import annotations

from crawl.rules.canonical import HTTP_URL, canonical
from crawl.rules.templates import TemplateCaps, template

__all__ = ["TemplateCaps", "canonical", "template", "why_trap"]

# All chosen by eye: beyond what honest sites have, well below what traps reach.
MAX_CHARS = 2_048  # that of the sitemap protocol
MAX_SEGMENTS = 20
MAX_SAME_SEGMENT = 3
MAX_ROUNDS = 2  # a/b/a/b may be, a/b/a/b/a/b is a trap
MAX_PARAMETERS = 20
MAX_SAME_PARAMETER = 3
LIST_NAMES = ("[]", "%5B%5D", "%5b%5d")  # a[]=1&a[]=2 is how forms write a list


def why_trap(url: str) -> str | None:
    """Why `url` looks like one of an endless site, in a few words; None when it does not."""
    if len(url) > MAX_CHARS:
        return "URL too long"
    if "%252525" in url:
        return "escaped again and again"
    found = HTTP_URL.match(url)
    if not found:
        return None
    path, query = found[3], found[4]
    return _why_path(path.split("/")[1:]) or (_why_query(query.split("&")) if query else None)


def _why_path(segments: list[str]) -> str | None:
    if len(segments) > MAX_SEGMENTS:
        return "path too deep"
    different = set(segments)
    if len(segments) - len(different) < MAX_SAME_SEGMENT:
        return None
    # Numbers may repeat: stores of files cut ids into folders, 000/000/000/123.
    if any(segments.count(one) > MAX_SAME_SEGMENT for one in different if not one.isdigit()):
        return "a segment of the path repeats"
    return "the path goes in rounds" if _rounds(segments) else None


def _rounds(segments: list[str]) -> bool:
    """Whether two or more segments, not all of them numbers, come again and again in the same order."""
    times = MAX_ROUNDS + 1
    for size in range(2, len(segments) // times + 1):
        for start in range(len(segments) - times * size + 1):
            once = segments[start : start + size]
            if once * times == segments[start : start + times * size] and not "".join(once).isdigit():
                return True
    return False


def _why_query(parameters: list[str]) -> str | None:
    if len(parameters) > MAX_PARAMETERS:
        return "too many parameters"
    names = [parameter.partition("=")[0] for parameter in parameters]
    different = set(names)
    if len(names) - len(different) < MAX_SAME_PARAMETER:
        return None
    repeats = any(names.count(one) > MAX_SAME_PARAMETER for one in different if not one.endswith(LIST_NAMES))
    return "a parameter repeats" if repeats else None
