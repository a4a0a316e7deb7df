"""Settings are checked whole before anything runs: every field, every wrong name, every wrong value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blindspot.settings import TEMPLATE, CrawlSettings, Settings, open_home, read_settings, unbraked
from crawl.job import Job
from store.errors import BlindspotError, HomeError, SettingsError
from store.home import Home

EVERY_FIELD = """\
[crawl]
contact = "https://example.org/"
delay_s = 0.25
concurrency = 3
max_pages = 4
max_pictures = 5
allow_addresses = ["127.0.0.1:8080"]
timeout_s = 20
retry_s = 1
patience_s = 60
hunt = false
max_depth = 3
max_bytes = 1000000
max_page_bytes = 100000
max_pages_per_host = 21
max_pages_per_site = 22
max_pictures_per_host = 23
max_pictures_per_site = 24
max_bytes_per_host = 25
max_per_source = 26
max_per_format = 27
max_per_size = 28

[resolve]
"a.test" = "127.0.0.1"

[jobs.news]
spider = "pages"
urls = ["https://example.org/"]
allow_hosts = ["img.example.org"]
same_site = false
every = "hourly"
allow_addresses = []
delay_s = 0
concurrency = 6
max_pages = 7
max_pictures = 8
contact = "https://example.org/news"
timeout_s = 20
retry_s = 1
patience_s = 60
hunt = false
max_depth = 3
max_bytes = 1000000
max_page_bytes = 100000
max_pages_per_host = 21
max_pages_per_site = 22
max_pictures_per_host = 23
max_pictures_per_site = 24
max_bytes_per_host = 25
max_per_source = 26
max_per_format = 27
max_per_size = 28

[jobs.listed]
spider = "url_list"
list_file = "lists/urls.txt"

[inbox]
max_files = 9
max_bytes = 10
patience_s = 0.5

[pictures]
url = "memory://somewhere"

[queue]
size = 11

[mine]
views = ["on_black", "last_frame"]

[train]
least_verdicts = 12
hold = 0
sentinels = 14
validation_share = 0.25
test_share = 0
verdict_weight = 1.5
held_out_sources = ["a.example"]

[cycle]
jobs = ["news"]
every = "monthly"
families = ["tiny"]
"""


def settings_of(text: str | bytes, folder: Path) -> Settings:
    path = folder / "blindspot.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_settings(path)


def test_every_field_arrives(tmp_path: Path) -> None:
    found = settings_of(EVERY_FIELD, tmp_path)
    given = found.model_dump(exclude_unset=True)
    for part in ("crawl", "inbox", "pictures", "queue", "mine", "train", "cycle"):
        assert set(given[part]) == set(type(getattr(found, part)).model_fields), part
    assert set(given["jobs"]["news"]) | {"list_file"} == set(type(found.jobs["news"]).model_fields)
    assert set(given) == set(Settings.model_fields)
    assert found.mix().verdict_weight == 1.5
    assert found.mix().least_verdicts == 12
    assert found.cycle.every == "monthly"


def test_a_job_takes_what_it_lacks_from_the_defaults(tmp_path: Path) -> None:
    found = settings_of(EVERY_FIELD, tmp_path)
    news = found.job("news", tmp_path)
    assert (news.delay_s, news.concurrency, news.max_pages, news.max_pictures) == (0, 6, 7, 8)
    assert (news.allow_addresses, news.contact) == ((), "https://example.org/news")
    assert news.resolve == {"a.test": "127.0.0.1"}
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "urls.txt").write_text("https://example.org/a.png\n")
    listed = found.job("listed", tmp_path)
    assert listed.list_file == tmp_path / "lists" / "urls.txt", "from the home's folder, wherever a timer starts it"
    assert (listed.delay_s, listed.max_pages, listed.allow_addresses) == (0.25, 4, ("127.0.0.1:8080",))


def test_the_template_and_an_empty_file_are_settings(tmp_path: Path) -> None:
    assert settings_of("", tmp_path) == Settings()
    example = Job(name="example", spider="pages", urls=("https://example.org/",))
    assert settings_of(TEMPLATE, tmp_path).crawl.given().items() <= vars(example).items(), "it shows the defaults"
    assert settings_of(TEMPLATE, tmp_path).model_copy(update={"crawl": CrawlSettings()}) == Settings()
    shown = TEMPLATE.replace("# [jobs", "[jobs").replace("# spider", "spider").replace("# urls", "urls")
    assert settings_of(shown.replace("# every", "every"), tmp_path).job("example", tmp_path).spider == "pages"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[crawl\n", ["is not TOML", "line 1"]),
        (b"\xff\xfe", ["is not TOML", "utf-8"]),
        ("crawler = 1", ["no setting 'crawler' in the file", "wanted one of: crawl, resolve, jobs"]),
        ("[crawl]\ndelay = 1", ["no setting 'delay' in crawl", "contact, delay_s"]),
        ("[train]\nhold_out = 1", ["no setting 'hold_out' in train", "sentinels"]),
        ('[jobs.a]\nspider = "pages"\nurl = "x"', ["no setting 'url' in jobs.a", "urls"]),
        ('[crawl]\ndelay_s = "soon"', ["crawl.delay_s", "'soon'"]),
        ("[crawl]\ndelay_s = -1", ["crawl.delay_s", "greater than or equal to 0", "'-1'"]),
        ("[crawl]\ndelay_s = inf", ["crawl.delay_s", "finite"]),
        ("[crawl]\ndelay_s = nan", ["crawl.delay_s"]),
        ("[crawl]\nconcurrency = 0", ["crawl.concurrency", "greater than 0"]),
        ("[crawl]\nconcurrency = 1.5", ["crawl.concurrency", "integer"]),
        ("[crawl]\nmax_pages = true", ["crawl.max_pages", "integer"]),
        ('[crawl]\nallow_addresses = "127.0.0.1:1"', ["crawl.allow_addresses"]),
        ("[resolve]\nx = 1", ["resolve.x", "string"]),
        ('[jobs.a]\nspider = "crawler"', ["jobs.a.spider", "'pages', 'sitemap', 'url_list' or 'recheck'"]),
        ("[jobs.a]\nurls = []", ["jobs.a.spider", "required"]),
        ('[jobs.a]\nspider = "pages"\nevery = "never"', ["jobs.a.every", "'monthly'", "'never'"]),
        ('[jobs."a b"]\nspider = "pages"', ["jobs.a b", "match pattern"]),
        ('[jobs.pages]\nspider = "pages"', ["a job may not carry a spider's name", "'pages'"]),
        ('[jobs.url_list]\nspider = "pages"', ["a job may not carry a spider's name", "'url_list'"]),
        ('[cycle]\njobs = ["news"]', ["cycle.jobs: no job 'news'", "[jobs] has: none"]),
        ('[cycle]\nevery = "nightly"', ["cycle.every", "'nightly'"]),
        ("[inbox]\nmax_files = 0", ["inbox.max_files", "greater than 0"]),
        ("[inbox]\npatience_s = -1", ["inbox.patience_s"]),
        ("[queue]\nsize = 0", ["queue.size"]),
        ('[mine]\nviews = ["on_blue"]', ["mine.views", "no view 'on_blue'", "as_shown, on_black"]),
        ("[train]\nvalidation_share = 0.5", ["train.validation_share", "less than 0.5"]),
        ("[train]\ntest_share = -0.1", ["train.test_share"]),
        ("[train]\nverdict_weight = inf", ["train.verdict_weight"]),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_in_one_line(text: str | bytes, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of(text, tmp_path)
    line = str(caught.value)
    assert line.startswith(str(tmp_path / "blindspot.toml"))
    assert "\n" not in line
    assert [word for word in words if word not in line] == [], line
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ('[jobs.a]\nspider = "pages"\nurls = ["https://example.org/"]', "b", "no crawl job 'b'; [jobs] has: a"),
        ("", "b", "[jobs] has: none"),
        ('[jobs.a]\nspider = "pages"', "a", "at least one URL"),
        ('[jobs.a]\nspider = "url_list"\nlist_file = "gone.txt"', "a", "gone.txt"),
        ('[resolve]\nx = "nowhere"\n[jobs.a]\nspider = "pages"\nurls = ["https://x/"]', "a", "nowhere"),
        ('[jobs.a]\nspider = "pages"\nurls = ["https://x/"]\nallow_addresses = ["x"]', "a", "IP:PORT"),
    ],
)
def test_a_job_that_could_not_start_says_why(text: str, name: str, words: str, tmp_path: Path) -> None:
    found = settings_of(text, tmp_path)
    with pytest.raises(BlindspotError) as caught:
        found.job(name, tmp_path)
    assert words in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_folder_without_settings_is_no_home(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="is no blindspot home"):
        open_home(tmp_path)
    (tmp_path / "blindspot.toml").mkdir()
    with pytest.raises(HomeError, match="is no blindspot home"):
        open_home(tmp_path)


def test_the_home_knows_its_limits_and_its_pictures(fresh: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.settings.write_text('[inbox]\nmax_files = 3\n[pictures]\nurl = "elsewhere/pictures"\n')
    monkeypatch.chdir(fresh.root.parent)
    home, _ = open_home(Path("home"))
    assert home.root == fresh.root
    assert home.inbox_limits.max_files == 3
    assert home.pictures_url == str(fresh.root / "elsewhere" / "pictures"), "the same from every folder"
    assert unbraked(home).inbox_limits.max_files > 10**9
    fresh.settings.write_text('[pictures]\nurl = "memory://x"\n')
    assert open_home(fresh.root)[0].pictures_url == "memory://x"


@pytest.mark.parametrize("url", ["nosuch://x/y", "adl://no-driver/x"])
def test_a_store_that_cannot_be_reached_by_its_url_is_one_line(url: str, fresh: Home) -> None:
    fresh.settings.write_text(f'[pictures]\nurl = "{url}"\n')
    with pytest.raises(SettingsError, match=r"pictures\.url wants a folder or an fsspec URL") as caught:
        open_home(fresh.root)[0].blobs()
    assert url in str(caught.value)


def test_settings_cannot_be_changed_by_the_way() -> None:
    made: Any = Settings()
    with pytest.raises(ValueError, match="frozen"):
        made.queue = None
