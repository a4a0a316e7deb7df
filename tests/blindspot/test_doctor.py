"""The doctor finds what is wrong with a home, says what to do, and mends what can be mended."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from store.cards import CARD_FILE, INFERENCE_FILE
from store.fold import fold
from store.forgetting.requests import RETENTION, ask_to_forget
from store.forgetting.tombstones import Tombstones, file_of
from store.home import Home
from store.known_bad.bankwatch import MAX_PICTURES, Watch
from store.known_bad.hashlists import HashList, write_list
from tests.blindspot.calls import Front
from tests.mine import squares

POINTS = [
    "jobs",
    "policy",
    "models",
    "champion",
    "inbox",
    "quarantine",
    "bank",
    "catalog",
    "pictures",
    "tombstones",
    "leftovers",
]
LONG_AGO = time.time() - 7_200


def looked(door: Front, *words: str) -> dict[str, tuple[bool, str]]:
    found = door("doctor", *words, "--json").any_json
    return {point["what"]: (point["ok"], point["found"]) for point in found["points"]}


def failing(door: Front, *words: str) -> dict[str, str]:
    return {what: found for what, (ok, found) in looked(door, *words).items() if not ok}


def version(home: Home) -> Path:
    return home.models / squares.champion().name


def test_a_sound_home_has_every_point(serving_door: Front, pictures: Path) -> None:
    serving_door("import", pictures)
    shown = serving_door("doctor")
    assert (shown.code, shown.err) == (0, "")
    assert [line.split()[1].rstrip(":") for line in shown.out.splitlines()] == POINTS
    assert all(line.startswith("ok    ") for line in shown.out.splitlines())
    assert serving_door("doctor", "--json").json["ok"] is True


def test_a_fresh_home_wants_a_model(door: Front) -> None:
    shown = door("doctor")
    assert shown.code == 1
    shown.last_line(f"2 of {len(POINTS)} points", str(door.home.root), "models, champion")
    assert failing(door) == {
        "models": "none; `blindspot models adopt`",
        "champion": "none; `blindspot models promote VERSION`",
    }


def edit_card(home: Home, change: Callable[[dict[str, Any]], None]) -> None:
    path = version(home) / CARD_FILE
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))


def lose_a_class(home: Home) -> None:
    edit_card(home, lambda card: card["class_map"].pop("disc"))


def map_elsewhere(home: Home) -> None:
    edit_card(home, lambda card: card["class_map"].update(disc="triangle"))


def map_to_one_side(home: Home) -> None:
    edit_card(home, lambda card: card.update(class_map=dict.fromkeys(squares.CLASSES, "flagged")))


def alter_the_model(home: Home) -> None:
    with (version(home) / INFERENCE_FILE).open("ab") as file:
        file.write(b"x")


def remove_the_model(home: Home) -> None:
    (version(home) / INFERENCE_FILE).unlink()


def remove_the_card(home: Home) -> None:
    (version(home) / CARD_FILE).unlink()


def spoil_the_pointer(home: Home) -> None:
    (home.models / "champion").write_bytes(b"\xff{")


def point_nowhere(home: Home) -> None:
    path = home.models / "champion"
    path.write_text(path.read_text().replace(squares.champion().name, "squares.00000000"))


def spoil_the_policy(home: Home) -> None:
    home.policy.write_text("name = ")


def remove_the_policy(home: Home) -> None:
    home.policy.unlink()


def remove_the_snapshot(home: Home) -> None:
    home.snapshot.unlink()


def spoil_the_snapshot(home: Home) -> None:
    home.snapshot.write_text("rubbish")


def strand_a_record(home: Home) -> None:
    path = home.inbox().append("refusals", [{"stage": "fetch", "reason": "timeout"}])
    assert path is not None
    os.utime(path, (LONG_AGO, LONG_AGO))


def quarantine_one(home: Home) -> None:
    home.quarantine.mkdir()
    (home.quarantine / "x.jsonl.reason").write_text("not named\n")


def distrust_an_entry(home: Home) -> None:
    write_list(home, HashList("friends", "pdq", {"e" * 64: 87}))
    watch = Watch(home)
    for number in range(MAX_PICTURES + 1):
        watch.note("e" * 64, "friends", f"{number}", f"{number}.example", time.time())


def configure_a_broken_job(home: Home) -> None:
    home.settings.write_text('[jobs.a]\nspider = "url_list"\nlist_file = "gone.txt"\n')


def leave_half_a_model(home: Home) -> None:
    half = home.models / ".tmp-0123-squares.1"
    half.mkdir()
    (half / "model.keras").write_bytes(b"half")
    os.utime(half, (LONG_AGO, LONG_AGO))


@pytest.mark.parametrize(
    ("harm", "points"),
    [
        (lose_a_class, {"models": "missing ['disc']", "champion": "class_map"}),
        (map_elsewhere, {"models": "unknown class 'triangle'"}),
        (map_to_one_side, {"models": "could never tell the two apart"}),
        (alter_the_model, {"models": "restore the file", "champion": "restore the file"}),
        (remove_the_model, {"models": INFERENCE_FILE, "champion": INFERENCE_FILE}),
        (remove_the_card, {"models": "has no card.json", "champion": "found none"}),
        (spoil_the_pointer, {"champion": "is not a champion pointer"}),
        (point_nowhere, {"champion": "squares.00000000"}),
        (spoil_the_policy, {"policy": "is not TOML", "models": "is not TOML"}),
        (remove_the_policy, {"policy": "found none", "models": "found none"}),
        (remove_the_snapshot, {"catalog": "run `blindspot fold`", "pictures": "no snapshot"}),
        (spoil_the_snapshot, {"catalog": "doctor --repair", "pictures": "doctor --repair"}),
        (strand_a_record, {"inbox": "nobody folds"}),
        (quarantine_one, {"quarantine": "1 unreadable files"}),
        (distrust_an_entry, {"bank": "1 entries in quarantine"}),
        (configure_a_broken_job, {"jobs": "gone.txt"}),
        (leave_half_a_model, {"leftovers": "1 half-made files"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_harm_is_found(harm: Callable[[Home], None], points: dict[str, str], serving_door: Front) -> None:
    harm(serving_door.home)
    shown = serving_door("doctor")
    assert shown.code == 1
    shown.last_line(f"{len(points)} of {len(POINTS)} points", ", ".join(points))
    found = failing(serving_door)
    assert set(found) == set(points)
    assert [what for what, words in points.items() if words not in found[what]] == [], found


@pytest.mark.parametrize("harm", [remove_the_snapshot, spoil_the_snapshot, strand_a_record, leave_half_a_model])
def test_repair_mends_it(harm: Callable[[Home], None], serving_door: Front, pictures: Path) -> None:
    serving_door("import", pictures)
    harm(serving_door.home)
    assert serving_door("doctor", "--repair").code == 0
    assert failing(serving_door) == {}
    assert serving_door.sql("SELECT count(*) FROM pictures") == [[5]]
    assert not list(serving_door.home.models.glob(".tmp-*"))


def test_files_and_rows_are_matched(serving_door: Front, pictures: Path) -> None:
    serving_door("import", pictures)
    home = serving_door.home
    unknown = home.blobs().put(squares.draw("disc", 77))
    (gone,) = serving_door.sql("SELECT min(picture) FROM pictures")[0]
    (home.root / "pictures" / str(gone)[:2] / str(gone)).unlink()
    assert failing(serving_door) == {
        "pictures": "1 files without a row, 1 rows without a file: `blindspot doctor --repair`"
    }
    assert looked(serving_door, "--repair")["pictures"] == (
        True,
        "repaired: 1 rows added, 1 rows marked as missing",
    )
    assert failing(serving_door) == {}
    query = f"SELECT source, size_bytes FROM pictures WHERE picture = '{unknown}'"
    assert serving_door.sql(query) == [["repaired", len(squares.draw("disc", 77))]]
    assert serving_door.sql("SELECT picture, reason, job FROM refusals") == [[gone, "missing", "doctor"]]


def test_pictures_that_wait_in_the_inbox_get_their_own_rows(serving_door: Front, pictures: Path) -> None:
    serving_door("import", pictures, "--no-fold")
    assert "2 inbox files may hold some" in failing(serving_door)["pictures"]
    assert serving_door("doctor", "--repair").code == 0
    assert serving_door.sql("SELECT DISTINCT source FROM pictures") == [["owner's pictures"]]


def test_a_full_inbox_is_found_and_folded(serving_door: Front, pictures: Path) -> None:
    serving_door.settings("[inbox]\nmax_files = 2\n")
    serving_door("import", pictures, "--no-fold")
    assert "inbox.max_files is 2: `blindspot fold`" in failing(serving_door)["inbox"]
    assert failing(serving_door, "--repair") == {}


def test_fresh_temporary_files_are_somebodys_work(serving_door: Front) -> None:
    (serving_door.home.models / ".tmp-0123-squares.1").mkdir()
    assert serving_door("doctor", "--repair").code == 0
    assert list(serving_door.home.models.glob(".tmp-*"))


def test_a_home_without_folders_is_looked_at_whole(door: Front) -> None:
    shutil.rmtree(door.home.root / "inbox")
    assert set(looked(door)) == set(POINTS)


def forget(home: Home, target: str, value: str) -> None:
    ask_to_forget(home, target, value)
    assert fold(home).forgot


def test_dropped_bytes_are_no_fault_and_come_back_with_their_row(serving_door: Front, pictures: Path) -> None:
    serving_door("import", pictures)
    home = serving_door.home
    forget(home, RETENTION, "2999-01-01T00:00:00+00:00")
    assert looked(serving_door)["pictures"] == (True, "0 files, each with its row, 5 dropped")
    home.blobs().put((pictures / "1.png").read_bytes())  # and a kill before its row was written
    assert "1 files without a row" in failing(serving_door)["pictures"]
    assert serving_door("doctor", "--repair").code == 0
    assert serving_door.sql("SELECT count(*) FROM dropped_pictures") == [[4]]
    assert looked(serving_door)["pictures"] == (True, "1 files, each with its row, 4 dropped")


def test_purged_bytes_that_are_back_are_found_and_removed(serving_door: Front, pictures: Path) -> None:
    serving_door("import", pictures)
    home = serving_door.home
    forget(home, "source", "owner's pictures")
    assert looked(serving_door)["tombstones"] == (True, "12, none of their pictures is stored")
    home.blobs().put((pictures / "1.png").read_bytes())
    assert set(failing(serving_door)) == {"tombstones"}
    assert "1 purged pictures are stored: `blindspot doctor --repair`" in failing(serving_door)["tombstones"]
    assert serving_door("doctor", "--repair").code == 0
    assert list(home.blobs().ids()) == []


def test_lost_tombstones_are_restored_from_the_catalog(serving_door: Front, pictures: Path) -> None:
    serving_door("import", pictures)
    home = serving_door.home
    forget(home, "source", "owner's pictures")
    before = len(Tombstones.load(home))
    file_of(home).unlink()
    assert failing(serving_door)["tombstones"].startswith(f"{before} of {before} are not in tombstones.parquet")
    assert serving_door("doctor", "--repair").code == 0
    assert Tombstones.load(home).forbids_source("owner's pictures")
    (home.root / "tombstone.key").unlink()
    assert "without it purged URLs are not recognised" in failing(serving_door)["tombstones"]


def test_a_home_of_an_older_version_is_told_to_fold(serving_door: Front) -> None:
    with duckdb.connect(str(serving_door.home.snapshot)) as old:
        old.execute("DROP TABLE dropped_pictures")
        old.execute("DROP TABLE tombstones")
    assert "is of an older version; run `blindspot fold`" in failing(serving_door)["pictures"]
    os.utime(serving_door.home.snapshot, (0, 0))
    assert serving_door("doctor", "--repair").code == 0
