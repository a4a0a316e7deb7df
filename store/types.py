"""The few column types that SQLAlchemy has no standard name for, and their Arrow counterparts."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType


class UInt64(UserDefinedType[int]):
    """An unsigned 64-bit integer: a perceptual hash, whose top bit is as good as any other."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in DDL."""
        return "UBIGINT"


class FloatList(UserDefinedType[list[float]]):
    """A list of 32-bit floats: class probabilities in the order of the model's outputs."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in DDL."""
        return "FLOAT[]"


class TextList(UserDefinedType[list[str]]):
    """A list of texts: the names of a model's classes."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in DDL."""
        return "VARCHAR[]"


# The first row that fits wins, so a subclass stands before its base.
ARROW_TYPES: tuple[tuple[type[sa.types.TypeEngine[Any]], pa.DataType], ...] = (
    (UInt64, pa.uint64()),
    (FloatList, pa.list_(pa.float32())),
    (TextList, pa.list_(pa.string())),
    (sa.Boolean, pa.bool_()),
    (sa.BigInteger, pa.int64()),
    (sa.Integer, pa.int32()),
    (sa.Double, pa.float64()),
    (sa.Float, pa.float32()),
    (sa.DateTime, pa.timestamp("us")),
    (sa.LargeBinary, pa.binary()),
    (sa.Text, pa.string()),
)


def arrow_type(column: sa.Column[Any]) -> pa.DataType:
    """The Arrow type that goes into `column` without loss."""
    for kind, arrow in ARROW_TYPES:
        if isinstance(column.type, kind):
            return arrow
    raise TypeError(f"no Arrow type for column {column}. Received: {column.type!r}")


def arrow_schema(table: sa.Table) -> pa.Schema:
    """The Arrow schema of `table`, in the order of its columns."""
    return pa.schema([(column.name, arrow_type(column)) for column in table.columns])
