"""Gathering: nobody waits for company, whoever comes meanwhile goes together, and each has their own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from crawl.gather import Gather


class Work:
    """Doubles numbers, a turn of the loop for each call; 13 is refused."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.at_once = self.most_at_once = 0

    async def double(self, numbers: Sequence[int]) -> list[int]:
        self.calls.append(list(numbers))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        if 13 in numbers:
            raise ValueError("13")
        return [2 * number for number in numbers]


def gather(work: Work, calls: int = 2, most: int = 4, most_weight: int = 100) -> Gather[int, int]:
    return Gather(work.double, lambda number: number, calls=calls, most=most, most_weight=most_weight)


def test_each_has_their_own_answer_and_few_calls_are_made() -> None:
    work = Work()

    async def ask() -> list[int]:
        double = gather(work)
        return await asyncio.gather(*(double(number) for number in range(10)))

    assert asyncio.run(ask()) == [2 * number for number in range(10)]
    assert work.most_at_once == 2
    assert len(work.calls) < 10
    assert max(map(len, work.calls)) == 4


def test_one_alone_does_not_wait() -> None:
    work = Work()

    async def ask() -> None:
        double = gather(work)
        assert [await double(1), await double(2)] == [2, 4]

    asyncio.run(ask())
    assert work.calls == [[1], [2]]


def test_a_heavy_one_goes_with_no_more_after_it() -> None:
    work = Work()

    async def ask() -> list[int]:
        double = gather(work, calls=1)
        return await asyncio.gather(*(double(number) for number in (1, 90, 20, 3)))

    assert asyncio.run(ask()) == [2, 180, 40, 6]
    assert work.calls == [[1, 90, 20], [3]]


def test_an_error_is_told_to_those_it_was_for_and_the_next_ones_are_answered() -> None:
    work = Work()

    async def ask() -> list[int | BaseException]:
        double = gather(work, calls=1, most=2)
        return await asyncio.gather(*(double(number) for number in (13, 1, 2)), return_exceptions=True)

    first, second, third = asyncio.run(ask())
    assert isinstance(first, ValueError)
    assert isinstance(second, ValueError)
    assert third == 4


def test_whoever_has_gone_is_not_told() -> None:
    work = Work()

    async def ask() -> None:
        double = gather(work)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(double(1), 0.0001)
        assert await double(2) == 4

    asyncio.run(ask())
