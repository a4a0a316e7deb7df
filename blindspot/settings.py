"""The settings of a home: `blindspot.toml`, checked whole before anything runs.

Unknown names are refused, because a misspelt limit that is silently ignored is the worst kind of setting.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from store.errors import HomeError, SettingsError, UsageError
from store.home import Home
from store.inbox import NO_LIMITS, InboxLimits
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
# spider = "pages"          # or sitemap, recheck, or url_list with list_file, a path from this folder
# urls = ["https://example.org/"]
# every = "daily"           # for `blindspot schedule`: hourly, daily, weekly or monthly

# [mine]
# views = ["on_black", "last_frame", "jpeg_50"]   # scored beside the picture as shown; `blindspot mine run --help`

[cycle]
jobs = []                   # the crawl jobs of one turn; none: mine what is there
every = "weekly"
"""


Every = Literal["hourly", "daily", "weekly", "monthly"]
# A job's name becomes the name of a unit of systemd.
JobName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
# Strict: `true` is no number.
Count = Annotated[int, Field(strict=True, gt=0)]
CountOrZero = Annotated[int, Field(strict=True, ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CrawlSettings(_Part):
    """Defaults for every crawl job; what is absent here has the default of `crawl.job.Job`."""

    contact: str | None = None
    delay_s: Seconds | None = None
    concurrency: Count | None = None
    timeout_s: Seconds | None = None
    retry_s: Seconds | None = None
    patience_s: Seconds | None = None
    hunt: bool | None = None
    max_depth: CountOrZero | None = None
    max_pages: Count | None = None
    max_pictures: Count | None = None
    max_bytes: Count | None = None
    max_page_bytes: Count | None = None
    max_pages_per_host: Count | None = None
    max_pages_per_site: Count | None = None
    max_pictures_per_host: Count | None = None
    max_pictures_per_site: Count | None = None
    max_bytes_per_host: Count | None = None
    max_per_source: CountOrZero | None = None
    max_per_format: CountOrZero | None = None
    max_per_size: CountOrZero | None = None
    allow_addresses: tuple[str, ...] | None = None

    def given(self) -> dict[str, Any]:
        """What is there, as fields of a Job."""
        return self.model_dump(exclude={"every"}, exclude_none=True)


class JobSettings(CrawlSettings):
    """One crawl job; what is absent comes from `[crawl]`."""

    spider: Literal["pages", "sitemap", "url_list", "recheck"]
    urls: tuple[str, ...] = ()
    list_file: Path | None = None
    allow_hosts: tuple[str, ...] = ()
    same_site: bool = True
    every: Every = "daily"


class InboxSettings(_Part):
    """When producers pause."""

    max_files: Count = 2_000
    max_bytes: Count = 2_000_000_000
    patience_s: Seconds = 120.0


class PictureSettings(_Part):
    """Where the bytes lie: empty for the home's own folder; a path from the home, or an fsspec URL."""

    url: str = ""


class QueueSettings(_Part):
    """How many entries a new queue has."""

    size: Count = 500


class MineSettings(_Part):
    """The views that every run scores beside `as_shown`; names of `mine.views.VIEWS`."""

    views: tuple[str, ...] = ()

    @field_validator("views")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if names:  # whoever names none need not load what makes them
            from mine.views import views_named

            try:
                views_named(names)
            except UsageError as error:
                raise ValueError(str(error)) from None
        return names


class TrainSettings(_Part):
    """How a mix is put together; see `train.mix.MixSettings`."""

    least_verdicts: Count = 30
    hold: CountOrZero = 800
    sentinels: CountOrZero = 600
    validation_share: float = Field(default=0.2, gt=0, lt=0.5)
    test_share: float = Field(default=0.1, ge=0, lt=0.5)
    verdict_weight: float = Field(default=3.0, gt=0, allow_inf_nan=False)
    held_out_sources: tuple[str, ...] = ()


class CycleSettings(_Part):
    """One turn: its crawl jobs, when `schedule` starts it, and the families it is for (none: all held out)."""

    jobs: tuple[str, ...] = ()
    every: Every = "weekly"
    families: tuple[str, ...] = ()


class Settings(_Part):
    """The whole file."""

    crawl: CrawlSettings = CrawlSettings()
    resolve: dict[str, str] = {}
    jobs: dict[JobName, JobSettings] = {}
    inbox: InboxSettings = InboxSettings()
    pictures: PictureSettings = PictureSettings()
    queue: QueueSettings = QueueSettings()
    mine: MineSettings = MineSettings()
    train: TrainSettings = TrainSettings()
    cycle: CycleSettings = CycleSettings()

    def mix(self) -> MixSettings:
        """The settings of a training's mix."""
        from train.mix import MixSettings

        return MixSettings(**self.train.model_dump())

    def job(self, name: str, root: Path) -> Job:
        """The crawl job of that name, its list file from the folder `root`. Raises SettingsError, UsageError."""
        from crawl.job import Job

        if name not in self.jobs:
            raise SettingsError(f"no crawl job {name!r}; [jobs] has: {', '.join(self.jobs) or 'none'}")
        given = self.jobs[name].given()
        if "list_file" in given:
            given["list_file"] = root / given["list_file"]
        return Job(name=name, resolve=self.resolve, **(self.crawl.given() | given))


def read_settings(path: Path) -> Settings:
    """The settings in `path`. Raises SettingsError with one line."""
    try:
        settings = Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise SettingsError(f"{path}: {_unknown(error) or one_line(error)}") from None
    known = ", ".join(settings.jobs) or "none"
    spiders = {"pages", "sitemap", "url_list", "recheck"} & set(settings.jobs)
    if spiders:
        raise SettingsError(f"{path}: a job may not carry a spider's name. Received: {sorted(spiders)[0]!r}")
    unknown = [job for job in settings.cycle.jobs if job not in settings.jobs]
    if unknown:
        raise SettingsError(f"{path}: cycle.jobs: no job {unknown[0]!r}; [jobs] has: {known}")
    return settings


def _unknown(error: ValidationError) -> str | None:
    """The complaint of a name that is no setting, with those there are in its place; None for any other."""
    first = error.errors()[0]
    if first["type"] != "extra_forbidden":
        return None
    *place, name = first["loc"]
    part: Any = Settings
    if place and place[0] == "jobs":
        part = JobSettings
    elif place:
        part = Settings.model_fields[str(place[0])].annotation
    where = ".".join(map(str, place)) or "the file"
    return f"no setting {name!r} in {where}; wanted one of: {', '.join(part.model_fields)}"


def open_home(root: Path) -> tuple[Home, Settings]:
    """The home in folder `root` and its settings. Raises HomeError when it is none."""
    path = root / "blindspot.toml"
    if not path.is_file():
        raise HomeError(f"{root} is no blindspot home (no {path.name} in it); `blindspot --home {root} init` makes one")
    settings = read_settings(path)
    limits = InboxLimits(**settings.inbox.model_dump())
    url = settings.pictures.url
    if url and "://" not in url:
        url = str(root.resolve() / url)  # whoever runs it, from wherever
    return Home(root.resolve(), url, limits), settings


def unbraked(home: Home) -> Home:
    """The home of a command that folds by itself: a full inbox is its own to empty, waiting would be for nobody."""
    return replace(home, inbox_limits=NO_LIMITS)
