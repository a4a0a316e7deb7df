"""The demo's report: the numbers of the data, nothing asked of anybody, nothing of the data run."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from synthetic import DIGITS, FAMILIES, HOSTILE, ODD, Page, build_home, counted, judged

from blindspot.demo.page import headline, write_page
from blindspot.demo.report import QUERIES
from store.console import ask
from store.home import Home
from train.statistics import clopper_pearson, percent

SILENT = ("quic", "background-networking", "component-update", "sync", "gpu")
LAUNCH = ["--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in SILENT)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return build_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def page(home: Home) -> Page:
    return Page(write_page(home.runs / "report.html", home, counted(), judged()))


def cell(errors: int, n: int) -> str:
    low, high = clopper_pearson(errors, n)
    return f"{errors:,} {percent(errors / n)} % ({percent(low)}–{percent(high)})"


def test_the_headline_has_the_sums_and_what_is_not_shown_stands_under_it(page: Page) -> None:
    sentence = headline(FAMILIES)
    assert "flagged 330 of 1,261 held-out benign pictures" in sentence
    assert "the repaired model flags 7 at the same threshold" in sentence
    after = page.words.partition(sentence)[2]
    assert after.startswith("What this does not showMisses are not measured")
    assert "Sentinels are no evidence of recall" in after[:400]
    assert "net.new now serves in place of net.old" in page.words


def test_the_table_has_every_count_with_its_rate_and_interval(page: Page) -> None:
    assert page.row(DIGITS) == [DIGITS, "1,200", *(cell(k, 1200) for k in (310, 7, 133, 29))]
    assert page.row(ODD) == [ODD, "61", *(cell(k, 61) for k in (20, 0, 11, 2))]
    assert page.row("all of them") == ["all of them", "1,261", *(cell(k, 1261) for k in (330, 7, 144, 31))]
    assert page.row("held-out family")[-2:] == ["threshold only (.687)", "repaired (.377)"]
    assert "310 · 25.8 %" in page.words


def test_the_gate_is_told_with_reasons_and_the_whole_certificate(page: Page) -> None:
    assert judged()["repaired"].certificate.as_text() in page.pres
    assert "careless ✖ Reject" in page.words
    assert "repaired ✔ Release" in page.words
    assert "All 1 checks hold." in page.words
    assert "1 morethird: hidden" in page.words


def test_sentinels_stand_by_level(page: Page) -> None:
    assert page.row("0.55") == ["0.55", "359 of 360", "the champion flags none", "359 of 360"]
    assert page.row("0.95") == ["0.95", "358 of 360", "40 of 41 (too few to judge)", "358 of 360"]


def test_scores_and_ordinary_pictures_are_those_of_the_store(page: Page) -> None:
    for name, n in (("ordinary pictures", 30), ("held-out blind spots", 16)):
        bars = re.findall(rf"{name} \({n}\): (\d+) with a score", page.words)
        assert sum(map(int, bars)) == 2 * n  # before and after
    assert page.row("scenes")[:3] == ["scenes", "30", "shoe"]
    assert "repaired model flags 4 of 1,491 (0.27 %" in page.words


def test_queries_stand_with_the_answers_of_the_catalog(home: Home, page: Page) -> None:
    for _, query in QUERIES:
        assert query in page.pres
        answer = ask(home, query)
        assert answer.columns in page.rows
    assert page.row(HOSTILE) == [HOSTILE, "5"]


def test_time_and_commands_are_told(home: Home, page: Page) -> None:
    assert "30.1 s" in page.words
    assert f"blindspot --home {home.root} queue --sheet sheet.html" in page.words


def test_nothing_is_asked_of_anybody_and_nothing_of_the_data_runs(page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form", "image", "use", "video", "audio"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcset", "ping", "data")]
        assert (attributes.get("src") or "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
        assert (attributes.get("href") or "#").startswith("#")
    style = page.source.partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"url\(|@import|image-set", style)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert HOSTILE in page.words  # as text


def test_examples_are_the_extremes_of_their_family(page: Page) -> None:
    alts = [a["alt"] for tag, a in page.elements if tag == "img"]
    wanted = [f"{family} {number}, hidden until revealed" for family in (DIGITS, ODD) for number in range(1, 7)]
    assert alts == wanted
    assert "before 0.74 ▲after 0.13 9 × 9 px" in page.words


def test_what_is_lacking_is_said(home: Home, tmp_path: Path) -> None:
    lost = ask(home, f"SELECT picture FROM family_members WHERE family = '{DIGITS}' ORDER BY picture").rows[0][0]
    copy = Home(tmp_path / "copy", str(tmp_path / "pictures"))
    shutil.copytree(home.root, copy.root)
    shutil.copytree(home.root / "pictures", tmp_path / "pictures")
    next((tmp_path / "pictures").rglob(f"*{lost[4:]}*")).unlink()
    lacking = [{**FAMILIES[0], "flagged_before": None}]
    data = counted(
        families=lacking, gate=[], sentinels=[], note=f"no npm {HOSTILE} \ud800",
        threshold={"threshold_only": None, "repaired": None}, champion={"before": "net.old", "after": "net.old"},
    )  # fmt: skip
    page = Page(write_page(tmp_path / "new" / "report.html", copy, data, {"repaired": judged()["repaired"]}))
    assert "No held-out picture of a planted family was judged by both models." in page.words
    assert page.row(DIGITS)[2:4] == ["–", cell(7, 1200)]
    assert f"no npm {HOSTILE}" in page.words
    assert "net.old goes on serving." in page.words
    assert "None could be made." in page.words
    assert "threshold only (none)" in page.words
    assert "This picture cannot be shown: " in page.words


def test_no_family_at_all_is_said(home: Home, tmp_path: Path) -> None:
    page = Page(write_page(tmp_path / "report.html", home, counted(families=[]), judged()))
    assert "No planted family was held out." in page.words


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium") or pytest.skip("no Chromium; on Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=LAUNCH)
        yield browser
        browser.close()


@pytest.mark.parametrize("width", [1280, 360])
def test_a_browser_shows_it_and_pictures_only_on_demand(home: Home, page: Page, browser: Any, width: int) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, has_touch=width < 400, is_mobile=width < 400
    )
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    shown = context.new_page()
    shown.on("console", lambda message: asked.append(message.text))
    shown.goto((home.runs / "report.html").as_uri())
    filters = "() => [...document.querySelectorAll('.look img')].map((img) => getComputedStyle(img).filter)"
    hidden = "grayscale(1) blur(24px)"
    assert set(shown.evaluate(filters)) == {hidden}
    first, second = shown.locator(".look").nth(0), shown.locator(".look").nth(1)
    if width < 400:
        first.tap()
        assert shown.evaluate(filters)[:2] == ["none", hidden]
        second.tap()
        first.tap()
        assert shown.evaluate(filters)[:2] == [hidden, "none"]
    else:
        first.hover()
        assert shown.evaluate(filters)[:2] == ["none", hidden]
        shown.mouse.move(0, 0)
        shown.keyboard.press("Tab")
        second.locator("input").focus()
        assert shown.evaluate(filters)[:2] == [hidden, "none"]
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert shown.evaluate("document.pwned") is None
    assert [url for url in asked if not url.startswith(("data:image/jpeg", (home.runs / "report.html").as_uri()))] == []
    context.close()
