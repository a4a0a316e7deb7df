"""The watch on the bank: an entry that matches far too much stops acting, for every process, until it is released."""

from __future__ import annotations

import datetime as dt
import stat
import threading

import pytest

from store.home import Home
from store.known_bad.bankwatch import DAY_S, MAX_PICTURES, MAX_SOURCES, Watch

ENTRY, OTHER = "e" * 64, "f" * 64
NOON = 1_790_000_000.0 - 1_790_000_000 % DAY_S + DAY_S / 2
SOURCES = [f"site{number}.example" for number in range(MAX_SOURCES + 1)]


def note(watch: Watch, pictures: int, sources: int, entry: str = ENTRY, now: float = NOON, start: int = 0) -> None:
    for number in range(start, start + pictures):
        watch.note(entry, "friends", f"{number:064x}", SOURCES[number % sources], now)


def files(home: Home) -> dict[str, str]:
    return {path.name: path.read_text() for path in (home.root / "bank").glob("*.jsonl")}


@pytest.mark.parametrize(
    ("pictures", "sources", "goes"),
    [
        (MAX_PICTURES + 1, MAX_SOURCES + 1, True),
        (MAX_PICTURES, MAX_SOURCES + 1, False),
        (MAX_PICTURES + 1, MAX_SOURCES, False),
        (10 * MAX_PICTURES, MAX_SOURCES, False),
    ],
)
def test_too_many_pictures_of_too_many_sources(home: Home, pictures: int, sources: int, goes: bool) -> None:
    watch = Watch(home)
    note(watch, pictures, sources)
    assert (ENTRY in watch.quarantined) == goes
    if goes:
        found = watch.quarantined[ENTRY]
        assert (found.bank, found.reason) == ("friends", "51 pictures of 6 sources within a day")
        assert (found.entry, found.at) == (ENTRY, NOON)


def test_what_stops_acting_is_said_once(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(home)
    note(watch, MAX_PICTURES + 20, len(SOURCES))
    assert [record.getMessage() for record in caplog.records] == [
        f"entry {ENTRY} of the bank friends has matched 51 pictures of 6 sources within a day and acts no more; "
        "see `bank list`"
    ]


def test_one_picture_everywhere_is_one_picture(home: Home) -> None:
    watch = Watch(home)
    for number in range(1_000):
        watch.note(ENTRY, "friends", "1" * 64, f"site{number}.example", NOON)
    assert watch.quarantined == {}
    assert len(files(home)[day_file(NOON)].splitlines()) == MAX_SOURCES + 1, "what changes nothing is not written"


def day_file(now: float) -> str:
    return f"matches-{dt.datetime.fromtimestamp(now, dt.UTC).date()}.jsonl"


def test_entries_are_counted_apart(home: Home) -> None:
    watch = Watch(home)
    note(watch, MAX_PICTURES, len(SOURCES))
    note(watch, MAX_PICTURES, len(SOURCES), OTHER)
    assert watch.quarantined == {}
    note(watch, 1, 1, OTHER, start=MAX_PICTURES)
    assert list(watch.quarantined) == [OTHER]


def test_a_day_is_the_last_day_also_over_midnight(home: Home) -> None:
    watch = Watch(home)
    note(watch, MAX_PICTURES, len(SOURCES), now=NOON)
    note(watch, 1, 1, now=NOON + DAY_S + 1, start=MAX_PICTURES)
    assert watch.quarantined == {}, "the others were a day ago"
    note(watch, MAX_PICTURES, len(SOURCES), now=NOON + 1.9 * DAY_S, start=MAX_PICTURES + 1)
    assert list(watch.quarantined) == [ENTRY], "one of yesterday evening, 50 of today"


def test_counts_survive_a_restart_and_join_those_of_others(home: Home) -> None:
    one, other = Watch(home), Watch(home)
    note(one, 20, len(SOURCES))
    note(other, 20, len(SOURCES), start=20)
    note(one, 20, len(SOURCES))
    assert one.quarantined == other.quarantined == {}
    third = Watch(home)
    note(third, MAX_PICTURES - 40 + 1, len(SOURCES), start=40)
    assert list(third.quarantined) == [ENTRY]
    one.refresh()
    assert one.quarantined == Watch(home).quarantined == third.quarantined


def test_what_others_noted_at_the_same_moment_counts_at_the_next(home: Home) -> None:
    """Each of two saw one too few; together they make one too many."""
    one, other = Watch(home), Watch(home)
    note(one, MAX_PICTURES, len(SOURCES))
    lines = files(home)[day_file(NOON)].splitlines()
    path = home.root / "bank" / day_file(NOON)
    path.write_text("".join(f"{line}\n" for line in [*lines, lines[0].replace('"picture": "', '"picture": "+')]))
    assert other.quarantined == {}
    note(other, 1, 1)
    assert list(other.quarantined) == [ENTRY]


def test_lines_of_many_writers_do_not_mix(home: Home) -> None:
    watches = [Watch(home) for _ in range(4)]
    notes = [
        threading.Thread(target=note, args=(watch, 40, 1), kwargs={"start": 1_000 * n})
        for n, watch in enumerate(watches)
    ]
    for thread in notes:
        thread.start()
    for thread in notes:
        thread.join()
    lines = files(home)[day_file(NOON)].splitlines()
    assert len(lines) >= MAX_PICTURES
    assert {len(line) for line in lines} == {len(lines[0])}


def test_released_it_acts_and_starts_from_nothing(home: Home) -> None:
    watch = Watch(home)
    note(watch, MAX_PICTURES + 1, len(SOURCES))
    Watch(home).release(ENTRY, NOON + 60)
    watch.refresh()
    assert watch.quarantined == {}
    note(watch, MAX_PICTURES, len(SOURCES), now=NOON + 120)
    assert watch.quarantined == Watch(home).quarantined == {}
    note(watch, 1, 1, now=NOON + 180, start=MAX_PICTURES)
    assert list(Watch(home).quarantined) == [ENTRY]


def test_nothing_says_which_picture_or_where(home: Home) -> None:
    watch = Watch(home)
    note(watch, MAX_PICTURES + 1, len(SOURCES))
    told = "".join(files(home).values())
    assert ENTRY in told
    assert not any(source in told for source in SOURCES)
    assert not any(f"{number:064x}" in told or f"{number:016x}" in told for number in range(MAX_PICTURES))
    key = home.root / "bank" / "matches.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == 32


def test_old_days_go(home: Home) -> None:
    watch = Watch(home)
    for days in range(4):
        note(watch, 1, 1, now=NOON + days * DAY_S)
    assert sorted(files(home)) == [day_file(NOON + 2 * DAY_S), day_file(NOON + 3 * DAY_S)]


def test_torn_and_foreign_lines_are_passed_over(home: Home) -> None:
    folder = home.root / "bank"
    folder.mkdir()
    good = f'{{"entry": "{OTHER}", "bank": "friends", "reason": "so", "at": 5}}'
    (folder / "quarantine.jsonl").write_text(f'{{"ent\n[]\n7\n\n{{}}\n{good}\n{{"entry": "{ENTRY}", "at"')
    (folder / day_file(NOON)).write_bytes(b'\xff\xfe\n{"at": "x", "entry": 3}\n')
    watch = Watch(home)
    assert OTHER in watch.quarantined
    assert ENTRY not in watch.quarantined
    note(watch, 3, 3)


def test_a_file_that_a_person_made_shorter_is_read_anew(home: Home) -> None:
    watch = Watch(home)
    note(watch, MAX_PICTURES + 1, len(SOURCES))
    path = home.root / "bank" / "quarantine.jsonl"
    watch.refresh()
    path.write_text(f'{{"entry": "{ENTRY}", "released": true, "at": {NOON}}}\n')
    watch.refresh()
    assert watch.quarantined == {}


def test_where_nothing_can_be_written_the_count_goes_on_in_memory(home: Home) -> None:
    (home.root / "bank").write_text("a file where the folder should be")
    watch = Watch(home)
    note(watch, MAX_PICTURES + 1, len(SOURCES))
    assert list(watch.quarantined) == [ENTRY]
