"""The offline sheet in a real browser: from the queue to verdicts in the catalog, without one request."""

from __future__ import annotations

import csv
import datetime as dt
import functools
import io
import json
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

from blindspot.sheet import Entry, fit, sheet_entries, write_sheet
from store.catalog import Snapshot
from store.fold import fold
from store.home import Home
from store.policy import read_policy
from store.verdicts import import_verdicts

Open = Callable[..., Any]
Rows = list[dict[str, Any]]
SILENT = ("quic", "background-networking", "component-update", "sync", "gpu")
LAUNCH = ["--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in SILENT)]
HOSTILE = "</script><script>pwned = 1</script><img src=x onerror='pwned = 2'><!-- <script> %%data%% \ud800"
# Tries what a page could ask for; answers with what the security policy refused.
PROBE = """async (url) => {
    const refused = [];
    document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
    await fetch(url + "fetch", {signal: AbortSignal.timeout(1000)}).catch(() => null);
    document.body.append(Object.assign(new Image(), {src: url + "image"}));
    document.body.append(Object.assign(document.createElement("script"), {textContent: "pwned = 3"}));
    await new Promise((resolve) => setTimeout(resolve, 200));
    return refused.sort();
}"""
NO_STORAGE = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no') }})"
ODD_RECORD = {"picture": f"{1:064x}", "id": "a", "at": "b", "class": "gone", "note": "", "undoes": ""}
ODD_STATE = {"log": [1, None, ODD_RECORD], "at": -3, "skipped": 5, "notes": None, "revealed": "9"}


def digit() -> np.ndarray[Any, Any]:
    rgb = np.full((8, 8, 3), 255, np.uint8)
    rgb[1:7, 4] = 0
    return rgb


def encoded(rgb: np.ndarray[Any, Any], kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, kind)
    return out.getvalue()


def drawn(n: int, reason: str = "drawn") -> list[Entry]:
    jpeg = encoded(fit(digit()), "JPEG")
    return [Entry(i, f"{i:064x}", "audit", reason, jpeg, 8, 8) for i in range(1, n + 1)]


def ask(home: Home, query: str) -> Rows:
    fold(home)
    with Snapshot(home) as snapshot:
        return snapshot.rows(query)


@pytest.fixture
def queue(home: Home) -> Rows:
    """What the view `queue` says about four benign pictures."""
    strip = np.tile(np.linspace(0, 255, 2000).astype(np.uint8)[None, :, None], (3, 1, 3))
    pictures = [home.blobs().put(encoded(rgb)) for rgb in (data.astronaut(), data.coffee(), digit(), strip)]
    now = dt.datetime.now(dt.UTC)
    home.inbox().append("pictures", [{"picture": p, "first_seen_at": now} for p in pictures])
    lanes = ("flagged", "near_threshold", "looks", "audit")
    shared = {"queue": "q", "reason": "one; two", "queued_at": now}
    rows = [shared | {"rank": i, "lane": lanes[i - 1], "picture": p} for i, p in enumerate(pictures, start=1)]
    home.inbox().append("queue_entries", rows)
    return ask(home, "SELECT * FROM queue ORDER BY rank")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium") or pytest.skip("no Chromium; on Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=LAUNCH)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any, home: Home) -> Iterator[Open]:
    """Writes a sheet, opens it and gives a name. No page may ask for anything but itself, no script fail."""
    path, contexts, asked = home.root / "sheet.html", [], []
    own = (path.as_uri(), "data:image/jpeg;base64,", "blob:")

    def open_sheet(entries: list[Entry], name: str = "Ada", script: str = "", **more: Any) -> Any:
        write_sheet(path, entries, read_policy(home.policy), **{"title": "A sheet", **more})
        contexts.append(context := browser.new_context(viewport={"width": 1280, "height": 800}))
        context.on("request", lambda request: request.url.startswith(own) or asked.append(request.url))
        context.add_init_script(script)
        page = context.new_page()
        page.on("pageerror", lambda error: asked.append(str(error)))
        page.goto(path.as_uri())
        page.fill("#name", name)
        page.keyboard.press("Enter")
        return page

    open_sheet.asked = asked  # type: ignore[attr-defined]
    yield open_sheet
    for context in contexts:
        context.close()
    assert asked == []


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def hidden(page: Any) -> bool:
    """Whether the browser draws the picture both blurred and grey."""
    drawn = page.eval_on_selector("#picture", "picture => getComputedStyle(picture).filter")
    assert ("blur(" in drawn) == ("grayscale(1)" in drawn)
    return "blur(" in drawn


def progress(page: Any) -> list[int]:
    """Answered, skipped, left."""
    return [int(part.split()[0]) for part in page.inner_text("#progress").split(" · ")]


def downloaded(page: Any, act: Callable[[], None] | None = None) -> str:
    with page.expect_download() as download:
        (act or (lambda: page.click("#download")))()
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_from_the_queue_to_verdicts_by_keyboard(home: Home, queue: Rows, opened: Open) -> None:
    page, policy = opened(sheet_entries(home, queue), name='=Ada, "A"'), read_policy(home.policy)
    press(page, "2", "1", "Backspace", "3", "n")  # the second answer is undone and given anew
    page.keyboard.type("-1 is, I think, a digit")
    press(page, "Enter", "1", "s")
    assert progress(page) == [3, 1, 0]
    page.reload()
    assert progress(page) == [3, 1, 0]
    assert not page.is_visible("#who")
    assert import_verdicts(home, policy, downloaded(page)) == 3
    verdicts = ask(home, "SELECT * FROM verdicts ORDER BY decided_at")
    assert [v["picture"] for v in verdicts] == [row["picture"] for row in queue[:3]]
    decided = [("shoe", "flagged"), ("other", "near_threshold"), ("bag", "looks")]
    assert [(v["class"], v["lane"]) for v in verdicts] == decided
    assert [v["note"] for v in verdicts] == [None, None, "'-1 is, I think, a digit"]
    assert {(v["reviewer"], v["policy_version"]) for v in verdicts} == {('\'=Ada, "A"', policy.version)}
    assert abs(verdicts[0]["decided_at"].replace(tzinfo=dt.UTC) - dt.datetime.now(dt.UTC)).seconds < 600
    assert [row["rank"] for row in ask(home, "SELECT rank FROM queue")] == [4]


def test_what_was_downloaded_can_still_be_undone(home: Home, queue: Rows, opened: Open) -> None:
    page = opened([replace(e, picture=row["picture"]) for e, row in zip(drawn(4), queue, strict=True)])
    press(page, "1", "2")
    first = downloaded(page)
    press(page, "u", "u", "3")
    second = downloaded(page)
    for text, expected in ((first, ["bag", "shoe"]), (second, ["other"]), (second, ["other"])):
        import_verdicts(home, read_policy(home.policy), text)
        verdicts = ask(home, "SELECT class FROM verdicts ORDER BY decided_at")
        assert [row["class"] for row in verdicts] == expected


def test_pictures_are_hidden_until_asked_for_and_again_when_one_moves_on(opened: Open) -> None:
    page = opened(drawn(6))
    down, up = (functools.partial(act, " ") for act in (page.keyboard.down, page.keyboard.up))
    steps = [("r", False), ("1", True), (down, False), (up, True), (down, False), ("ArrowRight", True)]
    steps += [(down, True), (up, True), ("r", False), ("ArrowLeft", True), ("r", False), (page.reload, True)]
    assert hidden(page)
    for number, (step, expected) in enumerate(steps):
        press(page, step) if isinstance(step, str) else step()
        assert hidden(page) == expected, number


def test_revealing_stops_at_the_cap_until_acknowledged(opened: Open) -> None:
    page = opened(drawn(6), reveal_cap=2)
    press(page, "r", "r", "r")
    assert page.inner_text("#exposure") == "Revealed 1 of 2"  # once, as long as it is current
    press(page, "s", "r", "s")
    page.reload()
    assert page.inner_text("#exposure") == "Revealed 2 of 2 · pause due"
    for act in (page.keyboard.down, page.keyboard.down, page.keyboard.up):
        act(" ")
    assert page.is_visible("#pause")  # a Space held down does not press its button
    press(page, "Escape", "1", "r")
    assert page.is_visible("#pause")
    assert hidden(page)
    assert progress(page) == [1, 2, 3]
    page.click("#pause .primary")
    press(page, "r")
    assert not hidden(page)
    assert page.inner_text("#exposure") == "Revealed 3 of 4"


def test_one_press_answers_one_picture_and_the_answer_can_be_changed(opened: Open) -> None:
    page = opened(drawn(4))
    for _ in range(5):
        page.keyboard.down("2")
    assert progress(page) == [1, 0, 3]
    page.click("#classes button >> nth=1")
    press(page, " ")  # reveals, and does not press the button again
    assert progress(page) == [2, 0, 2]
    press(page, "ArrowLeft")
    assert page.get_attribute("#classes button >> nth=1", "aria-pressed") == "true"
    press(page, "3")
    assert [row["class"] for row in csv.DictReader(io.StringIO(downloaded(page)))] == ["shoe", "other"]
    bag, shoe, _ = page.locator("#classes button").all_inner_texts()
    assert (bag, shoe) == ("1\nbag\nflagged\na bag fills a good part of the picture", "2\nshoe\nnot flagged")


def test_without_a_name_nothing_is_downloaded(opened: Open) -> None:
    page = opened(drawn(2), name="")
    assert page.is_visible("#who")
    press(page, "Escape", "1")
    page.click("#download")
    page.fill("#name", "  ")
    press(page, "Enter")  # is no name
    page.fill("#name", "Bo")
    assert ",Bo," in downloaded(page, lambda: press(page, "Enter"))


def test_hostile_text_is_inert_and_nothing_can_be_asked_for(opened: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        page = opened(drawn(1, f"{HOSTILE}<img src={url}>"), title=f"{HOSTILE}<img src={url}>")
        assert opened.asked == []
        assert page.evaluate(PROBE, url) == ["connect-src", "img-src", "script-src-elem"]
        opened.asked.clear()  # the probe's own attempts
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()  # nobody ever connected
    assert page.evaluate("typeof pwned") == "undefined"
    assert page.inner_text("#reasons") == f"{HOSTILE}<img src={url}>"
    assert page.title() == page.inner_text("h1") == f"{HOSTILE[:-1]}\ufffd<img src={url}>"


def test_a_browser_that_stores_nothing_still_answers_and_says_so(opened: Open) -> None:
    page = opened(drawn(2), script=NO_STORAGE)
    assert page.is_visible("#warning")
    press(page, "1")
    assert downloaded(page).count("\n") == 2


@pytest.mark.parametrize("kept", ["{not json", "7", json.dumps(ODD_STATE)])
def test_damaged_answers_in_the_browser_do_not_break_the_sheet(opened: Open, kept: str) -> None:
    page = opened(drawn(2))
    page.evaluate("kept => localStorage.setItem(Object.keys(localStorage)[0], kept)", kept)
    page.reload()
    press(page, "Escape", "1")
    assert progress(page) == [1, 0, 1]


def test_a_picture_that_cannot_be_shown_can_only_be_skipped(opened: Open) -> None:
    page = opened([Entry(1, "0" * 64, "audit", "why", None, None, None, "broken: <b>"), *drawn(1)])
    assert page.inner_text("#failure").endswith("broken: <b>")
    press(page, "1", "r", "s")
    assert progress(page) == [0, 1, 1]
    assert page.inner_text("#exposure") == "Revealed 0 of 100"


def test_it_fits_a_desk_and_a_phone(opened: Open) -> None:
    page = opened(drawn(1, "long" * 200), title="t" * 300)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_entries_come_with_thumbnails_or_with_the_failure(home: Home, queue: Rows) -> None:
    row = {"rank": 9, "lane": "audit", "reason": None}
    broken, missing = row | {"picture": home.blobs().put(b"GIF89a")}, row | {"picture": "f" * 64}
    entries = sheet_entries(home, rows := [broken, missing, *queue, broken], limit=6)
    assert [entry.picture for entry in entries] == [row["picture"] for row in rows[:6]]
    assert [(e.width_px, e.height_px) for e in entries[2:]] == [(512, 512), (600, 400), (8, 8), (2000, 3)]
    sizes = [Image.open(io.BytesIO(entry.thumbnail or b"")).size for entry in entries[2:]]
    assert sizes == [(256, 256), (256, 171), (256, 256), (256, 32)]
    assert [entry.thumbnail for entry in entries[:2]] == [None, None]
    assert ["broken" in entries[0].failure, "f" * 64 in entries[1].failure] == [True, True]
    assert sheet_entries(home, []) == []


def test_fit_keeps_everything_visible_and_invents_no_colours() -> None:
    fits = [(512, 512, 256, 256), (400, 600, 171, 256), (200, 150, 200, 150), (8, 8, 256, 256)]
    fits += [(1, 1, 256, 256), (28, 20, 252, 180), (1, 100, 32, 200), (3, 2000, 32, 256), (8000, 8, 256, 32)]
    for height, width, *shown in fits:
        assert fit(np.zeros((height, width, 3), np.uint8)).shape == (*shown, 3), (height, width)
    assert (fit(digit()) == digit().repeat(32, axis=0).repeat(32, axis=1)).all()
