from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from crawl.fetch import Fetcher
from crawl.guard import Gate
from crawl.reasons import Failed, Refused
from crawl.rules.outcomes import MAX_HOPS
from crawl.run import run
from crawl.urls import as_sent, resolve
from store.errors import CrawlError
from store.home import Home
from tests.crawl.canary import listed
from tests.crawl.site import Answer, Site, picture, png, reasons, records, seen, serving


@pytest.mark.parametrize("how", ["<img src={}>", "<a href={}>x</a>"])
def test_redirects_end(how: str, site: Site, home: Home) -> None:
    def onward(path: str) -> Answer:
        return Answer(status=302, headers={"Location": f"/far?{int(path.partition('?')[2] or 0) + 1}"})

    site.routes = {"/far": onward}
    for path, target in {
        "/self": "/self",
        "/ping": "/pong",
        "/pong": "/ping",
        "/a": "/b",
        "/b": "/c",
        "/c": "/b",
    }.items():
        site.routes[path] = Answer(status=301, headers={"Location": target})
    site.routes["/"] = Answer("".join(how.format(path) for path in ("/far", "/self", "/ping", "/a")))
    run(site.job("a.test/"), home)
    asked = Counter(site.paths("a.test"))
    assert len([path for path in asked if path.startswith("/far")]) == 1 + MAX_HOPS
    assert max(asked.values()) == 1
    assert set(reasons(home, site).values()) == {"redirect_loop"}
    assert len(reasons(home, site)) == 4


ODD = st.text("abc.-_%:[]@0129é①。\u2024\x80\x1f/?#\\", max_size=14)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.builds(str.__add__, st.sampled_from(["http://", "https://", "//"]), ODD), min_size=30, max_size=60))
def test_whatever_stands_on_a_page_is_refused_or_fails_and_nothing_else(written: list[str]) -> None:
    async def nowhere(self: object, host: str, port: int, **kinds: object) -> list[object]:
        raise socket.gaierror("no such name")

    async def ask(urls: list[str]) -> None:
        fetcher = Fetcher(Gate(), "blindspot", 5.0, 1_000)
        for url in urls:
            with pytest.raises((Refused, Failed)) as error:
                await fetcher.fetch(url)
            assert error.value.reason in {"bad_url", "cannot_resolve", "address_refused"}
        await fetcher.close()

    found = [as_sent(url) for one in written if (url := resolve("http://a.test/", one))]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", nowhere)
        asyncio.run(ask(found))


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


@contextmanager
def over_tls(folder: Path, address: str, days: int) -> Iterator[Site]:
    server = Site()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(folder / "pem", address, days))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.routes = {"/1.png": png(1)}
    with serving(server):
        yield server


@pytest.mark.parametrize(
    ("address", "days", "trusted", "reason"),
    [
        ("127.0.0.1", 9, True, None),
        ("127.0.0.1", 9, False, "bad_certificate"),
        ("127.0.0.1", -1, True, "bad_certificate"),
        ("10.0.0.1", 9, True, "bad_certificate"),
    ],
)
def test_certificates_are_checked(
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    days: int,
    trusted: bool,
    reason: str | None,
) -> None:
    with over_tls(tmp_path, address, days) as server:
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "pem"))
        url = f"https://127.0.0.1:{server.port}/1.png"
        job = listed(tmp_path / "list", [url], allow_addresses=(f"127.0.0.1:{server.port}",))
        if reason is None:
            assert run(job, home).pictures == 1
            return
        with pytest.raises(CrawlError, match=f"{reason} .*CERTIFICATE_VERIFY_FAILED"):
            run(job, home)
        assert {row["reason"] for row in records(home, "refusals")} == {reason}
        assert server.hits == []


def self_signed(path: Path, address: str, days: int) -> Path:
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
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
