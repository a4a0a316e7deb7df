"""The sandbox: one item that hangs, crashes or eats memory costs a Failure; all others have their results."""

from __future__ import annotations

import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sandbox_work import answer, make, make_nothing, make_slowly

from store.errors import SandboxError
from store.sandbox import Sandbox, SandboxLimits

LIMITS = SandboxLimits(time_s=1.0, memory_bytes=200_000_000, start_s=60.0)


@pytest.fixture(autouse=True)
def _workers_that_start_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spawned worker imports the main module again; pytest's takes half a second and does nothing here."""
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__spec__", None)
    monkeypatch.delattr(main, "__file__", raising=False)


def results(items: list[Any], limits: SandboxLimits = LIMITS, workers: int = 2) -> list[tuple[Any, Any]]:
    with Sandbox[Any, Any](make, workers, limits) as sandbox:
        return list(sandbox.map(items))


def test_every_item_has_its_result() -> None:
    pairs = results(list(range(100)))
    assert sorted(pairs) == [(n, n) for n in range(100)]
    assert results([]) == []


BAD = {
    "hang": ("timeout", "no answer within 1 s"),
    "hang in C": ("timeout", "no answer within 1 s"),
    "exit": ("worker_died", "exit code 7"),
    "crash": ("worker_died", f"exit code {-signal.SIGSEGV}"),
    "stop": ("worker_died", "exit code 3"),
    "eat": ("out_of_memory", "more than 200000000 bytes"),
    "raise": ("worker_died", "ValueError: no such thing"),
    "unpicklable": ("worker_died", "lambda"),
}


def test_each_bad_item_costs_a_failure_and_the_others_nothing() -> None:
    good = list(range(40))
    pairs = results([item for n, bad in enumerate(BAD) for item in (*good[5 * n : 5 * n + 5], bad)])
    assert sorted(pair for pair in pairs if pair[0] not in BAD) == [(n, n) for n in good]
    failures = {item: result for item, result in pairs if item in BAD}
    assert len(pairs) == len(good) + len(BAD)
    for bad, (reason, detail) in BAD.items():
        assert failures[bad].reason == reason, bad
        assert detail in failures[bad].detail
        assert "\n" not in failures[bad].detail


def test_only_bad_items() -> None:
    pairs = results(["exit", "crash", "exit", "raise"])
    assert sorted(result.reason for _, result in pairs) == ["worker_died"] * 4


def test_memory_is_bounded_again_and_again_in_one_worker() -> None:
    pairs = results(["eat", "who"] * 4, workers=1)
    assert [pair[1].reason for pair in pairs[::2]] == ["out_of_memory"] * 4
    assert len({pid for _, pid in pairs[1::2]}) == 1, "running out of memory does not cost the worker"


def test_large_items_and_results_pass_the_pipe() -> None:
    pairs = results([bytes(3_000_000), "large", bytes(4_000_000)])
    assert {len(result) if isinstance(result, bytes) else result for _, result in pairs} == {
        3_000_000,
        4_000_000,
        5_000_000,
    }


def test_workers_are_recycled_after_so_many_items() -> None:
    limits = SandboxLimits(time_s=5.0, recycle_after=3)
    workers = [pid for _, pid in results(["who"] * 9, limits, workers=1)]
    assert [workers.count(pid) for pid in dict.fromkeys(workers)] == [3, 3, 3]


def test_starting_does_not_count_against_the_first_item() -> None:
    limits = SandboxLimits(time_s=0.5, start_s=60.0)
    with Sandbox[Any, Any](partial(make_slowly, 1.0), 1, limits) as sandbox:
        assert list(sandbox.map([1, 2])) == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("raise nothing else", "ValueError: this model is broken"),
        ("exit", "exit code 7"),
        ("crash", "exit code -11"),
        ("hang", "nothing within 2 s"),
    ],
)
def test_workers_that_cannot_start_end_the_run_and_no_item_is_blamed(how: str, words: str) -> None:
    """Else one broken model file would refuse every picture there is."""
    limits = SandboxLimits(start_s=2.0 if how == "hang" else 60.0)
    with (
        Sandbox[Any, Any](partial(make_nothing, how), 1, limits) as sandbox,
        pytest.raises(SandboxError) as caught,
    ):
        list(sandbox.map(range(5)))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_items_are_taken_one_by_one_and_not_all_at_once() -> None:
    taken: list[int] = []

    def endless() -> Any:
        for number in range(10**9):
            taken.append(number)
            yield number

    with Sandbox[Any, Any](make, 2, LIMITS) as sandbox:
        stream = sandbox.map(endless())
        assert sorted(next(stream)[0] for _ in range(10)) == list(range(10))
    assert len(taken) < 20


def test_a_slow_consumer_costs_no_timeouts() -> None:
    with Sandbox[Any, Any](make, 2, SandboxLimits(time_s=0.2)) as sandbox:
        for item, result in sandbox.map(range(6)):
            time.sleep(0.3)
            assert result == item


def test_one_sandbox_maps_twice_and_leaves_no_process_behind() -> None:
    with Sandbox[Any, Any](make, 2, LIMITS) as sandbox:
        first = {pid for _, pid in sandbox.map(["who"] * 6)}
        second = {pid for _, pid in sandbox.map(["who"] * 6)}
    for pid in first | second:
        assert not Path(f"/proc/{pid}").exists()


def test_work_that_cannot_be_sent_says_so() -> None:
    with pytest.raises((AttributeError, TypeError)), Sandbox[Any, Any](lambda: answer, 1) as sandbox:
        list(sandbox.map([1]))
    with pytest.raises((AttributeError, TypeError)), Sandbox[Any, Any](make, 1) as sandbox:
        list(sandbox.map([lambda: None]))
