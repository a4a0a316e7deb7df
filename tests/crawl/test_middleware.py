from __future__ import annotations

import pytest
from scrapy.crawler import Crawler
from scrapy.http import Request, Response

from crawl.middleware import OVER_CAP, PAGE, PageCap, Redirects
from crawl.reasons import Refused
from crawl.spiders import SPIDERS
from tests.crawl.site import Site


def page(url: str, **meta: int) -> Request:
    return Request(url, meta={"kind": PAGE, **meta})


def test_the_cap_counts_pages_once_and_nothing_else() -> None:
    cap = PageCap(2)
    cap.process_request(page("http://a.test/1"))
    cap.process_request(page("http://a.test/1", redirect_times=1))
    cap.process_request(page("http://a.test/1", retry_times=1))
    cap.process_request(Request("http://a.test/1.png"))
    cap.process_request(page("http://a.test/2"))
    with pytest.raises(Refused) as caught:
        cap.process_request(page("http://a.test/3"))
    assert caught.value.reason == OVER_CAP
    cap.process_request(Request("http://a.test/2.png"))


@pytest.fixture
def redirects(site: Site) -> Redirects:
    return Redirects.from_crawler(Crawler(SPIDERS["pages"], {"REDIRECT_MAX_TIMES": 2}))


def moved(location: str, status: int = 302) -> Response:
    return Response("http://a.test/", status=status, headers={"Location": location})


def test_a_redirect_keeps_the_referer_and_drops_credentials(redirects: Redirects) -> None:
    request = Request("http://a.test/", headers={"Referer": "http://p.test/"})
    target = redirects.process_response(request, moved("http://u:p@b.test/x#y"))
    assert isinstance(target, Request)
    assert target.url == "http://b.test/x"
    assert target.headers["Referer"] == b"http://p.test/"
    assert target.meta["redirect_urls"] == ["http://a.test/"]


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "javascript:1", "http://[::1", "http://b.test:99999/", "data:,x", "ftp://b.test/"],
)
def test_a_redirect_to_nothing_that_can_be_fetched_is_refused(redirects: Redirects, location: str) -> None:
    with pytest.raises(Refused) as caught:
        redirects.process_response(Request("http://a.test/"), moved(location))
    assert caught.value.reason == "bad_url"


def test_circles_and_long_chains_are_refused(redirects: Redirects) -> None:
    with pytest.raises(Refused, match="redirect_loop: back to"):
        redirects.process_response(Request("http://a.test/"), moved("/"))
    with pytest.raises(Refused, match="redirect_loop: more than 2"):
        redirects.process_response(Request("http://a.test/", meta={"redirect_times": 2}), moved("/other"))


def test_other_answers_pass(redirects: Redirects) -> None:
    for answer in (
        Response("http://a.test/"),
        Response("http://a.test/", status=304),
        moved("/x", status=201),
    ):
        assert redirects.process_response(Request("http://a.test/"), answer) is answer
