from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

import crawl.collect
from crawl.collect import Seen, refusal
from crawl.run import run
from store.errors import CrawlError, InboxFull
from store.home import Home
from store.inbox import InboxLimits
from tests.crawl.site import Answer, Site, png, records

PICTURES = 40


@pytest.fixture
def gallery(site: Site) -> Site:
    site.routes = {f"/{number}.png": png(number) for number in range(PICTURES)}
    site.routes["/"] = Answer("".join(f'<img src="{number}.png">' for number in range(PICTURES)))
    return site


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawl.collect, "BATCH_ROWS", 10)


def test_an_inbox_that_nobody_folds_ends_the_crawl_and_loses_nothing(
    gallery: Site, tmp_path: Path, small_batches: None
) -> None:
    home = Home(tmp_path / "home", inbox_limits=InboxLimits(max_files=3, patience_s=0.3))
    handler = Lines()
    with pytest.raises(InboxFull, match=r"is full: .*nobody folded .*; the crawl stopped with \d+ pictures") as caught:
        run(gallery.job("a.test/"), home, log_handler=handler)
    said = int(str(caught.value).partition("stopped with ")[2].split()[0])
    kept = {row["picture"] for row in records(home, "sightings")}
    assert said >= len(kept) > 0
    assert kept <= {row["picture"] for row in records(home, "pictures")} <= set(home.blobs().ids())
    assert len([line for line in handler.lines if "the crawl pauses" in line]) == 1
    # Folded in the meantime: the next run brings the rest.
    for path in home.inbox().files():
        path.unlink()
    again = run(gallery.job("a.test/"), Home(tmp_path / "home"))
    assert again.resumed
    assert again.pictures + said == PICTURES
    assert kept | {row["picture"] for row in records(Home(tmp_path / "home"), "sightings")} == set(home.blobs().ids())
    assert len(set(home.blobs().ids())) == PICTURES


def test_a_full_inbox_that_is_folded_lets_the_crawl_go_on(gallery: Site, tmp_path: Path, small_batches: None) -> None:
    home = Home(tmp_path / "home", inbox_limits=InboxLimits(max_files=3, patience_s=20))
    handler, folded = Lines(), []

    def fold() -> None:
        assert threading.current_thread() is not threading.main_thread()
        folded.extend(records(home, "sightings"))
        for path in home.inbox().files():
            path.unlink()

    summary = run(gallery.job("a.test/"), home, drain=fold, log_handler=handler)
    assert summary.pictures == PICTURES == len(folded + records(home, "sightings"))
    assert summary.stopped == "finished"
    assert folded
    assert "the crawl pauses" in handler.lines[0]


def test_a_fold_that_fails_is_told_and_waited_for(gallery: Site, tmp_path: Path, small_batches: None) -> None:
    home = Home(tmp_path / "home", inbox_limits=InboxLimits(max_files=3, patience_s=0.3))
    handler = Lines()

    def fold() -> None:
        raise CrawlError("somebody else folds")

    with pytest.raises(InboxFull):
        run(gallery.job("a.test/"), home, drain=fold, log_handler=handler)
    assert "folding now did not work: somebody else folds" in handler.lines


def test_pictures_that_cannot_be_written_end_the_crawl(gallery: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    home = Home(tmp_path / "home", pictures_url=str(tmp_path / "file"))
    with pytest.raises(CrawlError, match="a picture could not be written"):
        run(gallery.job("a.test/"), home)
    assert records(home, "sightings") == []


def test_an_inbox_that_cannot_be_written_ends_the_crawl(gallery: Site, home: Home) -> None:
    home.root.mkdir()
    (home.root / "inbox").write_text("no folder")
    with pytest.raises(CrawlError, match="the inbox took no rows"):
        run(gallery.job("a.test/"), home)


def test_a_refusal_is_clean() -> None:
    kind, row = refusal("http://user:secret@a.test/\x1b", "http_404", "", "test")
    assert (kind, row["url"]) == ("refusals", "http://a.test/\\x1b")
    assert (row["reason"], row["detail"], row["job"], row["stage"]) == ("http_404", None, "test", "fetch")


def test_seen_has_the_columns_of_a_sighting() -> None:
    from store.schema import sightings

    assert set(Seen.__dataclass_fields__) <= {column.name for column in sightings.columns}


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
