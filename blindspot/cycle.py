"""One turn of the loop: crawl → mine → verdicts → train → gate → promote.

Runs every crawl job in a process of its own, the rest here; appends `cycles`. All three answers of the gate are a
normal end: a nightly timer is not red because a candidate was refused.
"""

from __future__ import annotations

import datetime as dt
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from blindspot.clock import timed
from blindspot.settings import Settings
from mine.run import mine
from store.catalog import Snapshot
from store.errors import BlindspotError, TooFewSamples
from store.fold import fold
from store.home import Home
from store.policy import read_policy
from store.versions import find_version, require_champion
from train.candidate import train_candidate
from train.gate import judge, reasons_of
from train.promote import promote_released

# Records (undoing ones too) now, and when a turn last trained: without new ones a retraining would repeat the last.
# Counted and not compared by time, because a sheet may be imported long after it was answered.
RECORDS = "SELECT count(*) FROM verdict_records"
TRAINED_ON = """
    SELECT max(CAST(json_extract(summary, '$.verdicts') AS INTEGER)) FROM cycles
    WHERE outcome IN ('release', 'reject', 'not_enough_evidence')"""


@dataclass
class Turn:
    """What one turn gave. `outcome`: a decision of the gate, too_few_verdicts, or no_new_verdicts."""

    cycle: str
    outcome: str = ""
    crawls: list[dict[str, Any]] = field(default_factory=list)
    mined: dict[str, Any] = field(default_factory=dict)
    verdicts: int = 0
    gate: list[dict[str, Any]] = field(default_factory=list)
    champion: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """The whole turn as plain values."""
        return asdict(self)

    def text(self) -> str:
        """A few lines for a log."""
        lines = [f"cycle {self.cycle}: {self.outcome}{': ' + self.note if self.note else ''}"]
        lines += [f"crawl {c['job']}: {c.get('error') or str(c['pictures']) + ' pictures'}" for c in self.crawls]
        lines += [f"gate: {g['candidate']}: {g['decision']}" for g in self.gate]
        return "\n".join([*lines, f"champion: {self.champion.get('after')}"])


def turn(home: Home, settings: Settings, by: str, say: Callable[[str], None] = lambda line: None) -> Turn:
    """One whole turn of the configured jobs. A crawl that fails is told and does not stop the others."""
    policy, started = read_policy(home.policy), dt.datetime.now(dt.UTC)
    done = Turn(uuid.uuid4().hex[:16])
    before = require_champion(home)
    done.champion = {"before": before.version, "after": before.version}
    with timed(done.seconds, "crawl"):
        done.crawls = [crawl_in_own_process(home, name, say) for name in settings.cycle.jobs]
        fold(home)
    with timed(done.seconds, "mine"):
        done.mined = asdict(mine(home, settings.queue.size, say=say, views=settings.mine.views))
        fold(home)
    try:
        _retrain(home, settings, policy, done, by, say)
    except TooFewSamples as error:
        done.outcome, done.note = "too_few_verdicts", str(error)
    done.champion["after"] = require_champion(home).version
    _record(home, done, started)
    fold(home)
    return done


def _retrain(home: Home, settings: Settings, policy: Any, done: Turn, by: str, say: Callable[[str], None]) -> None:
    with Snapshot(home) as snapshot:
        done.verdicts, before = snapshot.value(RECORDS), snapshot.value(TRAINED_ON)
    if done.verdicts == before:
        done.outcome, done.note = "no_new_verdicts", "nothing was reviewed since the last turn; `blindspot queue`"
        return
    champion = require_champion(home)
    with timed(done.seconds, "train"):
        made = train_candidate(home, policy, champion.version, settings.mix(), say)
        fold(home)
    with timed(done.seconds, "gate"):
        cards = find_version(home, champion.version), made.card
        judged = judge(home, policy, champion, cards, f"cycle {done.cycle}", settings.cycle.families)
        done.outcome = judged.certificate.decision
        done.gate.append(summary_of(judged.certificate, made.card.version))
        if judged.certificate.decision == "release":
            promote_released(home, judged.certificate, judged.identity, by)
        fold(home)
    if judged.certificate.decision == "release":
        with timed(done.seconds, "mine_again"):
            mine(home, settings.queue.size, say=say, views=settings.mine.views)


def summary_of(certificate: Any, candidate: str) -> dict[str, Any]:
    """One line of the gate for JSON: candidate, decision, and the reasons of every check that did not pass."""
    return {"candidate": candidate, "decision": certificate.decision, "reasons": reasons_of(certificate)}


def crawl_in_own_process(home: Home, job: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Run one crawl job as `blindspot crawl JOB` would; its summary, or its error under `error`."""
    # -P: a train.py or blindspot/ in the folder we happen to be in is none of ours.
    words = [sys.executable, "-P", "-m", "blindspot", "--home", str(home.root), "crawl", job, "--json", "--no-fold"]
    code, out, err = _run_to_its_end(words)
    if code != 0:
        line = (err.strip().splitlines() or [f"exit code {code}"])[-1].removeprefix("blindspot: ")
        say(f"crawl {job} failed: {line}")
        return {"job": job, "error": line}
    try:
        summary: dict[str, Any] = json.loads(out)
    except json.JSONDecodeError:
        raise BlindspotError(f"crawl {job} printed no summary. Received: {out[:200]!r}") from None
    return summary


def _run_to_its_end(words: list[str]) -> tuple[int, str, str]:
    """Exit code, output and errors. An interrupt lets the process write what it holds before it goes on up."""
    pipe = subprocess.PIPE
    # A session of its own: a terminal's Ctrl-C would reach it a second time, which stops a crawl at once.
    with subprocess.Popen(
        words, stdout=pipe, stderr=pipe, encoding="utf-8", errors="replace", start_new_session=True
    ) as process:
        try:
            out, err = process.communicate()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.communicate()
            raise
    return process.returncode, out, err


def _record(home: Home, done: Turn, started: dt.datetime) -> None:
    row = {
        "cycle": done.cycle,
        "started_at": started,
        "ended_at": dt.datetime.now(dt.UTC),
        "outcome": done.outcome,
        "summary": json.dumps(done.as_json(), default=str),
    }
    home.inbox().append("cycles", [row])
