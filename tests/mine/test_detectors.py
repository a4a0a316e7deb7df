"""Every detector on its own examples, on an empty catalog, and as a pure function."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from mine.detectors import DETECTORS, Detector, Example
from mine.measure import measure
from store.catalog import Snapshot
from store.fold import fold
from store.home import Home
from store.pictures import Decoded

EXAMPLES = [(detector, example) for detector in DETECTORS for example in detector.examples()]


def name_of(value: object) -> str | None:
    return value.name if isinstance(value, Example) else getattr(value, "key", None)


def table_of(example: Example) -> pa.Table:
    """What the detector would read of the example: its own rows, or the measurements of its picture."""
    if example.rgb is None:
        return pa.Table.from_pylist(list(example.rows))
    height, width = example.rgb.shape[:2]
    return pa.Table.from_pylist(
        [{"picture": "p", **measure(Decoded(example.rgb, width, height, "PNG", 1, False, False))}]
    )


def asked(home: Home, detector: Detector) -> pa.Table:
    names = {"champion": "small.1", "policy": "shoes-1"}
    with Snapshot(home) as snapshot:
        return snapshot.table(detector.reads, {k: v for k, v in names.items() if f":{k}" in detector.reads})


@pytest.mark.parametrize(("detector", "example"), EXAMPLES, ids=name_of)
def test_examples_are_found_and_left_as_they_say(detector: Detector, example: Example) -> None:
    table = table_of(example)
    findings = list(detector.find(table))
    assert bool(findings) == example.found
    assert len({finding.picture for finding in findings}) == len(findings), "a picture is found once"
    for finding in findings:
        assert 0 <= finding.score <= 1
        assert finding.score >= finding.threshold == detector.threshold
        assert finding.picture in table["picture"].to_pylist()
        assert finding.reason.strip()
        assert "\n" not in finding.reason
    assert list(detector.find(table)) == findings, "find is pure"


@pytest.mark.parametrize("detector", DETECTORS, ids=name_of)
def test_a_detector_says_what_it_must_find_and_what_it_must_leave(detector: Detector) -> None:
    examples = detector.examples()
    assert {example.found for example in examples} == {True, False}
    assert len({example.name for example in examples}) == len(examples)
    for example in examples:
        assert (example.rgb is None) != (not example.rows), "drawn, or as rows"


@pytest.mark.parametrize("detector", DETECTORS, ids=name_of)
def test_what_a_detector_reads_is_there_and_is_all_it_needs(detector: Detector, home: Home) -> None:
    fold(home)
    table = asked(home, detector)
    assert list(detector.find(table)) == []
    for example in detector.examples():
        given: list[dict[str, Any]] = table_of(example).to_pylist()
        assert set(table.column_names) <= set(given[0]), "the example has what the catalog would give"
        only_read = pa.Table.from_pylist([{name: row[name] for name in table.column_names} for row in given])
        assert bool(list(detector.find(only_read))) == example.found, "nothing else is looked at"


@pytest.mark.parametrize("detector", DETECTORS, ids=name_of)
def test_suites_are_never_searched(detector: Detector) -> None:
    assert "pool" in detector.reads, "the pool is every stored picture that no suite holds"


def test_findings_come_with_any_number_of_rows() -> None:
    for detector in DETECTORS:
        tables = [(example, table_of(example)) for example in detector.examples()]
        rows = [row | {"picture": f"p{n}"} for n, (_, table) in enumerate(tables) for row in table.to_pylist()]
        found = {finding.picture for finding in detector.find(pa.Table.from_pylist(rows))}
        assert found == {f"p{n}" for n, (example, _) in enumerate(tables) if example.found}
