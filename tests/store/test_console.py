"""The SQL console: it looks, at this file alone, for a while, and says in one line why not."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from samples import catalog, picture

from store.catalog import Snapshot
from store.console import Answer, ask
from store.errors import CatalogError, QueryError
from store.home import Home
from store.schema import KINDS
from store.views import VIEWS


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("home, it's mine"))
    catalog(home, pictures=[picture(f"p{n:03}") for n in range(150)])
    (home.root / "secret.csv").write_text("a,b\n1,2\n")
    return home


def refusal(home: Home, query: str, time_s: float = 20.0) -> str:
    with pytest.raises(QueryError) as caught:
        ask(home, query, time_s=time_s)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_questions_have_columns_rows_and_a_limit(filled: Home) -> None:
    answer = ask(filled, "SELECT picture, size_bytes FROM pictures ORDER BY picture;", limit=2)
    assert answer == Answer(["picture", "size_bytes"], [("p000", 1), ("p001", 1)], True)
    assert len(ask(filled, "SELECT * FROM pictures").rows) == 100
    assert not ask(filled, "SELECT * FROM pictures", limit=150).truncated
    assert len(ask(filled, "SELECT * FROM pictures", limit=None).rows) == 150
    assert ask(filled, "SELECT * FROM pictures WHERE false") == Answer(
        ["picture", "size_bytes", "source", "first_seen_at"], [], False
    )


@pytest.mark.parametrize(
    "query",
    [
        "FROM pictures",
        "WITH few AS (SELECT 1 AS n) SELECT n FROM few",
        "VALUES (1)",
        "DESCRIBE pictures",
        "SUMMARIZE pictures",
        "SHOW TABLES",
        "EXPLAIN SELECT * FROM pictures",
        "-- a comment\nSELECT 1 /* and another; with a semicolon */",
    ],
)
def test_every_way_of_looking_is_answered(filled: Home, query: str) -> None:
    assert ask(filled, query).rows


@pytest.mark.parametrize("name", sorted([*KINDS, *VIEWS]))
def test_every_table_and_view_can_be_asked(filled: Home, name: str) -> None:
    assert ask(filled, f"SELECT * FROM {name}").columns


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('{root}/secret.csv')",
        "SELECT * FROM read_blob('{root}/secret.csv')",
        "SELECT * FROM read_csv('{root}/secret.csv')",
        "SELECT * FROM read_parquet('{root}/secret.csv')",
        "SELECT * FROM sniff_csv('{root}/secret.csv')",
        "SELECT * FROM glob('{root}/*')",
        "SELECT * FROM '{root}/secret.csv'",
        "SELECT (SELECT content FROM read_text('{root}/secret.csv'))",
        "EXPLAIN ANALYZE SELECT * FROM read_text('{root}/secret.csv')",
        "EXPLAIN ANALYZE COPY pictures TO '{root}/new.csv'",
        "SELECT * FROM read_csv('https://example.com/a.csv')",
    ],
)
def test_other_files_stay_closed(filled: Home, query: str) -> None:
    root = str(filled.root).replace("'", "''")
    assert "disabled by configuration" in refusal(filled, query.format(root=root))
    assert not (filled.root / "new.csv").exists()


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("COPY pictures TO 'new.csv'", "COPY"),
        ("COPY pictures FROM 'secret.csv'", "COPY"),
        ("EXPORT DATABASE 'folder'", "EXPORT"),
        ("ATTACH 'other.duckdb'", "ATTACH"),
        ("DETACH snapshot", "DETACH"),
        ("USE memory", "SET"),
        ("INSTALL httpfs", "LOAD"),
        ("LOAD httpfs", "LOAD"),
        ("SET enable_external_access = true", "SET"),
        ("RESET lock_configuration", "SET"),
        ("PRAGMA enable_external_access = true", "SET"),
        ("INSERT INTO pictures (picture) VALUES ('x')", "INSERT"),
        ("UPDATE pictures SET source = 'x'", "UPDATE"),
        ("DELETE FROM pictures", "DELETE"),
        ("DROP TABLE pictures", "DROP"),
        ("CREATE TABLE memory.t AS SELECT 1", "CREATE"),
        ("CREATE TEMP TABLE t AS SELECT 1", "CREATE"),
        ("WITH x AS (SELECT 1) INSERT INTO pictures (picture) SELECT 'x'", "INSERT"),
        ("CALL pragma_version()", "CALL"),
        ("PREPARE x AS SELECT 1", "PREPARE"),
        ("BEGIN", "TRANSACTION"),
        ("CHECKPOINT", "CALL"),
        ("VACUUM", "VACUUM"),
    ],
)
def test_whatever_does_more_than_look_is_refused_before_it_runs(filled: Home, query: str, kind: str) -> None:
    words = refusal(filled, query)
    assert words == f"this console only looks: wanted SELECT or EXPLAIN. Received: {kind}"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT 1; SELECT 2", "wanted one SQL statement. Received: 2"),
        ("SELECT 1; DROP TABLE pictures", "wanted one SQL statement. Received: 2"),
        ("", "wanted one SQL statement. Received: 0"),
        (" ; -- nothing", "wanted one SQL statement. Received: 0"),
        ("SELEC 1", "SQL: Parser Error"),
        ("SELECT colour FROM pictures", '"colour" not found in FROM clause'),
        ("SELECT * FROM photos", "photos does not exist"),
        ("SELECT CAST('x' AS INTEGER)", "Could not convert string 'x'"),
        ("SELECT * FROM query", "query does not exist"),
        ("EXPLAIN ANALYZE DELETE FROM pictures", "read-only"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(filled: Home, query: str, words: str) -> None:
    assert words in refusal(filled, query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM range(10000000000) a, range(1000000) b",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
    ],
)
def test_a_runaway_question_is_stopped(filled: Home, query: str) -> None:
    started = time.monotonic()
    assert "longer than 0.3 s and was stopped" in refusal(filled, query, time_s=0.3)
    assert time.monotonic() - started < 5


def test_a_long_answer_is_not_computed_beyond_its_limit(filled: Home) -> None:
    assert ask(filled, "SELECT * FROM range(100000000000)", time_s=10).truncated


def test_questions_at_the_same_time_and_beside_an_open_snapshot(filled: Home) -> None:
    """DuckDB shares one instance per path in a process: the second question once met the first one's locks."""
    answers: list[Answer] = []
    with Snapshot(filled) as snapshot:
        query = "SELECT count(*) FROM pictures, range(100000)"
        threads = [threading.Thread(target=lambda: answers.append(ask(filled, query))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert snapshot.value("SELECT count(*) FROM pictures") == 150
    assert [answer.rows for answer in answers] == [[(15_000_000,)]] * 4


def test_no_snapshot_and_no_database_are_one_line(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(CatalogError, match="run `blindspot fold` first"):
        ask(home, "SELECT 1")
    home.snapshot.write_bytes(b"not a database" * 100)
    with pytest.raises(CatalogError, match="cannot be used"):
        ask(home, "SELECT 1")
