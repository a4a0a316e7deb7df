"""Commands that make and judge candidates: train, gate, cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from blindspot.output import AsJson, progress, say, show, user

if TYPE_CHECKING:
    from store.home import Home
    from store.policy import Policy


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(train)
    app.command()(gate)
    app.command()(cycle)


def train(
    ctx: typer.Context,
    parent: Annotated[str, typer.Option("--from", metavar="VERSION", help="The version to start from.")] = "champion",
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="A small net of its own, where there is no model to start from.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Retrain the head on the verdicts, with replay of the rest."""
    from blindspot.settings import open_home, unbraked
    from store.fold import fold
    from store.policy import read_policy
    from store.versions import find_version
    from train.candidate import train_candidate

    home, settings = open_home(ctx.obj)
    home, policy = unbraked(home), read_policy(home.policy)
    if from_scratch:
        _train_first(home, policy, as_json)
        return
    policy.flag_mask(find_version(home, parent))
    fold(home)
    made = train_candidate(home, policy, parent, settings.mix(), say)
    fold(home)
    data = {"version": made.card.version, "mix": made.mix.name, "validation_loss": made.validation_loss}
    text = f"candidate {made.card.version} from mix {made.mix.name}; `blindspot gate {made.card.version}` judges it"
    show(data, text, as_json)


def _train_first(home: Home, policy: Policy, as_json: bool) -> None:
    from store.fold import fold
    from train.first import train_first

    fold(home)
    with progress("looking at pictures") as update:
        card, loss = train_first(home, policy, say=say, progress=update)
    text = f"{card.version} is trained ({card.origin}); `blindspot models promote {card.version}` makes it the champion"
    show({"version": card.version, "validation_loss": loss}, text, as_json)


def gate(
    ctx: typer.Context,
    candidate: Annotated[str, typer.Argument(metavar="VERSION")],
    as_json: AsJson = False,
) -> None:
    """Judge a candidate against the champion. Exit code 0 release, 3 reject, 4 not enough evidence."""
    from blindspot.settings import open_home, unbraked
    from store.fold import fold
    from store.policy import read_policy
    from store.versions import find_version, require_champion
    from train.gate import judge, raise_unless_released

    home, settings = open_home(ctx.obj)
    home, policy = unbraked(home), read_policy(home.policy)
    champion = require_champion(home)
    cards = find_version(home, champion.version), find_version(home, candidate)
    for card in cards:
        policy.flag_mask(card)
    fold(home)
    judged = judge(home, policy, champion, cards, "by hand", settings.cycle.families)
    fold(home)
    body = {"certificate": judged.identity, **judged.certificate.as_json()}
    show(body, judged.certificate.as_text(), as_json)
    raise_unless_released(judged.certificate)


def cycle(ctx: typer.Context, as_json: AsJson = False) -> None:
    """One turn: crawl → mine → train → gate → promote → mine.

    Runs the crawl jobs of [cycle], trains on the verdicts so far, and lets what the gate releases serve. Exit code 0
    for all three answers of the gate: they stand in the JSON.
    """
    from blindspot.cycle import turn
    from blindspot.settings import open_home, unbraked

    home, settings = open_home(ctx.obj)
    done = turn(unbraked(home), settings, by=user(), say=say)
    show(done.as_json(), done.text(), as_json)
