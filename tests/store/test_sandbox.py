"""The sandbox: one item that hangs, crashes or eats memory costs a Failure; all others have their results."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
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
    "open many": ("worker_died", "Too many open files"),
}


def test_each_bad_item_costs_a_failure_and_the_others_nothing() -> None:
    good = list(range(45))
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


# ---- submit: the same workers, from whatever thread --------------------------------------------------------


def test_many_threads_submit_and_each_has_its_own_answers() -> None:
    found: dict[int, list[Any]] = {}
    with Sandbox[Any, Any](make, 2, LIMITS) as sandbox:

        def ask(start: int) -> None:
            futures = [sandbox.submit(number) for number in range(start, start + 50)]
            found[start] = [future.result(30) for future in futures]

        threads = [threading.Thread(target=ask, args=(start,)) for start in range(0, 400, 50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {start: list(range(start, start + 50)) for start in range(0, 400, 50)}


def test_an_event_loop_waits_for_answers_and_is_not_held_up() -> None:
    async def ask(sandbox: Sandbox[Any, Any]) -> tuple[list[Any], float]:
        asked = asyncio.gather(*(asyncio.wrap_future(sandbox.submit(item)) for item in ["hang", *range(20)]))
        longest, last = 0.0, time.monotonic()
        while not asked.done():
            await asyncio.sleep(0.005)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        return await asked, longest

    with Sandbox[Any, Any](make, 2, LIMITS) as sandbox:
        answers, longest = asyncio.run(ask(sandbox))
    assert answers[0].reason == "timeout"
    assert answers[1:] == list(range(20))
    assert longest < 0.25


def test_what_is_cancelled_is_not_worked_on_and_costs_the_others_nothing() -> None:
    with Sandbox[Any, Any](make, 1, LIMITS) as sandbox:
        hanging, cancelled, last = (sandbox.submit(item) for item in ("hang", "exit", "who"))
        assert cancelled.cancel()
        assert hanging.result(30).reason == "timeout"
        assert isinstance(last.result(30), int)


def test_closing_leaves_nobody_waiting() -> None:
    with Sandbox[Any, Any](make, 1, SandboxLimits(time_s=60)) as sandbox:
        worker = sandbox.submit("who").result(30)
        under_way, waiting = sandbox.submit("hang"), sandbox.submit(1)
        until(lambda: under_way.running())
        sandbox.close()
        with pytest.raises(CancelledError):
            waiting.result(1)
        with pytest.raises(SandboxError, match="closed"):
            under_way.result(1)
        assert not Path(f"/proc/{worker}").exists()
        assert sandbox.submit(2).result(30) == 2, "it starts anew"


def test_an_unfinished_map_takes_nothing_more() -> None:
    with Sandbox[Any, Any](make, 1, LIMITS) as sandbox:
        stream = sandbox.map(iter([0, *["hang"] * 3]))
        assert next(stream) == (0, 0)
        stream.close()
        started = time.monotonic()
        assert sandbox.submit(7).result(30) == 7
        assert time.monotonic() - started < 2 * LIMITS.time_s, "what was taken ahead was cancelled"


def test_a_worker_that_cannot_start_is_told_to_everyone_who_waits() -> None:
    with Sandbox[Any, Any](partial(make_nothing, "raise nothing else"), 2, LIMITS) as sandbox:
        futures: list[Future[Any]] = [sandbox.submit(number) for number in range(4)]
        for future in futures:
            with pytest.raises(SandboxError, match="this model is broken"):
                future.result(60)


# ---- walls -------------------------------------------------------------------------------------------------


def test_a_worker_stands_within_its_walls() -> None:
    limits = SandboxLimits(time_s=1.0, memory_bytes=200_000_000, open_files=40)
    ((_, walls),) = results(["walls"], limits, workers=1)
    assert walls["CORE"] == walls["FSIZE"] == (0, 0)
    assert walls["NOFILE"] == (40, 40)
    assert walls["AS"][0] == walls["AS"][1] < 3_000_000_000
    assert 0 < walls["CPU"][0] < 5 + (os.cpu_count() or 1)


def test_a_worker_writes_no_file(tmp_path: Path) -> None:
    ((path, failure),) = results([tmp_path / "file"])
    assert failure.reason == "worker_died"
    assert "File too large" in failure.detail
    assert path.read_bytes() == b""


def test_what_libraries_say_of_hostile_bytes_is_not_heard(capfd: pytest.CaptureFixture[str]) -> None:
    ((_, written),) = results(["shout"])
    assert written == [24, 24]
    assert capfd.readouterr() == ("", "")


PARENT = """
import sys, time
sys.path[:0] = {path}
from sandbox_work import make
from store.sandbox import Sandbox, SandboxLimits
sandbox = Sandbox(make, 2, SandboxLimits(time_s={time_s}))
first = [sandbox.submit(word) for word in ("who", "who")]
print(*{{future.result() for future in first}}, flush=True)
[sandbox.submit(word) for word in {words}]
time.sleep(60)
"""


@contextmanager
def a_parent(words: tuple[str, ...], time_s: float) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process whose workers are busy with `words`, and their process ids."""
    root = str(Path(__file__).parents[2])
    code = PARENT.format(path=[str(Path(__file__).parent), root], time_s=time_s, words=words)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, [int(pid) for pid in process.stdout.readline().split()]
        finally:
            process.kill()


def until(true: Any, patience_s: float = 20.0) -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def works(pid: int) -> bool:
    """Whether a process is there and not a zombie that waits to be counted."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a busy worker ends with its item")
def test_killing_the_parent_leaves_no_worker_behind() -> None:
    with a_parent(("hang in C", "hang"), time_s=100.0) as (parent, workers):
        time.sleep(0.3)
        assert [pid for pid in workers if works(pid)] == workers != []
        parent.kill()
        until(lambda: not any(works(pid) for pid in workers), patience_s=5.0)


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes by /proc")
def test_a_worker_does_not_compute_for_ever_while_its_parent_is_stopped() -> None:
    with a_parent(("hang in C",), time_s=0.8) as (parent, workers):
        time.sleep(0.2)
        parent.send_signal(signal.SIGSTOP)
        until(lambda: not all(works(pid) for pid in workers), patience_s=60.0)
