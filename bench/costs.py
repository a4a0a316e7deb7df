"""What each thing that is done with a fetched picture costs: CPU milliseconds per picture, one after the other.

    python -m bench.costs [--pictures 300] [--rounds 3]

The least of the rounds, by processor time of this process; what workers do is measured here as well, without the way to
them. Pictures as in bench/fetch.py.
"""

from __future__ import annotations

import argparse
import datetime as dt
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.fetch import pictures
from crawl.check import check
from crawl.collect import Seen
from crawl.frontier import Frontier, Link
from crawl.guard import Gate
from crawl.keep import sighting
from crawl.rules.robots import rules_of
from store.blobs import picture_id
from store.forgetting.tombstones import Tombstones
from store.home import Home
from store.known_bad.bank import Bank
from store.known_bad.hashlists import folder

URL = "http://example.org/pictures/{}.jpg"
PDQS = 100_000
Step = Callable[[int, bytes], object]


def steps(home: Home) -> dict[str, Step]:
    """Each thing by name, as a function of a picture's number and bytes."""
    gate, rules = Gate(), rules_of(200, b"User-agent: *\n" + b"Disallow: /private/\n" * 20, 0.0)
    tombstones, empty, blobs = Tombstones.load(home), Bank.load(home), home.blobs()
    folder(home).mkdir()
    (folder(home) / "many.pdq").write_text("".join(f"{secrets.token_hex(32)}\n" for _ in range(PDQS)))
    full, frontier = Bank.load(home), Frontier(home.root / "frontier" / "costs.sqlite")
    frontier.begin()
    seen = Seen(URL.format(0), None, "example.org", "example.org", 200, "image/jpeg")

    def settle(number: int, data: bytes) -> None:
        frontier.add([Link(URL.format(f"{time.monotonic_ns()}-{number}"), "picture", "example.org")])
        (entry,) = frontier.take("example.org", 1)
        frontier.finish(entry, [sighting(picture_id(data), seen, "costs", dt.datetime.now(dt.UTC))])

    return {
        "address gate, a connection": lambda number, data: gate.check("93.184.216.34", 443),
        "robots.txt of 20 rules": lambda number, data: rules.allows(URL.format(number)),
        "sha256": lambda number, data: picture_id(data),
        "tombstones": lambda number, data: tombstones.forbids_picture(64 * "0"),
        "known-bad bank, no lists": lambda number, data: empty.match(64 * "0", None, 0),
        f"known-bad bank, {PDQS:,} PDQs": lambda number, data: full.match(64 * "0", secrets.token_bytes(32), 100),
        "look in the worker": lambda number, data: check(data),
        "look in the worker, with PDQ": lambda number, data: check(data, want_pdq=True),
        "frontier: wait, lease, settle": settle,
        "write durably, one": lambda number, data: blobs.put(data + secrets.token_bytes(8)),
    }


def cost_ms(step: Step, made: list[bytes]) -> float:
    """CPU milliseconds per picture."""
    began = time.process_time()
    for number, data in enumerate(made):
        step(number, data)
    return 1_000 * (time.process_time() - began) / len(made)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    made = pictures(wanted.pictures)
    with tempfile.TemporaryDirectory() as scratch:
        home = Home(Path(scratch))
        print(f"{'step':32}{'CPU ms a picture':>18}")
        for name, step in steps(home).items():
            print(f"{name:32}{min(cost_ms(step, made) for _ in range(wanted.rounds)):18.3f}")


if __name__ == "__main__":
    main()
