"""What URLs of one kind have in common, and how many of a kind are asked for. Pure.

A calendar, a counter or a site that makes up ids has endless URLs, and each of them looks honest.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict

from crawl.rules.canonical import HTTP_URL, canonical

# Templates that are counted (15 MB), and pages that are known to be counted; those unseen for longest go first.
MAX_TEMPLATES, MAX_ADMITTED = 100_000, 1_000_000
MONTH, MONTH_DAY = "(?:0?[1-9]|1[0-2])", "(?:[12][0-9]|3[01]|0?[1-9])"
DATE = (
    rf"(?P<date>(?:1[89]|2[0-9])[0-9]{{2}}(?:(?P<between>[-/_.]){MONTH}(?:(?P=between){MONTH_DAY})?"
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]))(?![0-9A-Za-z]))"
)
ID = "(?P<id>(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,})(?![0-9A-Za-z]))"
DATE_ALONE, NUMBER = re.compile(DATE), re.compile("[0-9]+")
VARIABLE = re.compile(rf"(?<![0-9A-Za-z])(?:{DATE}|{ID})|(?P<number>[0-9]+)", re.I)
LONG = re.compile(r"[0-9A-Za-z_-]{16,}")
SWITCH = re.compile(r"[a-z](?=[0-9A-Z])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])")
CALENDAR_PARAMETERS = frozenset(("date", "day", "month", "year", "week", "mon", "yr", "cal", "calendar"))
SHAPES = {"date": "{date}", "id": "x", "number": "0"}
A_DATE = SHAPES["date"]  # braces are escaped in a canonical URL: nothing else looks like this


def template(url: str) -> str:
    """The pattern of `url`: host, path, and the names of its parameters, sorted and each once.

    Runs of digits become 0, hexadecimal and long random ids x, dates {date}: a calendar is one template. All in lower
    case: a server that heeds none has 2^n spellings of one page.
    """
    found = HTTP_URL.match(url)
    if not found:
        return VARIABLE.sub(_shape, url)
    shape = VARIABLE.sub(_shape, LONG.sub(_random, found[3]) if len(found[3]) > 16 else found[3])
    if found[4]:
        shape += "?" + "&".join(sorted({_parameter(part) for part in found[4].split("&")}))
    return (found[2] + shape).lower()


def is_calendar(pattern: str) -> bool:
    """Whether the path of a template ends in a date and nothing else, or a parameter is one."""
    path, _, names = pattern.partition("?")
    last = path.rstrip("/").rpartition("/")[2]
    return last.partition(".")[0] == A_DATE or f"={A_DATE}" in names


def _random(found: re.Match[str]) -> str:
    """x for a long run of letters and digits that change as often as in an id, and not as in a title."""
    switches = len(SWITCH.findall(found[0]))
    return "x" if 4 * switches >= len(found[0]) and any(map(str.isdigit, found[0])) else found[0]


def _shape(found: re.Match[str]) -> str:
    return SHAPES[found.lastgroup or "number"]


def _parameter(parameter: str) -> str:
    name, _, value = parameter.partition("=")
    is_date = DATE_ALONE.fullmatch(value) or (value[:1].isdigit() and name.lower() in CALENDAR_PARAMETERS)
    return NUMBER.sub("0", name) + (f"={A_DATE}" if is_date else "")


class TemplateCaps:
    """Lets so many pages of one template through, and fewer of a calendar's.

    Each URL counts once, however it is spelled and however often it is asked about. 2,000 is a fifth of the pages
    that a job asks for by default: a trap takes no more. Whoever calls `credit` for a page that brought a new
    picture lets its template go on for as long as it does, so that an honest gallery of 5,000 numbered pages is
    not cut at all. Of calendars 100: more months than there are pictures from. Both chosen by eye.
    """

    def __init__(self, max_per_template: int = 2_000, max_per_calendar: int = 100) -> None:
        self._most = {False: max_per_template, True: min(max_per_calendar, max_per_template)}
        self._counts: OrderedDict[bytes, int] = OrderedDict()
        self._admitted, self._credited = _Recent(), _Recent()

    def admits(self, url: str) -> bool:
        """Whether `url` is one of the pages of its template that may be asked for."""
        url = canonical(url)
        digest = _digest(url)
        if digest in self._admitted:
            return True
        pattern = template(url)
        key = self._recall(pattern)
        if self._counts[key] >= self._most[is_calendar(pattern)]:
            return False
        self._counts[key] += 1
        self._admitted.add(digest)
        return True

    def credit(self, url: str, picture: str = "") -> None:
        """The page `url` brought something new: its template may have one page more.

        One and the same `picture` (its id) counts once.
        """
        if picture:
            digest = bytes.fromhex(picture[:24])
            if digest in self._credited:
                return
            self._credited.add(digest)
        key = self._recall(template(canonical(url)))
        self._counts[key] = max(0, self._counts[key] - 1)

    def _recall(self, pattern: str) -> bytes:
        key = _digest(pattern)
        self._counts.setdefault(key, 0)
        self._counts.move_to_end(key)
        if len(self._counts) > MAX_TEMPLATES:
            self._counts.popitem(last=False)
        return key


class _Recent:
    """A set that holds the last million or two of what was added, in 4 MB (two Bloom filters, one of which fills).

    In 1 of 250 cases, at the worst, it takes a new one for one it holds: a template then gets so many pages more.
    Source: Bloom 1970; 2^24 bits, 4 places, 10^6 entries: (1 - e^(-4 / 16.8))^4 = 0.2 % for each of the two.
    """

    def __init__(self) -> None:
        self._filling, self._full, self._count = bytearray(1 << 21), bytearray(1 << 21), 0

    def __contains__(self, digest: bytes) -> bool:
        places = _places(digest)
        return any(all(bits[place >> 3] >> (place & 7) & 1 for place in places) for bits in (self._filling, self._full))

    def add(self, digest: bytes) -> None:
        for place in _places(digest):
            self._filling[place >> 3] |= 1 << (place & 7)
        self._count += 1
        if self._count >= MAX_ADMITTED:
            self._filling, self._full, self._count = bytearray(1 << 21), self._filling, 0


def _places(digest: bytes) -> list[int]:
    return [int.from_bytes(digest[start : start + 3], "big") for start in (0, 3, 6, 9)]


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
