from __future__ import annotations

from collections import Counter

from crawl.ready import Ready


def test_sites_take_turns_and_within_them_hosts() -> None:
    ready = Ready()
    for site, host in (("a", "1.a"), ("b", "1.b"), ("a", "2.a"), ("c", "1.c")):
        ready.add(site, host)
    assert (len(ready), ready.oldest(9), ready.oldest(1)) == (3, ["a", "b", "c"], ["a"])
    taken = []
    while ready:
        site = ready.oldest(1)[0]
        first = ready.first(site)
        taken.append(ready.take(site))
        assert taken[-1] == first
    assert taken == ["1.a", "1.b", "1.c", "2.a"]
    assert "a" not in ready


def test_every_site_may_be_drawn_and_none_that_is_gone() -> None:
    ready = Ready(seed=3)
    for number in range(1_000):
        ready.add(f"{number}", f"www.{number}")
    for number in range(0, 1_000, 2):
        assert ready.take(f"{number}") == f"www.{number}"
    drawn = Counter(site for _ in range(200) for site in ready.drawn(50))
    assert set(drawn) == {f"{number}" for number in range(1, 1_000, 2)}
    assert max(drawn.values()) < 50, "20 on average"
    assert ready.oldest(3) == ["1", "3", "5"]


def test_a_site_that_is_held_has_no_turn_and_loses_no_host() -> None:
    ready = Ready()
    ready.add("a", "1.a")
    ready.add("b", "1.b")
    ready.hold("a")
    ready.hold("c")
    ready.add("a", "2.a")
    ready.add("c", "1.c", first=True)
    assert (len(ready), ready.oldest(9), set(ready.drawn(20)), ready.held) == (1, ["b"], {"b"}, ["a", "c"])
    for site in ready.held:
        ready.release(site)
    assert ready.oldest(9) == ["b", "a", "c"]
    assert [ready.take(site) for site in ("a", "a", "b", "c")] == ["1.a", "2.a", "1.b", "1.c"]
    ready.hold("d")
    ready.release("d")
    assert len(ready) == 0


def test_a_host_may_come_first_of_its_site() -> None:
    ready = Ready()
    for host in ("1.a", "2.a"):
        ready.add("a", host)
    ready.add("a", "3.a", first=True)
    assert [ready.take("a") for _ in range(3)] == ["3.a", "1.a", "2.a"]
