"""HTML for the demo's page: whatever is no markup yet is escaped where it is put in, names from the web included."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from blindspot.output import printable

VOID = frozenset({"img", "input"})


class Markup(str):
    """A piece of HTML, made here; any other text is escaped."""

    __slots__ = ()


def element(name: str, *inside: object, **attributes: object) -> Markup:
    """One element around `inside`.

    `class_` gives class, `aria_label` aria-label. True is an attribute without a value; None and False are
    left out.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        words.append(key if value is True else f'{key}="{escape(value)}"')
    start = f"<{' '.join(words)}>"
    return Markup(start if name in VOID else f"{start}{join(inside)}</{name}>")


def join(pieces: Iterable[object]) -> Markup:
    """The pieces one after the other; None is nothing."""
    return Markup("".join(escape(piece) for piece in pieces if piece is not None))


def escape(value: object) -> Markup:
    """Any value as text of a page: markup stays as it is."""
    return value if isinstance(value, Markup) else Markup(html.escape(printable(str(value))))


def table(label: str, head: Sequence[Sequence[object]], rows: Sequence[Sequence[object]]) -> Markup:
    """A table that scrolls by itself where it is too wide; the first cell of each row names the row.

    A cell of `head` may be (text, columns) where it stands above several.
    """
    top = [element("tr", *map(_head, line)) for line in head]
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows
    ]
    inside = element("table", element("thead", *top), element("tbody", *body))
    return element("div", inside, class_="scroll", tabindex=0, role="region", aria_label=label)


def section(key: str, title: str, *inside: object) -> Markup:
    """One part of the page, with its heading."""
    heading = element("h2", title, id=f"{key}-title")
    return element("section", heading, *inside, id=key, aria_labelledby=f"{key}-title")


def _head(cell: object) -> Markup:
    if isinstance(cell, tuple):
        return element("th", cell[0], colspan=cell[1], scope="colgroup")
    return element("th", cell, scope="col")
