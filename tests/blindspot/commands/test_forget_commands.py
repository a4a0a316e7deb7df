"""purge and retain at the front door: what they say, what they refuse, and that an interrupt loses nothing."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import signal
import time
from pathlib import Path

import pytest

from store.forgetting.tombstones import Tombstones
from store.home import Home
from store.versions import point_to
from tests.blindspot.calls import Front, ended, start
from tests.crawl.site import Answer, Site, serving
from tests.mine import squares
from tests.train.world import World, add_head
from train.mix import make_mix, record_mix

SOURCE = "a.example"


def stored(home: Home) -> int:
    return len(list(home.blobs().ids()))


# ---- purge -------------------------------------------------------------------------------------------------


def test_a_purge_is_looked_at_first_and_then_done(mined_door: Front, mined: World) -> None:
    home, before = mined.home, stored(mined.home)
    would = mined_door("purge", "--source", SOURCE, "--dry-run", "--json").json
    assert (would["dry_run"], would["pictures"], would["verdicts"]) == (True, 50, 50)
    assert stored(home) == before
    assert mined_door("purge", "--source", SOURCE, "--dry-run").out.startswith("would forget 50 pictures")
    done = mined_door("purge", "--source", SOURCE, "--reason", "asked to", "--json").json
    assert (done["done"], done["pictures"], done["pictures_dropped"]) == (True, 50, 50)
    assert stored(home) == before - 50
    assert mined_door.sql(f"SELECT count(*) FROM pictures WHERE source = '{SOURCE}'") == [[0]]
    assert mined_door.sql("SELECT reason, count(*) FROM tombstones GROUP BY ALL") == [["asked to", 51]]
    again = mined_door("purge", "--source", SOURCE)
    assert (again.code, again.err) == (0, "")
    assert again.out.startswith("forgotten: nothing was known of this source")
    assert mined_door("doctor").code == 0


def test_the_models_that_learned_from_it_are_told(mined_door: Front, mined: World) -> None:
    mix = make_mix(mined.home, mined.ours.version, mined.policy.version)
    record_mix(mined.home, mix)
    made = add_head(mined.home, *squares.head((0.4, -0.01)), mix.name)
    promoted = {"version": made.version, "promoted_at": dt.datetime.now(dt.UTC)}
    point_to(mined.home, mined.serving.model_copy(update=promoted), expected=mined.serving.version)
    shown = mined_door("purge", "--source", SOURCE)
    assert f"mixes that cannot be replayed: {mix.name}" in shown.out
    assert f"model {made.version} trained on such a mix and is the champion" in shown.out
    assert mined_door.sql("SELECT mix, replayable FROM mixes") == [[mix.name, False]]
    assert SOURCE not in shown.out


def test_one_picture_and_one_url(serving_door: Front, pictures: Path) -> None:
    serving_door("import", pictures)
    first, second = (row[0] for row in serving_door.sql("SELECT picture FROM pictures ORDER BY picture LIMIT 2"))
    assert serving_door("purge", "--picture", first, "--json").json["pictures"] == 1
    url = serving_door.sql(f"SELECT url FROM sightings WHERE picture = '{second}'")[0][0]
    assert serving_door("purge", "--url", url, "--json").json["pictures"] == 1
    assert (stored(serving_door.home), serving_door.sql("SELECT count(*) FROM pictures")) == (3, [[3]])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], ["wanted one of --source, --picture and --url", "none"]),
        (["--source", "a", "--url", "http://a/"], ["--source, --url"]),
        (["--picture", "abc"], ["--picture wants a picture's id, 64 hex digits", "'abc'"]),
        (["--url", "a.example/x"], ["--url wants a URL with its scheme"]),
        (["--source", "http://a.example/"], ["--source wants the name of a source"]),
        (["--source", ""], ["--source wants"]),
        (["--source", "a\nb "], ["--source wants"]),
    ],
)
def test_misspelt_targets_are_refused_in_one_line(door: Front, words: list[str], told: list[str]) -> None:
    door("purge", *words).complaint(2, *told)
    assert door.home.inbox().files() == []


def test_a_running_job_is_named_and_nothing_is_asked_for(door: Front) -> None:
    folder = door.home.root / "frontier"
    folder.mkdir()
    (folder / "gallery.sqlite").touch()
    with (folder / "gallery.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        door("purge", "--source", SOURCE).complaint(1, "job gallery is running", "then purge")
    assert door.home.inbox().files() == []
    assert door("purge", "--source", SOURCE).code == 0


def test_a_purge_may_be_left_to_the_next_fold(serving_door: Front, pictures: Path) -> None:
    serving_door("import", pictures)
    left = serving_door("purge", "--source", "owner's pictures", "--no-fold", "--json").json
    assert (left["done"], stored(serving_door.home)) == (False, 5)
    assert serving_door("fold", "--json").json["forgot"] == [left["request"]]
    assert stored(serving_door.home) == 0


def test_an_interrupted_purge_is_finished_by_the_next_fold(mined_door: Front, mined: World) -> None:
    process = start(mined.home, "purge", "--source", SOURCE)
    deadline = time.monotonic() + 60
    while not (mined.home.root / "tombstones.parquet").exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    shown = ended(process)
    assert "Traceback" not in shown.err
    assert mined_door("fold").code == 0
    assert mined_door.sql(f"SELECT count(*) FROM pictures WHERE source = '{SOURCE}'") == [[0]]
    assert mined.home.inbox().files() == []
    assert Tombstones.load(mined.home).forbids_source(SOURCE)
    assert mined_door("doctor").code == 0


def test_a_crawled_site_is_forgotten_and_not_crawled_again(door: Front) -> None:
    with serving(Site()) as site:
        site.routes["/robots.txt"] = Answer("", status=404)
        site.routes["b.test/"] = Answer('<img src="/b.png">')
        site.routes["b.test/b.png"] = Answer(squares.draw("disc", 1), kind="image/png")
        page = '<img src="/canary-1.png"><img src="/canary-2.png"><a href="/canary-page">'
        site.routes["a.test/"] = Answer(page + f'<a href="{site.url("b.test", "/")}">')
        for seed in (1, 2):  # the first is the very picture of b.test
            site.routes[f"a.test/canary-{seed}.png"] = Answer(squares.draw("disc", seed), kind="image/png")
        urls = f'urls = ["{site.url("a.test", "/")}", "{site.url("b.test", "/")}"]'
        exempt = f'allow_addresses = ["127.0.0.1:{site.port}"]'
        door.settings(
            f'[resolve]\n"*.test" = "127.0.0.1"\n[jobs.both]\nspider = "pages"\ndelay_s = 0\n{urls}\n{exempt}\n'
        )
        assert door("crawl", "both", "--json").json["pictures"] == 3
        assert door("purge", "--source", "a.test", "--json").json["pictures"] == 2
        assert stored(door.home) == 0, "b.test had the same bytes"
        holding = [path for path in door.home.root.rglob("*") if path.is_file() and b"canary-" in path.read_bytes()]
        assert holding == []
        site.hits.clear()
        again = door("crawl", "both", "--json").json
        assert again["pictures"] == 0
        assert [hit for hit in site.hits if "a.test" in hit] == []
    assert door.sql("SELECT count(*) FROM pictures") == [[0]]
    assert door.sql("SELECT DISTINCT reason FROM refusals") == [["forgotten"]]


def test_what_was_purged_is_not_imported_again(serving_door: Front, pictures: Path, tmp_path: Path) -> None:
    serving_door("import", pictures)
    serving_door("purge", "--source", "owner's pictures")
    serving_door("import", pictures).complaint(1, "refused: 6 forgotten")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "same.png").write_bytes((pictures / "1.png").read_bytes())
    (elsewhere / "new.png").write_bytes(squares.draw("square", 5))
    again = serving_door("import", elsewhere, "--json").json
    assert (again["pictures"], again["refused"]) == (1, {"forgotten": 1})
    assert stored(serving_door.home) == 1


# ---- retain ------------------------------------------------------------------------------------------------


def test_a_retention_is_looked_at_first_and_then_done(mined_door: Front, mined: World) -> None:
    before = stored(mined.home)
    would = mined_door("retain", "--pictures-older-than", "0d", "--dry-run", "--json").json
    assert would["pictures"] == 150
    assert stored(mined.home) == before
    done = mined_door("retain", "--pictures-older-than", "0d", "--json").json
    assert (done["done"], done["pictures"], stored(mined.home)) == (True, 150, before - 150)
    assert mined_door("doctor").code == 0
    assert mined_door("queue", "--json").rows == [], "nothing that can be shown waits"
    assert mined_door("retain", "--pictures-older-than", "30d").out.startswith("dropped the bytes of 0 pictures")
    assert (
        mined_door("retain", "--pictures-older-than", "0d", "--suites-too", "--json").json["pictures"] == before - 150
    )
    assert stored(mined.home) == 0


def test_no_age_is_refused(door: Front) -> None:
    door("retain").complaint(2, "--pictures-older-than")
    door("retain", "--pictures-older-than", "a month").complaint(2, "hours, days or weeks, as 30d", "'a month'")


def test_a_job_that_fetches_it_again_stores_it_anew(serving_door: Front, pictures: Path) -> None:
    serving_door("import", pictures)
    serving_door("retain", "--pictures-older-than", "0d")
    assert serving_door("import", pictures, "--json").json["new_pictures"] == 5
    assert serving_door.sql("SELECT count(*) FROM dropped_pictures") == [[0]]
    assert stored(serving_door.home) == 5
    data = squares.draw("square", 9_000)
    assert serving_door.home.blobs().has(serving_door.home.blobs().put(data))
    assert json.loads(serving_door("doctor", "--json").out)["ok"]
