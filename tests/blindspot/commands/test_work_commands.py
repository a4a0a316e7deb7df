"""crawl, fold and mine: what a scheduler starts, and everything that may be in their way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.home import Home
from tests.blindspot.calls import Front, ended, start
from tests.crawl.site import Answer, Site, serving
from tests.mine import squares

HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site()) as running:
        running.routes["/robots.txt"] = Answer("", status=404)
        yield running


def picture(seed: int) -> Answer:
    return Answer(squares.draw("disc", seed), kind="image/png")


def settings_for(site: Site, **jobs: str) -> str:
    """Settings with jobs of the spider `pages`, each from its path."""
    text = f'[crawl]\ncontact = "https://example.org/"\ndelay_s = 0\nallow_addresses = ["127.0.0.1:{site.port}"]\n'
    text += '[resolve]\n"*.test" = "127.0.0.1"\n'
    return text + "".join(
        f'[jobs.{name}]\nspider = "pages"\nurls = ["{site.url("a.test", path)}"]\n' for name, path in jobs.items()
    )


# ---- crawl -------------------------------------------------------------------------------------------------


def test_a_job_is_crawled_in_a_process_of_its_own(door: Front, site: Site) -> None:
    site.routes.update({"/": Answer('<img src="/1.png"><img src="/no.png">'), "/1.png": picture(1)})
    site.routes["/no.png"] = Answer(b"no picture", kind="image/png")
    door.settings(settings_for(site, gallery="/"))
    done = ended(start(door.home, "crawl", "gallery", "--json"))
    assert done.err == ""
    summary = done.json
    assert (summary["job"], summary["pages"], summary["pictures"], summary["new_pictures"]) == ("gallery", 1, 1, 1)
    assert (summary["refused"], summary["stopped"]) == ({"not_a_picture": 1}, "finished")
    assert door.sql("SELECT job, host, source FROM sightings") == [["gallery", "a.test", "a.test"]]
    assert door.sql("SELECT reason, job FROM refusals") == [["not_a_picture", "gallery"]]


def test_a_site_without_pictures_is_told_and_no_failure(door: Front, site: Site) -> None:
    site.routes["/"] = Answer("<p>nothing to see</p>")
    door.settings(settings_for(site, gallery="/"))
    found = door("crawl", "gallery", "--json").json
    assert (found["pages"], found["pictures"], found["stopped"]) == (1, 0, "finished")
    assert "the site shows no picture" in door("crawl", "gallery").out


def test_a_list_of_some_rubbish_gives_what_it_can(door: Front, site: Site, tmp_path: Path) -> None:
    site.routes["/1.png"] = picture(1)
    urls = tmp_path / "urls.txt"
    urls.write_bytes(f"{site.url('127.0.0.1')}1.png\n::::\nftp://x/\n".encode() + b"\xff\n")
    exempt = ["--allow-address", f"127.0.0.1:{site.port}"]
    found = door("crawl", "url_list", "--list", urls, *exempt, "--json").json
    assert (found["pictures"], found["refused"]) == (1, {"bad_url": 3})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["pages", "--url", "http://127.0.0.1:1/"], ["address_refused", "--allow-address"]),
        (["pages", "--url", "http://127.0.0.1:1/", "--allow-address", "127.0.0.1:1"], ["connection_failed"]),
        (["pages", "--url", "http://nosuch.invalid/"], ["cannot_resolve", "[resolve]"]),
        (["url_list", "--list", "rubbish"], ["bad_url (line 1 of rubbish)"]),
        (["url_list", "--list", "empty"], ["wanted URLs in empty, found none"]),
    ],
)
def test_a_crawl_that_fetched_nothing_at_all_fails(
    words: list[str], told: list[str], door: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rubbish").write_bytes(bytes(range(1, 256)) * 3)
    (tmp_path / "empty").write_text("# none\n")
    door.settings('[crawl]\ncontact = "https://example.org/"\n')
    door("crawl", *words, "--json").complaint(1, *told)
    ((stopped, error),) = door("sql", "SELECT stopped, summary->>'error' FROM crawls", "--json").rows
    assert stopped == "failed"
    assert told[0] in error


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["gallery"], ["no crawl job 'gallery'", "[jobs] has: none"]),
        (["Pages", "--url", "http://x/"], ["no crawl job 'Pages'"]),
        (["pages"], ["at least one URL"]),
        (["pages", "--url", "ftp://x/"], ["an http or https URL", "ftp://x/"]),
        (["pages", "--url", "http://me:secret@x/"], ["without user and password"]),
        (["pages", "--url", "http://x/", "--allow-address", "x"], ["IP:PORT", "'x'"]),
        (["pages", "--url", "http://x/", "--max-pages", "0"], ["--max-pages"]),
        (["url_list"], ["--list FILE"]),
        (["url_list", "--list", "gone.txt"], ["--list FILE", "gone.txt"]),
    ],
)
def test_a_crawl_that_makes_no_sense_is_one_line(words: list[str], told: list[str], door: Front) -> None:
    door("crawl", *words, "--json").complaint(2, *told)


# ---- fold --------------------------------------------------------------------------------------------------


@pytest.fixture
def held(fresh: Home) -> Iterator[Home]:
    """A home whose catalog another process has open for writing."""
    words = [sys.executable, "-c", HOLD, str(fresh.catalog)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield fresh
        holder.communicate("")


def test_a_catalog_that_somebody_holds_is_one_line_and_nothing_is_lost(held: Home, door: Front, pictures: Path) -> None:
    for command in (["fold"], ["import", str(pictures)], ["models", "promote", "x"]):
        door(*command, "--json").complaint(1, str(held.catalog), "held by another process (PID", "run again")
    assert door("queue", "--json").rows == [], "who only reads is not in anybody's way"
    assert door("import", pictures, "--no-fold").code == 0


def test_what_could_not_be_folded_then_is_folded_later(door: Front, pictures: Path) -> None:
    words = [sys.executable, "-c", HOLD, str(door.home.catalog)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        door("import", pictures).complaint(1, "held by another process")
        holder.communicate("")
    assert door("fold", "--json").json["files"] == 2
    assert door.sql("SELECT count(*) FROM pictures") == [[5]]


def test_a_catalog_of_rubbish_is_one_line(door: Front) -> None:
    door.home.catalog.write_text("rubbish")
    door("fold").complaint(1, str(door.home.catalog), "snapshot.duckdb in its place")
    door.home.catalog.write_bytes(door.home.snapshot.read_bytes())
    assert door("fold").code == 0


def test_an_unreadable_record_goes_to_quarantine(door: Front) -> None:
    inbox = door.home.root / "inbox"
    inbox.mkdir(exist_ok=True)
    (inbox / "1-refusals-x.jsonl").write_text("{")
    (inbox / "something.parquet").write_bytes(b"x")
    assert door("fold", "--json").json["quarantined"] == 2
    assert door("fold").out == "0 files folded, 0 new rows, 0 files quarantined\n"
    assert len(list(door.home.quarantine.glob("*.reason"))) == 2


# ---- mine --------------------------------------------------------------------------------------------------


def test_mining_counts_what_it_found_and_what_it_could_not_read(serving_door: Front, pictures: Path) -> None:
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    serving_door.settings("[inbox]\nmax_files = 1\npatience_s = 0\n")  # it folds by itself: nothing to wait for
    serving_door("import", pictures)
    done = serving_door("mine", "run", "--json")
    assert done.err == ""
    assert (done.json["looked_at"], done.json["refused"]) == (6, {"broken": 1})
    assert done.json["failed_detectors"] == {}
    assert set(done.json["findings"]) >= {"odd_size", "line_art", "disagreement", "near_threshold"}
    assert serving_door.sql("SELECT stage, reason FROM refusals") == [["decode", "broken"]]
    again = serving_door("mine", "run")
    assert again.out.startswith("0 pictures looked at (refused: none); findings: ")
    assert serving_door.sql("SELECT count(*), count(DISTINCT picture) FROM raw_scores") == [[5, 5]]


def test_views_come_from_the_command_or_from_the_settings(serving_door: Front, pictures: Path) -> None:
    views = "SELECT view, count(*) FROM raw_scores GROUP BY view ORDER BY view"
    serving_door("import", pictures)
    serving_door("mine", "run", "--views", "sideways").complaint(2, "no view 'sideways'", "as_shown, on_black")
    serving_door("mine", "run", "--views", "jpeg_50, on_black")
    assert serving_door.sql(views) == [["as_shown", 5], ["jpeg_50", 5]]
    serving_door.settings('[mine]\nviews = ["cropped"]\n')
    assert serving_door("mine", "run", "--json").json["looked_at"] == 5
    assert serving_door.sql(views) == [["as_shown", 5], ["cropped", 5], ["jpeg_50", 5]]


def test_a_version_that_never_answers_ends_in_one_line_and_the_rest_is_kept(
    serving_door: Front, pictures: Path
) -> None:
    recipe = {"recipe": "nsfwjs", "size": 16, "crop": 3}
    squares.variant(serving_door.home.models, "broken.1", preprocessing=recipe)
    serving_door("import", pictures)
    done = serving_door("mine", "run", "--json")
    assert done.code == 1
    assert list(done.any_json["failed_versions"]) == ["broken.1"]
    done.last_line("no answer from broken.1", "`blindspot mine run`")
    assert len([line for line in done.err.splitlines() if "crop" in line]) == 1
    assert serving_door.sql("SELECT version, count(*) FROM raw_scores GROUP BY version") == [
        [squares.champion().name, 5]
    ]


def test_without_a_champion_there_is_nothing_to_mine_for(door: Front, pictures: Path) -> None:
    door("import", pictures)
    for command in (["mine", "run"], ["cycle"], ["train"], ["gate", "x"]):
        door(*command).complaint(1, "no champion", "`blindspot models promote VERSION`")


# ---- train and gate (their answers: test_model_commands) ---------------------------------------------------


def test_too_few_verdicts_are_no_training(queued_door: Front) -> None:
    queued_door("train", "--json").complaint(1, "wanted 30 reviewed pictures", "found 0", "`blindspot queue`")
    judged = queued_door("gate", "champion", "--json")
    assert (judged.code, judged.any_json["decision"]) == (3, "reject")
    judged.last_line("more than a threshold")
