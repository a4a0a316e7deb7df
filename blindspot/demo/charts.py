"""The page's charts, as inline SVG that grows with the page while its letters keep their size.

Positions are percentages of the width and pixels of the height, colours are classes of the page's style. Series differ
in shape as well as in colour. Nothing here reads or writes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from blindspot.demo.markup import Markup, element, join
from train.statistics import clopper_pearson, percent

# All sizes in px, chosen by eye.
ROW, AXIS, BAR_ROW, PLOT = 66, 26, 26, 190
STEPS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
MOST_LETTERS = 28
# A bar of one picture is this share of a decade high, on a logarithmic axis where none has no bar.
ONE = 0.3


@dataclass(frozen=True)
class Errors:
    """How many of a family's `n` pictures each of two models gets wrong; None: not counted."""

    name: str
    n: int
    first: int | None
    second: int | None


@dataclass(frozen=True)
class Series:
    """Counts per bin of [0, 1], as bars of the class `style`."""

    name: str
    style: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Mark:
    """A threshold in [0, 1], as a line of the class `style` with its name on one side of it."""

    name: str
    style: str
    at: float
    left: bool


def reach(rows: Sequence[Errors]) -> float:
    """The highest end of any interval: what an axis must show, at least 1 %."""
    known = [(k, row.n) for row in rows for k in (row.first, row.second) if k is not None]
    return max([0.01, *(clopper_pearson(k, n)[1] for k, n in known if n)])


def interval_chart(title: str, names: tuple[str, str], rows: Sequence[Errors], most: float) -> Markup:
    """Per family two rates, each with its exact 95 % interval, on an axis from 0 to at least `most`."""
    step = next((step for step in STEPS if most <= 5 * step), 0.25)
    end = step * math.ceil(round(most / step, 6))
    height = ROW * len(rows) + AXIS
    ticks = [step * index for index in range(round(end / step) + 1)]
    plot: list[Markup | None] = [_tick(value, value / end, height) for value in ticks]
    values: list[Markup] = []
    told = []
    for index, row in enumerate(rows):
        top = ROW * index
        plot.append(_text(row.name[:MOST_LETTERS] + "…" * (len(row.name) > MOST_LETTERS), 0, top + 16, "name"))
        values.append(_text(f"of {row.n:,}", "100%", top + 16, "soft", "end"))
        for place, (errors, style, sign) in enumerate(
            ((row.first, "first", "circle"), (row.second, "second", "diamond"))
        ):
            plot.append(_interval(errors, row.n, end, top + 32 + 18 * place, style, sign))
            values.append(_text(short_rate(errors, row.n), "100%", top + 36 + 18 * place, style, "end"))
        told.append(f"{row.name}: {names[0]} {row.first}, {names[1]} {row.second} of {row.n}")
    legend = element("p", _key("circle", names[0], "first"), _key("diamond", names[1], "second"), class_="legend")
    drawn = element("div", _svg(height, plot), _svg(height, values), **_image(f"{title}. {'; '.join(told)}", "sided"))
    return element("figure", element("figcaption", title), legend, drawn, class_="card")


def histogram(title: str, series: Sequence[Series], marks: Sequence[Mark]) -> Markup:
    """Pictures per bin of flag score, bars of the series side by side, on a logarithmic axis of counts."""
    most = max([1, *(count for row in series for count in row.counts)])
    decades = range(math.floor(math.log10(most)) + 1)
    grid, labels = [], []
    for power in decades:
        y = PLOT - _height(10**power, most)
        grid.append(element("line", x1="0%", x2="100%", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"))
        labels.append(_text(f"{10**power:,}", "100%", y + 4, "soft", "end"))
    grid += [_tick(None, tenth / 10, PLOT) for tenth in (0, 10)]
    below = [
        _text(f"{tenth / 10:g}", f"{10 * tenth}%", PLOT + 17, "soft", _anchor(tenth / 10)) for tenth in range(0, 11, 2)
    ]
    lines = [_line(mark, 12 + 15 * index) for index, mark in enumerate(marks)]
    drawn = [_svg(PLOT + AXIS, labels), _svg(PLOT + AXIS, [*grid, *_bars(series, most), *lines, *below])]
    told = f"{title}. " + "; ".join(f"{row.name}: {sum(row.counts)} pictures" for row in series)
    legend = element("p", *(_key("bar", row.name, row.style) for row in series), class_="legend")
    return element(
        "figure", element("figcaption", title), legend, element("div", *drawn, **_image(told, "counted")), class_="card"
    )


def bar_chart(title: str, rows: Sequence[tuple[str, float]], unit: str) -> Markup:
    """One bar per row, with its value."""
    most = max([value for _, value in rows] or [0.0]) or 1.0
    names, bars, values = [], [], []
    for index, (name, value) in enumerate(rows):
        y = BAR_ROW * index
        names.append(_text(name[:MOST_LETTERS], 0, y + 17, "plain"))
        bars.append(
            element("rect", x="0%", width=_percent(value / most), y=y + 5, height=BAR_ROW - 10, class_="bar second")
        )
        values.append(_text(f"{value:,.1f} {unit}", "100%", y + 17, "plain", "end"))
    height = BAR_ROW * len(rows)
    told = f"{title}: " + ", ".join(f"{name} {value:,.1f} {unit}" for name, value in rows)
    return element("div", *(_svg(height, part) for part in (names, bars, values)), **_image(told, "named"))


def short_rate(errors: int | None, n: int) -> str:
    """`167 · 27.6 %`, or a dash where nothing was counted."""
    return "–" if errors is None or not n else f"{errors:,} · {percent(errors / n)} %"


def _interval(errors: int | None, n: int, end: float, y: int, style: str, sign: str) -> Markup | None:
    if errors is None or not n:
        return None
    low, high = clopper_pearson(errors, n)
    rates = f"{percent(errors / n)} %, 95 % interval {percent(low)}–{percent(high)} %"
    told = element("title", f"{errors:,} of {n:,}: {rates}")
    line = element("line", x1=_percent(low / end), x2=_percent(high / end), y1=y, y2=y, class_=f"interval {style}")
    return element("g", told, line, element("svg", _sign(sign, style), x=_percent(errors / n / end), y=y))


def _sign(sign: str, style: str) -> Markup:
    """A sign around (0, 0): series differ in it, not only in colour."""
    if sign == "circle":
        return element("circle", r=5.5, class_=f"dot {style}")
    if sign == "diamond":
        return element("path", d="M0-7 7 0 0 7-7 0Z", class_=f"dot {style}")
    return element("rect", x=-4, y=-7, width=8, height=14, class_=f"bar {style}")


def _key(sign: str, name: str, style: str) -> Markup:
    drawn = element("svg", element("svg", _sign(sign, style), x=8, y=8), width=16, height=16, aria_hidden="true")
    return element("span", drawn, name)


def _bars(series: Sequence[Series], most: int) -> list[Markup]:
    bars = []
    for place, row in enumerate(series):
        share = 1 / len(row.counts)
        width = 0.84 * share / len(series)
        for index, count in enumerate(row.counts):
            if count:
                x, height = share * (index + 0.08) + width * place, _height(count, most)
                told = f"{row.name}: {count:,} with a score from {share * index:.2f} to {share * (index + 1):.2f}"
                size = {
                    "x": _percent(x),
                    "width": _percent(width),
                    "y": f"{PLOT - height:.1f}",
                    "height": f"{height:.1f}",
                }
                bars.append(element("rect", element("title", told), **size, class_=f"bar {row.style}"))
    return bars


def _height(count: int, most: int) -> float:
    # The uppermost 40 px belong to the names of the thresholds.
    return (PLOT - 40) * (math.log10(count) + ONE) / (math.log10(most) + ONE)


def _line(mark: Mark, y: int) -> Markup:
    x, anchor = _percent(mark.at), "end" if mark.left else "start"
    line = element("line", x1=x, x2=x, y1=0, y2=PLOT, class_=f"mark {mark.style}")
    words = element("text", mark.name, x=-6 if mark.left else 6, y=y, text_anchor=anchor, class_="name")
    return join([line, element("svg", words, x=x)])


def _tick(value: float | None, share: float, height: int) -> Markup:
    line = element(
        "line", x1=_percent(share), x2=_percent(share), y1=0, y2=height - AXIS * (value is not None), class_="grid"
    )
    if value is None:
        return line
    return join([line, _text(f"{100 * value:g} %", _percent(share), height - 8, "soft", _anchor(share))])


def _anchor(share: float) -> str:
    return "start" if share <= 0 else "end" if share >= 0.999 else "middle"


def _text(words: str, x: object, y: float, style: str, anchor: str = "start") -> Markup:
    return element("text", words, x=x, y=f"{y:.1f}", text_anchor=anchor, class_=style)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _svg(height: int, inside: Sequence[Markup | None]) -> Markup:
    return element("svg", *inside, width="100%", height=height, aria_hidden="true")


def _image(label: str, layout: str) -> dict[str, str]:
    return {"role": "img", "aria_label": label, "class_": f"chart {layout}"}
