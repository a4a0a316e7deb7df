"""bank: lists in and out, the switch, the quarantine, the sweep."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest

from crawl.frontier import Frontier
from store.blobs import picture_id
from store.home import Home
from store.known_bad.bank import Bank
from store.known_bad.bankwatch import MAX_PICTURES, MAX_SOURCES, Watch
from tests.blindspot.calls import Front

A, B, C = "a" * 64, "b1" * 32, "0" * 63 + "c"


def written(folder: Path, text: str, name: str = "list.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_list_comes_in_and_acts(door: Front, tmp_path: Path) -> None:
    path = written(tmp_path, f"# ours\n{A}\nrubbish\n{B.upper()}\n{A}\n")
    done = door("bank", "import", path, "--name", "friends", "--kind", "sha256", "--json")
    assert done.json == {"bank": "friends", "kind": "sha256", "hashes": 2, "gone": 0, "poor": 0, "rubbish": 1}
    assert "1 lines" in done.err
    assert "the first is line 3" in done.err
    bank = Bank.load(door.home)
    match = bank.match(A, None, 0)
    assert match is not None
    assert match.bank == "friends"
    path = written(tmp_path, f"{B}\n{C}\n")
    shown = door("bank", "import", path, "--name", "friends", "--kind", "sha256").out
    assert shown.startswith("friends has 2 sha256 hashes; 1 of those before are gone")
    assert bank.match(A, None, 0) is None
    assert bank.match(C, None, 0) is not None


def test_lists_are_listed(door: Front, tmp_path: Path) -> None:
    assert door("bank", "list", "--json").json == {"switch": "on", "lists": [], "quarantine": [], "truncated": False}
    for name, kind in (("friends", "pdq"), ("friends", "sha256"), ("others", "pdq")):
        door("bank", "import", written(tmp_path, f"{A},87\n{B},30\n"), "--name", name, "--kind", kind)
    found = door("bank", "list", "--json").json
    assert [(one["bank"], one["kind"], one["hashes"]) for one in found["lists"]] == [
        ("friends", "pdq", 1),
        ("friends", "sha256", 2),
        ("others", "pdq", 1),
    ]
    cut = door("bank", "list", "--limit", "1", "--json").json
    assert (len(cut["lists"]), cut["truncated"]) == (1, True)
    assert len(door("bank", "list").out.splitlines()) == 5


def test_what_goes_out_comes_back(door: Front, tmp_path: Path) -> None:
    door("bank", "import", written(tmp_path, f"{B},60\n{A}\n{C},87\n"), "--name", "friends", "--kind", "pdq")
    printed = door("bank", "export").out
    assert printed == f"# friends: 3 hashes, pdq\n{B},60\n{A}\n{C},87\n"
    out = tmp_path / "out.txt"
    assert door("bank", "export", "--name", "friends", "-o", out, "--json").json["hashes"] == 3
    assert out.read_text() == printed
    door("bank", "import", out, "--name", "again", "--kind", "pdq")
    assert door("bank", "export", "--name", "again", "--json").rows == [[B, 60], [A, None], [C, 87]]
    door("bank", "export").complaint(2, "--name again --kind pdq", "--name friends --kind pdq")
    door("bank", "export", "--name", "nobody").complaint(2, "none")


def test_the_switch(door: Front, tmp_path: Path) -> None:
    door("bank", "import", written(tmp_path, A), "--name", "friends", "--kind", "sha256")
    bank = Bank.load(door.home)
    assert door("bank", "off", "--json").json == {"switch": "off"}
    assert bank.match(A, None, 0) is None
    assert door("bank", "list").out.startswith("the bank is off\n")
    assert door("bank", "off").code == 0
    assert door("bank", "on", "--json").json == {"switch": "on"}
    assert bank.match(A, None, 0) is not None
    assert door("bank", "on").code == 0


def test_quarantine_is_listed_with_its_reason_and_ends_by_release(door: Front, tmp_path: Path) -> None:
    door("bank", "import", written(tmp_path, f"{A}\n{B}\n"), "--name", "friends", "--kind", "pdq")
    watch, now = Watch(door.home), time.time()
    for number in range(MAX_PICTURES + 1):
        watch.note(A, "friends", f"{number:064x}", f"site{number % (MAX_SOURCES + 1)}.example", now)
    found = door("bank", "list", "--json").json
    assert [(one["entry"], one["bank"]) for one in found["quarantine"]] == [(A, "friends")]
    assert found["quarantine"][0]["reason"] == "51 pictures of 6 sources within a day"
    assert found["lists"][0]["in_quarantine"] == 1
    assert A in door("bank", "list").out
    assert door("bank", "release", A.upper(), "--json").json == {"entry": A, "bank": "friends"}
    assert door("bank", "list", "--json").json["quarantine"] == []
    door("bank", "release", A).complaint(2, "not in quarantine", "bank list")


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["{}", "--name", "Friends", "--kind", "pdq"], 2, "named in lower case"),
        (["{}", "--name", "../out", "--kind", "pdq"], 2, "named in lower case"),
        (["{}", "--name", "friends", "--kind", "md5"], 2, "--kind wants sha256 or pdq. Received: 'md5'"),
        (["{}.absent", "--name", "friends", "--kind", "pdq"], 2, "wanted a file of hashes"),
        (["{}", "--kind", "pdq"], 2, "--name"),
    ],
)
def test_words_that_do_not_fit(door: Front, tmp_path: Path, words: list[str], code: int, complaint: str) -> None:
    path = written(tmp_path, A)
    door("bank", "import", *(word.format(path) for word in words)).complaint(code, complaint)
    assert not (door.home.root / "bank").exists()


@pytest.mark.parametrize("text", ["", "no hash\n", f"{A},12\n"])
def test_a_file_without_a_usable_hash_changes_nothing(door: Front, tmp_path: Path, text: str) -> None:
    door("bank", "import", written(tmp_path, B), "--name", "friends", "--kind", "pdq")
    door("bank", "import", written(tmp_path, text), "--name", "friends", "--kind", "pdq").complaint(
        1, "nothing changed"
    )
    assert door("bank", "export", "--json").rows == [[B, None]]


# ---- sweep -------------------------------------------------------------------------------------------------


def with_pictures(home: Home, *pictures: bytes) -> None:
    now = dt.datetime.now(dt.UTC)
    row = {"source": "a.example", "first_seen_at": now}
    made = [{"picture": home.blobs().put(data), "size_bytes": len(data), **row} for data in pictures]
    home.inbox().append("pictures", made)


def test_a_sweep_counts_first_and_forgets_when_told(door: Front, tmp_path: Path) -> None:
    with_pictures(door.home, b"bad", b"good")
    door("bank", "import", written(tmp_path, picture_id(b"bad")), "--name", "friends", "--kind", "sha256")
    counted = {"looked_at": 2, "unread": 0, "matches": 1, "by_bank": {"friends": 1}, "mistaken": {}}
    assert door("bank", "sweep", "--json").json == counted | {"dry_run": True}
    assert door("bank", "sweep").out.startswith("1 of 2 pictures are on a list; 1 on friends; `bank sweep --forget`")
    assert door.home.blobs().has(picture_id(b"bad")), "a look changes nothing"
    assert door("bank", "sweep", "--forget", "--json").json == counted | {"dry_run": False}
    assert list(door.home.blobs().ids()) == [picture_id(b"good")]
    assert door.sql("SELECT kind, mark, reason FROM tombstones") == [["picture", picture_id(b"bad"), "known_bad"]]
    assert door.sql("SELECT picture FROM pictures") == [[picture_id(b"good")]]
    again = door("bank", "sweep", "--forget", "--json").json
    assert (again["looked_at"], again["matches"]) == (1, 0)


def test_a_sweep_wants_a_bank_that_is_on_and_no_job_that_runs(door: Front) -> None:
    door("bank", "off")
    door("bank", "sweep").complaint(1, "is off", "bank on")
    door("bank", "on")
    frontier = Frontier(door.home.root / "frontier" / "news.sqlite")
    try:
        door("bank", "sweep", "--forget").complaint(1, "news")
        assert door("bank", "sweep", "--json").json["looked_at"] == 0
    finally:
        frontier.close()
