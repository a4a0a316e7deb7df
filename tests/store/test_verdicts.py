"""Verdicts in and out: all of a file or nothing, the same file twice adds nothing, what is undone is gone."""

from __future__ import annotations

import datetime as dt

import pytest
from samples import NOW, catalog, later, picture, select

from store.errors import CatalogError, VerdictError
from store.fold import fold
from store.home import Home
from store.policy import Policy, read_policy
from store.verdicts import COLUMNS, export_verdicts, import_verdicts, record_verdicts

HEAD = "picture,class,reviewer\n"


@pytest.fixture
def policy(home: Home) -> Policy:
    return read_policy(home.policy)


@pytest.fixture(autouse=True)
def _three_pictures(home: Home) -> None:
    catalog(home, pictures=[picture(name) for name in ("p1", "p2", "p3")])


def standing(home: Home) -> list[tuple[object, ...]]:
    return select(home, "SELECT picture, class, flagged, reviewer FROM verdicts ORDER BY ALL")


def test_verdicts_are_recorded_under_the_policy_in_force(home: Home, policy: Policy) -> None:
    before = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    rows = [{"picture": "p1", "class": "bag", "reviewer": "ada"}, {"picture": "p2", "class": "shoe", "reviewer": "bob"}]
    assert record_verdicts(home, policy, rows) == 2
    assert len(home.inbox().files()) == 1, "one file, so all or none"
    fold(home)
    assert standing(home) == [("p1", "bag", True, "ada"), ("p2", "shoe", False, "bob")]
    found = select(home, "SELECT DISTINCT policy_version, decided_at >= :before FROM verdicts", before=before)
    assert found == [(policy.version, True)]
    assert record_verdicts(home, policy, []) == 0


@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
def test_the_same_file_imported_again_adds_nothing(home: Home, policy: Policy, start: str) -> None:
    text = start + HEAD + "p1,bag,ada\np2, shoe ,ada\n"
    for _ in range(2):
        assert import_verdicts(home, policy, text) == 2
        fold(home)
    assert import_verdicts(home, policy, HEAD + "p2,shoe,ada\n") == 1  # a part of it, in another file
    fold(home)
    assert standing(home) == [("p1", "bag", True, "ada"), ("p2", "shoe", False, "ada")]


def test_notes_lanes_and_times_come_back(home: Home, policy: Policy) -> None:
    text = (
        "reviewer,note,class,picture,lane,decided_at,verdict\n"
        'ada,"a bag, of sorts\nand a ""shoe""",bag,p1,audit,2026-11-01T08:00:00+02:00,v1\n'
        "ada,,shoe,p2,,2026-11-01T08:00:00,v2\n"
    )
    import_verdicts(home, policy, text)
    fold(home)
    assert select(home, "SELECT verdict, note, lane, decided_at FROM verdicts ORDER BY verdict") == [
        ("v1", 'a bag, of sorts\nand a "shoe"', "audit", dt.datetime(2026, 11, 1, 6)),
        ("v2", None, None, dt.datetime(2026, 11, 1, 8)),
    ]


def test_an_undone_verdict_no_longer_stands_and_a_new_one_may_replace_it(home: Home, policy: Policy) -> None:
    import_verdicts(home, policy, "picture,class,reviewer,verdict\np1,bag,ada,v1\np2,bag,ada,v2\n")
    fold(home)
    import_verdicts(home, policy, "picture,class,reviewer,undoes\np1,,bob,v1\np2,shoe,bob,v2\n")
    fold(home)
    assert standing(home) == [("p2", "shoe", False, "bob")]
    assert select(home, "SELECT count(*) FROM verdict_records") == [(4,)], "append-only: nothing is deleted"


def test_a_file_may_undo_what_it_brings_itself_in_any_order(home: Home, policy: Policy) -> None:
    text = "picture,class,reviewer,verdict,undoes\np1,,ada,v2,v1\np1,bag,ada,v1,\n"
    import_verdicts(home, policy, text)
    fold(home)
    assert standing(home) == []


def test_what_is_exported_can_be_imported_elsewhere_and_here_again(
    home: Home, policy: Policy, tmp_path_factory: pytest.TempPathFactory, small_policy: str
) -> None:
    text = (
        "picture,class,reviewer,verdict,undoes,note,decided_at\n"
        'p1,bag,ada,v2,,"x, y",2026-11-01T08:00:00.123456\n'
        "p1,,ada,v1,v2,,2026-11-01T08:00:00.123456\n"  # undone in the same instant, and sorted before it
        "p2,shoe,ada,v3,,,2026-11-02T08:00:00\n"
    )
    import_verdicts(home, policy, text)
    fold(home)
    exported = export_verdicts(home)
    assert exported.splitlines()[0] == ",".join(COLUMNS)
    assert import_verdicts(home, policy, exported) == 3
    fold(home)
    assert export_verdicts(home) == exported
    elsewhere = Home(tmp_path_factory.mktemp("elsewhere"))
    elsewhere.policy.write_text(small_policy)
    catalog(elsewhere, pictures=[picture("p1"), picture("p2")])
    import_verdicts(elsewhere, policy, exported)
    fold(elsewhere)
    assert export_verdicts(elsewhere) == exported
    assert standing(elsewhere) == [("p2", "shoe", False, "ada")]


def test_verdicts_of_an_earlier_policy_are_taken_by_its_own_classes(
    home: Home, policy: Policy, small_policy: str
) -> None:
    home.policy.write_text(small_policy.replace("[classes.shoe]", "[classes.sandal]"))
    fold(home)
    changed, head = read_policy(home.policy), "picture,class,reviewer,policy_version\n"
    with pytest.raises(VerdictError, match="unknown class 'sandal'"):
        import_verdicts(home, changed, f"{head}p1,sandal,ada,{policy.version}\n")
    import_verdicts(home, changed, f"{head}p1,shoe,ada,{policy.version}\np2,sandal,ada,\n")
    fold(home)
    assert standing(home) == [("p1", "shoe", False, "ada"), ("p2", "sandal", False, "ada")]


WRONG = [
    (HEAD + "p1,bag,ada\np9,bag,ada\n", "line 3: unknown picture 'p9'"),
    (HEAD + "p1,sock,ada\n", "line 2: unknown class 'sock'; policy shoes-"),
    (HEAD + "p1,flagged,ada\n", "line 2: unknown class 'flagged'"),
    (HEAD + "p1,,ada\n", "line 2: wanted a picture, a class and a reviewer"),
    (HEAD + "p1,bag\n", "line 2: wanted a picture, a class and a reviewer"),
    (HEAD + "p1,bag,ada,x\n", "line 2 has more fields than the first line"),
    ("picture,class,reviewer,undoes\np1,,ada,v9\n", "line 2: nothing to undo: no verdict 'v9'"),
    ("picture,class,reviewer,policy_version\np1,bag,ada,shoes-0\n", "unknown policy version 'shoes-0'"),
    ("picture,class,reviewer,decided_at\np1,bag,ada,soon\n", "line 2: decided_at must be a time"),
    ("picture,class\np1,bag\n", "missing: ['reviewer']"),
    ("picture,class,reviewer,colour\np1,bag,ada,red\n", "unknown: ['colour']"),
    ("", "missing: ['picture', 'class', 'reviewer']"),
    (HEAD + "p1,bag," + "a" * 200_000 + "\n", "not CSV"),
]


def test_one_wrong_line_and_nothing_is_imported(home: Home, policy: Policy) -> None:
    for text, words in WRONG:
        with pytest.raises(VerdictError) as caught:
            import_verdicts(home, policy, text)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
        assert home.inbox().files() == []


def test_without_a_snapshot_nothing_is_known(tmp_path_factory: pytest.TempPathFactory, policy: Policy) -> None:
    with pytest.raises(CatalogError, match="run `blindspot fold` first"):
        record_verdicts(Home(tmp_path_factory.mktemp("new")), policy, [])


def test_the_newest_of_two_verdicts_labels_the_picture(home: Home, policy: Policy) -> None:
    row = {"picture": "p1", "reviewer": "ada"}
    times = {"bag": later(2), "shoe": NOW, "other": later(1)}
    record_verdicts(home, policy, [row | {"class": c, "decided_at": t.isoformat()} for c, t in times.items()])
    fold(home)
    assert select(home, "SELECT picture, class, flagged FROM labels") == [("p1", "bag", True)]
