from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crawl.job import SPIDER_NAMES, Job, Summary
from store.errors import UsageError

FINE: dict[str, Any] = {"name": "x", "spider": "pages", "urls": ("http://a.test/",)}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"spider": "page"}, "spider wants one of pages, sitemap, url_list, recheck"),
    ({"urls": ()}, "--url wants at least one URL"),
    ({"urls": ("a.test",)}, "--url wants an http or https URL. Received: a.test"),
    ({"urls": ("file:///etc/passwd",)}, "--url wants an http or https URL"),
    (
        {"urls": ("http://u:SECRET@a.test/",)},
        "--url wants a URL without user and password. Received: http://a.test/",
    ),
    ({"spider": "url_list"}, "--list FILE"),
    ({"spider": "url_list", "list_file": Path("/nowhere")}, "--list FILE .*nowhere"),
    ({"allow_addresses": ("localhost:80",)}, "--allow-address"),
    ({"resolve": {"a.test": "b.test"}}, r"\[resolve\]"),
    ({"delay_s": -1}, "delay_s wants"),
    ({"concurrency": 0}, "concurrency wants"),
    ({"max_pages": 0}, "max_pages wants"),
    ({"contact": "me\r\nX-Evil: 1"}, "contact wants"),
]


@pytest.mark.parametrize(("settings", "message"), WRONG)
def test_a_job_that_makes_no_sense_is_a_usage_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Job(**(FINE | settings))
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_names_are_those_of_the_spiders() -> None:
    from crawl.spiders import SPIDERS

    assert tuple(SPIDERS) == SPIDER_NAMES


def test_a_picture_that_can_be_decoded_is_not_too_large_to_fetch() -> None:
    from store.pictures import Limits

    assert Job(**FINE).max_bytes == Limits().max_bytes


def test_sources() -> None:
    job = Job(**FINE, resolve={"*.demo.test": "127.0.0.1"}, allow_addresses=("127.0.0.1:8080",))
    assert job.source("http://img.example.co.uk/1.png") == "example.co.uk"
    assert job.source("http://a.demo.test:8080/") == "a.demo.test"
    assert job.source("http://B.demo.test/") == "b.demo.test"
    assert job.source("http://127.0.0.1:8080/") == "127.0.0.1:8080"
    assert job.source("http://127.0.0.1/") == "127.0.0.1:80"


def test_the_sentence_of_a_summary() -> None:
    summary = Summary("night", 3, 10, 4, {"robots": 2, "http_404": 1}, 1.26, "max_pages", 7)
    assert summary.sentence() == (
        "night: 3 pages, 10 pictures, 4 of them new; refused: 1 http_404, 2 robots; 1.3 s; max_pages, 7 links left"
    )


def test_a_job_costs_no_scrapy_and_a_crawl_no_tensorflow() -> None:
    code = (
        "import sys, crawl.job, crawl.run; assert 'scrapy' not in sys.modules;"
        "import crawl.spiders, crawl.collect, crawl.download;"
        "assert 'scrapy' in sys.modules and not {'tensorflow', 'twisted.internet.reactor'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
