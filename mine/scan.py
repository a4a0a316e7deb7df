"""The scan: everything that is missing about the stored pictures, looked at in one decode each.

Reads the snapshot and the pictures; appends `measurements`, `hashes`, `raw_scores` and `refusals` to the inbox and
embeddings to their shards, in batches, so that a killed scan goes on where it stopped.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mine.agenda import Agenda, missing
from mine.blame import Blame
from mine.examine import Examine, Look, Question, Task, refusal_detail, refused
from mine.views import AS_SHOWN
from store.cards import Card
from store.embeddings import append_embeddings
from store.fold import fold
from store.home import Home
from store.sandbox import Failure, Sandbox, SandboxLimits

__all__ = ["Scanned", "Task", "missing", "scan"]

BATCH = 1_000
# A long scan folds what it and others have written, else its own inbox would stop it.
FOLD_FILES = 200
# What one more question, and one more server that does not answer (`mine.runtimes.tf_serving.TIMEOUT_S`), may add to
# the time of a picture. An inception_v3 takes .06 s on one core; chosen by eye.
QUESTION_S, SERVER_S = 0.5, 6.0


@dataclass
class Scanned:
    """What one scan did. `refused` counts by reason what could not be used.

    `failed`: versions that answered nothing or were given up, each with one line; `unanswered`: the questions that any
    version left open, which are asked again next time.
    """

    looked_at: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    unanswered: dict[str, int] = field(default_factory=dict)


@dataclass
class _Batch:
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    embeddings: dict[str, list[tuple[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    size: int = 0

    def add(self, task: Task, look: Look, bases: dict[str, str]) -> None:
        """Take the rows of one look."""
        now = dt.datetime.now(dt.UTC)
        self.size += 1
        if look.measurements is not None:
            self.rows["measurements"].append({"picture": task.picture, "measured_at": now, **look.measurements})
        if look.hashes is not None:
            self.rows["hashes"].append({"picture": task.picture, **look.hashes})
        for (version, view), probabilities in look.probabilities.items():
            row = {"picture": task.picture, "version": version, "view": view, "scored_at": now}
            self.rows["raw_scores"].append(row | {"probabilities": probabilities.tolist()})
        for version, embedding in look.embeddings.items():
            self.embeddings[bases[version]].append((task.picture, embedding))
        for stage, reason, detail in look.refusals:
            refusal = {"picture": task.picture, "stage": stage, "reason": reason, "detail": detail, "refused_at": now}
            self.rows["refusals"].append(refusal)

    def flush(self, home: Home) -> None:
        """Write everything. Embeddings first: a score in the catalog then always has its embedding."""
        for base, pairs in self.embeddings.items():
            append_embeddings(home, base, [picture for picture, _ in pairs], np.stack([v for _, v in pairs]))
        inbox = home.inbox()
        for kind, rows in self.rows.items():
            inbox.append(kind, rows)


def scan(
    home: Home,
    cards: Sequence[Card],
    progress: Callable[[int, int], None] = lambda done, total: None,
    limits: SandboxLimits | None = None,
    views: Sequence[str] = (AS_SHOWN,),
) -> Scanned:
    """Look at everything that is missing for these versions and views. `progress(done, total)` counts pictures.

    A version that cannot answer does not end the run: it is in `failed` or `unanswered`.
    """
    tasks = missing(home, [card.version for card in cards], views)
    done, batch, blame = Scanned(), _Batch(), Blame()
    if not tasks:
        return done
    url = home.pictures_url or str(home.root / "pictures")
    make = Examine(url, home.models, tuple(card.version for card in cards))
    bases = {card.version: card.base for card in cards}
    agenda = Agenda(tasks, blame.given_up)
    try:
        with Sandbox(make, limits=limits or patience(cards, views)) as sandbox:
            for task, answer in sandbox.map(agenda):
                look = _understood(task, answer, agenda, blame)
                batch.add(task, look, bases)
                done.refused.update(reason for _, reason, _ in look.refusals)
                if not task.again:
                    done.looked_at += 1
                    progress(done.looked_at, len(tasks))
                if batch.size >= BATCH:
                    full, batch = batch, _Batch()
                    full.flush(home)
                    if len(home.inbox().files()) >= FOLD_FILES:
                        fold(home)
    except KeyboardInterrupt:
        batch.flush(home)  # half a minute's work of a person who wants to go on later
        raise
    _settle(batch, done, blame)
    batch.flush(home)
    return done


def patience(cards: Sequence[Card], views: Sequence[str]) -> SandboxLimits:
    """A worker's limits, with the time that so many questions about one picture may take."""
    usual = SandboxLimits()
    servers = sum(card.runs.url is not None for card in cards)
    more_s = QUESTION_S * (len(cards) * len(views) - 1) + SERVER_S * servers
    return replace(usual, time_s=usual.time_s + more_s, start_s=usual.start_s + 6 * SERVER_S * servers)


def _understood(task: Task, answer: Look | Failure, agenda: Agenda, blame: Blame) -> Look:
    """What an answer says of the picture and of the versions; when the worker died, what is asked again."""
    if isinstance(answer, Failure):
        return _without_worker(task, answer, agenda, blame)
    if task.again and not task.measured and answer.measurements is not None:
        agenda.is_measured(task.picture)
    for version, _ in answer.probabilities:
        blame.answers(version)
    for version, line in answer.failures:
        blame.fails(version, line)
    return answer


def _without_worker(task: Task, failure: Failure, agenda: Agenda, blame: Blame) -> Look:
    """A worker died of a task: of its only part, or that shows when the parts are asked one by one.

    Measuring comes first and alone, because most often it is the decoder that a picture kills.
    """
    parts: tuple[Question, ...] = task.questions
    if task.measured and len(parts) == 1:
        ((version, view),) = parts
        blame.dies(version, view, task.picture, failure.reason, failure.detail)
        return Look()
    if not parts or (not task.measured and task.again):
        return refused(failure.reason, failure.detail)
    agenda.ask_again(task)
    return Look()


def _settle(batch: _Batch, done: Scanned, blame: Blame) -> None:
    """At the end: who failed, and which pictures are to blame for a worker's death."""
    done.failed = blame.failed()
    for version, view, picture, reason in blame.picked_out():
        row = ("score", reason, refusal_detail(version, view))
        batch.add(Task(picture, True, ()), Look(refusals=(row,)), {})
        blame.unanswered[version] -= 1
        done.refused[reason] += 1
    done.unanswered = {version: n for version, n in sorted(blame.unanswered.items()) if n > 0}
