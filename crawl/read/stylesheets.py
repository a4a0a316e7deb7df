"""The URLs inside CSS: pictures (`url(…)`, `image-set("…")`) and imported style sheets.

Pure functions over the text of a style sheet or a `style` attribute. Fonts and namespaces are passed over.
Source: CSS Syntax Module Level 3, the grammar of strings, url tokens, escapes and comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# One alternation, so that a comment inside a string or a quote inside a comment is read as what it is. Possessive:
# without, 5 MB of one string took 1.2 GB. The last line takes all that begins no token, in bites, so that no single
# match holds the interpreter for long.
STRING = r"\"(?:[^\"\\\n]++|\\.)*+\"?|'(?:[^'\\\n]++|\\.)*+'?"
TOKEN = re.compile(
    r"(?P<skipped>/\*.*?(?:\*/|\Z)|@font-face\s*+\{[^}]*+|@namespace\b[^;]*+"
    rf"|\btype\(\s*+(?:{STRING})\s*+\))"
    rf"|(?P<url>\burl\(\s*+(?P<in_url>{STRING}|(?:[^)\"'\\]++|\\.)*+)\s*+\)?)"
    rf"|(?P<string>{STRING})"
    r"|(?P<at_import>@import\b)|(?P<set>image-set\()|(?P<close>\))|(?P<semicolon>[;{}])"
    r"|\w{1,4096}+|[^\w\"'/@();{}]{1,4096}+|.",
    re.IGNORECASE | re.DOTALL,
)
ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})[ \t\n\r\f]?|(\n)|(.))", re.DOTALL)


def pictures_in(css: str) -> list[str]:
    """The URLs of pictures in `css`, as written, in order."""
    return [url for kind, url in _urls(css) if kind == "picture"]


def imports(css: str) -> list[str]:
    """The URLs of the style sheets that `css` imports, as written, in order."""
    return [url for kind, url in _urls(css) if kind == "import"]


def _urls(css: str) -> Iterator[tuple[str, str]]:
    importing, in_set = False, False
    for token in TOKEN.finditer(css):
        kind = token.lastgroup
        if kind in ("url", "string"):
            if importing or kind == "url" or in_set:
                url = _unquoted(token["in_url"] if kind == "url" else token["string"])
                yield ("import" if importing else "picture"), url
            importing = False
        elif kind == "at_import":
            importing = True
        elif kind in ("set", "close"):
            in_set = kind == "set"
        elif kind == "semicolon":
            importing = in_set = False


def _unquoted(text: str) -> str:
    inner = text.strip()
    if inner[:1] in ("'", '"'):
        inner = inner[1:-1] if len(inner) > 1 and inner[-1] == inner[0] else inner[1:]
    return ESCAPE.sub(_unescaped, inner)


def _unescaped(match: re.Match[str]) -> str:
    code, newline, character = match.groups()
    if newline:
        return ""  # an escaped line break inside a string joins the lines
    if character:
        return str(character)
    point = int(code, 16)
    return chr(point) if 0 < point < 0x110000 and not 0xD800 <= point < 0xE000 else "\ufffd"
