"""Bombs, many at once: each has its answer, no worker passes its limits, and whoever waits is never held up."""

from __future__ import annotations

import asyncio

import pytest

from crawl.check import LIMITS
from store.sandbox import Failure, Sandbox
from tests.crawl.measured import awake_s
from tests.store.bombs import BOMBS, HEAVY
from tests.store.picture_work import Looked, make_check

# What a bomb may come to; `timeout` only for those that are heavy, or on a machine that is busy with something else.
OUTCOMES = {"ok", "broken", "too_large", "too_many_scans", "too_many_frames", "out_of_memory", "timeout"}
MOST_BYTES, LONGEST_STALL_S = 1 << 30, 0.25


async def all_at_once(bombs: dict[str, bytes]) -> tuple[dict[str, Looked | Failure], float]:
    """The answers by name, and how long the event loop stood still at most, with a core."""
    with Sandbox[bytes, Looked](make_check, limits=LIMITS) as sandbox:
        asked = {name: asyncio.wrap_future(sandbox.submit(data)) for name, data in bombs.items()}
        stall, last = 0.0, awake_s()
        while not all(answer.done() for answer in asked.values()):
            await asyncio.sleep(0.01)
            stall, last = max(stall, awake_s() - last - 0.01), awake_s()
        return {name: answer.result() for name, answer in asked.items()}, stall


def judge(names: list[str]) -> None:
    answers, stall = asyncio.run(all_at_once({name: BOMBS[name]() for name in names}))
    reasons = {name: a.reason if isinstance(a, Failure) else a.checked for name, a in answers.items()}
    assert list(answers) == names
    assert {name: reason for name, reason in reasons.items() if reason not in OUTCOMES} == {}
    looked = [answer for answer in answers.values() if isinstance(answer, Looked)]
    assert max(answer.peak_bytes for answer in looked) <= MOST_BYTES
    assert max(answer.seconds for answer in looked) <= LIMITS.time_s
    assert stall <= LONGEST_STALL_S
    refused = [name for name, reason in reasons.items() if reason != "ok"]
    assert len(refused) >= 25, "they are bombs"
    for name in ("png 10 gigapixels", "webp canvas 281 terapixels", "jpeg 4 gigapixels", "tiff 10 gigapixels"):
        assert reasons[name] == "too_large"


def test_fifty_bombs_at_once() -> None:
    names = [name for name in BOMBS if name not in HEAVY]
    assert len(names) >= 50
    judge(names)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_bombs_at_once() -> None:
    judge(list(BOMBS))
