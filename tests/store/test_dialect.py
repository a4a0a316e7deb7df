"""Probes of the pinned pair, DuckDB with its SQLAlchemy dialect: what the store builds on, and what others got wrong.

Another dialect lost rows without an error (a second statement on a connection with an open result), so each of these
is run again with every new pair before the pin in pyproject.toml moves.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import sqlalchemy as sa
from duckdb_sqlalchemy import insert as upsert

from store.schema import KINDS, metadata
from store.types import FloatList, TextList, UInt64, arrow_schema, arrow_type

# For each kind of column the values that are hardest to bring back.
HARD: dict[type[sa.types.TypeEngine[Any]], list[Any]] = {
    UInt64: [0, 1, 2**63, 2**64 - 1],
    FloatList: [[], [0.0, 1.0, 0.5], [2.0**-149, 3.4028234663852886e38, -1.0]],
    TextList: [[], ["neutral", "Zeichnung, groß", "", "it's"]],
    sa.Boolean: [True, False],
    sa.BigInteger: [0, -(2**63), 2**63 - 1],
    sa.Integer: [0, -(2**31), 2**31 - 1],
    sa.Double: [0.0, 0.1, -1.7976931348623157e308, 5e-324, float("inf")],
    sa.DateTime: [dt.datetime(1970, 1, 1), dt.datetime(2026, 11, 23, 23, 59, 59, 999999)],
    sa.LargeBinary: [b"", b"\x00\xff'\\x41", bytes(range(256)) * 40],
    sa.Text: ["", "a\x00b", "\u2028\x85\r\n", "\u202eñ 漢字 🙂", "'; DROP TABLE pictures; --", "x" * 100_000],
}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sa.Connection]:
    engine = sa.create_engine(f"duckdb:///{tmp_path / 'probe.duckdb'}", poolclass=sa.NullPool)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def kinds_of_columns() -> set[type[sa.types.TypeEngine[Any]]]:
    return {type(column.type) for table in metadata.tables.values() for column in table.columns}


def one_column(kind: type[sa.types.TypeEngine[Any]]) -> sa.Table:
    return sa.Table("probe", sa.MetaData(), sa.Column("place", sa.Integer), sa.Column("value", kind()))


def in_order(connection: sa.Connection, table: sa.Table) -> list[Any]:
    return list(connection.execute(sa.select(table.c.value).order_by(table.c.place)).scalars())


def test_the_pair_is_the_pinned_one() -> None:
    assert duckdb.__version__.split(".")[0] == "1", "files of DuckDB 2 do not open in 1.5: see pyproject.toml"
    names = {distribution.name.lower() for distribution in importlib.metadata.distributions()}
    assert "duckdb-sqlalchemy" in names
    assert "duckdb-engine" not in names, "both claim duckdb:// and that one loses rows"


def test_hard_values_cover_every_type_of_the_schema() -> None:
    assert kinds_of_columns() == set(HARD)


@pytest.mark.parametrize("kind", HARD, ids=lambda kind: kind.__name__)
def test_values_come_back_by_parameters(connection: sa.Connection, kind: type[sa.types.TypeEngine[Any]]) -> None:
    table, values = one_column(kind), [None, *HARD[kind]]
    table.create(connection)
    connection.execute(sa.insert(table), [{"place": i, "value": value} for i, value in enumerate(values)])
    connection.commit()
    assert in_order(connection, table) == values


@pytest.mark.parametrize("kind", HARD, ids=lambda kind: kind.__name__)
def test_values_come_back_by_arrow(connection: sa.Connection, kind: type[sa.types.TypeEngine[Any]]) -> None:
    table, values = one_column(kind), [None, *HARD[kind]]
    table.create(connection)
    column = pa.array(values, arrow_type(table.c.value))
    raw: Any = connection.connection.driver_connection
    raw.register("incoming", pa.table({"place": pa.array(range(len(values)), pa.int32()), "value": column}))
    incoming = sa.table("incoming", sa.column("place"), sa.column("value"))
    done = connection.execute(sa.insert(table).from_select(["place", "value"], sa.select(incoming)))
    raw.unregister("incoming")
    assert done.rowcount == len(values)
    assert in_order(connection, table) == values
    asked = sa.select(table.c.value).order_by(table.c.place).execution_options(duckdb_arrow=True)
    result: Any = connection.execute(asked)
    assert result.arrow["value"].to_pylist() == values


def test_every_table_has_an_arrow_schema() -> None:
    for table in metadata.tables.values():
        assert arrow_schema(table).names == list(table.columns.keys())


def test_tables_survive_ddl_and_reflection(connection: sa.Connection, tmp_path: Path) -> None:
    metadata.create_all(connection)
    metadata.create_all(connection)  # again: nothing to do
    connection.commit()
    columns = "SELECT table_name, column_name, data_type FROM information_schema.columns ORDER BY 1, ordinal_position"
    declared = connection.execute(sa.text(columns)).all()
    assert {row[0] for row in declared} == set(metadata.tables)
    reflected = sa.MetaData()
    reflected.reflect(connection)
    assert set(reflected.tables) == set(metadata.tables)
    other = sa.create_engine(f"duckdb:///{tmp_path / 'other.duckdb'}", poolclass=sa.NullPool)
    with other.connect() as second:
        for name in ("pictures", "hashes", "raw_scores", "models", "measurements"):
            reflected.tables[name].create(second)
        made = second.execute(sa.text(columns)).all()
        assert made == [row for row in declared if row[0] in {made_row[0] for made_row in made}]
    other.dispose()


def test_no_keys_or_indexes_reach_the_database(connection: sa.Connection) -> None:
    metadata.create_all(connection)
    inspector = sa.inspect(connection)
    for name in metadata.tables:
        assert inspector.get_pk_constraint(name)["constrained_columns"] == []
        assert inspector.get_indexes(name) == []
    for name, table in KINDS.items():
        assert set(table.info["key"]) <= set(table.columns.keys()), name


def test_upsert_on_a_table_with_a_key(connection: sa.Connection) -> None:
    table = sa.Table(
        "kept",
        sa.MetaData(),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Integer),
    )
    table.create(connection)
    statement = upsert(table)
    replace = statement.on_conflict_do_update(index_elements=[table.c.key], set_={"value": statement.excluded.value})
    for value in (1, 2):
        connection.execute(replace, [{"key": "a", "value": value}, {"key": f"b{value}", "value": value}])
    connection.execute(upsert(table).on_conflict_do_nothing(), {"key": "a", "value": 99})
    rows = connection.execute(sa.select(table).order_by(table.c.key)).all()
    assert [tuple(row) for row in rows] == [("a", 2), ("b1", 1), ("b2", 2)]


@pytest.mark.parametrize("between", ["SELECT 1", "CREATE TABLE t (x INTEGER)", "INSERT INTO seen VALUES (1)"])
def test_a_second_statement_loses_no_rows_of_an_open_result(connection: sa.Connection, between: str) -> None:
    connection.exec_driver_sql("CREATE TABLE seen (x INTEGER)")
    result = connection.execute(sa.text("SELECT range AS n FROM range(5000)"))
    first = [row.n for row in result.fetchmany(10)]
    connection.exec_driver_sql(between)
    assert first + [row.n for row in result] == list(range(5_000))


def test_rollback_undoes_rows_and_tables(connection: sa.Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE kept (x INTEGER)")
    connection.commit()
    connection.exec_driver_sql("INSERT INTO kept VALUES (1)")
    connection.exec_driver_sql("CREATE TABLE gone (x INTEGER)")
    connection.rollback()
    assert sa.inspect(connection).get_table_names() == ["kept"]
    assert connection.exec_driver_sql("SELECT count(*) FROM kept").scalar() == 0


def test_an_error_leaves_the_connection_usable(connection: sa.Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE kept (x INTEGER)")
    connection.commit()
    with pytest.raises(sa.exc.DBAPIError):
        connection.exec_driver_sql("INSERT INTO kept VALUES ('no number')")
    connection.rollback()
    connection.exec_driver_sql("INSERT INTO kept VALUES (1)")
    connection.commit()
    assert connection.exec_driver_sql("SELECT count(*) FROM kept").scalar() == 1
