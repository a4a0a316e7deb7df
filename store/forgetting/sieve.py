"""The sieve: which records may be in the catalog, and what must not stand in those that may.

The fold lets every inbox file through it, and a purge the whole catalog; so what was forgotten leaves, and does not
come back with rows that a running job had still in memory. A column is judged by its name, so that a new table needs
nothing here: columns of pictures, URLs and sources decide about their row, all other text is searched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from store.forgetting.tombstones import Tombstones
from store.forgetting.traces import Traces

# Columns that decide about the whole row.
PICTURES, URLS, SOURCES, HOSTS = (
    ("picture", "representative", "look_alike"),
    ("url", "page"),
    ("source", "site"),
    ("host",),
)
DECIDING = frozenset([*PICTURES, *URLS, *SOURCES, *HOSTS])
NESTED = r"(?i)://.*(://|%3a%2f)|[0-9a-f]{64}|^[^:]*$"
# Text of ours that names nothing of the web, and what only the home's owner writes: never searched.
OURS = frozenset((
    "base", "batch", "candidate", "certificate", "champion", "class", "crawl", "cycle", "decision", "detector", "error",
    "evaluation", "family", "format", "hash_version", "hint", "job", "kind", "label", "lane", "mix", "outcome",
    "parent", "policy_version", "queue", "request", "reviewer", "role", "sample", "slice", "spider", "split",
    "stage", "stopped", "suite", "target", "threshold_kind", "undoes", "verb", "verdict", "version", "view",
))  # fmt: skip
# Tables that say how, and not what was seen: a policy or a card with a changed word would be another one.
LEFT_ALONE = frozenset({"policies", "models", "flag_masks", "folded", "promotions", "tombstones", "views_version"})


class Sieve:
    """Passes records by table; counts what it kept back, and remembers the mixes that lost a sample."""

    def __init__(self, tombstones: Tombstones, traces: Traces | None = None) -> None:
        self._tombstones, self._traces = tombstones, traces or Traces(tombstones)
        self.removed: Counter[str] = Counter()
        self.broken_mixes: set[str] = set()

    def __bool__(self) -> bool:
        """Whether anything is forbidden at all."""
        return len(self._tombstones) > 0

    def passes(self, kind: str, table: pa.Table) -> pa.Table:
        """What of `table` may be in the catalog, in order, its free text without traces."""
        if kind in LEFT_ALONE or not table.num_rows:
            return table
        kept = table.filter(self._allowed(kind, table))
        self.removed[kind] += table.num_rows - kept.num_rows
        cleaned = kept
        for name in kept.column_names:
            if pa.types.is_string(kept.schema.field(name).type) and name not in DECIDING | OURS:
                cleaned = self._clean(cleaned, name)
        self._remember_mixes(kind, table, kept, cleaned)
        return cleaned

    def _allowed(self, kind: str, table: pa.Table) -> pa.Array:
        allowed = pa.array([True] * table.num_rows, pa.bool_())
        rules: list[tuple[tuple[str, ...], Callable[[str], bool]]] = [
            (PICTURES, self._tombstones.forbids_picture),
            (URLS, self._tombstones.forbids_url),
            (SOURCES, self._tombstones.forbids_source),
            (HOSTS, lambda host: self._tombstones.forbids_url(f"http://{host}/")),
        ]
        for names, forbids in rules:
            for name in names:
                if name in table.column_names:
                    allowed = pc.and_(allowed, pc.invert(_each(table[name], forbids)))
                    if name in URLS:
                        allowed = pc.and_(allowed, pc.invert(self._with_traces(table[name])))
        if kind == "evaluations":  # a slice of one source bears its name
            of_source = pc.fill_null(pc.equal(table["slice"], "source"), False)
            purged = _each(table["name"], self._tombstones.forbids_source)
            allowed = pc.and_(allowed, pc.invert(pc.and_(of_source, purged)))
        return allowed

    def _with_traces(self, column: pa.ChunkedArray) -> pa.Array:
        """Of URLs, those that hold another one or an id, and paths (an import's refusal has one), if forbidden."""
        odd = pc.fill_null(pc.match_substring_regex(column, NESTED), False)
        return _each(pc.if_else(odd, column, pa.scalar(None, pa.string())), self._traces.found)

    def _clean(self, table: pa.Table, name: str) -> pa.Table:
        column = table[name]
        suspects = pc.fill_null(pc.match_substring_regex(column, self._traces.hint), False)
        if not pc.any(suspects).as_py():
            return table
        texts = [
            self._traces.without(text) if suspect else text
            for text, suspect in zip(column.to_pylist(), suspects.to_pylist(), strict=True)
        ]
        index = table.column_names.index(name)
        return table.set_column(index, table.schema.field(index), pa.array(texts, pa.string()))

    def _remember_mixes(self, kind: str, table: pa.Table, kept: pa.Table, cleaned: pa.Table) -> None:
        if kind == "mix_samples" and kept.num_rows < table.num_rows:
            lost = table.filter(pc.invert(self._allowed(kind, table)))
            self.broken_mixes.update(lost["mix"].to_pylist())
        if kind in ("mixes", "mix_samples"):
            for column in ("settings", "split_group"):
                if column in cleaned.column_names:
                    changed = pc.fill_null(pc.not_equal(kept[column], cleaned[column]), False)
                    self.broken_mixes.update(cleaned.filter(changed)["mix"].to_pylist())


def _each(column: pa.ChunkedArray, forbids: Callable[[str], bool]) -> pa.Array:
    """`forbids` of each value, asked once per distinct one; a null is not forbidden."""
    encoded = pa.concat_arrays(column.chunks).dictionary_encode()
    answers = pa.array([forbids(value) for value in encoded.dictionary.to_pylist()], pa.bool_())
    return pc.fill_null(answers.take(encoded.indices), False)
