"""The benchmarks that crawl, made small: what they count is right."""

from __future__ import annotations

from pathlib import Path

from bench.hunt_http import GroundWeb, campaign, measured
from bench.large_web import LargeWeb
from bench.served import Asked, served
from bench.soak import crawl, report, rows_amiss
from store.home import Home
from tests.crawl.hunting_ground import Ground


def test_a_small_soak_leaves_one_row_for_each_url(tmp_path: Path) -> None:
    home = Home(tmp_path)
    web = LargeWeb(urls=150, hosts=2, traps=0)
    with served(web) as server:
        samples = list(crawl(home, server, web, every_s=0.1))
        amiss = rows_amiss(home, server, web)
        lost = rows_amiss(home, server, LargeWeb(urls=300, hosts=2, traps=0))
    assert set(amiss.values()) == {0}
    assert lost["without"] > 0
    assert samples[-1].tree_mb > samples[-1].own_mb > 20
    assert report(samples, amiss)["settled"] <= 200


def test_a_small_campaign_over_http_counts_what_the_log_shows() -> None:
    ground = Ground(1, hosts=8, pictures=480, rate=0.2)
    found = campaign(ground, on=True, batch=15, delay_s=0.02, concurrency=4)
    assert (found.fetches, found.rounds >= 2) == (ground.size // 10, True)
    assert (found.forbidden, found.before_robots, found.early) == (0, 0, 0)


def test_a_log_with_violations_is_told() -> None:
    ground = Ground(1, hosts=1, pictures=40, rate=1)
    host = ground.names[0]
    web = GroundWeb(ground, delay_s=1)
    shown = ground.pictures_of(host, 0)[0].removeprefix(f"http://{host}")
    log = [Asked(0.0, 0.0, host, shown), Asked(0.5, 0.0, host, "/closed/0.png"), Asked(9.0, 0.0, host, shown)]
    told = measured(web, log)
    assert (told.found, told.forbidden, told.before_robots, told.early) == (1, 1, 1, 1)
