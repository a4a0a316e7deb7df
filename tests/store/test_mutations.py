"""Mutated pictures: each has one outcome, none costs more than its limits, and a long run goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from store.errors import PictureError
from store.pictures import FORMATS, decode, sniff
from store.sandbox import Failure
from tests.store import mutations
from tests.store.mutations import State, main, mended, mutated, samples
from tests.store.picture_work import Looked


def judge(state: State, seeds: int) -> None:
    assert state.findings == []
    assert state.done == sum(state.checked.values()) == seeds
    assert state.slowest_s <= mutations.LIMITS.time_s
    assert 0 < state.peak_bytes <= mutations.MOST_BYTES
    assert state.checked["ok"] > seeds / 10
    assert state.checked["broken"] > seeds / 10


def test_samples_are_whole_and_of_every_format() -> None:
    assert {sniff(sample) for sample in samples()} == set(FORMATS)
    assert [decode(sample).rgb.ndim for sample in samples()] == [3] * len(samples())


def test_a_seed_is_always_the_same_picture() -> None:
    assert [mutated(seed) for seed in range(50)] == [mutated(seed) for seed in range(50)]
    assert len({mutated(seed) for seed in range(200)}) > 190


def test_mended_files_get_past_their_checksums() -> None:
    for sample in samples():
        assert mended(sample) == sample
    png = next(sample for sample in samples() if sniff(sample) == "PNG")
    wrong = png[:29] + bytes(4) + png[33:]
    with pytest.raises(PictureError, match="broken"):
        decode(wrong)
    assert mended(wrong) == png


def test_a_few_hundred_mutated_pictures(tmp_path: Path) -> None:
    judge(main(["--seeds", "0:300", "--state", str(tmp_path / "state")]), 300)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_twenty_thousand_mutated_pictures(tmp_path: Path) -> None:
    judge(main(["--seeds", "1000:21000", "--state", str(tmp_path / "state")]), 20_000)


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutations, "CHUNK", 20)
    path, whole = tmp_path / "state", tmp_path / "whole"
    first = main(["--seeds", "5:65", "--state", str(path), "--seconds", "0.01"])
    assert first.done == 20
    assert json.loads(path.read_text())["done"] == 20
    second = main(["--seeds", "5:65", "--state", str(path)])
    assert second.done == 60
    assert second.checked == main(["--seeds", "5:65", "--state", str(whole)]).checked
    assert main(["--seeds", "5:65", "--state", str(path)]) == second, "nothing is left to do"


def test_what_goes_wrong_is_a_finding() -> None:
    state = State(0, 9)
    for seed, answer in enumerate(
        (
            Looked("ok", "ok", 0.1, 10**8),
            Looked("broken", "ok", 0.1, 10**8),
            Failure("out_of_memory", "…"),
            Failure("worker_died", "exit code -11"),
            Failure("timeout", "…"),
            Looked("ok", "what", 0.1, 10**8),
            Looked("ok", "ok", 7.0, 10**8),
            Looked("ok", "ok", 0.1, 2 * 10**9),
        )
    ):
        state.take(seed, answer)
    assert [line.split(":")[0] for line in state.findings] == [f"seed {seed}" for seed in (3, 4, 5, 6, 7)]
    assert state.pairs == {"broken/ok": 1, "ok/what": 1}
    assert (state.done, state.slowest_seed, state.peak_bytes) == (8, 6, 2 * 10**9)
