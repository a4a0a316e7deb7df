"""The steps of the demo that stand for people: the owner's settings and labels, and a scripted reviewer."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

from blindspot.demo.ordinary import ordinary
from blindspot.demo.web import HELD_OUT_HOSTS, Web, write_folder
from blindspot.importing import import_pictures
from store.blobs import picture_id
from store.catalog import Snapshot
from store.home import Home
from store.policy import Policy
from store.suites import add_to_family, add_to_suite
from store.verdicts import record_verdicts

SUITE, HELD_OUT_SUITE = "ordinary", "held_out"
REVIEWER = "scripted-reviewer"
VERDICTS = 200

POLICY = """\
# The demo's policy. `sentinels_only` is a waiver: no positive picture exists here, so misses are NOT measured.
name = "demo"
rule = "Flagged is what shows sexual acts or bared genitals, photographed or drawn; everything else is not."
guarded_families = ["digits_black_on_white", "tight_crops"]
miss_evidence = "sentinels_only"

[classes.neutral]
flagged = false
words = "nothing sexual, photographed"
[classes.drawing]
flagged = false
words = "nothing sexual, drawn, written or rendered"
[classes.sexy]
flagged = false
words = "suggestive, nothing bared"
[classes.porn]
flagged = true
words = "sexual acts or bared genitals, photographed"
[classes.hentai]
flagged = true
words = "the same, drawn or rendered"

[targets]
false_positive_rate = 0.01
"""


def settings_text(hosts: list[str], port: int) -> str:
    """`blindspot.toml` of the demo: one crawl job over every host, reachable on one exempt loopback pair."""
    resolve = "\n".join(f'"{host}" = "127.0.0.1"' for host in hosts)
    names = ", ".join(f'"{host}"' for host in hosts)
    return f"""\
# Made by `blindspot demo`. The web it crawled lived on this machine and is gone; everything else stays usable.
[crawl]
contact = "https://example.org/about-this-crawler"
delay_s = 0.0               # only because every host here is this machine
concurrency = 32

[resolve]
{resolve}

[jobs.demo-web]
spider = "pages"
urls = ["http://{hosts[0]}:{port}/"]
allow_hosts = [{names}]
allow_addresses = ["127.0.0.1:{port}"]

[cycle]
jobs = []
"""


def import_ordinary(home: Home, policy: Policy) -> int:
    """Import the ordinary suite from a folder, as its owner would; how many pictures."""
    count = 0
    with tempfile.TemporaryDirectory() as scratch:
        write_folder(ordinary(), Path(scratch))
        for folder, label in (("tiles", "neutral"), ("scenes", "drawing"), ("clip_art", "drawing")):
            if (Path(scratch) / folder).is_dir():
                count += import_pictures(home, Path(scratch) / folder, SUITE, label, source=folder).pictures
    return count


def label_held_out(home: Home, policy: Policy, web: Web) -> dict[str, int]:
    """Bring the known answers of the held-out hosts as a suite, and the names of the planted families, as labels.

    Only pictures that the crawler really brought are labelled. Gives family → how many are held out.
    """
    with Snapshot(home) as snapshot:
        crawled = {row["picture"] for row in snapshot.rows("SELECT picture FROM pictures")}
    families: dict[str, list[str]] = {}
    held: dict[str, int] = {}
    for host, pictures in web.pictures.items():
        held_out = host in HELD_OUT_HOSTS.values()
        by_label: dict[str, list[str]] = {}
        for made in pictures:
            picture = picture_id(made.data)
            if picture not in crawled:
                continue
            by_label.setdefault(made.label, []).append(picture)
            if made.family:
                families.setdefault(made.family, []).append(picture)
                held[made.family] = held.get(made.family, 0) + held_out
        for label, known in by_label.items() if held_out else ():
            add_to_suite(home, policy, HELD_OUT_SUITE, label, known, role="families")
    for family, members in families.items():
        add_to_family(home, family, members, "planted by the demo")
    return held


def review(home: Home, policy: Policy, web: Web) -> int:
    """Answer the first 200 of the queue from the known truth; how many verdicts."""
    truth = {picture_id(made.data): made.label for pictures in web.pictures.values() for made in pictures}
    with Snapshot(home) as snapshot:
        rows = snapshot.rows("SELECT picture, lane FROM queue ORDER BY rank LIMIT :n", n=VERDICTS)
    now = dt.datetime.now(dt.UTC).isoformat()
    answers = [
        {
            "picture": row["picture"],
            "class": truth[row["picture"]],
            "reviewer": REVIEWER,
            "policy_version": policy.version,
            "lane": row["lane"],
            "decided_at": now,
        }
        for row in rows
    ]
    return record_verdicts(home, policy, answers)
