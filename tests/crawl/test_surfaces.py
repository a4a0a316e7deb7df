"""Every surface that can name a URL, and every way to write an address: nobody reaches the canary."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from crawl.frontier import Frontier
from crawl.job import Job
from crawl.run import run
from crawl.turns import origin_of
from crawl.urls import as_sent, resolve
from store.home import Home
from tests.crawl.canary import SPELLINGS, Canary
from tests.crawl.site import Answer, Site, png, records

SCHEMES = ("file:///etc/passwd?", "ftp://127.0.0.1:{port}", "gopher://127.0.0.1:{port}", "ws://127.0.0.1:{port}")
SCHEMES += ("wss://127.0.0.1:{port}", "s3://127.0.0.1:{port}", "dict://127.0.0.1:{port}", "data:image/png;base64,")
SCHEMES += ("jar:http://127.0.0.1:{port}", "view-source:http://127.0.0.1:{port}", "//127.0.0.1:{port}")
SCHEMES += ("https://127.0.0.1:{port}", "hTTp:\\\\127.0.0.1:{port}", "http:/\\127.0.0.1:{port}")

Named = dict[str, list[str]]  # surface → the URLs that it named

# Surface → how a page writes a URL there. The name of a surface is in the URL's path, and so in its row.
ON_PAGES = {
    "link": '<a href="{}">x</a>',
    "img": '<img src="{}">',
    "srcset": '<img srcset="{} 2x">',
    "lazy": '<img data-src="{}">',
    "poster": '<video poster="{}"></video>',
    "css": "<p style=\"background: url('{}')\">",
    "import": '<style>@import "{}";</style>',
    "sheet": '<link rel="stylesheet" href="{}">',
    "og": '<meta property="og:image" content="{}">',
    "ld": '<script type="application/ld+json">{{"@type": "Thing", "image": "{}"}}</script>',
    "refresh": '<meta http-equiv="refresh" content="0; url={}">',
    "frame": '<iframe src="{}"></iframe>',
    "feed": '<link rel="alternate" type="application/rss+xml" href="{}">',
    "canonical": '<link rel="canonical" href="{}">',
}
IN_SHEETS = {"sheet-url": '.a {{ background: url("{}") }}', "sheet-import": '@import "{}";'}
IN_FEEDS = {"enclosure": '<enclosure type="image/png" url="{}"/>', "item": "<link>{}</link>"}
IN_SITEMAPS = {
    "sitemap-page": "<url><loc>{}</loc></url>",
    "sitemap-picture": "<url><image:image><image:loc>{}</image:loc></image:image></url>",
}
NEVER_ASKED = {"canonical", "link-header", "sitemap-page", "sitemap-sitemap"}  # the last two: hosts not their own
# What has another scheme is not followed there, and says nothing.
LINKS = {
    "enclosure",
    "link",
    "refresh",
    "frame",
    "feed",
    "import",
    "sheet",
    "sheet-import",
    "item",
    "robots-sitemap",
}


def targets(canary: Canary, surface: str) -> list[str]:
    """Every spelling of the canary's address, every scheme, with a path that says which surface named it."""
    bases = [f"http://{spelling}:{canary.port}" for spelling in SPELLINGS]
    bases += [scheme.format(port=canary.port) for scheme in SCHEMES]
    return [f"{base}/{surface}.{number}" for number, base in enumerate(bases)]


def every(table: dict[str, str], canary: Canary) -> str:
    return "".join(how.format(url) for surface, how in table.items() for url in targets(canary, surface))


def pages(site: Site, canary: Canary) -> tuple[Job, Named]:
    """A site that names the canary wherever a page, its style sheets, feeds and redirects can; the surfaces."""
    rss = "<rss><channel><item>{}</item></channel></rss>".format
    site.routes = {
        "/": Answer(
            '<link rel="stylesheet" href="/all.css"><link rel="alternate" type="application/rss+xml" href="/all.rss">'
            + "".join(f'<a href="/on/{surface}">x</a>' for surface in ON_PAGES),
            headers={"Link": ", ".join(f"<{url}>; rel=next" for url in targets(canary, "link-header")[:40])},
        ),
        "/all.css": Answer(every(IN_SHEETS, canary), kind="text/css"),
        "/all.rss": Answer(rss("</item><item>".join(every({n: how}, canary) for n, how in IN_FEEDS.items()))),
    }
    for surface, how in ON_PAGES.items():
        site.routes[f"/on/{surface}"] = Answer(every({surface: how}, canary))
    named = ""
    for number, url in enumerate(targets(canary, "moved")):
        site.routes[f"/moved/{number}"] = Answer(status=302, headers={"Location": url})
        site.routes[f"/shown/{number}"] = Answer(status=301, headers={"Location": url.replace("/moved.", "/shown.")})
        named += f'<a href="/moved/{number}">x</a><img src="/shown/{number}">'
    # Without those that have no address: a host that cannot be found is asked for again and again, ever more slowly.
    rules = [url for url in targets(canary, "robots") if has_address(url)]
    for number, url in enumerate(rules):
        site.routes[f"r{number}.test/robots.txt"] = Answer(status=301, headers={"Location": url})
        named += f'<img src="{site.url(f"r{number}.test", "/" + url.rpartition("/")[2])}">'
    site.routes["/moves"] = Answer(named)
    surfaces = (*ON_PAGES, *IN_SHEETS, *IN_FEEDS, "link-header", "moved", "shown")
    all_named = {name: targets(canary, name) for name in surfaces} | {"robots": rules}
    return site.job("a.test/", "a.test/moves", same_site=False), all_named


def sitemaps(site: Site, canary: Canary) -> tuple[Job, Named]:
    """A site that names the canary in its robots.txt, in an index and in a sitemap."""
    base = site.url("a.test", "")
    lines = [f"Sitemap: {url}" for url in targets(canary, "robots-sitemap")]
    index = every({"sitemap-sitemap": "<sitemap><loc>{}</loc></sitemap>"}, canary)
    site.routes = {
        "/robots.txt": Answer("\n".join([*lines, f"Sitemap: {base}/index.xml"]), kind="text/plain"),
        "/index.xml": Answer(f"<sitemapindex>{index}<sitemap><loc>{base}/s.xml</loc></sitemap></sitemapindex>"),
        "/s.xml": Answer(f"<urlset>{every(IN_SITEMAPS, canary)}<url><loc>{base}/p</loc></url></urlset>"),
        "/p": Answer("<img src=1.png>"),
        "/1.png": png(1),
    }
    surfaces = (*IN_SITEMAPS, "sitemap-sitemap", "robots-sitemap")
    return site.job("a.test/", spider="sitemap"), {name: targets(canary, name) for name in surfaces}


def starts(site: Site, canary: Canary) -> tuple[Job, Named]:
    """A crawl that starts at every one of them that can be written there."""
    site.routes = {"/": Answer("<p>")}
    usable = [url for url in targets(canary, "start") if resolve("", url) and "@" not in url]
    return site.job(urls=(site.url("a.test"), *usable)), {"start": usable}


def know_robots(home: Home, job: Job, urls: list[str]) -> None:
    """As if every origin with an address had answered 404 for its robots.txt: the URLs themselves are asked for."""
    origins = {origin_of(as_sent(absolute)) for url in urls if (absolute := resolve("http://a.test/", url))}
    frontier = Frontier(home.root / "frontier" / f"{job.frontier_name}.sqlite")
    for origin in filter(has_address, origins):
        frontier.keep_robots(origin, 404, b"", time.time(), None)
    frontier.close()


def has_address(url: str) -> bool:
    try:
        return bool(socket.getaddrinfo(urlsplit(url).hostname, None))
    except (OSError, UnicodeError):
        return False


@pytest.mark.parametrize("robots_known", [False, True])
@pytest.mark.parametrize("web", [pages, sitemaps, starts])
def test_no_surface_leads_to_the_canary(
    web: Callable[[Site, Canary], tuple[Job, Named]],
    robots_known: bool,
    canary: Canary,
    site: Site,
    home: Home,
) -> None:
    job, named = web(site, canary)
    if robots_known:
        know_robots(home, job, [url for urls in named.values() for url in urls])
    run(job, home)
    assert canary.visits() == 0
    rows = {text.split("/")[-1] for row in records(home, "refusals") for text in (row["url"], row["detail"] or "")}
    silent = [
        url
        for surface, urls in named.items()
        for url in urls
        if url.split("/")[-1] not in rows and surface not in NEVER_ASKED and not url.startswith("data:")
        if surface not in LINKS or resolve("" if surface == "robots-sitemap" else "http://a.test/", url) is not None
    ]
    assert silent == []
    combinations = sum(map(len, named.values()))
    assert combinations >= {pages: 1_000, sitemaps: 200, starts: 60}[web]
