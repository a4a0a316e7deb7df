"""One whole turn, end to end: crawl a web on loopback, mine, train on the verdicts, judge, promote, mine again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blindspot.cycle import crawl_in_own_process
from mine.agenda import missing
from store.home import Home
from tests.blindspot.calls import COMMAND, Front
from tests.crawl.site import Answer, Site, serving
from tests.mine import squares
from tests.train.world import World

FLAGGED_DISCS = """
    SELECT count(*) FROM scores s JOIN champion c ON c.version = s.version
    JOIN family_members f ON f.picture = s.picture AND f.family = 'discs' WHERE s.flagged"""


@pytest.fixture
def web() -> Iterator[Site]:
    """A host with pictures: green discs, which fool the champion. Any other host has nothing."""
    with serving(Site()) as site:
        site.routes["/robots.txt"] = Answer("", status=404)
        names = [f"/{seed}.png" for seed in range(5_000, 5_006)]
        site.routes["discs.test/"] = Answer("".join(f'<img src="{name}">' for name in names))
        for seed, name in enumerate(names, start=5_000):
            site.routes[f"discs.test{name}"] = Answer(squares.draw("disc", seed), kind="image/png")
        yield site


def settings(site: Site, *jobs: str, more: str = "") -> str:
    text = f'[crawl]\ndelay_s = 0\nallow_addresses = ["127.0.0.1:{site.port}"]\n[resolve]\n"*.test" = "127.0.0.1"\n'
    for job in jobs:
        text += f'[jobs.{job}]\nspider = "pages"\nurls = ["{site.url(f"{job}.test")}"]\n'
    return text + f"[cycle]\njobs = {json.dumps(jobs)}\n{more}"


def test_a_turn_without_verdicts_crawls_and_mines_and_asks_for_them(serving_door: Front, web: Site) -> None:
    serving_door.settings(settings(web, "discs", "gone"))
    done = serving_door("cycle", "--json")
    turn = done.json
    assert turn["outcome"] == "too_few_verdicts"
    assert "wanted 30 reviewed pictures" in turn["note"]
    assert [(crawl["job"], crawl.get("pictures")) for crawl in turn["crawls"]] == [
        ("discs", 6),
        ("gone", None),
    ]
    assert "http_404" in turn["crawls"][1]["error"], "a crawl that fails is told and stops nobody"
    assert [line for line in done.err.splitlines() if "crawl gone failed" in line]
    assert (turn["mined"]["looked_at"], turn["gate"]) == (6, [])
    assert turn["champion"] == {"before": squares.champion().name, "after": squares.champion().name}
    assert {"crawl", "mine"} <= set(turn["seconds"])
    assert serving_door("queue", "--json").rows, "there is something to review now"
    ((outcome, summary),) = serving_door.sql("SELECT outcome, summary FROM cycles")
    assert outcome == "too_few_verdicts"
    assert json.loads(summary)["crawls"] == turn["crawls"]


@pytest.mark.usefixtures("compared_here")
def test_a_turn_with_verdicts_trains_judges_and_lets_the_better_one_serve(
    mined: World, mined_door: Front, tmp_path: Path
) -> None:
    mined_door.settings('[cycle]\nfamilies = ["discs"]\n')
    ((before,),) = mined_door.sql(FLAGGED_DISCS)
    turn = mined_door("cycle", "--json").json
    (judged,) = turn["gate"]
    assert (turn["outcome"], judged["decision"], judged["reasons"]) == ("release", "release", [])
    assert turn["champion"] == {"before": mined.ours.version, "after": judged["candidate"]}
    assert {"crawl", "mine", "train", "gate", "mine_again"} <= set(turn["seconds"])
    assert mined_door("models", "show", "--json").json["version"] == judged["candidate"]
    ((after,),) = mined_door.sql(FLAGGED_DISCS)
    assert before >= 50
    assert after * 10 <= before, "the blind spot is closed"
    left = missing(mined.home, [judged["candidate"]])
    assert left == [], "the new champion has judged every picture"

    again = mined_door("cycle")
    assert again.out.splitlines()[0].endswith(
        "no_new_verdicts: nothing was reviewed since the last turn; `blindspot queue`"
    )
    assert mined_door.sql("SELECT outcome FROM cycles ORDER BY started_at") == [["release"], ["no_new_verdicts"]]

    # A sheet that was answered long ago and comes in now is new all the same; too few, for who wants so many.
    (picture,) = mined_door.sql("SELECT min(picture) FROM queue")[0]
    sheet = tmp_path / "late.csv"
    sheet.write_text(f"picture,class,reviewer,decided_at\n{picture},texture,ada,2020-01-01T00:00:00\n")
    mined_door("verdicts", "import", sheet)
    mined_door.settings("[train]\nleast_verdicts = 5000\n")
    third = mined_door("cycle", "--json").json
    assert third["outcome"] == "too_few_verdicts"
    assert "wanted 5000 reviewed pictures" in third["note"]
    mined_door("train").complaint(1, "wanted 5000 reviewed pictures")


@pytest.mark.usefixtures("compared_here")
def test_a_refused_candidate_does_not_make_a_timer_red(mined: World, mined_door: Front) -> None:
    mined_door.settings("[train]\nhold = 0\nsentinels = 0\n")  # forgets what it knew
    done = mined_door("cycle", "--json")
    assert done.code == 0
    assert done.json["outcome"] == done.json["gate"][0]["decision"] != "release"
    assert done.json["gate"][0]["reasons"]
    assert done.json["champion"]["after"] == mined.ours.version


def test_a_folder_of_other_peoples_programs_is_none_of_ours(
    serving: Home, web: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who trains models has a train.py where they work."""
    work = tmp_path / "work"
    work.mkdir()
    for name in ("train.py", "crawl.py", "store.py", "mine.py", "blindspot.py"):
        (work / name).write_text("raise SystemExit('not ours')\n")
    serving.settings.write_text(settings(web, "discs"))
    monkeypatch.chdir(work)
    told: list[str] = []
    assert crawl_in_own_process(serving, "discs", told.append)["pictures"] == 6
    assert told == []


def test_a_crawl_that_cannot_start_is_told_in_its_own_words(serving: Home, web: Site) -> None:
    serving.settings.write_text(settings(web, "discs"))
    told: list[str] = []
    found = crawl_in_own_process(serving, "nosuch", told.append)
    assert found == {"job": "nosuch", "error": "no crawl job 'nosuch'; [jobs] has: discs"}
    assert told == [f"crawl nosuch failed: {found['error']}"]


def test_the_command_is_a_module_too() -> None:
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: blindspot ")
    assert sys.executable in COMMAND
