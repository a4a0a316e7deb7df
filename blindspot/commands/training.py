"""Commands that make and judge candidates: train, gate, cycle."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from blindspot.output import AsJson, say, show


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(train)
    app.command()(gate)
    app.command()(cycle)


def train(
    ctx: typer.Context,
    parent: Annotated[str, typer.Option("--from", metavar="VERSION", help="What to start from.")] = "champion",
    as_json: AsJson = False,
) -> None:
    """Retrain the head on the verdicts so far, with replay of what it must not forget."""
    from blindspot.settings import open_home
    from store.fold import fold
    from store.policy import read_policy
    from train.candidate import train_candidate

    home, settings = open_home(ctx.obj)
    fold(home)
    made = train_candidate(home, read_policy(home.policy), parent, settings.mix(), say)
    fold(home)
    data = {"version": made.card.version, "mix": made.mix.name, "validation_loss": made.validation_loss}
    text = f"candidate {made.card.version} from mix {made.mix.name}; `blindspot gate {made.card.version}` judges it"
    show(data, text, as_json)


def gate(
    ctx: typer.Context,
    candidate: Annotated[str, typer.Argument(metavar="VERSION")],
    as_json: AsJson = False,
) -> None:
    """Judge a candidate against the champion. Exit code 0 release, 3 reject, 4 not enough evidence."""
    from blindspot.settings import open_home
    from store.fold import fold
    from store.policy import read_policy
    from store.versions import find_version, require_champion
    from train.gate import judge, raise_unless_released

    home, settings = open_home(ctx.obj)
    fold(home)
    champion, policy = require_champion(home), read_policy(home.policy)
    cards = find_version(home, champion.version), find_version(home, candidate)
    judged = judge(home, policy, champion, cards, "by hand", settings.cycle.families)
    fold(home)
    body = {"certificate": judged.identity, **judged.certificate.as_json()}
    show(body, judged.certificate.as_text(), as_json)
    raise_unless_released(judged.certificate)


def cycle(ctx: typer.Context, as_json: AsJson = False) -> None:
    """One turn: crawl jobs → mine → train on the verdicts → gate → promote what is released → mine again."""
    from blindspot.cycle import turn
    from blindspot.settings import open_home

    home, settings = open_home(ctx.obj)
    done = turn(home, settings, by=getpass.getuser(), say=say)
    show(done.as_json(), done.text(), as_json)
