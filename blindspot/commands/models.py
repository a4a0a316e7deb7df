"""Commands about model versions: adopt, list, show, promote, rollback."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blindspot.output import AsJson, Limit, show, show_rows, user


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    models = typer.Typer(help="Model versions and the champion.", no_args_is_help=True)
    models.command("adopt")(adopt)
    models.command("list")(list_)
    models.command("show")(show_)
    models.command("promote")(promote)
    models.command("rollback")(rollback)
    app.add_typer(models, name="models")


def adopt(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="nsfwjs/mobilenet_v2, nsfwjs/mobilenet_v2_mid, nsfwjs/inception_v3 or open_nsfw; or your own with "
            "--card: a .keras file (can be trained); an .onnx file, a folder with a SavedModel, or the URL of a "
            "TF Serving model (these only score).",
        ),
    ],
    card_file: Annotated[
        Path | None, typer.Option("--card", metavar="FILE.toml", help="What a model of your own is; see below.")
    ] = None,
    classes: Annotated[
        list[str] | None, typer.Option("--map", metavar="CLASS=POLICY_CLASS", help="The class map; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring in a model: a published one, or your own.

    The card of your own says, in TOML: classes = ["a", "b"] in the order of its outputs; map = {a = "flagged", b =
    "not_flagged"} or classes of the policy; preprocessing = {recipe = "nsfwjs", size = 224}; and where needed name,
    licence, notes, layout = "NCHW", output = "name of the output", answers = "logits". Each [[check]] with picture =
    "beside.png" and probabilities = {a = 0.9, b = 0.1}, or top = "a", is asked before the model is kept.
    """
    from blindspot.settings import open_home
    from store.errors import UsageError
    from store.fold import fold
    from store.policy import read_policy
    from train.adopt import adopt as adopt_published
    from train.adopt import adopt_own, is_own

    home, _ = open_home(ctx.obj)
    pairs = [entry.partition("=") for entry in classes or []]
    if any(not sign or not left or not right for left, sign, right in pairs):
        raise UsageError(f"--map wants CLASS=POLICY_CLASS. Received: {' '.join(classes or [])}")
    policy = read_policy(home.policy)
    for _, _, policy_class in pairs:
        policy.is_flagged(policy_class)  # refuses what is no class, before anything is fetched
    class_map = {left: right for left, _, right in pairs} or None
    if is_own(name):
        card = adopt_own(name, card_file, home.models, class_map, policy)
    elif card_file is not None:
        raise UsageError(f"--card is for a model of your own: a file, a folder or a URL. Received: {name!r}")
    else:
        card = adopt_published(name, home.models, class_map, policy)
    fold(home)
    show(card.model_dump(mode="json"), f"adopted {card.version} ({card.level}, {card.licence})", as_json)


def list_(ctx: typer.Context, limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the versions; * marks the champion."""
    from blindspot.settings import open_home
    from store.versions import read_champion, versions

    home, _ = open_home(ctx.obj)
    champion = read_champion(home)
    serving = champion.version if champion else None
    rows = [
        ["*" if card.version == serving else "", card.version, card.name, card.level, card.parent, card.made_at]
        for card in versions(home)
    ]
    columns = ["champion", "version", "name", "level", "parent", "made_at"]
    show_rows(columns, rows[:limit], len(rows) > limit, as_json)


def show_(ctx: typer.Context, name: Annotated[str, typer.Argument()] = "champion", as_json: AsJson = False) -> None:
    """Print a card; of the champion also its operating point."""
    from blindspot.settings import open_home
    from store.versions import find_version, read_champion

    home, _ = open_home(ctx.obj)
    card = find_version(home, name)
    champion = read_champion(home)
    point = champion.model_dump(mode="json") if champion and champion.version == card.version else None
    data = {**card.model_dump(mode="json"), "champion": point}
    text = "\n".join(f"{key:15} {value}" for key, value in data.items())
    show(data, text, as_json)


def promote(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A version, or a model name that only one version has.")],
    as_json: AsJson = False,
) -> None:
    """Make a version the champion.

    A home's first by your word, any later one by its newest certificate alone.
    """
    from blindspot.settings import open_home, unbraked
    from store.fold import fold
    from store.policy import read_policy
    from store.versions import find_version, read_champion
    from train.promote import promote_by_certificate, promote_first

    home = unbraked(open_home(ctx.obj)[0])
    fold(home)
    card, by = find_version(home, name), user()
    if read_champion(home) is None:
        champion = promote_first(home, read_policy(home.policy), card, by)
        proof = "without a certificate, as a home's first"
    else:
        champion = promote_by_certificate(home, card.version, by)
        proof = f"by certificate {champion.certificate}"
    fold(home)
    text = f"champion is {champion.version} at {champion.threshold:g}, {proof}"
    show(champion.model_dump(mode="json"), text, as_json)


def rollback(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Let the previous champion serve again, at once.

    At its own operating point. A second rollback undoes the first.
    """
    from blindspot.settings import open_home
    from store.fold import fold
    from store.versions import roll_back

    home, _ = open_home(ctx.obj)
    champion = roll_back(home, user())
    fold(home)
    text = f"champion is {champion.version} again, at {champion.threshold:g}"
    show(champion.model_dump(mode="json"), text, as_json)
