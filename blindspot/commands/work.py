"""Commands that bring things in and find things out: crawl, import, fold, mine."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from blindspot.output import AsJson, NoFold, live_line, progress, say, show


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(crawl)
    app.command("import")(import_)
    app.command()(fold)
    mine = typer.Typer(help="Score, measure, group copies, detect, queue.", no_args_is_help=True)
    mine.command("run")(mine_run)
    app.add_typer(mine, name="mine")


def crawl(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(metavar="SPIDER|JOB", help="pages, sitemap, url_list, recheck, or a job.")],
    url: Annotated[list[str] | None, typer.Option("--url", help="Where to start; repeatable.")] = None,
    list_file: Annotated[Path | None, typer.Option("--list", metavar="FILE|DIR", help="URLs, one a line.")] = None,
    allow_address: Annotated[
        list[str] | None, typer.Option("--allow-address", metavar="IP:PORT", help="Reach this one; repeatable.")
    ] = None,
    max_pages: Annotated[int | None, typer.Option("--max-pages", min=1)] = None,
    max_pictures: Annotated[int | None, typer.Option("--max-pictures", min=1)] = None,
    no_fold: NoFold = False,
    as_json: AsJson = False,
) -> None:
    """Fetch pictures.

    Polite by default: robots.txt is obeyed (and no answer to it is a no), one request at a time and a second apart to
    each host (more when it answers slowly, asks for more, or says Retry-After), pages and pictures that say noindex,
    noai or noimageai are left alone, and the user agent names us and your contact. Private addresses are refused,
    raw bytes are kept. A crawl that was stopped goes on where it was.
    """
    from blindspot.settings import open_home
    from crawl.job import SPIDER_NAMES, Job
    from crawl.run import run
    from store.errors import CrawlError
    from store.fold import fold as fold_inbox

    home, settings = open_home(ctx.obj)
    given: dict[str, Any] = {
        "urls": tuple(url) if url else None,
        "list_file": list_file,
        "allow_addresses": tuple(allow_address) if allow_address else None,
        "max_pages": max_pages,
        "max_pictures": max_pictures,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    if what in SPIDER_NAMES:
        job = Job(name=what, spider=what, resolve=settings.resolve, **(settings.crawl.given() | chosen))
    else:
        from dataclasses import replace

        job = replace(settings.job(what, home.root), **chosen)
    began = time.monotonic()
    try:
        with live_line() as update:
            summary = run(
                job,
                home,
                progress=lambda tally: update(f"{job.name}: {tally.sentence(time.monotonic() - began)}"),
                drain=lambda: fold_inbox(home),
            )
    except CrawlError:
        if not no_fold:
            fold_inbox(home)  # the refusals say why
        raise
    if not no_fold:
        fold_inbox(home)
    show(asdict(summary), summary.sentence(), as_json)
    if summary.stopped == "interrupted":
        raise KeyboardInterrupt


def import_(
    ctx: typer.Context,
    what: Annotated[
        Path, typer.Argument(metavar="DIR|LIST|WARC", help="A folder, picture, WARC file, or list of paths and ids.")
    ],
    suite: Annotated[str | None, typer.Option("--suite", help="Put them into this suite.")] = None,
    label: Annotated[str | None, typer.Option("--label", metavar="CLASS", help="The suite's known answer.")] = None,
    role: Annotated[str | None, typer.Option("--role", help="ordinary, positives or families.")] = None,
    family: Annotated[str | None, typer.Option("--family", help="A family they all belong to.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Default: folder's name; WARC: domains.")] = None,
    no_fold: NoFold = False,
    as_json: AsJson = False,
) -> None:
    """Bring in pictures from files, also from WARC files.

    With --suite and --label they become evaluation pictures: never queued, never trained on.
    """
    from blindspot.importing import import_pictures
    from blindspot.settings import open_home, unbraked
    from store.errors import ImportFailed
    from store.fold import fold as fold_inbox

    home, _ = open_home(ctx.obj)

    def make_room() -> None:
        complaint = home.inbox().is_full()
        if complaint and no_fold:
            say(f"the inbox is full ({complaint}); waiting for `blindspot fold`")
        elif complaint:
            fold_inbox(home)

    make_room()
    with progress("importing") as update:
        ours = home if no_fold else unbraked(home)
        done = import_pictures(ours, what, suite, label, role, family, source, update, make_room)
    if not no_fold:
        fold_inbox(home)
    refused = ", ".join(f"{n} {reason}" for reason, n in sorted(done.refused.items())) or "none"
    if not done.pictures:
        raise ImportFailed(f"wanted pictures in {what}, found none; refused: {refused}; `refusals` names each")
    passed = ", ".join(f"{n} {kind}" for kind, n in sorted(done.passed_over.items()))
    text = f"{done.pictures} pictures imported from {what}, {done.new_pictures} of them new; refused: {refused}"
    text += f"; no pictures: {passed}" if passed else ""
    show({name: value for name, value in asdict(done).items() if value or name != "passed_over"}, text, as_json)


def fold(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Take the inbox into the catalog; publish the snapshot."""
    from blindspot.settings import open_home
    from store.fold import fold as fold_inbox

    home, _ = open_home(ctx.obj)
    with progress("folding") as update:
        done = fold_inbox(home, progress=update)
    text = f"{done.files} files folded, {done.rows} new rows, {done.quarantined} files quarantined"
    show(asdict(done), text, as_json)


def mine_run(
    ctx: typer.Context,
    views: Annotated[str | None, typer.Option("--views", metavar="A,B", help="Score these views too.")] = None,
    no_fold: NoFold = False,
    as_json: AsJson = False,
) -> None:
    """Score and measure what is new, detect, make the queue anew.

    Beside the picture as shown, versions can be asked about other views of it: on_black, last_frame, jpeg_50, … Those
    of every run stand in blindspot.toml under [mine] views. A version that gives no answer is left out, and the exit
    code is 1.
    """
    from blindspot.settings import open_home, unbraked
    from mine.run import mine
    from store.errors import ModelError
    from store.fold import fold as fold_inbox

    home, settings = open_home(ctx.obj)
    named = settings.mine.views if views is None else tuple(filter(None, views.replace(" ", "").split(",")))
    with progress("mining") as update:
        done = mine(unbraked(home), settings.queue.size, update, say, named)
    if not no_fold:
        fold_inbox(home)
    for key, reason in done.failed_detectors.items():
        say(f"detector {key} failed on everything: {reason}")
    for version, n in done.unanswered.items():
        if version not in done.failed_versions:
            say(f"{version} left {n} questions unanswered; the next run asks them again")
    found = ", ".join(f"{n} {key}" for key, n in done.findings.items()) or "none"
    refused = ", ".join(f"{n} {reason}" for reason, n in sorted(done.refused.items())) or "none"
    text = f"{done.looked_at} pictures looked at (refused: {refused}); findings: {found}; {done.queued} queued"
    show(asdict(done), text, as_json)
    if done.failed_versions:
        names = ", ".join(done.failed_versions)
        raise ModelError(f"no answer from {names}; what the others say is kept; mend that and run `blindspot mine run`")
