from __future__ import annotations

import datetime as dt
import gzip
import ipaddress
import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crawl.download import GatedResolver
from crawl.job import Job
from crawl.run import run
from store.errors import CrawlError
from store.home import Home
from tests.crawl.site import Answer, Site, picture, png, reasons, records, seen, serving

# Ways to write an address of this machine or of its private neighbourhood; {port} is the canary's.
SPELLINGS = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0177.0.0.1",
    "017700000001", "127.000.000.001", "0", "0.0.0.0", "127.0.0.2", "127.255.255.254", "127.0.0.1.",
    "localhost", "LOCALHOST", "localhost.", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[0000::0001]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "[::1%25lo]", "[fe80::1%25lo]", "①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.０.０.１",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "%31%32%37.0.0.1", "127%2e0%2e0%2e1", "loc%61lhost", "user@127.0.0.1", "a:b@127.0.0.1", "mapped.test",
    "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "198.18.0.1", "224.0.0.1",
    "255.255.255.255", "[fc00::1]", "[fec0::1]", "[ff02::1]",
]  # fmt: skip


class Canary:
    """Listens on every address of this machine and remembers who came."""

    def __init__(self) -> None:
        family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
        self.socket = socket.create_server(("", 0), family=family, dualstack_ipv6=family == socket.AF_INET6)
        self.port = self.socket.getsockname()[1]
        self.visitors: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        while True:
            try:
                visitor, address = self.socket.accept()
            except OSError:
                return
            visitor.close()
            self.visitors.put(address[1])

    def visits(self) -> int:
        """How many came before this question: the question itself comes last in the same queue."""
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            port = last.getsockname()[1]
            count = 0
            while self.visitors.get(timeout=10) != port:
                count += 1
            return count

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    yield canary
    canary.close()


def listed(path: Path, urls: list[str], **settings: Any) -> Job:
    path.write_text("\n".join(urls), encoding="utf-8")
    known: dict[str, Any] = {
        "name": "list",
        "spider": "url_list",
        "list_file": path,
        "delay_s": 0,
        "timeout_s": 10,
    }
    return Job(**(known | settings))


def test_the_canary_notices_visitors(canary: Canary) -> None:
    for address in ("127.0.0.1", "127.0.0.2"):
        socket.create_connection((address, canary.port)).close()
    assert canary.visits() == 2


def test_no_spelling_of_an_address_gets_through(canary: Canary, home: Home, tmp_path: Path) -> None:
    urls = [f"http://{spelling}:{canary.port}/{number}.png" for number, spelling in enumerate(SPELLINGS)]
    urls += [f"https://127.0.0.1:{canary.port}/tls.png"]
    job = listed(
        tmp_path / "list",
        urls,
        allow_addresses=(f"127.0.0.1:{canary.port + 1}",),
        resolve={"mapped.test": "127.0.0.1"},
    )
    with pytest.raises(CrawlError, match="nothing could be fetched"):
        run(job, home)
    rows = records(home, "refusals")
    assert canary.visits() == 0
    assert {row["reason"] for row in rows} <= {"address_refused", "bad_url", "cannot_resolve"}
    assert len({row["url"].rpartition("/")[2] for row in rows}) == len(rows) == len(urls)


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


def test_a_proxy_of_the_environment_is_not_used(
    canary: Canary, site: Site, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    site.routes = {"/": Answer("<img src=1.png>"), "/1.png": png(1)}
    assert run(site.job("a.test/"), home).pictures == 1
    assert canary.visits() == 0


def test_redirects_pass_the_same_gate(canary: Canary, site: Site, home: Home) -> None:
    targets = {
        "/loopback.png": f"http://127.0.0.1:{canary.port}/x.png",
        "/decimal.png": f"http://2130706433:{canary.port}/x.png",
        "/file.png": "file:///etc/passwd",
        "/gopher.png": f"gopher://127.0.0.1:{canary.port}/x",
        "/data.png": "data:image/png;base64,AAAA",
        "/broken.png": "http://[::1/x.png",
        "/self.png": "/self.png",
        "/ping.png": "/pong.png",
        "/pong.png": "/ping.png",
        "/moved.png": "/1.png",
        "/secret.png": f"http://user:secret@b.test:{site.port}/2.png",
    }
    site.routes = {path: Answer(status=302, headers={"Location": target}) for path, target in targets.items()}
    site.routes |= {"/1.png": png(1), "/2.png": png(2)}
    site.routes["/"] = Answer("".join(f"<img src={path}>" for path in targets if path != "/pong.png"))
    summary = run(site.job("a.test/"), home)
    assert canary.visits() == 0
    assert seen(home, site) == {"a.test/1.png", "b.test/2.png"}
    refused = {row["url"]: row["reason"] for row in records(home, "refusals")}
    assert refused[f"http://127.0.0.1:{canary.port}/x.png"] == "address_refused"
    here = {url.removeprefix(f"http://a.test:{site.port}"): reason for url, reason in refused.items()}
    for path in ("/file.png", "/gopher.png", "/data.png", "/broken.png"):
        assert here[path] == "bad_url"
    assert here["/self.png"] == "redirect_loop"
    assert summary.refused["redirect_loop"] == 2
    assert "secret" not in str(records(home, "refusals")) + str(records(home, "sightings"))


def test_too_many_redirects_end(site: Site, home: Home) -> None:
    def onward(path: str) -> Answer:
        return Answer(status=302, headers={"Location": f"/r?{int(path.partition('?')[2] or 0) + 1}"})

    site.routes = {"/r": onward, "/": Answer("<img src=/r>")}
    assert run(site.job("a.test/"), home).refused == {"redirect_loop": 1}
    assert len([hit for hit in site.hits if "/r" in hit and "robots" not in hit]) == 11


def test_every_way_to_fail_has_its_reason(site: Site, home: Home) -> None:
    bomb = gzip.compress(b"\x89PNG\r\n\x1a\n" + bytes(3_000_000))
    site.routes = {
        "/gone.png": Answer("gone", status=410),
        "/page.png": Answer("<html>no picture", kind="image/png"),
        "/empty.png": Answer(b"", kind="image/png"),
        "/svg.png": Answer("<svg/>", kind="image/svg+xml"),
        "/big.png": Answer(picture(1) + bytes(2_000_000), kind="image/png"),
        "/bomb.png": Answer(bomb, kind="image/png", headers={"Content-Encoding": "gzip"}),
        "/short.png": Answer(picture(1), kind="image/png", length=9_999),
        "/liar": png(2),
        "/wrong": Answer(picture(3), kind="text/html"),
        "/zipped.png": Answer(gzip.compress(picture(4)), kind="image/png", headers={"Content-Encoding": "gzip"}),
    }
    for encoding in ("gzip", "br", "zstd", "deflate"):
        headers = {"Content-Encoding": encoding}
        site.routes[f"/not-{encoding}.png"] = Answer(picture(5), kind="image/png", headers=headers)
        site.routes[f"/rubbish-{encoding}.png"] = Answer(b"\x1f\x8brubbish", kind="image/png", headers=headers)
    site.routes["/"] = Answer(
        "".join(f"<img src={path}>" for path in site.routes) + "<img src=http://refused.test:1/x.png>"
    )
    job = site.job("a.test/", max_bytes=1_000_000, allow_addresses=(f"127.0.0.1:{site.port}", "127.0.0.1:1"))
    run(job, home)
    assert reasons(home, site) == {
        "a.test/gone.png": "http_410",
        "a.test/page.png": "not_a_picture",
        "a.test/empty.png": "not_a_picture",
        "a.test/svg.png": "not_a_picture",
        "a.test/big.png": "too_large",
        "a.test/bomb.png": "too_large",
        "a.test/short.png": "incomplete",
        "refused.test:1/x.png": "connection_failed",
        **{f"a.test/rubbish-{encoding}.png": "bad_encoding" for encoding in ("gzip", "br", "zstd", "deflate")},
    }
    not_packed = {f"a.test/not-{encoding}.png" for encoding in ("gzip", "br", "zstd", "deflate")}
    assert seen(home, site) == {"a.test/liar", "a.test/wrong", "a.test/zipped.png"} | not_packed
    kept = {row["url"].rpartition("/")[2]: row["picture"] for row in records(home, "sightings")}
    assert home.blobs().get(kept["zipped.png"]) == picture(4)
    assert home.blobs().get(kept["not-gzip.png"]) == picture(5)


def test_a_host_that_never_answers_times_out(home: Home, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        job = listed(
            tmp_path / "l",
            [f"http://127.0.0.1:{port}/x"],
            allow_addresses=(f"127.0.0.1:{port}",),
            timeout_s=0.3,
        )
        with pytest.raises(CrawlError, match=r"timeout .*try again later"):
            run(job, home)


def test_https_is_fetched_whatever_the_certificate(home: Home, tmp_path: Path) -> None:
    server = Site()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "pem"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server):
        server.routes = {"/1.png": png(1)}
        url = f"https://127.0.0.1:{server.port}/1.png"
        job = listed(tmp_path / "list", [url], allow_addresses=(f"127.0.0.1:{server.port}",))
        assert run(job, home).pictures == 1


def self_signed(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody.test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=9))
        .not_valid_after(now - dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("10.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
