"""What the fold does with a batch of records before and after it is in the catalog.

Keeps out what was purged, with its bytes when nobody else has them; notices dropped pictures that are back.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from store.catalog import registered
from store.forgetting.sieve import Sieve
from store.home import Home
from store.schema import dropped_pictures, mixes, pictures


def admit(home: Home, catalog: sa.Connection, sieve: Sieve, kind: str, rows: pa.Table) -> pa.Table:
    """What of an inbox batch may be in the catalog."""
    if kind == "refusals":
        rows = _without_riddles(catalog, rows)
    if not sieve:
        return rows
    passed = sieve.passes(kind, rows)
    if kind == "pictures" and passed.num_rows < rows.num_rows:
        refused = set(rows["picture"].to_pylist()) - set(passed["picture"].to_pylist())
        # A running job has stored what it should not have: the bytes go unless the store knows them from elsewhere.
        for picture in refused - _among(catalog, pictures, refused):
            home.blobs().drop(picture)
    return passed


def notice(home: Home, catalog: sa.Connection, sieve: Sieve, kind: str, rows: pa.Table) -> None:
    """After the insert: mixes that lost samples cannot be replayed; dropped pictures with bytes are dropped no more."""
    if sieve.broken_mixes:
        catalog.execute(sa.update(mixes).where(mixes.c.mix.in_(sieve.broken_mixes)).values(replayable=False))
    if kind == "pictures":
        known = _among(catalog, dropped_pictures, set(rows["picture"].to_pylist()))
        back = [picture for picture in known if home.blobs().has(picture)]
        if back:
            catalog.execute(sa.delete(dropped_pictures).where(dropped_pictures.c.picture.in_(back)))


def _without_riddles(catalog: sa.Connection, refusals: pa.Table) -> pa.Table:
    """A scan under way finds dropped bytes missing: no fault of the picture, which would count as undecodable."""
    missing = pc.fill_null(pc.equal(refusals["reason"], "missing"), False)
    dropped = _among(catalog, dropped_pictures, set(refusals.filter(missing)["picture"].to_pylist()))
    riddle = pc.and_(missing, pc.is_in(refusals["picture"], pa.array(sorted(dropped), pa.string())))
    return refusals.filter(pc.invert(riddle))


def _among(catalog: sa.Connection, table: sa.Table, asked: set[str]) -> set[str]:
    """Those of `asked` that have a row in `table`."""
    if not asked:
        return set()
    query = f"SELECT picture FROM {table.name} SEMI JOIN asked USING (picture)"
    with registered(catalog, "asked", pa.table({"picture": pa.array(sorted(filter(None, asked)), pa.string())})):
        return set(catalog.execute(sa.text(query)).scalars())
