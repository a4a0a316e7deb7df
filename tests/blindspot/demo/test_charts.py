"""The page's charts put every mark where its number is."""

from __future__ import annotations

import itertools
import re

import pytest

from blindspot.demo.charts import PLOT, Errors, Mark, Series, bar_chart, histogram, interval_chart, reach
from train.statistics import clopper_pearson

ROWS = (Errors("digits", 200, 50, 0), Errors("strips", 40, 10, None))
NAMES = ("before", "after")


def numbers(pattern: str, text: str) -> list[tuple[float, ...]]:
    return [tuple(map(float, found.groups())) for found in re.finditer(pattern, text)]


def test_intervals_lie_on_the_axis_where_they_are() -> None:
    assert reach(ROWS) == clopper_pearson(10, 40)[1]  # 41 %, so that the axis goes to 50 %
    chart = interval_chart("Errors", NAMES, ROWS, reach(ROWS))
    drawn = numbers(r'x1="([\d.]+)%" x2="([\d.]+)%" [^>]*class="interval', chart)
    wanted = [[100 * end / 0.5 for end in clopper_pearson(k, n)] for k, n in ((50, 200), (0, 200), (10, 40))]
    assert drawn == [pytest.approx(ends, abs=0.006) for ends in wanted]
    points = numbers(r'<svg x="([\d.]+)%" y="[\d.]+"><(?:circle|path)', chart)
    assert points == [(pytest.approx(25 / 0.5, abs=0.006),), (0,), (pytest.approx(25 / 0.5, abs=0.006),)]
    assert re.findall(r">(\d+ %)</text>", chart) == ["0 %", "10 %", "20 %", "30 %", "40 %", "50 %"]
    assert "50 · 25.0 %" in chart
    assert 'aria-label="Errors. digits: before 50, after 0 of 200; strips: before 10, after None of 40"' in chart


@pytest.mark.parametrize("most", [0.001, 0.0099, 0.05, 0.2, 0.51, 0.999, 1.0])
def test_every_axis_reaches_far_enough_with_few_ticks(most: float) -> None:
    chart = interval_chart("Errors", NAMES, ROWS, most)
    ticks = [float(tick) for tick in re.findall(r">([\d.]+) %</text>", chart) if "·" not in tick]
    assert ticks[0] == 0
    assert 100 * most <= ticks[-1] + 1e-9 <= 101
    assert 2 <= len(ticks) <= 7


def test_one_picture_shows_beside_a_thousand_and_none_does_not() -> None:
    chart = histogram("Scores", [Series("a", "hollow", (1000, 0, 1, 10))], [Mark("own .300", "solid", 0.3, True)])
    bars = numbers(r'y="([\d.]+)" height="([\d.]+)" class="bar hollow', chart)
    heights = [height for _, height in bars]
    assert [y + height for y, height in bars] == pytest.approx([PLOT] * 3, abs=0.2)
    assert len(heights) == 3
    assert heights[0] > heights[2] > heights[1] > 5
    assert heights[0] - heights[2] == pytest.approx(2 * (heights[2] - heights[1]), abs=0.3)  # two decades and one
    assert 'x1="30.00%" x2="30.00%"' in chart
    assert "a: 1,000 with a score from 0.00 to 0.25" in chart
    assert re.findall(r">([\d,]+)</text>", chart)[:4] == ["1", "10", "100", "1,000"]


def test_series_stand_side_by_side() -> None:
    chart = histogram("Scores", [Series("a", "hollow", (5, 5)), Series("b", "first", (5, 5))], [])
    bars = sorted(numbers(r'x="([\d.]+)%" width="([\d.]+)%" y', chart))
    assert all(x + width <= following + 0.02 for (x, width), (following, _) in itertools.pairwise(bars))
    assert bars[-1][0] + bars[-1][1] <= 100


def test_bars_are_as_long_as_their_values() -> None:
    chart = bar_chart("Seconds", [("crawl", 30.0), ("mine", 60.0)], "s")
    assert numbers(r'width="([\d.]+)%" y', chart) == [(50,), (100,)]
    assert "60.0 s" in chart


def test_nothing_counted_is_no_error() -> None:
    assert "<rect" not in histogram("Scores", [Series("a", "x", (0, 0))], []).partition("chart counted")[2]
    assert "0.0 s" in bar_chart("Seconds", [("x", 0.0)], "s")
    assert bar_chart("Seconds", [], "s")
    assert "–" in interval_chart("Errors", NAMES, [Errors("none", 0, 0, None)], 0.01)
