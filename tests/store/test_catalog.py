"""The catalog file and the snapshot: who may open which, what readers see, and what they are told when they cannot."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from samples import NOW, picture, select

from store import catalog
from store.catalog import Snapshot
from store.errors import CatalogBusy, CatalogError
from store.fold import fold
from store.home import Home


def test_a_reader_keeps_the_snapshot_that_it_opened_and_the_next_one_sees_the_new(home: Home) -> None:
    home.inbox().append("pictures", [picture("p1")])
    fold(home)
    with Snapshot(home) as old:
        home.inbox().append("pictures", [picture("p2")])
        fold(home)
        with Snapshot(home) as new:
            assert new.value("SELECT count(*) FROM pictures") == 2
        assert old.value("SELECT count(*) FROM pictures") == 1
        assert old.table("SELECT picture FROM pictures")["picture"].to_pylist() == ["p1"]
        assert old.rows("SELECT picture FROM pictures WHERE picture = :p", p="p1") == [{"picture": "p1"}]


def test_the_snapshot_appears_whole_or_not_at_all(home: Home) -> None:
    """A reader that opens as often as it can while folds publish never meets a part of a file."""
    fold(home)
    code = (
        "import sys; from pathlib import Path; from store.home import Home; from store.catalog import Snapshot\n"
        "home, seen = Home(Path(sys.argv[1])), 0\n"
        "print('ready', flush=True)\n"
        "while seen < 3:\n"
        "    with Snapshot(home) as snapshot:\n"
        "        now = snapshot.value('SELECT count(*) FROM pictures')\n"
        "    assert now >= seen, (now, seen)\n"
        "    seen = now\n"
    )
    command = [sys.executable, "-c", code, str(home.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for n in range(3):
            home.inbox().append("pictures", [picture(str(n))])
            fold(home)
        _, errors = reader.communicate(timeout=30)
    assert (reader.returncode, errors) == (0, "")


def test_no_snapshot_and_a_spoilt_snapshot_are_one_line_and_the_fold_mends_the_latter(home: Home) -> None:
    with pytest.raises(CatalogError, match="run `blindspot fold` first"):
        Snapshot(home)
    fold(home)
    home.snapshot.write_bytes(b"not a database" * 100)
    with pytest.raises(CatalogError, match="cannot be used"):
        Snapshot(home)
    home.inbox().append("pictures", [picture("p")])
    fold(home)
    assert select(home, "SELECT picture FROM pictures") == [("p",)]


def test_a_failed_question_leaves_the_snapshot_usable(home: Home) -> None:
    fold(home)
    with Snapshot(home) as snapshot:
        with pytest.raises(sa.exc.DBAPIError):
            snapshot.table("SELECT nothing FROM pictures")
        assert snapshot.rows("SELECT count(*) AS n FROM pictures") == [{"n": 0}]


def test_changed_views_are_made_anew(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    fold(home)
    monkeypatch.setitem(catalog.VIEWS, "policy", "SELECT 'changed' AS policy_version, '{}' AS body, now() AS since_at")
    monkeypatch.setattr(catalog, "VIEWS_VERSION", "another")
    fold(home)
    assert select(home, "SELECT policy_version FROM policy") == [("changed",)]


def test_a_file_that_is_no_catalog_is_one_line(home: Home) -> None:
    home.catalog.write_bytes(b"not a database" * 100)
    with pytest.raises(CatalogError, match="cannot be used") as caught:
        fold(home)
    assert "\n" not in str(caught.value)


def test_a_catalog_held_by_another_process_is_one_line(home: Home) -> None:
    fold(home)
    code = "import duckdb, sys; held = duckdb.connect(sys.argv[1])\nprint('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(home.catalog)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        home.inbox().append("pictures", [picture("p")])
        started = time.monotonic()
        with pytest.raises(CatalogBusy) as caught:
            fold(home)
        assert time.monotonic() - started < 3, "refused at once, not after a wait"
        assert "is held by another process" in str(caught.value)
        assert "\n" not in str(caught.value)
        with Snapshot(home) as snapshot:  # readers do not care
            assert snapshot.value("SELECT count(*) FROM pictures") == 0
        holder.communicate("")
    assert fold(home).rows == 1


# ---- a home that an older version made ---------------------------------------------------------------------

GROWN = {"sightings": ["hint", "seen_at"], "mixes": ["replayable"], "pictures": ["first_seen_at"]}


def make_older(home: Home) -> None:
    """Take columns and a table out of the catalog, with rows in it, as a version has them that knew of none."""
    rows = {"picture": "p", "url": "http://a.test/1", "seen_at": NOW}
    home.inbox().append("sightings", [rows])
    home.inbox().append("mixes", [{"mix": "m", "settings": "{}"}])
    home.inbox().append("pictures", [picture("p")])
    fold(home)
    with duckdb.connect(str(home.catalog)) as old:
        for table, columns in GROWN.items():
            for column in columns:
                old.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        old.execute("DROP TABLE crawls")
        old.execute("DROP TABLE dropped_pictures")
        old.execute("CREATE OR REPLACE VIEW pool AS SELECT p.* FROM pictures p")
    home.snapshot.unlink()
    shutil.copyfile(home.catalog, home.snapshot)


def test_a_fold_gives_an_older_home_the_columns_and_tables_that_it_lacks(home: Home) -> None:
    make_older(home)
    old = pa.table({"picture": ["q"], "url": ["http://a.test/2"]})
    pq.write_table(old, home.inbox().folder / f"{1:020d}-sightings-x.parquet")
    (home.inbox().folder / f"{2:020d}-mixes-x.jsonl").write_text('{"mix": "n"}\n')
    home.inbox().append("crawls", [{"crawl": "c", "job": "j"}])
    done = fold(home)
    assert (done.files, done.quarantined) == (3, 0)
    seen = "SELECT picture, url, hint, seen_at FROM sightings ORDER BY picture"
    assert select(home, seen) == [("p", "http://a.test/1", None, None), ("q", "http://a.test/2", None, None)]
    assert select(home, "SELECT mix, replayable FROM mixes ORDER BY mix") == [("m", True), ("n", True)]
    assert select(home, "SELECT picture, first_seen_at FROM pool") == [("p", None)], "views know of the new column"
    assert select(home, "SELECT job FROM crawls") == [("j",)]
    late = {"picture": "r", "url": "http://a.test/3", "seen_at": NOW, "hint": "bag"}
    home.inbox().append("sightings", [late])
    fold(home)
    assert select(home, "SELECT hint, seen_at FROM sightings WHERE picture = 'r'") == [
        ("bag", NOW.replace(tzinfo=None))
    ]
    assert not fold(home).published, "grown once"


def test_every_column_of_every_table_can_be_added_later(home: Home) -> None:
    with duckdb.connect(str(home.catalog)) as old:
        for table in catalog.metadata.tables.values():
            old.execute(f'CREATE OR REPLACE TABLE "{table.name}" AS SELECT 1 AS unknown_to_us')
    fold(home)
    with duckdb.connect(str(home.catalog)) as grown:
        for table in catalog.metadata.tables.values():
            names = [row[0] for row in grown.execute(f'DESCRIBE "{table.name}"').fetchall()]
            assert names == ["unknown_to_us", *(column.name for column in table.columns)]


def test_a_reader_of_an_older_snapshot_is_told_to_fold(home: Home) -> None:
    make_older(home)
    with Snapshot(home) as snapshot:
        assert snapshot.value("SELECT count(*) FROM sightings") == 1
        for query in ("SELECT hint FROM sightings", "SELECT * FROM crawls"):
            with pytest.raises(CatalogError, match=r"is of an older version; run `blindspot fold`"):
                snapshot.value(query)
        assert snapshot.value("SELECT count(*) FROM sightings") == 1


def test_what_an_older_home_measured_gives_way_to_a_newer_measuring_and_never_the_reverse(home: Home) -> None:
    home.inbox().append("measurements", [{"picture": name, "width_px": 1} for name in ("p", "q")])
    fold(home)
    with duckdb.connect(str(home.catalog)) as old:
        old.execute("ALTER TABLE measurements DROP COLUMN measure_version")
        old.execute("ALTER TABLE measurements DROP COLUMN components")
    home.inbox().append("measurements", [{"picture": "p", "width_px": 2, "components": 5, "measure_version": 2}])
    fold(home)
    for number, width in ((1, 8), (2, 9)):
        home.inbox().append("measurements", [{"picture": "p", "width_px": width, "measure_version": number}])
        fold(home)
    found = select(home, "SELECT picture, width_px, components, measure_version FROM measurements ORDER BY picture")
    assert found == [("p", 2, 5, 2), ("q", 1, None, None)]
