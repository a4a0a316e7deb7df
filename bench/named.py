"""How long every named question takes on a catalog of a million pictures and five versions.

    python -m bench.named [--pictures 1000000] [--versions 5] [--rounds 3] [--home DIR]

The catalog is drawn by SQL straight into the real tables, one version's scores beside the other's as a scan leaves
them; the fold publishes it. Then every question is asked through `blindspot sql`'s own path, opening the snapshot
included, starting Python not; the median of the rounds. With `--home` the catalog stays there and is used again.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from store.catalog import open_catalog
from store.fold import fold
from store.home import Home
from store.named import ask_named
from store.policy import read_policy
from store.questions import QUESTIONS

WANTED_S = {"flips": 2.0}
POLICY = """\
name = "drawn"
rule = "Red and orange are flagged."
classes.red.flagged = true
classes.orange.flagged = true
classes.grey.flagged = false
classes.green.flagged = false
"""
# What a random number in [0, 1) is made of: the number of a picture and a word.
DRAW = "CREATE TEMP MACRO draw(n, word) AS (hash(n, word) >> 11) / 9007199254740992.0"
AT = "TIMESTAMP '2026-11-01' + to_seconds(n)"
# Table → its rows; `ids` holds n and picture. About 2 % are flagged, 1 in 20 is a copy, hosts differ in size.
ROWS = {
    "models": """SELECT 'v' || v, 'drawn', 'base' || v, NULL, NULL, 'score_only', ['red'], '{{}}',
                 TIMESTAMP '2026-10-01' + to_days(CAST(v AS INTEGER)) FROM range({versions}) r(v)""",
    "flag_masks": "SELECT 'v' || v, '{policy}', [1, 1, 0, 0, 0] FROM range({versions}) r(v)",
    "promotions": """SELECT 'v' || v, '{policy}', 0.5, 'certificate', NULL, 'bench',
                     TIMESTAMP '2026-11-01' + to_days(CAST(v AS INTEGER)) FROM range(2) r(v)""",
    "pictures": "SELECT picture, 40000, 'source' || CAST(2000 * draw(n, 's') ** 3 AS INTEGER), {at} FROM ids",
    "sightings": """
        SELECT picture, 'https://' || host || '/' || n || '.jpg', 'https://' || host || '/', host, host,
               'job' || n % 5, 200, 'image/jpeg', {at} + to_seconds(again), NULL
        FROM (SELECT *, 'host' || CAST(2000 * draw(n, 's') ** 3 AS INTEGER) || '.example' AS host
              FROM ids, range(2) r(again) WHERE again = 0 OR n % 5 = 0)""",
    "refusals": """
        SELECT NULL, 'https://host' || n % 1000 || '.example/gone/' || n, 'fetch',
               ['http_404', 'robots', 'timeout', 'not_a_picture'][1 + n % 4], NULL, 'job' || n % 5, {at}
        FROM ids WHERE n % 5 = 0
        UNION ALL SELECT picture, NULL, 'decode', 'broken', NULL, NULL, {at} FROM ids WHERE n % 200 = 1
        UNION ALL SELECT NULL, url, 'fetch', 'http_404', NULL, job, seen_at + INTERVAL 1 DAY
        FROM sightings WHERE hash(url) % 10 = 0""",
    "crawls": """
        SELECT 'crawl' || v, 'job' || v % 5, 'pages', TIMESTAMP '2026-11-01' + to_hours(v * 3),
               TIMESTAMP '2026-11-01' + to_hours(v * 3 + 3), 'finished', 1000, 10000, 9000,
               '{{"refused": {{"robots": 3, "http_404": 4}}}}'
        FROM range(100) r(v)""",
    "measurements": """
        SELECT picture, 640, 480, 'JPEG', 1, false, false, draw(n, 'e') * 8, draw(n, 'p'), draw(n, 'x'),
               draw(n, 'b'), draw(n, 't'), draw(n, 'c'), {at}, 1 + n % 9, draw(n, 'i'), draw(n, 's'), draw(n, 'g'),
               draw(n, 'l'), 2 FROM ids""",
    "copies": """
        SELECT picture, first_value(picture) OVER (PARTITION BY CASE WHEN n % 20 = 0 THEN -(n // 400) - 1 ELSE n END
               ORDER BY n), CASE WHEN n % 400 = 0 OR n % 20 > 0 THEN 0 ELSE 3 END, '1' FROM ids""",
    "raw_scores": """
        SELECT picture, 'v' || v, 'as_shown',
               CAST([p * .6, p * .4, (1 - p) * .5, (1 - p) * .3, (1 - p) * .2] AS FLOAT[]), {at}
        FROM (SELECT *, least(greatest(draw(n, 'f') ** 34 + (draw(n, CAST(v AS VARCHAR)) - .5) * .1, 0), 1) AS p
              FROM ids, range({versions}) r(v))
        WHERE n % 1000 > 0 OR v > 1
        UNION ALL
        SELECT picture, 'v1', ['on_black', 'middle_frame', 'letterboxed'][1 + k],
               CAST([p * .6, p * .4, (1 - p) * .5, (1 - p) * .3, (1 - p) * .2] AS FLOAT[]), {at}
        FROM (SELECT *, least(greatest(draw(n, 'f') ** 34 + (draw(n, 'view' || k) - .5) * .2, 0), 1) AS p
              FROM ids, range(3) r(k) WHERE n % 10 = 0)""",
    "findings": """
        SELECT ['line_art', 'odd_size', 'near_threshold', 'disagreement'][1 + n % 4], picture, draw(n, 'd'), 0.5,
               'drawn', CASE WHEN n % 4 > 1 THEN 'v1' END, {at} FROM ids WHERE draw(n, 'found') < .1 * draw(n, 's')""",
    "verdict_records": """
        SELECT 'verdict' || n || who, picture, ['red', 'grey', 'green'][1 + CAST(2 * draw(n, who) AS INTEGER)], who,
               '{policy}', 'flagged', NULL, NULL, {at}
        FROM ids, (VALUES ('ada'), ('bob'), ('eve')) people(who) WHERE n % 100 = 7 AND (who = 'ada' OR n % 500 = 7)""",
    "suite_pictures": """
        SELECT 'ordinary', 'ordinary', picture, 'grey', '1', {at} FROM ids WHERE n % 100 = 3""",
}  # fmt: skip


def draw(home: Home, pictures: int, versions: int) -> None:
    """Fill the catalog and publish it."""
    home.root.mkdir(parents=True, exist_ok=True)
    home.policy.write_text(POLICY, encoding="utf-8")
    fields = {"versions": versions, "policy": read_policy(home.policy).version, "at": AT}
    with open_catalog(home.catalog) as catalog:
        catalog.exec_driver_sql(DRAW)
        ids = f"SELECT n, sha256(CAST(n AS VARCHAR)) AS picture FROM range({pictures}) r(n)"
        catalog.exec_driver_sql(f"CREATE TEMP TABLE ids AS {ids}")
        for table, rows in ROWS.items():
            catalog.exec_driver_sql(f"INSERT INTO {table} {rows.format(**fields)}")
        catalog.commit()
    fold(home)


@contextlib.contextmanager
def drawn(wanted: argparse.Namespace) -> Iterator[Home]:
    """The home with the catalog, kept where one was named."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Home(wanted.home or Path(scratch))
        if not home.snapshot.exists():
            draw(home, wanted.pictures, wanted.versions)
        yield home


def seconds(home: Home, name: str) -> tuple[float, float, int]:
    """How long a question takes with its defaults, by the clock and of all cores, and how many rows it shows."""
    began, spent = time.perf_counter(), time.process_time()
    answer = ask_named(home, name, {})
    return time.perf_counter() - began, time.process_time() - spent, len(answer.rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--versions", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--home", type=Path)
    wanted = parser.parse_args()
    with drawn(wanted) as home:
        print(f"{wanted.pictures:,} pictures x {wanted.versions} versions, {home.snapshot.stat().st_size / 1e9:.2f} GB")
        print(f"{'question':20}{'median s':>10}{'CPU s':>8}{'rows shown':>12}{'wanted s':>10}")
        for name in QUESTIONS:
            clock, spent, shown = zip(*(seconds(home, name) for _ in range(wanted.rounds)), strict=True)
            middle, wish = (statistics.median(clock), statistics.median(spent)), WANTED_S.get(name, "")
            print(f"{name:20}{middle[0]:10.2f}{middle[1]:8.2f}{shown[0]:12}{wish:>10}", flush=True)


if __name__ == "__main__":
    main()
