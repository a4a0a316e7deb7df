"""Verdicts in and out through the command: all or none, the same file twice adds nothing, what is undone is gone."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest

from blindspot.init import make_home
from store.blobs import picture_id
from store.fold import fold
from store.home import Home
from tests.blindspot.calls import Front
from tests.mine import squares

HEAD = "picture,class,reviewer"
PICTURE = "@"  # in these files: a stored picture


@pytest.fixture(scope="module")
def _with_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = make_home(tmp_path_factory.mktemp("verdicts") / "home")
    squares.add_pictures(home, [squares.draw("disc", seed) for seed in range(3)], "a.example")
    fold(home)
    return home.root


@pytest.fixture
def door(
    _with_pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Front:
    """The command at a home of three pictures."""
    shutil.copytree(_with_pictures, tmp_path / "home")
    return Front(Home(tmp_path / "home"), capsys, monkeypatch)


@pytest.fixture
def stored(door: Front) -> list[str]:
    return sorted(door.home.blobs().ids())


def written(folder: Path, text: str | bytes, stored: list[str]) -> Path:
    path = folder / "verdicts.csv"
    content = text if isinstance(text, bytes) else text.replace(PICTURE, stored[0]).encode()
    path.write_bytes(content)
    return path


def test_a_file_comes_in_once(door: Front, stored: list[str], tmp_path: Path) -> None:
    path = written(tmp_path, f'\ufeff{HEAD},note\r\n@,neutral,ada,\r\n{stored[1]},porn,ada,"a, b"\r\n', stored)
    for _ in range(2):
        assert door("verdicts", "import", path, "--json").json == {"verdicts": 2}
    found = door.sql("SELECT picture, class, flagged, reviewer, note FROM verdicts ORDER BY picture")
    assert found == [[stored[0], "neutral", False, "ada", None], [stored[1], "porn", True, "ada", "a, b"]]
    assert "2 verdicts of" in door("verdicts", "import", path).out


def test_a_file_can_wait_in_the_inbox(door: Front, stored: list[str], tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEAD}\n@,neutral,ada\n", stored)
    door("verdicts", "import", path, "--no-fold")
    assert door.sql("SELECT count(*) FROM verdicts") == [[0]]
    door("fold")
    assert door.sql("SELECT count(*) FROM verdicts") == [[1]]


def test_pictures_that_wait_in_the_inbox_are_known(door: Front, pictures: Path, tmp_path: Path) -> None:
    door("import", pictures, "--no-fold")
    first = picture_id((pictures / "0.png").read_bytes())
    path = written(tmp_path, f"{HEAD}\n{first},neutral,ada\n", [first])
    assert door("verdicts", "import", path, "--json").json == {"verdicts": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["first line must name columns", "'reviewer'"]),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", ["is not UTF-8 text", "contact sheet"]),
        ("picture,class\n@,neutral\n", ["missing: ['reviewer']"]),
        ("picture;class;reviewer\n@;neutral;ada\n", ["missing", "unknown: ['picture;class;reviewer']"]),
        (f"{HEAD},mood\n@,neutral,ada,good\n", ["unknown: ['mood']"]),
        (f"{HEAD}\n@,neutral,\n", ["line 2", "a reviewer"]),
        (f"{HEAD}\n@,neutral\n", ["line 2", "a reviewer"]),
        (f"{HEAD}\n@,neutral,ada,more\n", ["line 2", "more fields"]),
        (
            f"{HEAD}\n@,neutral,ada\n{'0' * 64},neutral,ada\n",
            ["line 3", "unknown picture '000", "nothing was imported"],
        ),
        (f"{HEAD}\nhello,neutral,ada\n", ["line 2", "unknown picture 'hello'"]),
        (f"{HEAD}\n@,triangle,ada\n", ["line 2", "unknown class 'triangle'", "drawing, hentai"]),
        (f"{HEAD},policy_version\n@,neutral,ada,old-1\n", ["line 2", "unknown policy version 'old-1'"]),
        (f"{HEAD},decided_at\n@,neutral,ada,yesterday\n", ["line 2", "'yesterday'"]),
        (f"{HEAD},decided_at\n@,neutral,ada,0001-01-01T00:00:00+12:00\n", ["line 2", "decided_at"]),
        (f"{HEAD},decided_at\n@,neutral,ada,9999-12-31T23:59:59-12:00\n", ["line 2", "decided_at"]),
        (f"{HEAD},undoes\n@,,ada,nosuch\n", ["line 2", "nothing to undo", "'nosuch'"]),
        (f"{HEAD}\n@,neutral,{'x' * 140_000}\n", ["field larger"]),
    ],
)
def test_what_does_not_fit_is_one_line_and_nothing_comes_in(
    text: str | bytes, words: list[str], door: Front, stored: list[str], tmp_path: Path
) -> None:
    door("verdicts", "import", written(tmp_path, text, stored), "--json").complaint(2, *words)
    door("fold")
    assert door.sql("SELECT count(*) FROM verdict_records") == [[0]]


def test_a_file_that_is_not_there_is_one_line(door: Front, tmp_path: Path) -> None:
    door("verdicts", "import", tmp_path / "gone.csv").complaint(2, "gone.csv", "No such file")
    door("verdicts", "import", tmp_path).complaint(2, "Is a directory")


def test_a_decision_can_be_undone_and_made_anew(door: Front, stored: list[str], tmp_path: Path) -> None:
    door("verdicts", "import", written(tmp_path, f"{HEAD}\n@,porn,ada\n", stored))
    (first,) = door.sql("SELECT verdict FROM verdicts")[0]
    door("verdicts", "import", written(tmp_path, f"{HEAD},undoes\n@,,bob,{first}\n", stored))
    assert door.sql("SELECT * FROM verdicts") == []
    assert door.sql("SELECT count(*) FROM verdict_records") == [[2]], "append-only"
    door("verdicts", "import", written(tmp_path, f"{HEAD}\n@,neutral,bob\n", stored))
    assert door.sql("SELECT class, reviewer FROM verdicts") == [["neutral", "bob"]]


def test_an_export_says_the_same_in_three_ways_and_goes_back_in(door: Front, stored: list[str], tmp_path: Path) -> None:
    door("verdicts", "import", written(tmp_path, f'{HEAD},note\n@,porn,ada,"a\nb"\n{stored[1]},neutral,é,\n', stored))
    printed = door("verdicts", "export").out
    columns, *rows = csv.reader(io.StringIO(printed))
    assert len(rows) == 2
    found = door("verdicts", "export", "--json").json
    assert (found["columns"], found["truncated"]) == (columns, False)
    assert found["rows"] == [[value or None for value in row] for row in rows]
    path = tmp_path / "out.csv"
    assert door("verdicts", "export", "-o", path, "--json").json == {"file": str(path), "verdicts": 2}
    assert path.read_text(encoding="utf-8") == printed
    assert door("verdicts", "import", path, "--json").json == {"verdicts": 2}
    assert door.sql("SELECT count(*) FROM verdict_records") == [[2]], "its own ids: nothing is new"
