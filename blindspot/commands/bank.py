"""Commands about the known-bad bank: import, export, list, off, on, release, sweep."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blindspot.output import AsJson, Limit, say, show, show_rows

if TYPE_CHECKING:
    from store.home import Home
    from store.known_bad.hashlists import HashList, Kind

Name = Annotated[str, typer.Option("--name", metavar="NAME", help="Whose list it is; refusals name it.")]
KINDS_HELP = "sha256 or pdq."


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    bank = typer.Typer(help="Hashes of known pictures that are never stored.", no_args_is_help=True)
    bank.command("import")(import_)
    bank.command("export")(export)
    bank.command("list")(list_)
    bank.command("off")(off)
    bank.command("on")(on)
    bank.command("release")(release)
    bank.command("sweep")(sweep_)
    app.add_typer(bank, name="bank")


def import_(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="One hash a line; what follows a # does not count.")],
    name: Name,
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help=KINDS_HELP)],
    as_json: AsJson = False,
) -> None:
    """Make the hashes of a file a list of the bank.

    It takes the place of the list of that name and kind.

    Running crawls obey it from their next picture on. PDQs whose quality is told and is 49 or less are left out.
    """
    from store.errors import BankError, UsageError
    from store.known_bad.hashlists import read_list, write_list
    from store.suites import NAME

    home = _home(ctx)
    if not NAME.fullmatch(name):
        raise UsageError(f"a bank is named in lower case, digits, - and _. Received: {name!r}")
    if not path.is_file():
        raise UsageError(f"wanted a file of hashes. Received: {path}")
    found = read_list(path, name, _kind(kind))
    if not found.hashes:
        raise BankError(
            f"{path} holds no {kind} hash that can be matched; wanted 64 hex digits a line; nothing changed"
        )
    before = {hash_ for old in _lists(home, name, kind) for hash_ in old.hashes}
    write_list(home, found)
    gone = len(before - found.hashes.keys())
    data = {"bank": name, "kind": kind, "hashes": len(found.hashes), "gone": gone, "poor": found.poor}
    if found.rubbish:
        say(f"{len(found.rubbish)} lines of {path} are no hash and were left out, the first is line {found.rubbish[0]}")
    text = (
        f"{name} has {len(found.hashes)} {kind} hashes; {gone} of those before are gone, {found.poor} of poor quality"
    )
    show(data | {"rubbish": len(found.rubbish)}, f"{text} left out", as_json)


def export(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Needed where there are several.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", metavar="KIND", help=KINDS_HELP)] = None,
    path: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: print.")] = None,
    as_json: AsJson = False,
) -> None:
    """One list, as `bank import` takes it back."""
    from store.errors import UsageError
    from store.files import write_durably
    from store.known_bad.hashlists import as_text

    lists = _lists(_home(ctx), name, kind and _kind(kind))
    if len(lists) != 1:
        found = ", ".join(f"--name {one.name} --kind {one.kind}" for one in lists) or "none"
        raise UsageError(f"wanted --name and --kind of one list. Received those of {len(lists)}: {found}")
    if path is not None:
        write_durably(path, as_text(lists[0]).encode())
        data = {"file": str(path), "bank": lists[0].name, "kind": lists[0].kind, "hashes": len(lists[0].hashes)}
        show(data, f"{len(lists[0].hashes)} hashes written to {path}", as_json)
    elif as_json:
        rows = [[hash_, quality] for hash_, quality in lists[0].hashes.items()]
        show({"columns": ["hash", "quality"], "rows": rows, "truncated": False}, "", True)
    else:
        print(as_text(lists[0]), end="", flush=True)


def list_(ctx: typer.Context, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show the switch, the lists, and what is in quarantine.

    Entries in quarantine matched far too much, and so stopped acting.
    """
    from store.known_bad.bank import Bank, is_off

    home = _home(ctx)
    bank = Bank.load(home)
    quarantined = list(bank.watch.quarantined.values())
    acting = "off" if is_off(home) else "on"
    held = {one.entry for one in quarantined}
    columns = ["bank", "kind", "hashes", "in_quarantine", "unreadable_lines"]
    rows = [
        [one.name, one.kind, len(one.hashes), len(held & one.hashes.keys()), len(one.rubbish)] for one in bank.lists
    ]
    if as_json:
        lists = [dict(zip(columns, row, strict=True)) for row in rows[:limit]]
        shown = [vars(one) for one in quarantined[:limit]]
        truncated = max(len(rows), len(quarantined)) > limit
        show({"switch": acting, "lists": lists, "quarantine": shown, "truncated": truncated}, "", True)
        return
    print(f"the bank is {acting}")
    show_rows(columns, rows[:limit], len(rows) > limit, False)
    if quarantined:
        print(f"\n{len(quarantined)} in quarantine; `blindspot bank release HASH` lets one act again")
        entries = [[one.entry, one.bank, one.reason] for one in quarantined[:limit]]
        show_rows(["entry", "bank", "reason"], entries, len(quarantined) > limit, False)


def off(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Let nothing match, in running crawls too, until `bank on`."""
    from blindspot.output import user
    from store.known_bad.bank import switch

    home = _home(ctx)
    switch(home, off=True, by=user())
    show({"switch": "off"}, f"the bank of {home.root} is off: known pictures are stored from now on", as_json)


def on(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Let the bank act again."""
    from store.known_bad.bank import switch

    home = _home(ctx)
    switch(home, off=False)
    show({"switch": "on"}, f"the bank of {home.root} is on", as_json)


def release(
    ctx: typer.Context,
    entry: Annotated[str, typer.Argument(metavar="HASH", help="An entry in quarantine, see `bank list`.")],
    as_json: AsJson = False,
) -> None:
    """Let an entry in quarantine act again.

    What it has matched so far does not count against it any more.
    """
    import time

    from store.errors import UsageError
    from store.known_bad.bankwatch import Watch

    watch, wanted = Watch(_home(ctx)), entry.lower()
    if wanted not in watch.quarantined:
        raise UsageError(f"{entry[:80]!r} is not in quarantine; `blindspot bank list` shows what is")
    bank = watch.quarantined[wanted].bank
    watch.release(wanted, time.time())
    show({"entry": wanted, "bank": bank}, f"{wanted} of {bank} acts again", as_json)


def sweep_(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run/--forget", help="Only count, or forget what matches.")] = True,
    as_json: AsJson = False,
) -> None:
    """Ask the lists for every picture that is stored already.

    What matches is forgotten as `purge --picture` does, with the reason known_bad: its bytes go, a tombstone stays. An
    entry that matches far too much goes to quarantine instead. Broken off, the next sweep goes on where it was; with
    --forget a finished count is taken as it is. Folds first.
    """
    from blindspot.output import progress
    from blindspot.settings import unbraked
    from store.errors import BankError
    from store.fold import fold
    from store.forgetting.frontiers import no_job_running
    from store.forgetting.requests import ask_to_forget
    from store.known_bad.bank import is_off
    from store.known_bad.sweep import forgotten, judged, sweep

    home = unbraked(_home(ctx))
    if is_off(home):
        raise BankError(f"the bank of {home.root} is off: nothing matches; `blindspot bank on`, then sweep again")
    if not dry_run:
        with no_job_running(home):
            pass  # a job that runs is told before anything is asked for
    fold(home)
    with progress("asking the lists") as update:
        done = sweep(home, dry_run, update)
    found = judged(home, done, note=not dry_run)
    counts = dict(Counter(found.pictures.values()))
    data = {"looked_at": done.looked, "unread": done.unread, "matches": len(found.pictures), "by_bank": counts}
    text = f"{len(found.pictures)} of {done.looked} pictures are on a list" + "".join(
        f"; {count} on {name}" for name, count in counts.items()
    )
    if done.unread:
        text += f"; {done.unread} could not be looked at, and were compared by their bytes' hash alone"
    if found.mistaken:
        text += f"; {len(found.mistaken)} entries match far too much and do not count, see `bank list`"
    if dry_run:
        text += "; `bank sweep --forget` forgets them" if found.pictures else ""
    elif found.pictures:
        for picture in found.pictures:
            ask_to_forget(home, "picture", picture, "known_bad")
        with progress("forgetting") as update:
            postponed = fold(home, progress=update).postponed
        text += f"; they wait to be forgotten: {postponed}" if postponed else "; they are forgotten"
    if not dry_run:
        forgotten(home)
    show(data | {"mistaken": found.mistaken, "dry_run": dry_run}, text, as_json)


def _home(ctx: typer.Context) -> Home:
    from blindspot.settings import open_home

    return open_home(ctx.obj)[0]


def _kind(kind: str) -> Kind:
    from store.errors import UsageError
    from store.known_bad.hashlists import KINDS

    for known in KINDS:
        if kind == known:
            return known
    raise UsageError(f"--kind wants {' or '.join(KINDS)}. Received: {kind!r}")


def _lists(home: Home, name: str | None, kind: str | None) -> list[HashList]:
    """The bank's lists of that name and kind, None for any."""
    from store.known_bad.hashlists import list_files, read_list

    wanted = [found for found in list_files(home) if name in (None, found[1]) and kind in (None, found[2])]
    return [read_list(*found) for found in wanted]
