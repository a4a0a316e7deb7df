"""What the newest pictures of the crawl gave: blind spots by host, by folder of a host, by kind of page.

Reads `sightings`, `findings`, `verdicts`, `scores`, `copies` and `pictures` from the snapshot; writes nothing. All is
added up in DuckDB, over the newest sightings and what was learned since the oldest of them.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from store.catalog import Snapshot
from store.home import Home

# Sightings that are looked at; what is older is forgotten. An answer then takes 0.7 CPU-seconds in a catalog of a
# million (bench/hunt.py).
RECENT = 100_000
# A detector's word before any verdict: as if one of ten of its findings had been confirmed. Chosen by eye: the seed's
# people looked at hundreds of pictures to find tens.
CONFIRMED, REVIEWED = 1, 10
# Folders of a host with fewer sightings are not told apart: no order could be read from them. Chosen by eye.
LEAST_SIGHTINGS = 10

# A blind spot, per copies group (a thousand near-copies of one picture teach what one does), as a reward in [0, 1]:
# 1 where the newest verdict says that the champion is wrong, 0 where it says that it is right; without a verdict the
# best of the group's findings, each times the share of its detector's findings that verdicts have confirmed. Findings
# of no model count too, those of another version only while there is no champion.
BLIND_SPOTS = f"""
    reviewed AS MATERIALIZED (
        SELECT v.picture, v.decided_at, CAST(v.flagged <> s.flagged AS DOUBLE) AS wrong
        FROM verdicts v
        JOIN policy p ON p.policy_version = v.policy_version
        JOIN scores s ON s.picture = v.picture AND s.view = 'as_shown' AND s.version = (SELECT version FROM champion)
        WHERE v.flagged IS NOT NULL AND s.scored_at >= @since),
    decided AS MATERIALIZED (
        SELECT f.star, max_by(r.wrong, r.decided_at) AS wrong
        FROM fresh f JOIN reviewed r ON r.picture = f.picture GROUP BY f.star),
    found AS MATERIALIZED (
        SELECT picture, detector, score FROM findings
        WHERE found_at >= @since AND (version IS NULL OR version = coalesce((SELECT version FROM champion), version))),
    confirmed AS (
        SELECT detector, ({CONFIRMED} + coalesce(sum(wrong), 0)) / ({REVIEWED} + count(wrong)) AS share
        FROM found LEFT JOIN reviewed USING (picture) GROUP BY detector),
    blind_spots AS (
        SELECT star, wrong AS reward FROM decided
        UNION ALL
        SELECT f.star, max(d.score * c.share)
        FROM found d JOIN confirmed c USING (detector) JOIN fresh f ON f.picture = d.picture
        WHERE f.star NOT IN (SELECT star FROM decided)
        GROUP BY f.star)"""

# Each sighting counts for the host that gave the picture and for the host whose page named it (once if they are one):
# neither the page alone nor the picture alone would have been a find, and either host may be the one to ask next.
# A blind spot is paid once, where the representative of its copies was first seen. Of the pool's rules one is left out:
# placeholders are paid once too, like all copies, and to know them takes a pass over all sightings ever. Only what the
# champion has scored is judged; the rest waits.
YIELDS = f"""
    WITH recent AS MATERIALIZED (
        SELECT rowid AS place, picture, url, page, coalesce(host, '') AS host
        FROM sightings WHERE rowid > @edge - {RECENT}),
    joined AS (
        SELECT picture, representative FROM copies
        WHERE representative <> picture AND rowid > (SELECT max(rowid) FROM copies) - 4 * {RECENT}),
    fresh AS MATERIALIZED (
        SELECT r.picture, coalesce(any_value(c.representative), r.picture) AS star, min(r.place) AS place
        FROM recent r LEFT JOIN joined c USING (picture) GROUP BY r.picture),
    {BLIND_SPOTS},
    paid AS MATERIALIZED (
        SELECT f.place, b.reward
        FROM fresh f JOIN blind_spots b ON b.star = f.picture AND b.reward > 0
        JOIN pictures p ON p.picture = f.picture AND p.first_seen_at >= @since
        ANTI JOIN suite_pictures s ON s.picture = f.picture),
    scored AS MATERIALIZED (
        SELECT place FROM recent SEMI JOIN (
            SELECT picture FROM raw_scores
            WHERE version = (SELECT version FROM champion) AND view = 'as_shown' AND scored_at >= @since)
        USING (picture)),
    shown AS MATERIALIZED (
        SELECT r.place, r.host, r.page, coalesce(p.reward, 0) AS reward, s.place IS NOT NULL AS scored,
               string_split(split_part(r.url, '?', 1), '/') AS cut,
               CASE WHEN len(cut) > 4 THEN cut[4] ELSE '' END AS folder
        FROM recent r LEFT JOIN paid p USING (place) LEFT JOIN scored s USING (place)),
    pages AS MATERIALIZED (
        SELECT page, string_split(split_part(page, '?', 1), '/') AS cut, lower(cut[3]) AS authority,
               CASE WHEN starts_with(authority, '[') THEN split_part(substr(authority, 2), ']', 1)
                    ELSE split_part(authority, ':', 1) END AS page_host,
               CASE WHEN len(cut) > 4 THEN cut[4] ELSE '' END AS page_folder,
               repeat('/', least(3, len(cut) - 3)) || CASE WHEN regexp_matches(cut[-1], '[0-9]') THEN '#' ELSE '' END
               || CASE WHEN contains(page, '?') THEN '?' ELSE '' END AS kind
        FROM (SELECT DISTINCT page FROM recent)),
    parts AS (
        SELECT place, host, folder, NULL AS kind, scored, reward, true AS new_host, true AS new_folder FROM shown
        UNION ALL
        SELECT place, page_host, page_folder, kind, scored, reward, page_host <> host,
               page_host <> host OR page_folder <> folder
        FROM shown JOIN pages USING (page))
    SELECT host, folder, kind, new_host, new_folder, CAST(log2(1 + @edge - place) AS INTEGER) AS age,
           count(*) AS seen,
           count(*) FILTER (WHERE scored) AS scored,
           count(*) FILTER (WHERE scored OR reward > 0) AS judged,
           count(*) FILTER (WHERE kind IS NULL AND place > @before) AS arrived,
           sum(reward) AS reward,
           sum(reward * reward) AS squares
    FROM parts
    GROUP BY ALL"""


@dataclass(frozen=True)
class Yields:
    """Sums over the newest sightings, by part of the web, as Arrow tables.

    `hosts`: host, age (0 = newest, each step twice as far back), judged, waiting, arrived, reward, squares. `folders`:
    host, folder, judged, reward. `kinds`: host, kind, judged, reward. Sightings that no model has judged are waiting;
    `arrived` are those of the host's own pictures that an earlier reading had not seen. `edge` is where this one ended.
    """

    hosts: pa.Table
    folders: pa.Table
    kinds: pa.Table
    edge: int


def read_yields(home: Home, before: int | None) -> Yields:
    """Ask the snapshot; `before` is the edge of an earlier reading. Raises CatalogError."""
    with Snapshot(home) as snapshot:
        edge = int(snapshot.value("SELECT coalesce(max(rowid), -1) FROM sightings"))
        oldest = f"SELECT min(seen_at) FROM sightings WHERE rowid > {edge - RECENT}"
        since = snapshot.value(oldest) if edge >= RECENT else None
        # Our own numbers, written into the text: DuckDB plans better when it knows them.
        known = {"@edge": str(edge), "@before": str(edge if before is None else before)}
        known["@since"] = f"TIMESTAMP '{since or dt.datetime.min}'"
        return summed(snapshot.table(re.sub("@[a-z]+", lambda name: known[name[0]], YIELDS)), edge)


def summed(parts: pa.Table, edge: int) -> Yields:
    """The rows of YIELDS as its three tables; in a home without scores everything is judged."""
    if not pc.any(pc.greater(parts["scored"], 0)).as_py():
        parts = parts.set_column(parts.schema.get_field_index("judged"), "judged", parts["seen"])
    parts = parts.append_column("waiting", pc.subtract(parts["seen"], parts["judged"]))
    folders = _sums(parts.filter(parts["new_folder"]), ("host", "folder"), ("judged", "reward"))
    return Yields(
        _sums(parts.filter(parts["new_host"]), ("host", "age"), ("judged", "waiting", "arrived", "reward", "squares")),
        folders.filter(pc.greater_equal(folders["judged"], LEAST_SIGHTINGS)),
        _sums(parts.filter(pc.is_valid(parts["kind"])), ("host", "kind"), ("judged", "reward")),
        edge,
    )


def _sums(parts: pa.Table, by: tuple[str, ...], columns: tuple[str, ...]) -> pa.Table:
    sums = parts.group_by(list(by)).aggregate([(name, "sum") for name in columns])
    return sums.select([*by, *(f"{name}_sum" for name in columns)]).rename_columns([*by, *columns])


def part_of(url: str) -> tuple[str, str]:
    """(host, first folder of the path) of an absolute URL, as YIELDS has them: no port, "" at the root of a host."""
    cut = url.partition("?")[0].split("/", 4)
    authority = cut[2].lower()
    host = authority[1:].partition("]")[0] if authority.startswith("[") else authority.partition(":")[0]
    return host, cut[3] if len(cut) > 4 else ""


def kind_of_page(page: str) -> str:
    """The form of a page's URL, of which there are few: how deep, whether its last part has a number, a query.

    `/` is a front page, `//#` one as /2024/spring-7.html, `/?` a search.
    """
    cut = page.partition("?")[0].split("/")
    number = "#" if re.search("[0-9]", cut[-1]) else ""
    return "/" * max(0, min(3, len(cut) - 3)) + number + ("?" if "?" in page else "")
