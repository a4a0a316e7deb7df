"""Commands that forget: purge and retain."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from blindspot.output import AsJson, NoFold, progress, show

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would come to.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(purge)
    app.command()(retain)


def purge(
    ctx: typer.Context,
    source: Annotated[str | None, typer.Option("--source", help="Everything of this source.")] = None,
    picture: Annotated[str | None, typer.Option("--picture", metavar="ID", help="One picture.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="What one URL gave, or one page showed.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept with the tombstones.")] = None,
    dry_run: DryRun = False,
    no_fold: NoFold = False,
    as_json: AsJson = False,
) -> None:
    """Forget a source, a picture or a URL, everywhere.

    Bytes, features, verdicts, rows, logs and what waits.

    Only tombstones stay, so that it is neither fetched nor stored again: keyed hashes of names, the sha256 of the
    bytes. Killed at any moment, the next fold finishes it. Not while a crawl job runs.
    """
    from blindspot.settings import open_home, unbraked
    from store.errors import UsageError
    from store.forgetting.frontiers import no_job_running
    from store.forgetting.purge import check_target, plan_purge

    given = {"source": source, "picture": picture, "url": url}
    chosen = [(target, value) for target, value in given.items() if value is not None]
    if len(chosen) != 1:
        named = ", ".join(f"--{target}" for target, _ in chosen) or "none"
        raise UsageError(f"wanted one of --source, --picture and --url. Received: {named}")
    target, value = chosen[0][0], check_target(*chosen[0])
    home, _ = open_home(ctx.obj)
    home = unbraked(home)
    if dry_run:
        from store.catalog import Snapshot

        with Snapshot(home) as snapshot:
            plan = plan_purge(home, snapshot.rows, target, value).as_json()
        data = plan | {"dry_run": True, "inbox_files": len(home.inbox().files())}
        show(data, f"would forget {_purged(target, data)}; {data['inbox_files']} inbox files not looked at", as_json)
        return
    with no_job_running(home):
        pass  # a job that runs is told before anything is asked for
    _carry_out(home, target, value, reason, False, no_fold, as_json)


def retain(
    ctx: typer.Context,
    older_than: Annotated[
        str, typer.Option("--pictures-older-than", metavar="AGE", help="As 36h, 30d, 12w; by when first seen.")
    ],
    suites_too: Annotated[bool, typer.Option("--suites-too", help="Suites' pictures as well.")] = False,
    dry_run: DryRun = False,
    no_fold: NoFold = False,
    as_json: AsJson = False,
) -> None:
    """Drop the bytes of old pictures, keep what was learned of them.

    Features, scores and verdicts stay, to train and judge on.

    Pages under runs/ that show pictures go at the same age. A dropped picture is neither queued nor scanned; seen again
    it may be stored anew, and is then dropped by the next run.
    """
    from blindspot.settings import open_home, unbraked
    from store.forgetting.requests import RETENTION
    from store.forgetting.retain import count_old, cutoff

    home, _ = open_home(ctx.obj)
    home, before = unbraked(home), cutoff(older_than)
    if dry_run:
        data = count_old(home, before, suites_too) | {"before": before.isoformat(), "dry_run": True}
        show(data, f"would drop {_dropped(data, 'pictures', 'bytes')}", as_json)
        return
    _carry_out(home, RETENTION, before.isoformat(), None, suites_too, no_fold, as_json)


def _carry_out(
    home: Any, target: str, value: str, reason: str | None, suites_too: bool, no_fold: bool, as_json: bool
) -> None:
    """Ask, fold, and show what came of it."""
    from store.fold import fold
    from store.forgetting.requests import answer_of, ask_to_forget

    request = ask_to_forget(home, target, value, reason, suites_too)
    postponed = "--no-fold"
    if not no_fold:
        with progress("forgetting") as update:
            postponed = fold(home, progress=update).postponed
    answer = answer_of(home, request)
    if answer is None:
        data = {"request": request, "done": False, "waits_for": postponed}
        show(data, f"request {request} waits in the inbox ({postponed}); a fold carries it out", as_json)
        return
    text = f"dropped {_dropped(answer, 'pictures_dropped', 'bytes_dropped')}"
    if target in ("source", "picture", "url"):
        text = f"forgotten: {_purged(target, answer)}"
    show({"request": request, "done": True, **answer}, text, as_json)


def _purged(target: str, data: dict[str, Any]) -> str:
    """What a purge comes to, in a few lines. The name itself is not repeated: terminals have a memory too."""
    known = (
        f"{data['pictures']} pictures, {data['urls']} URLs, {data['sightings']} sightings, {data['verdicts']} verdicts"
    )
    lines = [
        known
        if data["pictures"] or data["urls"]
        else f"nothing was known of this {target}; it is forbidden from now on"
    ]
    if data["suite_pictures"]:
        lines.append(f"{data['suite_pictures']} of the pictures were in suites")
    if data["mixes"]:
        lines.append(f"mixes that cannot be replayed: {', '.join(data['mixes'])}")
    for model in data["models"]:
        how = "trained on such a mix" if model["directly"] else "descends from one that was"
        lines.append(f"model {model['version']} {how}{' and is the champion' if model['champion'] else ''}")
    for name in data.get("files", {}).get("still_named", []):
        lines.append(f"{name} still names it: that file is yours to edit")
    return "\n".join(lines)


def _dropped(data: dict[str, Any], pictures: str, size: str) -> str:
    return f"the bytes of {data[pictures]} pictures ({data[size] / 1e6:,.1f} MB); what is known of them stays"
