from __future__ import annotations

import re
from pathlib import Path

import pytest
from scrapy import exceptions
from scrapy.http import Response
from twisted.python.failure import Failure

import crawl
from crawl.reasons import REASONS, Refused, reason_of, reason_of_answer


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Refused("too_large", "big"), ("too_large", "big")),
        (exceptions.CannotResolveHostError("no such name"), ("cannot_resolve", "no such name")),
        (exceptions.DownloadTimeoutError("slow"), ("timeout", "slow")),
        (exceptions.ResponseDataLossError("short"), ("incomplete", "short")),
        (exceptions.DownloadFailedError("http://u:SECRET@a/\n"), ("connection_failed", "http://a/\\n")),
        (RuntimeError("ours"), ("crawl_error", "RuntimeError: ours")),
    ],
)
def test_errors_become_reasons(error: Exception, reason: tuple[str, str]) -> None:
    assert reason_of(Failure(error)) == reason


def test_answers_become_reasons() -> None:
    assert reason_of_answer(Response("http://a.test/", status=200)) is None
    assert reason_of_answer(Response("http://a.test/", status=304)) == "http_304"
    assert reason_of_answer(Response("http://a.test/", status=503)) == "http_503"


def test_every_reason_in_the_code_is_explained() -> None:
    """Reason codes are documented words: whoever writes a new one adds its row."""
    package = Path(crawl.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    used = set(re.findall(r'(?:Refused\(|refuse\([^"]*?, )"([a-z_]+)"', text))
    assert used >= {"robots", "bad_url", "not_a_page"}
    assert used <= set(REASONS)
