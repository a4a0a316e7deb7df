"""Where URLs come from: sitemaps, lists, feeds, and what was seen before."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest

from crawl.run import run
from crawl.settle import UNUSABLE_ROWS
from crawl.spiders.sitemap import MAX_NESTED
from store.catalog import Snapshot
from store.fold import fold
from store.home import Home
from tests.crawl.site import Answer, Site, picture, png, reasons, records, seen
from tests.crawl.test_spacing import MEASURING_S, at, gaps_s

XML = "application/xml"


def urlset(*entries: str) -> str:
    listed = "".join(f"<url>{entry}</url>" for entry in entries)
    return f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{listed}</urlset>'


def index(*urls: str) -> str:
    return f"<sitemapindex>{''.join(f'<sitemap><loc>{url}</loc></sitemap>' for url in urls)}</sitemapindex>"


# ---- sitemaps ---------------------------------------------------------------------------------------------


def mapped(site: Site) -> None:
    """robots.txt → an index, which names itself → a sitemap and a packed one → pages and pictures."""
    base = site.url("a.test", "")
    image = "<image:image><image:loc>{}</image:loc></image:image>".format
    site.routes = {
        "/robots.txt": Answer(f"User-agent: *\nDisallow: /no\nSitemap: {base}/index.xml", kind="text/plain"),
        "/index.xml": Answer(index(f"{base}/index.xml", f"{base}/back.xml", f"{base}/s1.xml", f"{base}/s2.xml.gz")),
        "/back.xml": Answer(index(f"{base}/index.xml"), kind=XML),
        "/s1.xml": Answer(urlset(f"<loc>{base}/p1</loc>{image(f'{base}/1.png')}", f"<loc>{base}/no</loc>"), kind=XML),
        "/s2.xml.gz": Answer(
            gzip.compress(urlset(f"<loc>{base}/p2</loc>{image(site.url('cdn.test', '/2.png'))}").encode()),
            kind="application/x-gzip",
        ),
        "/p1": Answer("<img src=3.png><a href=/far>no</a>"),
        "/p2": Answer("<img src=4.png>"),
        "/far": Answer("<img src=5.png>"),
    }
    site.routes |= {f"/{number}.png": png(number) for number in range(1, 6)}


def test_a_sitemap_leads_to_pages_and_pictures_in_turn(site: Site, home: Home) -> None:
    mapped(site)
    summary = run(site.job("a.test/", spider="sitemap", delay_s=0.2), home)
    assert seen(home, site) == {"a.test/1.png", "cdn.test/2.png", "a.test/3.png", "a.test/4.png"}
    assert reasons(home, site) == {"a.test/no": "robots"}
    assert summary.stopped == "finished"
    asked = Counter(site.paths("a.test"))
    assert set(asked.values()) == {1}, "an index that names itself is asked once"
    assert "/far" not in asked
    assert site.paths("a.test")[:2] == ["/robots.txt", "/index.xml"]
    assert min(gaps_s(at(site, "a.test"))) >= 0.2 - MEASURING_S


def test_a_sitemap_is_where_robots_txt_or_the_job_says_or_where_it_always_is(site: Site, home: Home) -> None:
    mapped(site)
    del site.routes["/robots.txt"]
    site.routes["a.test/sitemap.xml"] = Answer(urlset(f"<loc>{site.url('a.test', '/p1')}</loc>"), kind=XML)
    assert run(site.job("a.test/anything", spider="sitemap", name="one"), home).pictures == 1
    assert run(site.job("a.test/s2.xml.gz", spider="sitemap", name="two"), home).pictures == 2
    assert "/anything" not in site.paths("a.test")


def test_a_chain_of_indexes_without_end_ends(site: Site, home: Home) -> None:
    def onward(path: str) -> Answer:
        number = int(path.rpartition("=")[2]) if "=" in path else 0
        return Answer(index(site.url("a.test", f"/index.xml?next={number + 1}")), kind=XML)

    site.routes = {"/index.xml": onward}
    done = run(site.job("a.test/index.xml", spider="sitemap"), home)
    assert (done.stopped, done.refused) == ("finished", {"trap": 1})
    assert len(site.paths("a.test")) <= 2 + MAX_NESTED + 1


ALL_THREE = {"bad_url": 1, "foreign": 1, "damaged": 1}


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b"\x1f\x8b\x08rubbish", {"not_a_page": 1}),
        (gzip.compress(urlset("<loc>http://b.test/p1</loc>").encode(), mtime=0)[:-20], {"damaged": 1}),
        (b"<urlset><url><loc>http://a.test/", {"damaged": 1}),
        (b"<urlset><url><loc>rubbish</loc></url><url><loc>http://b.test/</loc></url>", ALL_THREE),
        (b"<rss><item><enclosure url='http://[' type='image/png'/><link>http://b.test/</link></item>", ALL_THREE),
        (b"<html>Not found", {"damaged": 1}),
        (b"", {"not_a_page": 1}),
        (b"\x00" * 1000, {"not_a_page": 1}),
    ],
)  # fmt: skip
def test_a_broken_sitemap_is_no_silence(body: bytes, refused: dict[str, int], site: Site, home: Home) -> None:
    site.routes = {"/sitemap.xml": Answer(body, kind=XML)}
    summary = run(site.job("a.test/", spider="sitemap"), home)
    assert (summary.pictures, summary.refused) == (0, refused)
    assert Counter(row["reason"] for row in records(home, "refusals")) == refused


def test_rubbish_in_a_sitemap_is_rows_in_bounded_number(site: Site, home: Home) -> None:
    urls = [f"<loc>rubbish {number}</loc>" for number in range(3_000)]
    site.routes = {"/sitemap.xml": Answer(urlset(*urls), kind=XML)}
    summary = run(site.job("a.test/", spider="sitemap"), home)
    rows = records(home, "refusals")
    assert len(rows) == UNUSABLE_ROWS + 2
    assert summary.refused == {"bad_url": 1_000, "trap": 1}, "what the reader keeps, and that there was more"
    assert [row["detail"] for row in rows if row["reason"] == "trap"] == ["2000 more URLs than a sitemap may name"]


FEEDS = {
    "rss": "<rss><channel><link>{0}/home</link><item><link>{0}/p1</link></item>"
    "<item><link>{1}/p2</link></item></channel></rss>",
    "atom": '<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="{0}/p1"/></entry>'
    '<entry><link href="{1}/p2"/></entry></feed>',
    "json": '{{"version": "https://jsonfeed.org/version/1.1", "items": [{{"url": "{0}/p1"}}, {{"url": "{1}/p2"}}]}}',
}  # fmt: skip


@pytest.mark.parametrize(("form", "packed"), [("rss", False), ("rss", True), ("atom", False), ("json", False)])
def test_a_feed_named_as_a_sitemap_lists_its_pages(form: str, packed: bool, site: Site, home: Home) -> None:
    feed = FEEDS[form].format(site.url("a.test", ""), site.url("b.test", "")).encode()
    site.routes = {
        "/robots.txt": Answer(f"Sitemap: {site.url('a.test', '/news')}", kind="text/plain"),
        "/news": Answer(gzip.compress(feed), kind="application/gzip") if packed else Answer(feed, kind="text/xml"),
        "a.test/p1": Answer("<img src=1.png><a href=/p3>no further</a>"),
        "/1.png": png(1),
    }
    summary = run(site.job("a.test/", spider="sitemap", delay_s=0.1), home)
    assert (seen(home, site), summary.refused) == ({"a.test/1.png"}, {"foreign": 1})
    assert site.paths("b.test") == [], "a feed cannot speak for others any more than a sitemap can"
    assert min(gaps_s(at(site, "a.test"))) >= 0.1 - MEASURING_S, "robots.txt, the feed and its pages go one way"


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", ""])
@pytest.mark.parametrize("packed", [False, True])
def test_a_sitemap_may_be_plain_text(kind: str, packed: bool, site: Site, home: Home) -> None:
    text = f"\ufeff{site.url('a.test', '/p1')}\r\n\r\n{site.url('a.test', '/p2')}\r\n".encode()
    site.routes = {
        "/list.txt": Answer(gzip.compress(text) if packed else text, kind=kind),
        "/p1": Answer("<img src=1.png>"),
        "/p2": Answer("<img src=2.png>"),
        **{f"/{number}.png": png(number) for number in (1, 2)},
    }
    assert run(site.job("a.test/list.txt", spider="sitemap"), home).pictures == 2


# ---- lists ------------------------------------------------------------------------------------------------


def test_folders_of_lists_give_hints_and_never_verdicts(site: Site, home: Home, tmp_path: Path) -> None:
    for number, name in enumerate(("neutral", "drawings")):
        folder = tmp_path / "lists" / "raw_data" / name
        folder.mkdir(parents=True)
        lines = [site.url("a.test", f"/{number}.png"), "rubbish", "", site.url("a.test", f"/gone{number}.png")]
        (folder / f"urls_{name}.txt").write_text("\n".join(lines))
        site.routes[f"/{number}.png"] = png(number)
    site.routes["/1.png"] = Answer(status=302, headers={"Location": site.url("b.test", "/2.png")})
    site.routes["b.test/2.png"] = png(2)
    run(site.job(spider="url_list", urls=(), list_file=tmp_path / "lists"), home)
    hints = {row["url"].rpartition("/")[2]: row["hint"] for row in records(home, "sightings")}
    assert hints == {"0.png": "neutral", "2.png": "drawings"}
    assert Counter(row["reason"] for row in records(home, "refusals")) == {"bad_url": 2, "http_404": 2}
    assert records(home, "verdicts") == []


def test_a_list_of_rubbish_is_rows_and_what_is_good_in_it_is_fetched(site: Site, home: Home, tmp_path: Path) -> None:
    good = site.url("a.test", "/1.png")
    lines = [good.encode(), b"\xff\xfe\x00", b"http://", b"http://a.test:99999/x", b"javascript:alert(1)"]
    lines += [b"http://" + b"a" * 2_000_000 + b".test/1.png", f"{site.url('a.test', '/')}{'x' * 2_000_000}".encode()]
    lines += ["http://é.test/ü.png".encode("latin-1"), b"\x1b]0;owned\x07", good.encode() + b"#again"]
    (tmp_path / "list").write_bytes(b"\r\n".join(lines))
    site.routes = {"/1.png": png(1)}
    summary = run(site.job(spider="url_list", urls=(), list_file=tmp_path / "list"), home)
    assert (summary.pictures, summary.stopped) == (1, "finished")
    assert sum(summary.refused.values()) == len(lines) - 2
    assert site.paths("a.test") == ["/robots.txt", "/1.png"]
    assert not any("\x1b" in str(row) or len(row["url"]) > 10_000 for row in records(home, "refusals"))


# ---- feeds ------------------------------------------------------------------------------------------------


def test_a_feed_that_a_page_names_is_read(site: Site, home: Home) -> None:
    base = site.url("a.test", "")
    rss = f"""<?xml version="1.0"?><rss version="2.0"><channel><image><url>{base}/1.png</url></image>
        <item><link>{base}/story</link><enclosure type="image/png" url="{base}/2.png"/>
        <description>&lt;img src="/3.png"&gt;</description></item></channel></rss>"""
    atom = f'<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="{base}/entry"/></entry></feed>'
    site.routes = {
        "/": Answer(
            '<link rel=alternate type="application/rss+xml" href=/rss>'
            '<link rel=alternate type="application/atom+xml" href=/atom>'
        ),
        "/rss": Answer(rss, kind="application/rss+xml"),
        "/atom": Answer(atom, kind="application/atom+xml"),
        "/story": Answer("<img src=4.png>"),
        "/entry": Answer("<img src=5.png>"),
    }
    site.routes |= {f"/{number}.png": png(number) for number in range(1, 6)}
    assert run(site.job("a.test/"), home).pictures == 5
    assert records(home, "refusals") == []


# ---- what was seen before ---------------------------------------------------------------------------------


def test_a_recheck_learns_what_is_gone_and_what_has_changed(site: Site, home: Home) -> None:
    site.routes = {"a.test/": Answer("".join(f'<img src="{site.url("cdn.test", f"/{n}.png")}">' for n in range(5)))}
    site.routes |= {f"/{number}.png": png(number) for number in range(5)}
    site.routes["/2.png"] = Answer(picture(2), kind="image/png", headers={"ETag": '"2"'})
    run(site.job("a.test/"), home)
    fold(home)
    site.routes |= {"/0.png": Answer(status=404), "/1.png": png(11), "/3.png": Answer("<p>removed")}
    job = site.job(spider="recheck", name="rot", urls=())
    first = run(job, home)
    assert (first.pictures, first.new_pictures) == (3, 1)
    assert first.refused == {"http_404": 1, "not_a_picture": 1}
    rechecked = records(home, "sightings")
    assert {row["page"] for row in rechecked} == {site.url("a.test")}, "as it was seen"
    assert {row["source"] for row in rechecked} == {"a.test"}
    assert {one.headers["Referer"] for one in at(site, "cdn.test")} == {None, site.url("a.test")}
    fold(home)
    with Snapshot(home) as snapshot:
        gone = snapshot.rows("SELECT url, reason FROM link_rot WHERE gone ORDER BY url")
        assert snapshot.value("SELECT count(*) FROM link_rot") == 5
    assert gone == [
        {"url": site.url("cdn.test", "/0.png"), "reason": "http_404"},
        {"url": site.url("cdn.test", "/3.png"), "reason": "not_a_picture"},
    ]
    start = len(site.asked)
    second = run(job, home)
    assert (second.pictures, second.new_pictures) == (3, 0)
    asked = {one.path: one.headers["If-None-Match"] for one in site.asked[start:]}
    assert asked.pop("/2.png") == '"2"'
    assert set(asked) == {"/0.png", "/1.png", "/3.png", "/4.png"}
    assert {row["http_status"] for row in records(home, "sightings") if row["url"].endswith("/2.png")} == {304}


def test_a_recheck_of_nothing_is_one_line(site: Site, home: Home) -> None:
    fold(home)
    with pytest.raises(Exception, match="rot: ") as error:
        run(site.job(spider="recheck", name="rot", urls=()), home)
    assert str(error.value).count("\n") == 0
