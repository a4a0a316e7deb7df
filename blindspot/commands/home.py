"""Commands about the home itself: init, doctor, demo, policy, suite, schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blindspot.output import AsJson, Limit, progress, show, show_rows


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(init)
    app.command()(doctor)
    app.command()(demo)
    app.command()(schedule)
    policy = typer.Typer(help="The policy in force.", no_args_is_help=True)
    policy.command("show")(policy_show)
    policy.command("check")(policy_check)
    app.add_typer(policy, name="policy")
    suite = typer.Typer(help="Suites of pictures with known labels.", no_args_is_help=True)
    suite.command("list")(suite_list)
    app.add_typer(suite, name="suite")


def init(
    ctx: typer.Context,
    domain: Annotated[
        str | None,
        typer.Option("--domain", metavar="NAME", help="With the pictures and truth of a stand-in: emblem, shoebox/b."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the folder a home: settings, a policy, an empty catalog.

    A stand-in is a harmless domain of which everything is known: its pictures are made into the folder domain/, beside
    a table of truth, and its policy is the home's.
    """
    from blindspot.domains.lay import commands, lay_out
    from blindspot.domains.pack import find_pack
    from blindspot.domains.truth import FILE, FOLDER, read_truth
    from blindspot.init import make_home

    if domain is None:
        home = make_home(ctx.obj)
        text = f"{home.root} is a blindspot home; edit policy.toml, then adopt a model"
        show({"home": str(home.root)}, text, as_json)
        return
    pack = find_pack(domain)
    with progress("making pictures") as update:
        home = make_home(ctx.obj, policy=pack.policy, furnish=lambda home: lay_out(home, pack.pictures(), update))
    count, now = len(read_truth(home.root / FOLDER / FILE)), commands(home)
    text = f"{home.root} is a home of {count} pictures with their truth in domain/truth.csv; now:\n  "
    show({"home": str(home.root), "pictures": count, "commands": now}, text + "\n  ".join(now), as_json)


def doctor(
    ctx: typer.Context,
    repair: Annotated[bool, typer.Option("--repair", help="Match picture files and rows.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look the home over; exit code 1 when something needs a hand."""
    from blindspot.doctor import examine_home
    from blindspot.settings import open_home
    from store.errors import HomeError

    home, settings = open_home(ctx.obj)
    points = examine_home(home, settings, repair)
    text = "\n".join(f"{'ok  ' if p.ok else 'FAIL'}  {p.what}: {p.found}" for p in points)
    show({"ok": all(p.ok for p in points), "points": [vars(p) for p in points]}, text, as_json)
    failing = [p.what for p in points if not p.ok]
    if failing:
        raise HomeError(f"{len(failing)} of {len(points)} points of {home.root} need a hand: {', '.join(failing)}")


def demo(ctx: typer.Context, as_json: AsJson = False) -> None:
    """The whole loop on a small web of this machine.

    Crawl, mine, review, repair, gate, report. The home must be new, or made by an earlier demo.
    """
    from blindspot.demo.run import run_demo

    result = run_demo(ctx.obj)
    show(result.data, result.text, as_json)


def schedule(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Print systemd timers and cron lines for jobs and cycle."""
    from blindspot.schedule import plan
    from blindspot.settings import open_home

    home, settings = open_home(ctx.obj)
    planned = plan(home, settings)
    show({"units": planned.units, "cron": planned.cron}, planned.text(), as_json)


def policy_show(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Print the policy in force."""
    from store.policy import read_policy

    path: Path = ctx.obj / "policy.toml"
    policy = read_policy(path)
    text = f"# version {policy.version}\n{path.read_text(encoding='utf-8').rstrip()}"
    show({"version": policy.version, **policy.model_dump(mode="json")}, text, as_json)


def policy_check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check the policy and whether every model's card fits it."""
    from blindspot.settings import open_home
    from store.policy import read_policy
    from store.versions import versions

    home, _ = open_home(ctx.obj)
    policy = read_policy(home.policy)
    cards = versions(home)
    for card in cards:
        policy.flag_mask(card)
    flagged = [name for name, kind in policy.classes.items() if kind.flagged]
    data = {"version": policy.version, "flagged": flagged, "models": [card.version for card in cards]}
    text = f"policy {policy.version} is sound: flags {', '.join(flagged)}; {len(cards)} model versions fit it"
    show(data, text, as_json)


def suite_list(ctx: typer.Context, limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the suites: role, class, size, version."""
    from blindspot.settings import open_home
    from store.console import ask

    home, _ = open_home(ctx.obj)
    answer = ask(home, "SELECT * FROM suites ORDER BY suite, class", limit)
    show_rows(answer.columns, answer.rows, answer.truncated, as_json)
