"""What stands behind the results on the demo's page: the ordinary pictures, SQL with its answers, time, what is next.

The parts that take a home read its snapshot and give HTML; nothing is written.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from blindspot.demo.charts import bar_chart
from blindspot.demo.markup import Markup, element, join, section, table
from blindspot.demo.ordinary import MOST_CLIP_ART, TILE_PX
from blindspot.demo.pictures import ORDINARY
from store.catalog import Snapshot
from store.console import ask
from store.home import Home
from train.certificate import Certificate
from train.statistics import rate_text

SOURCES = {
    "tiles": f"{TILE_PX}-px tiles, not overlapping, of {len(ORDINARY)} photographs that serve for nothing else here",
    "scenes": "landscapes drawn by a seeded programme: sky, hills, houses, trees",
    "clip_art": f"clip art that Debian packages had installed on this machine, at most {MOST_CLIP_ART}",
}
ORDINARY_SOURCES = """
    SELECT p.source, s.class, count(*) AS n FROM suite_pictures s JOIN pictures p USING (picture)
    WHERE s.role = 'ordinary' GROUP BY ALL ORDER BY n DESC, p.source"""


def ordinary_suite(home: Home, certificate: Certificate) -> Markup:
    """How the ordinary suite was made, and what rates on it are worth."""
    with Snapshot(home) as snapshot:
        found = snapshot.rows(ORDINARY_SOURCES)
    made = sum(int(row["n"]) for row in found)
    rows = [
        (row["source"], f"{row['n']:,}", row["class"], _words(SOURCES.get(str(row["source"]), "–"))) for row in found
    ]
    about = (
        f"Operating points and the bound on false positives rest on {made:,} pictures that the demo calls ordinary. "
        "They are no part of the crawl, the queue or the training."
    )
    pair = certificate.ordinary
    judged = None if pair is None else element(
        "p",
        f"One half ({certificate.candidate.negatives:,}, one of each group of copies) set the operating points; on the "
        f"other the repaired model flags {rate_text(pair.candidate_wrong, pair.n)}, the champion "
        f"{rate_text(pair.champion_wrong, pair.n)}.",
    )  # fmt: skip
    worth = element(
        "p",
        "These rates are worth what their negatives are. Most of these pictures are drawn and look alike, which is "
        "easy for any model; the intervals cover chance, not the difference between these pictures and yours. For a "
        "rate that means something to you, import ordinary pictures of your own: ",
        element("code", "blindspot import DIR --suite NAME --label CLASS"),
        ".",
    )
    shown = table("Ordinary pictures", (("source", "pictures", "label", "how they were made"),), rows)
    return section("ordinary", "The ordinary pictures", element("p", about), shown, judged, worth)


def queries(home: Home, asked: Sequence[tuple[str, str]]) -> Markup:
    """Questions to the catalog as SQL, with the answers it gives now."""
    parts = []
    for question, query in asked:
        answer = ask(home, query)
        more = element("p", f"The first {len(answer.rows)} rows.", class_="soft") if answer.truncated else None
        shown = table(question, (answer.columns,), [[_cell(value) for value in row] for row in answer.rows])
        pre = element("pre", query, class_="scroll", tabindex=0, role="region", aria_label=f"SQL: {question}")
        parts += [element("h3", question), pre, shown, more]
    words = "All figures above are rows of one catalog. Its snapshot can be read by any DuckDB client, and by "
    about = element("p", words, element("code", "blindspot sql"), ".")
    return section("sql", "Questions to the catalog, in SQL", about, *parts)


def time_and_next(seconds: Mapping[str, float], home: Home) -> Markup:
    """How long each step took, and what to try in the workspace."""
    rows = [(step.replace("_", " "), float(taken)) for step, taken in seconds.items()]
    start = f"blindspot --home {shlex.quote(str(home.root))}"
    tries = (
        ("queue --sheet sheet.html", "the pictures a person should look at next, as a sheet to answer offline"),
        ('sql "SELECT * FROM families"', "any question in SQL"),
        ("families", "every family and version, with intervals"),
        ("models list", "the model versions, and which one serves"),
    )
    listed = [item for command, words in tries
              for item in (element("dt", element("code", f"{start} {command}")), element("dd", words))]  # fmt: skip
    return join([
        section("seconds", "Seconds per step", element("div", bar_chart("Seconds per step", rows, "s"), class_="card")),
        section("next", "What to try next", element("p", "The workspace stays usable:"), element("dl", *listed)),
    ])  # fmt: skip


def _cell(value: object) -> object:
    if value is None:
        return "–"
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value


def _words(text: str) -> Markup:
    """Text that may wrap inside a cell."""
    return element("span", text, class_="words")
