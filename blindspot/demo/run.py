"""The demo, top to bottom: web → crawl → mine → review → train → four candidates at the gate → report."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blindspot.clock import timed
from blindspot.cycle import crawl_in_own_process
from blindspot.demo import steps
from blindspot.demo.web import Web, build_web, serve_web
from blindspot.init import make_home
from blindspot.output import progress, say
from blindspot.settings import open_home
from mine.run import mine
from store.cards import Card
from store.errors import AdoptionError, BlindspotError, HomeError
from store.fold import fold
from store.home import Home
from store.policy import Policy, read_policy
from store.versions import require_champion
from train.adopt import adopt
from train.candidate import train_candidate
from train.gate import Judgement, judge
from train.mix import MixSettings
from train.promote import promote_first, promote_released

MARKER = ".made-by-blindspot-demo"
CHAMPION, SECOND = "nsfwjs/mobilenet_v2", "open_nsfw"
# What the demo would release must not have forgotten; this one is made to forget everything but benign answers.
CARELESS = MixSettings(hold=0, sentinels=0)


@dataclass
class Demo:
    """What the demo gave: the contract's object, and the same for a person."""

    data: dict[str, Any] = field(default_factory=dict)
    text: str = ""


def run_demo(root: Path) -> Demo:
    """Run the whole demo in the home `root`, anew if a demo made it. Raises HomeError for anybody else's folder."""
    from blindspot.demo.report import count_everything, summary_text, write_report

    home = _fresh_home(root)
    seconds: dict[str, float] = {}
    policy = read_policy(home.policy)
    with timed(seconds, "adopt"):
        champion, note = _adopt(home, policy)
    with timed(seconds, "crawl"):
        web = _crawl(home)
    with timed(seconds, "suites"):
        say("importing the ordinary suite and the answers of the held-out hosts")
        steps.import_ordinary(home, policy)
        steps.label_held_out(home, policy, web)
        fold(home)
    with timed(seconds, "mine"), progress("mining") as update:
        mine(home, progress=update, say=say)
        fold(home)
    with timed(seconds, "review"):
        verdicts = steps.review(home, policy, web)
        fold(home)
        say(f"a scripted reviewer answered {verdicts} of the queue from the known truth")
    with timed(seconds, "train"):
        careless, repaired = _train(home, policy, champion)
    with timed(seconds, "gate"):
        judged = _gate(home, policy, champion, careless, repaired)
    with timed(seconds, "mine_again"):
        mine(home, say=say)
        fold(home)
    with timed(seconds, "report"):
        counted = count_everything(home, champion, repaired, judged)
        after = require_champion(home).version
        data = {**counted, "champion": {"before": champion.version, "after": after}, "note": note, "seconds": seconds}
        data["report"] = str(write_report(home, data, judged))
    return Demo(data, summary_text(data))


def _fresh_home(root: Path) -> Home:
    marker = root / MARKER
    if root.exists() and any(root.iterdir()) and not marker.exists():
        raise HomeError(f"{root.resolve()} was not made by the demo; wanted a new folder: `blindspot --home DIR demo`")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    marker.write_text("The demo may empty this folder and start anew.\n", encoding="utf-8")
    return make_home(root, policy=steps.POLICY)


def _adopt(home: Home, policy: Policy) -> tuple[Card, str]:
    """Adopt champion and second opinion; where no npm can be had, the second opinion alone."""
    say(f"adopting {SECOND} and {CHAMPION}")
    cards, note = [adopt(SECOND, home.models)], ""
    try:
        cards.insert(0, adopt(CHAMPION, home.models))
    except AdoptionError as error:
        note = f"{error}. The demo goes on with {SECOND} alone; the repair figures need {CHAMPION}."
        say(note)
    promote_first(home, policy, cards[0], "demo")
    fold(home)
    return cards[0], note


def _crawl(home: Home) -> Web:
    say("building a web of seven hosts on this machine")
    web = build_web()
    with serve_web(web) as port:
        home.settings.write_text(steps.settings_text(web.hosts, port), encoding="utf-8")
        open_home(home.root)  # the settings are checked as any owner's
        summary = crawl_in_own_process(home, "demo-web", say)
    if summary.get("error"):
        raise BlindspotError(f"the demo's crawl failed: {summary['error']}")
    fold(home)
    say(f"crawled {summary['pages']} pages, {summary['pictures']} pictures; refused: {summary['refused']}")
    return web


def _train(home: Home, policy: Policy, champion: Card) -> tuple[Card, Card]:
    careless = train_candidate(home, policy, champion.version, CARELESS, say).card
    repaired = train_candidate(home, policy, champion.version, MixSettings(), say).card
    fold(home)
    return careless, repaired


def _gate(home: Home, policy: Policy, champion: Card, careless: Card, repaired: Card) -> dict[str, Judgement]:
    """Four candidates: what forgets, what only moves the threshold, what lacks evidence, what is repaired."""
    strict = policy.model_copy(update={"miss_evidence": "positives_suite"})
    serving = require_champion(home)
    candidates = (
        ("careless", careless, policy),
        ("threshold only", champion, policy),
        ("repaired without the waiver", repaired, strict),
        ("repaired", repaired, policy),
    )
    judged = {}
    for label, card, rules in candidates:
        judged[label] = judge(home, rules, serving, (champion, card), label, ())
        say(f"gate: {label}: {judged[label].certificate.decision}")
    last = judged["repaired"]
    if last.certificate.decision == "release":
        promote_released(home, last.certificate, last.identity, "demo")
    fold(home)
    return judged
