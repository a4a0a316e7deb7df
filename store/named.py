"""Asks the questions of `store.questions` on the snapshot: parameters checked and bound, and the SQL shown.

Reads the snapshot only, through the console and its limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from textwrap import dedent

from store.console import Answer, ask
from store.errors import QueryError
from store.home import Home
from store.parameters import Parameter
from store.questions import QUESTIONS, Question
from store.schema import metadata
from store.views import MEANINGS

Value = str | int | None
# So many names are told to who gave one that does not exist.
TOLD = 8
TABLE_COLUMNS = ("name", "kind", "meaning", "columns")
COLUMNS = """
    SELECT table_name AS name, column_name AS column, lower(data_type) AS type FROM duckdb_columns()
    WHERE database_name = current_database() AND NOT internal ORDER BY table_name, column_index"""


def question(name: str) -> Question:
    """The question of that name. Raises QueryError with all names."""
    if name not in QUESTIONS:
        raise QueryError(f"no question is named {name[:80]!r}; there are: {', '.join(QUESTIONS)}")
    return QUESTIONS[name]


def ask_named(home: Home, name: str, given: Mapping[str, str], limit: int | None = 100, time_s: float = 60.0) -> Answer:
    """The answer to a question by name, with the parameters that were given as text.

    Raises QueryError for an unknown name, parameter or value, and as `ask` does.
    """
    return ask(home, question(name).sql, limit, time_s, settle(home, name, given, time_s))


def settle(home: Home, name: str, given: Mapping[str, str], time_s: float = 60.0) -> dict[str, Value]:
    """Every parameter's value: given and checked against what there is, or its default. Raises QueryError."""
    parameters = question(name).parameters
    unknown = [word for word in given if word not in {parameter.name for parameter in parameters}]
    if unknown:
        has = ", ".join(parameter.name for parameter in parameters) or "none"
        raise QueryError(f"{name} has no parameter {unknown[0][:80]!r}; it has: {has}")
    values: dict[str, Value] = {p.name: None for p in parameters}
    values |= {p.name: _given(home, p, given[p.name], time_s) for p in parameters if p.name in given}
    for parameter in parameters:
        if parameter.name not in given:
            values[parameter.name] = _default(home, parameter, values, time_s)
    return values


def _given(home: Home, parameter: Parameter, text: str, time_s: float) -> Value:
    kind = parameter.kind
    try:
        value = kind.read(text)
    except ValueError:
        raise QueryError(f"{parameter.name} wants one of the {kind.what}. Received: {text[:80]!r}") from None
    if kind.choices is not None:
        found = ask(home, f"SELECT 1 FROM ({kind.choices}) WHERE choice = $value LIMIT 1", 1, time_s, {"value": value})
        if not found.rows:
            raise QueryError(f"{parameter.name} wants one of the {kind.what}{_told(home, kind.choices, time_s)}. "
                             f"Received: {text[:80]!r}")  # fmt: skip
    return value


def _told(home: Home, choices: str, time_s: float) -> str:
    names = ask(home, f"SELECT choice FROM ({choices}) ORDER BY choice", TOLD, time_s)
    listed = ", ".join(str(row[0]) for row in names.rows) + (" …" if names.truncated else "")
    return f" ({listed or 'there are none'})"


def _default(home: Home, parameter: Parameter, values: Mapping[str, Value], time_s: float) -> Value:
    wanted = {name: values[name] for name in _names(parameter.default)}
    ((value,),) = ask(home, f"SELECT {parameter.default}", 1, time_s, wanted).rows
    return value if value is None or isinstance(value, int) else str(value)


def _names(sql: str) -> set[str]:
    return set(re.findall(r"\$([a-z_]+)", sql))


def listing() -> list[tuple[str, str, str, str]]:
    """Every question: its name, what it answers, its parameters as `name=WORD`, the columns of the answer."""
    return [
        (name, one.meaning, " ".join(f"{p.name}={p.kind.word}" for p in one.parameters), " ".join(one.columns))
        for name, one in QUESTIONS.items()
    ]


def shown(name: str, values: Mapping[str, Value]) -> str:
    """The SQL of a question with its values as literals: it runs as it stands, in any DuckDB client."""
    one = question(name)
    # No `--` in front: the command line would take it for an option.
    notes = "\n".join((f"/* {name}: {one.meaning}", *(f"   {p.name}: {p.meaning}" for p in one.parameters)))
    text = re.sub(r"\$([a-z_]+)", lambda found: _literal(values[found[1]]), dedent(one.sql).strip())
    return f"{notes} */\n{text};"


def _literal(value: Value) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def tables(home: Home, name: str | None = None) -> list[tuple[str, str, str, str]]:
    """What tables and views the snapshot has, or the one of that name: TABLE_COLUMNS.

    Raises QueryError when there is none of that name.
    """
    columns: dict[str, list[str]] = {}
    for table, column, type_ in ask(home, COLUMNS, None).rows:
        columns.setdefault(table, []).append(f"{column} {type_}")
    known = {table: ("table", declared.comment or "") for table, declared in metadata.tables.items()}
    known |= {view: ("view", meaning) for view, meaning in MEANINGS.items()}
    rows = [(one, *known[one], ", ".join(columns[one])) for one in sorted(columns.keys() & known)]
    if name is not None and name not in {row[0] for row in rows}:
        raise QueryError(f"no table or view is named {name[:80]!r}; there are: {', '.join(row[0] for row in rows)}")
    return [row for row in rows if name in (None, row[0])]


def pairs(words: Iterable[str]) -> dict[str, str]:
    """`NAME=VALUE` words as a dict. Raises QueryError for a word that is none, and for a name given twice."""
    given: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise QueryError(f"--with wants NAME=VALUE. Received: {word[:80]!r}")
        if name in given:
            raise QueryError(f"--with wants {name} once. Received: {given[name][:80]!r} and {value[:80]!r}")
        given[name] = value
    return given
