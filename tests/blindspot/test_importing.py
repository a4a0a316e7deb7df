"""Pictures come in from folders, files and lists; what is none costs a row with a reason, and never the run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from blindspot.importing import import_pictures
from store.blobs import picture_id
from store.catalog import Snapshot
from store.errors import InboxFull, PolicyError, SuiteError, UsageError
from store.fold import fold
from store.home import Home
from store.inbox import InboxLimits, kind_of
from tests.blindspot.calls import Front
from tests.mine.squares import draw


def rows(home: Home, query: str) -> list[tuple[object, ...]]:
    fold(home)
    with Snapshot(home) as snapshot:
        return [tuple(row.values()) for row in snapshot.rows(query)]


def test_a_folder_comes_in_whole(fresh: Home, pictures: Path) -> None:
    (pictures / "deeper").mkdir()
    (pictures / "deeper" / "6.png").write_bytes(draw("disc", 1))
    seen: list[tuple[int, int]] = []
    done = import_pictures(fresh, pictures, progress=lambda *counts: seen.append(counts))
    assert (done.pictures, done.new_pictures, done.refused) == (7, 6, {})
    assert seen == [(count, 7) for count in range(1, 8)]
    ids = {picture_id(path.read_bytes()) for path in pictures.rglob("*.png")}
    assert {row[0] for row in rows(fresh, "SELECT picture FROM pictures")} == ids
    assert rows(fresh, "SELECT DISTINCT source, job FROM sightings") == [("owner's pictures", "import")]
    urls = {str(row[0]) for row in rows(fresh, "SELECT url FROM sightings")}
    assert (pictures / "deeper" / "6.png").resolve().as_uri() in urls
    assert len(urls) == 7
    assert fresh.blobs().get(picture_id(draw("disc", 1))) == draw("disc", 1), "raw bytes"


def test_the_same_folder_again_doubles_nothing(fresh: Home, pictures: Path) -> None:
    import_pictures(fresh, pictures, source="mine")
    again = import_pictures(fresh, pictures, source="other")
    assert (again.pictures, again.new_pictures) == (6, 0)
    assert rows(fresh, "SELECT count(*), count(DISTINCT picture), any_value(source) FROM pictures") == [(5, 5, "mine")]


def test_hidden_files_and_folders_are_passed_over(fresh: Home, pictures: Path) -> None:
    (pictures / ".thumbnails").mkdir()
    shutil.copyfile(pictures / "0.png", pictures / ".thumbnails" / "0.png")
    (pictures / ".DS_Store").write_text("")
    assert import_pictures(fresh, pictures).pictures == 6


def test_what_is_no_picture_is_a_row_with_a_reason(fresh: Home, pictures: Path) -> None:
    (pictures / "empty.png").write_bytes(b"")
    (pictures / "text.png").write_text("no picture")
    (pictures / "gone.png").symlink_to(pictures / "nowhere")
    os.mkfifo(pictures / "pipe.png")
    with (pictures / "giant.png").open("wb") as giant:
        giant.truncate(200_000_000)
    done = import_pictures(fresh, pictures)
    assert (done.pictures, done.refused) == (6, {"not_a_picture": 2, "unreadable": 2, "too_many_bytes": 1})
    found = rows(fresh, "SELECT parse_filename(url), reason, stage, job FROM refusals ORDER BY ALL")
    assert found == [
        ("empty.png", "not_a_picture", "import", "import"),
        ("giant.png", "too_many_bytes", "import", "import"),
        ("gone.png", "unreadable", "import", "import"),
        ("pipe.png", "unreadable", "import", "import"),
        ("text.png", "not_a_picture", "import", "import"),
    ]
    assert len([path for path in fresh.inbox().files() if kind_of(path) == "refusals"]) == 0, "one file, folded"


def test_names_that_are_no_text_come_in(fresh: Home, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff folder")
    folder.mkdir()
    (folder / os.fsdecode(b"\xfe\n%41.png")).write_bytes(draw("disc", 1))
    (folder / os.fsdecode(b"\xfe.txt")).write_bytes(b"no picture")
    done = import_pictures(fresh, folder)
    assert (done.pictures, done.refused) == (1, {"not_a_picture": 1})
    assert rows(fresh, "SELECT source, url LIKE '%/%FE%0A%2541.png' FROM sightings") == [("\ufffd folder", True)]
    assert rows(fresh, "SELECT url LIKE '%\ufffd.txt' FROM refusals") == [(True,)]


def test_a_single_picture_comes_in(fresh: Home, pictures: Path) -> None:
    assert import_pictures(fresh, pictures / "1.png").pictures == 1
    assert rows(fresh, "SELECT picture FROM pictures") == [(picture_id((pictures / "1.png").read_bytes()),)]


def test_a_list_holds_paths_and_ids_of_stored_pictures(fresh: Home, pictures: Path, tmp_path: Path) -> None:
    stored = import_pictures(fresh, pictures / "0.png")
    assert stored.pictures == 1
    first = picture_id((pictures / "0.png").read_bytes())
    lines = [
        "# what the owner chose",
        "",
        f"  {first}  ",
        str(pictures / "1.png"),
        "0" * 64,
        "gone.png",
        "zero\0byte.png",
        str(tmp_path),
    ]
    (tmp_path / "chosen.txt").write_text("\n".join(lines))
    done = import_pictures(fresh, tmp_path / "chosen.txt", suite="chosen", label="neutral", family="hand-picked")
    assert (done.pictures, done.new_pictures) == (2, 1)
    assert done.refused == {"unknown_picture": 1, "unreadable": 3}
    second = picture_id((pictures / "1.png").read_bytes())
    assert sorted(rows(fresh, "SELECT picture FROM suite_pictures")) == sorted([(first,), (second,)])
    assert sorted(rows(fresh, "SELECT picture FROM family_members")) == sorted([(first,), (second,)])
    assert rows(fresh, "SELECT source FROM sightings WHERE url LIKE '%/1.png'") == [("chosen",)]


def test_a_list_of_rubbish_costs_rows(fresh: Home, tmp_path: Path) -> None:
    (tmp_path / "rubbish").write_bytes(bytes(range(256)) * 8)
    done = import_pictures(fresh, tmp_path / "rubbish")
    assert done.pictures == 0
    assert done.refused["unreadable"] == sum(done.refused.values()) > 10


def test_a_suite_grows_once_per_import_and_leaves_the_pool(
    fresh: Home, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blindspot.importing.BATCH", 2)
    import_pictures(fresh, pictures, suite="mine", label="porn")
    query = "SELECT suite, role, class, n, version FROM suites"
    assert rows(fresh, query) == [("mine", "positives", "porn", 5, 1)]
    assert rows(fresh, "SELECT * FROM pool") == []
    import_pictures(fresh, pictures, suite="mine", label="porn")
    assert rows(fresh, query) == [("mine", "positives", "porn", 5, 1)]


def test_a_suite_is_sealed_before_its_pictures_have_rows(fresh: Home, pictures: Path) -> None:
    import_pictures(fresh, pictures, suite="mine", label="neutral", family="f")
    kinds = [kind_of(path) for path in fresh.inbox().files()]
    assert kinds.index("suite_pictures") < kinds.index("pictures"), "a kill in between leaves none in the pool"


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ({"suite": "s"}, SuiteError, "--suite and --label go together"),
        ({"label": "neutral"}, SuiteError, "--suite and --label go together"),
        ({"role": "ordinary"}, SuiteError, "--role ordinary alone"),
        ({"suite": "S", "label": "neutral"}, SuiteError, "named in lower case"),
        ({"suite": "s", "label": "nosuch"}, PolicyError, "unknown class 'nosuch'"),
        ({"suite": "s", "label": "flagged"}, SuiteError, "a class of the policy"),
        ({"suite": "s", "label": "neutral", "role": "sealed"}, SuiteError, "unknown role 'sealed'"),
        ({"suite": "s", "label": "porn", "role": "ordinary"}, SuiteError, "role ordinary does not go"),
        ({"family": ""}, UsageError, "a family is named in lower case"),
        ({"family": "Big Ones"}, UsageError, "'Big Ones'"),
    ],
)
def test_wrong_words_are_refused_before_any_picture_is_touched(
    words: dict[str, str], error: type[Exception], said: str, fresh: Home, pictures: Path
) -> None:
    with pytest.raises(error, match=said):
        import_pictures(fresh, pictures, **words)
    assert not fresh.inbox().files()
    assert list(fresh.blobs().ids()) == []


@pytest.mark.parametrize("name", ["nowhere", "empty folder", "empty list"])
def test_nothing_to_import_is_said(name: str, fresh: Home, tmp_path: Path) -> None:
    (tmp_path / "empty folder").mkdir()
    (tmp_path / "empty list").write_text("# nothing\n\n")
    with pytest.raises(UsageError, match=name):
        import_pictures(fresh, tmp_path / name)


def test_a_full_inbox_stops_it_with_nothing_half_done(fresh: Home, pictures: Path) -> None:
    braked = Home(fresh.root, "", InboxLimits(max_files=3, patience_s=0))
    import_pictures(braked, pictures / "0.png")
    with pytest.raises(InboxFull, match=r"inbox\.max_files is 3"):
        import_pictures(braked, pictures)
    assert rows(fresh, "SELECT count(*) FROM pictures") == [(5,)], "what was acknowledged is kept"
    assert import_pictures(braked, pictures).pictures == 6


# ---- the command -------------------------------------------------------------------------------------------


def test_the_command_imports_folds_and_counts(door: Front, pictures: Path) -> None:
    (pictures / "text.png").write_text("no picture")
    wanted = {"pictures": 6, "new_pictures": 5, "refused": {"not_a_picture": 1}}
    assert door("import", pictures, "--json").json == wanted
    assert door.sql("SELECT count(*) FROM pictures") == [[5]]
    assert door("import", pictures).out == (
        f"6 pictures imported from {pictures}, 0 of them new; refused: 1 not_a_picture\n"
    )


def test_the_command_leaves_the_inbox_when_asked(door: Front, pictures: Path) -> None:
    assert door("import", pictures, "--no-fold", "--json").err == ""
    assert len(door.home.inbox().files()) == 2
    assert door.sql("SELECT count(*) FROM pictures") == [[0]]
    folded = door("fold", "--json").json
    assert (folded["files"], folded["rows"], folded["quarantined"]) == (2, 11, 0)
    assert door.sql("SELECT count(*) FROM pictures") == [[5]]


def test_an_import_of_no_picture_at_all_fails_and_is_recorded(door: Front, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("no picture")
    door("import", tmp_path / "notes", "--json").complaint(1, "found none", "1 not_a_picture", "refusals")
    assert door.sql("SELECT reason FROM refusals") == [["not_a_picture"]]


def test_the_command_folds_a_full_inbox_by_itself(door: Front, pictures: Path) -> None:
    door.settings("[inbox]\nmax_files = 3\npatience_s = 0\n")
    door("import", pictures, "--no-fold")
    door("import", pictures / "1.png", "--no-fold").complaint(1, "inbox.max_files is 3", "`blindspot fold`")
    found = door("import", pictures, "--suite", "mine", "--label", "neutral", "--family", "f", "--json")
    assert (found.json["pictures"], found.err) == (6, "")
    assert door("doctor").out.count("FAIL") == 2, "models and champion: there are none yet"


def test_a_paused_import_says_so(door: Front, pictures: Path) -> None:
    door.settings("[inbox]\nmax_files = 2\npatience_s = 0\n")
    door("import", pictures, "--no-fold")
    paused = door("import", pictures, "--no-fold")
    assert paused.code == 1
    assert (
        paused.err.splitlines()[0] == "the inbox is full (2 files, inbox.max_files is 2); waiting for `blindspot fold`"
    )
    paused.last_line("nobody folded it")
