"""Names that change their addresses, redirects, proxies, credentials: nobody reaches the canary, nothing leaks."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crawl.fetch import GatedResolver
from crawl.run import run
from store.errors import CrawlError
from store.home import Home
from tests.crawl.canary import Canary, listed
from tests.crawl.site import Answer, Site, png, reasons, records, seen

Infos = list[tuple[Any, ...]]


def test_the_canary_notices_visitors(canary: Canary) -> None:
    for address in ("127.0.0.1", "127.0.0.2"):
        socket.create_connection((address, canary.port)).close()
    assert canary.visits() == 2


# ---- names ------------------------------------------------------------------------------------------------


@pytest.fixture
def neighbour(site: Site) -> Iterator[Canary]:
    """A canary on the port of the site, at another address of this machine."""
    canary = Canary("127.0.0.2", site.port)
    yield canary
    canary.close()


def look_up(monkeypatch: pytest.MonkeyPatch, answers: Iterator[list[str]]) -> list[str]:
    """From now on the system's look-up of names gives `answers`, one per question; the names that were asked for."""
    asked: list[str] = []

    async def getaddrinfo(self: object, host: str, port: int, **kinds: object) -> Infos:
        asked.append(host)
        return [_info(address, port) for address in next(answers)]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked


def _info(address: str, port: int) -> tuple[Any, ...]:
    """As getaddrinfo gives it, with the scope of an IPv6 address in the address."""
    six = ipaddress.ip_address(address).version == 6
    where = (address, port, 0, 0) if six else (address, port)
    return (socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM, 6, "", where)


def test_1000_names_that_flip_do_not_reach_a_neighbour(
    neighbour: Canary, site: Site, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The site's own address and port are exempt, as a public server's are: "good". The neighbour's are not: "bad".
    asked = look_up(monkeypatch, itertools.cycle([["127.0.0.1"], ["127.0.0.2"]]))
    site.routes = {"/1.png": png(1)}
    names = [f"n{number}.example" for number in range(1_000)]
    urls = [site.url(name, "/1.png") for name in names]
    job = listed(tmp_path / "list", urls, allow_addresses=(f"127.0.0.1:{site.port}",), concurrency=32)
    summary = run(job, home)
    assert len(asked) >= 1_000
    assert neighbour.visits() == 0
    assert summary.pictures >= 400
    assert len(seen(home, site)) + len(reasons(home, site)) == len(names)
    assert set(reasons(home, site).values()) == {"address_refused"}


@pytest.mark.parametrize(
    "bad", ["127.0.0.2", "::1", "::ffff:127.0.0.2", "64:ff9b::7f00:2", "2002:7f00:2::1", "fe80::1%lo", "::"]
)
def test_of_several_addresses_only_the_allowed_are_connected_to(
    bad: str, neighbour: Canary, site: Site, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up(monkeypatch, itertools.cycle([[bad, "127.0.0.1"], ["127.0.0.1", bad], [bad, "127.0.0.1", bad]]))
    site.routes = {"/1.png": png(1)}
    urls = [site.url(f"n{number}.example", "/1.png") for number in range(6)]
    summary = run(listed(tmp_path / "list", urls, allow_addresses=(f"127.0.0.1:{site.port}",)), home)
    assert neighbour.visits() == 0
    assert summary.pictures == len(urls)


@pytest.mark.parametrize("refused", [["127.0.0.2"], ["127.0.0.2", "::1"], ["10.0.0.1", "127.0.0.2"], ["::ffff:7f00:2"]])
def test_a_name_of_bad_addresses_only_is_refused(
    refused: list[str], neighbour: Canary, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up(monkeypatch, itertools.repeat(refused))
    with pytest.raises(CrawlError, match="address_refused"):
        run(listed(tmp_path / "list", [f"http://bad.example:{neighbour.port}/1.png"]), home)
    assert neighbour.visits() == 0


def test_an_answer_that_changes_after_the_check_meets_the_gate_again(
    canary: Canary, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rebound(self: GatedResolver, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        known = {"hostname": host, "port": port, "proto": 0, "flags": 0}
        return [
            {**known, "host": "127.0.0.1", "family": socket.AF_INET},
            {**known, "host": "::1", "family": socket.AF_INET6},
        ]

    monkeypatch.setattr(GatedResolver, "resolve", rebound)
    with pytest.raises(CrawlError):
        run(listed(tmp_path / "list", [f"http://rebound.example:{canary.port}/x.png"]), home)
    assert canary.visits() == 0
    assert [row["url"] for row in records(home, "refusals")] == [f"http://rebound.example:{canary.port}/x.png"]


# ---- redirects, proxies -----------------------------------------------------------------------------------


def test_redirects_pass_the_same_gate(canary: Canary, site: Site, home: Home) -> None:
    targets = {
        "/loopback.png": f"http://127.0.0.1:{canary.port}/x.png",
        "/decimal.png": f"http://2130706433:{canary.port}/x.png",
        "/named.png": f"http://c.test:{canary.port}/named.png",
        "/file.png": "file:///etc/passwd",
        "/gopher.png": f"gopher://127.0.0.1:{canary.port}/x",
        "/data.png": "data:image/png;base64,AAAA",
        "/broken.png": "http://[::1/x.png",
        "/self.png": "/self.png",
        "/ping.png": "/pong.png",
        "/pong.png": "/ping.png",
        "/moved.png": "/1.png",
        "/secret.png": f"http://user:secret@b.test:{site.port}/2.png",
        "/latin.png": "/caf\udce9.png",
        "/utf.png": "/thé.png",
    }
    site.routes = {path: Answer(status=302, headers={"Location": target}) for path, target in targets.items()}
    site.routes |= {"/1.png": png(1), "/2.png": png(2), "/caf%E9.png": png(3), "/th%C3%A9.png": png(4)}
    site.routes["/"] = Answer("".join(f"<img src={path}>" for path in targets if path != "/pong.png"))
    summary = run(site.job("a.test/"), home)
    assert canary.visits() == 0
    assert seen(home, site) == {"a.test/1.png", "b.test/2.png", "a.test/caf%E9.png", "a.test/th%C3%A9.png"}
    refused = {row["url"]: row["reason"] for row in records(home, "refusals")}
    assert refused[f"http://127.0.0.1:{canary.port}/x.png"] == "address_refused"
    assert refused[f"http://c.test:{canary.port}/named.png"] == "address_refused"
    here = {url.removeprefix(f"http://a.test:{site.port}"): reason for url, reason in refused.items()}
    for path in ("/file.png", "/gopher.png", "/data.png", "/broken.png"):
        assert here[path] == "bad_url"
    assert here["/self.png"] == "redirect_loop"
    assert summary.refused["redirect_loop"] == 2
    assert "secret" not in str(records(home, "refusals")) + str(records(home, "sightings"))


@pytest.mark.parametrize("name", ["http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy"])
def test_a_proxy_of_the_environment_is_not_used(
    name: str, canary: Canary, site: Site, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for spelling in (name, name.upper()):
        monkeypatch.setenv(spelling, f"http://127.0.0.1:{canary.port}")
    site.routes = {"/": Answer("<img src=1.png>"), "/1.png": png(1)}
    assert run(site.job("a.test/"), home).pictures == 1
    assert canary.visits() == 0


# ---- what a request says ----------------------------------------------------------------------------------


def test_credentials_cookies_and_paths_go_nowhere(
    site: Site, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login user password S3CRET\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    b = f"user:S3CRET@b.test:{site.port}"
    set_cookie = {"Set-Cookie": "session=S3CRET; Path=/; Domain=test"}
    site.routes = {
        "a.test/start": Answer(
            f'<link rel=stylesheet href="http://{b}/all.css"><img src="http://{b}/1.png"><img src="/moved.png">'
            f'<a href="http://{b}/page">b</a><a href="/next?token=S3CRET">next</a>',
            headers=set_cookie,
        ),
        "/all.css": Answer(f'.a {{background: url("http://{b}/2.png")}}', kind="text/css", headers=set_cookie),
        "/page": Answer("<img src=3.png>", headers=set_cookie | {"WWW-Authenticate": "Basic"}),
        "/next": Answer("<img src=4.png>", headers=set_cookie),
        "/moved.png": Answer(status=302, headers=set_cookie | {"Location": f"http://{b}/5.png"}),
        "/locked.png": Answer(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'}),
    }
    site.routes |= {f"/{number}.png": png(number) for number in range(1, 6)}
    summary = run(site.job("a.test/start?token=S3CRET", same_site=False), home)
    assert summary.pictures == 5
    assert {one.host for one in site.asked} == {"a.test", "b.test"}
    agents = {one.headers["User-Agent"] for one in site.asked}
    assert len(agents) == 1
    assert "blindspot/" in str(agents)
    assert "(+https://example.org/about)" in str(agents)
    assert any(one.path == "/robots.txt" for one in site.asked)
    origins = {None, site.url("a.test"), site.url("b.test")}
    for one in site.asked:
        assert one.headers["Cookie"] is None
        assert one.headers["Authorization"] is None
        assert one.headers["Referer"] in origins
        assert one.headers["From"] is None
    assert "S3CRET" not in "".join(str(one.headers) for one in site.asked)
