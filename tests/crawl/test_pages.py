from __future__ import annotations

from crawl.run import run
from store.home import Home
from tests.crawl.site import Answer, Site, picture, png, reasons, records, seen


def test_every_carrier_of_a_page_is_followed_to_its_picture(site: Site, home: Home) -> None:
    site.routes = {f"/{number}.png": png(number) for number in range(1, 12)}
    site.routes |= {
        "/": Answer(
            '<meta property="og:image" content="/1.png"><link rel="stylesheet" href="/css/a.css">'
            '<style>p { background: url(/2.png) }</style><p style="background: url(&quot;/3.png&quot;)">'
            '<img src="/4.png" srcset="/5.png 2x, /6.png 3x"><picture><source srcset="/7.png"></picture>'
            '<a href="/8.png">large</a><a href="/unnamed">no suffix</a>'
        ),
        "/css/a.css": Answer('@import "b.css"; p { background: url(../9.png) }', kind="text/css"),
        "/css/b.css": Answer("p { background: url(../10.png) }", kind="text/css"),
        "/unnamed": Answer(picture(11), kind="application/octet-stream"),
    }
    summary = run(site.job("a.test/"), home)
    assert seen(home, site) == {f"a.test/{number}.png" for number in range(1, 11)} | {"a.test/unnamed"}
    assert {row["page"] for row in records(home, "sightings")} == {site.url("a.test")}
    assert (summary.pages, summary.refused) == (1, {})


def test_links_stay_on_the_site_unless_other_hosts_are_named(site: Site, home: Home) -> None:
    hosts = ("b.test", "c.test", "www.c.test", "d.test")
    links = "".join(f'<a href="{site.url(host)}">x</a>' for host in hosts)
    site.routes = {"/": Answer("words"), "a.test/": Answer(links)}
    assert run(site.job("a.test/"), home).pages == 1
    assert run(site.job("a.test/", allow_hosts=("c.test",)), home).pages == 3
    assert run(site.job("a.test/", same_site=False), home).pages == 5


def test_a_start_url_that_moved_takes_its_site_along(site: Site, home: Home) -> None:
    site.routes = {
        "old.test/": Answer(status=301, headers={"Location": site.url("new.test", "/")}),
        "new.test/": Answer('<a href="/two">2</a>'),
        "new.test/two": Answer("<img src=1.png>"),
        "/1.png": png(1),
    }
    assert run(site.job("old.test/"), home).pages == 2
    assert seen(home, site) == {"new.test/1.png"}


def test_depth_limits_links_and_not_pictures(site: Site, home: Home) -> None:
    def page(path: str) -> Answer:
        number = int(path.partition("?")[2] or 0)
        return Answer(f'<a href="/?{number + 1}">on</a><img src="{number}.png">')

    site.routes = {"/": page, **{f"/{number}.png": png(number) for number in range(9)}}
    assert run(site.job("a.test/", max_depth=2), home).pages == 3
    assert seen(home, site) == {"a.test/0.png", "a.test/1.png", "a.test/2.png"}


def test_a_page_is_known_by_its_bytes_too(site: Site, home: Home) -> None:
    site.routes = {
        "/": Answer('<a href="plain">1</a><a href="x.pdf">2</a><a href="latin">3</a><a href="empty">4</a>'),
        "/plain": Answer("<!DOCTYPE html><img src=1.png>", kind="text/plain"),
        "/x.pdf": Answer(b"%PDF-1.7", kind="application/pdf"),
        "/latin": Answer("<html><img src=ä.png>".encode("latin-1"), kind="text/html; charset=latin-1"),
        "/empty": Answer(b""),
        "/1.png": png(1),
        "/%C3%A4.png": png(2),
    }
    assert run(site.job("a.test/"), home).pages == 4
    assert seen(home, site) == {"a.test/1.png", "a.test/%C3%A4.png"}
    assert reasons(home, site) == {"a.test/x.pdf": "not_a_page"}


def test_pictures_that_cannot_be_asked_for_have_their_row(site: Site, home: Home) -> None:
    site.routes = {"/": Answer('<img src="file:///etc/passwd"><img src="http://[::1"><img src="data:image/png,x">')}
    run(site.job("a.test/"), home)
    assert reasons(home, site) == {"file:///etc/passwd": "bad_url", "[::1": "bad_url"}
    assert site.url("a.test") in records(home, "refusals")[0]["detail"]


def test_a_fault_while_reading_one_page_costs_that_page(site: Site, home: Home, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    import crawl.read.answers

    real = crawl.read.answers.carriers

    def faulty(page: str, url: str) -> object:
        if url.endswith("/bad"):
            raise RuntimeError("a fault\nof ours")
        return real(page, url)

    monkeypatch.setattr(crawl.read.answers, "carriers", faulty)
    site.routes = {
        "/": Answer('<a href="bad">1</a><a href="good">2</a>'),
        "/bad": Answer("x"),
        "/good": Answer("<img src=1.png>"),
    }
    site.routes["/1.png"] = png(1)
    summary = run(site.job("a.test/"), home)
    assert (summary.pictures, summary.refused) == (1, {"crawl_error": 1})
    assert records(home, "refusals")[0]["detail"] == "RuntimeError: a fault\\nof ours"


def test_two_start_sites_share_one_port(site: Site, home: Home) -> None:
    site.routes = {"/": Answer("<img src=1.png>"), "/1.png": png(1)}
    summary = run(site.job("a.test/", "b.test/"), home)
    assert (summary.pages, summary.pictures, summary.new_pictures) == (2, 2, 1)
    assert {row["source"] for row in records(home, "sightings")} == {"a.test", "b.test"}
