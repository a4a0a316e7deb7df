"""The settings of a home: `blindspot.toml`, checked whole before anything runs.

Unknown names are refused, because a misspelt limit that is silently ignored is the worst kind of setting.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from store.errors import HomeError, SettingsError
from store.home import Home
from store.inbox import InboxLimits
from store.policy import one_line

if TYPE_CHECKING:
    from crawl.job import Job
    from train.mix import MixSettings

TEMPLATE = """\
# Settings of this blindspot home. Every name is checked; a misspelt one is refused.

[crawl]                     # defaults for every job
contact = ""                # a URL or address that goes into the user agent, so that a site's owner can reach you
delay_s = 1.0               # between two requests to one host

# [jobs.example]            # `blindspot crawl example`
# spider = "pages"          # or "url_list" with list_file
# urls = ["https://example.org/"]
# every = "daily"           # for `blindspot schedule`

[cycle]
jobs = []                   # the crawl jobs of one turn; none: mine what is there
every = "weekly"
"""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CrawlSettings(_Part):
    """Defaults for every crawl job."""

    contact: str = ""
    delay_s: float = Field(default=1.0, ge=0)
    concurrency: int = Field(default=16, gt=0)
    max_pages: int = Field(default=10_000, gt=0)
    max_pictures: int = Field(default=1_000_000, gt=0)
    allow_addresses: tuple[str, ...] = ()


class JobSettings(_Part):
    """One crawl job; what is absent comes from `[crawl]`."""

    spider: Literal["pages", "url_list"]
    urls: tuple[str, ...] = ()
    list_file: Path | None = None
    allow_hosts: tuple[str, ...] = ()
    same_site: bool = True
    every: str = "daily"
    allow_addresses: tuple[str, ...] | None = None
    delay_s: float | None = Field(default=None, ge=0)
    concurrency: int | None = Field(default=None, gt=0)
    max_pages: int | None = Field(default=None, gt=0)
    max_pictures: int | None = Field(default=None, gt=0)


class InboxSettings(_Part):
    """When producers pause."""

    max_files: int = Field(default=2_000, gt=0)
    max_bytes: int = Field(default=2_000_000_000, gt=0)
    patience_s: float = Field(default=120.0, ge=0)


class PictureSettings(_Part):
    """Where the bytes lie: empty for the home's own folder, or an fsspec URL."""

    url: str = ""


class QueueSettings(_Part):
    """How many entries a new queue has."""

    size: int = Field(default=500, gt=0)


class TrainSettings(_Part):
    """How a mix is put together; see `train.mix.MixSettings`."""

    least_verdicts: int = Field(default=30, gt=0)
    hold: int = Field(default=800, ge=0)
    sentinels: int = Field(default=600, ge=0)
    validation_share: float = Field(default=0.2, gt=0, lt=0.5)
    test_share: float = Field(default=0.1, ge=0, lt=0.5)
    verdict_weight: float = Field(default=3.0, gt=0)
    held_out_sources: tuple[str, ...] = ()


class CycleSettings(_Part):
    """One turn: its crawl jobs, when `schedule` starts it, and the families it is for (none: all held out)."""

    jobs: tuple[str, ...] = ()
    every: str = "weekly"
    families: tuple[str, ...] = ()


class Settings(_Part):
    """The whole file."""

    crawl: CrawlSettings = CrawlSettings()
    resolve: dict[str, str] = {}
    jobs: dict[str, JobSettings] = {}
    inbox: InboxSettings = InboxSettings()
    pictures: PictureSettings = PictureSettings()
    queue: QueueSettings = QueueSettings()
    train: TrainSettings = TrainSettings()
    cycle: CycleSettings = CycleSettings()

    def mix(self) -> MixSettings:
        """The settings of a training's mix."""
        from train.mix import MixSettings

        return MixSettings(**self.train.model_dump())

    def job(self, name: str) -> Job:
        """The crawl job of that name. Raises SettingsError that names what there is."""
        from crawl.job import Job

        if name not in self.jobs:
            raise SettingsError(f"no crawl job {name!r}; [jobs] has: {', '.join(self.jobs) or 'none'}")
        given = self.jobs[name].model_dump(exclude={"every"}, exclude_none=True)
        defaults = self.crawl.model_dump()
        return Job(name=name, resolve=self.resolve, **(defaults | given))


def read_settings(path: Path) -> Settings:
    """The settings in `path`. Raises SettingsError with one line."""
    try:
        settings = Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise SettingsError(f"{path}: {one_line(error)}") from None
    spiders = {"pages", "url_list"} & set(settings.jobs)
    if spiders:
        raise SettingsError(f"{path}: a job may not carry a spider's name. Received: {sorted(spiders)[0]!r}")
    unknown = [job for job in settings.cycle.jobs if job not in settings.jobs]
    if unknown:
        raise SettingsError(f"{path}: cycle.jobs: no job {unknown[0]!r}; [jobs] has: {', '.join(settings.jobs) or 'none'}")
    return settings


def open_home(root: Path) -> tuple[Home, Settings]:
    """The home in folder `root` and its settings. Raises HomeError when it is none."""
    path = root / "blindspot.toml"
    if not path.is_file():
        raise HomeError(f"{root} is no blindspot home (no {path.name} in it); `blindspot --home {root} init` makes one")
    settings = read_settings(path)
    limits = InboxLimits(**settings.inbox.model_dump())
    return Home(root.resolve(), settings.pictures.url, limits), settings
