"""Answers that lie, never end or explode, over real sockets: one row each, whatever was asked for.

Each crawl runs in a process of its own, whose memory and event loop are measured.
"""

from __future__ import annotations

import datetime as dt
import gzip
import itertools
import random
import socket
import ssl
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from PIL import Image

from crawl.run import run
from store.home import Home
from tests.crawl.hostile import (
    NOTHING,
    Hostile,
    Script,
    answer,
    bomb,
    dripping,
    endless,
    hangs_up,
    once,
    packed,
    png,
    resets,
    serving_raw,
    shows,
    silent,
)
from tests.crawl.measured import Measured, measure
from tests.crawl.site import picture, records
from tests.store.bombs import BOMBS, HEAVY
from tests.store.drawn import LOSSLESS, clouds, encode

MOST_BYTES, LONGEST_STALL_S = 600_000_000, 0.25


@pytest.fixture
def web() -> Iterator[Hostile]:
    with serving_raw() as running:
        yield running


def rows(home: Home) -> dict[str, list[str]]:
    """By URL, the reasons of its refusals, and `kept` for each sighting."""
    found: dict[str, list[str]] = {}
    for row in records(home, "refusals"):
        found.setdefault(row["url"], []).append(row["reason"])
    for row in records(home, "sightings"):
        found.setdefault(row["url"], []).append("kept")
    return found


def harmless(measured: Measured) -> None:
    """The crawl's own process stayed small and awake."""
    assert measured.error == ""
    assert measured.complaints == ""
    assert measured.own_bytes <= MOST_BYTES
    assert measured.stall_s <= LONGEST_STALL_S


# ---- fifty at once -----------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_fifty_bombs_in_flight_cost_a_row_each(web: Hostile, home: Home, tmp_path: Path) -> None:
    names = [name for name in BOMBS if name not in HEAVY]
    assert len(names) >= 50
    for place, name in enumerate(names):
        web.routes[f"bomb{place}.test/{place}.png"] = answer(BOMBS[name](), "image/png")
    urls = [web.url(f"bomb{place}.test", f"/{place}.png") for place in range(len(names))]
    (tmp_path / "list").write_text("\n".join(urls))
    job = web.job(spider="url_list", urls=(), list_file=tmp_path / "list", concurrency=50)
    measured = measure(job, home)
    harmless(measured)
    found = rows(home)
    assert {url: len(reasons) for url, reasons in found.items()} == dict.fromkeys(urls, 1)
    assert Counter(r for reasons in found.values() for r in reasons)["kept"] <= len(names) - 25, "they are bombs"
    assert measured.worker_bytes <= 1 << 30


# ---- lies --------------------------------------------------------------------------------------------------

Given = bytes | Script
TIMEOUT_S = 0.7


@dataclass(frozen=True)
class Lie:
    """How an honest body of a kind is sent, and what may become of it."""

    send: Callable[[bytes, str, random.Random], Given]
    reasons: frozenset[str]


def lie(*reasons: str) -> Callable[[Callable[[bytes, str, random.Random], Given]], Lie]:
    return lambda send: Lie(send, frozenset(reasons))


def head(*lines: str, status: int = 200) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} -", *lines, "", ""]).encode("latin-1")


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


def somewhere(body: bytes, chance: random.Random) -> int:
    """A place within `body`."""
    return chance.randint(1, len(body) - 1)


def deflated(body: bytes, kind: str) -> bytes:
    return answer(zlib.compress(body), kind, head="Content-Encoding: deflate\r\n")


OF_NO_HTTP = ("connection_failed", "timeout", "incomplete")
LIES: dict[str, Lie] = {
    # packed, and not as it says
    "1:1000": lie("too_large")(lambda body, kind, _: bomb(kind, 60 << 20, body)),
    "1:1000 and no end": lie("too_large", "incomplete")(lambda body, kind, _: once(bomb(kind, 60 << 20, body)[:-9])),
    "twice": lie("bad_encoding")(lambda body, kind, _: packed(gzip.compress(body), kind, "gzip, gzip")),
    "of two kinds": lie("bad_encoding")(lambda body, kind, _: packed(zlib.compress(body), kind, "deflate, gzip")),
    "of a kind not asked for": lie("bad_encoding")(lambda body, kind, _: packed(body, kind, "br")),
    "of no kind": lie("bad_encoding")(lambda body, kind, _: packed(body, kind, "\x7f" * 99)),
    "gzip cut off": lie("bad_encoding")(
        lambda body, kind, chance: answer(
            gzip.compress(body)[: -chance.randint(1, 18)], kind, head="Content-Encoding: gzip\r\n"
        )
    ),
    "gzip with a bit flipped": lie("bad_encoding", "broken")(lambda body, kind, chance: flipped(body, kind, chance)),
    # lengths
    "length beyond the body": lie("incomplete")(
        lambda body, kind, chance: once(
            head(f"Content-Type: {kind}", f"Content-Length: {len(body) + chance.randint(1, 9**7)}") + body
        )
    ),
    "length beyond all limits": lie("too_large")(
        lambda body, kind, chance: once(head(f"Content-Type: {kind}", f"Content-Length: {10 ** chance.randint(9, 18)}"))
    ),
    "length of nothing": lie("not_a_picture", "not_a_page", "read", *OF_NO_HTTP)(
        lambda body, kind, _: once(head(f"Content-Type: {kind}", "Content-Length: 0") + body)
    ),
    "length short of the body": lie("read", "not_a_picture", "broken", *OF_NO_HTTP)(
        lambda body, kind, chance: once(
            head(f"Content-Type: {kind}", f"Content-Length: {somewhere(body, chance)}") + body
        )
    ),
    "two lengths": lie(*OF_NO_HTTP)(
        lambda body, kind, _: once(head("Content-Length: 9", f"Content-Length: {len(body)}") + body)
    ),
    "length of less than nothing": lie(*OF_NO_HTTP)(lambda body, kind, _: once(head("Content-Length: -1") + body)),
    "length in words": lie(*OF_NO_HTTP)(lambda body, kind, _: once(head("Content-Length: many") + body)),
    # chunks
    "chunks without an end": lie("incomplete")(
        lambda body, kind, _: once(head(f"Content-Type: {kind}", "Transfer-Encoding: chunked") + chunked(body, end=b""))
    ),
    "chunks of no number": lie(*OF_NO_HTTP)(
        lambda body, kind, _: once(head("Transfer-Encoding: chunked") + b"zz\r\n" + body)
    ),
    "a chunk of 16 exabytes": lie(*OF_NO_HTTP, "too_large")(
        lambda body, kind, _: once(head("Transfer-Encoding: chunked") + b"f" * 16 + b"\r\n" + body)
    ),
    "crumbs": lie("bad_encoding")(
        lambda body, kind, _: endless(
            head(f"Content-Type: {kind}", "Transfer-Encoding: chunked"), b"1\r\nx\r\n" * 3_000
        )
    ),
    # heads
    "a header of 1 MB": lie(*OF_NO_HTTP)(lambda body, kind, _: once(head(f"X-Large: {'x' * 1_000_000}") + body)),
    "10,000 headers": lie(*OF_NO_HTTP, "kept", "read")(
        lambda body, kind, _: answer(body, kind, head="".join(f"X-{n}: {n}\r\n" for n in range(10_000)))
    ),
    "a head without end": lie(*OF_NO_HTTP)(
        lambda body, kind, _: endless(b"HTTP/1.1 200 -\r\n", b"X-More: x\r\n" * 900)
    ),
    "a header without end": lie(*OF_NO_HTTP)(lambda body, kind, _: endless(b"HTTP/1.1 200 -\r\nX: ", b"x" * 9_000)),
    "hints without end": lie(*OF_NO_HTTP)(
        lambda body, kind, _: dripping(b"", [b"HTTP/1.1 103 -\r\nLink: x\r\n\r\n" * 99] * 99, 0.05)
    ),
    "a flood of hints": lie(*OF_NO_HTTP)(lambda body, kind, _: endless(b"", b"HTTP/1.1 103 -\r\nLink: x\r\n\r\n" * 99)),
    "no HTTP": lie(*OF_NO_HTTP)(lambda body, kind, _: once(body)),
    "SSH": lie(*OF_NO_HTTP)(lambda body, kind, _: once(b"SSH-2.0-OpenSSH_9.0\r\n")),
    "a status of no number": lie(*OF_NO_HTTP)(lambda body, kind, _: once(b"HTTP/1.1 OK\r\n\r\n" + body)),
    "zeros": lie(*OF_NO_HTTP)(lambda body, kind, _: endless(b"", bytes(9_000))),
    # time
    "not a word": lie("timeout")(lambda body, kind, _: silent),
    "a byte a second": lie("timeout")(
        lambda body, kind, _: dripping(head(f"Content-Type: {kind}", f"Content-Length: {len(body)}"), body, 0.3)
    ),
    "a head, a byte a second": lie("timeout")(lambda body, kind, _: dripping(b"", b"HTTP/1.1 200 fine\r\nX: y", 0.3)),
    "a body without end": lie("too_large", "timeout")(
        lambda body, kind, _: endless(head(f"Content-Type: {kind}") + body, bytes(90_000))
    ),
    # ends
    "hangs up": lie("connection_failed")(lambda body, kind, _: hangs_up),
    "hangs up in the head": lie(*OF_NO_HTTP)(
        lambda body, kind, chance: once(answer(body, kind)[: chance.randint(1, 30)])
    ),
    "a reset in the middle": lie("incomplete", "connection_failed")(
        lambda body, kind, chance: resets(answer(body, kind)[: -somewhere(body, chance)])
    ),
    # statuses that nobody asked for
    "204": lie("not_a_picture", "not_a_page", "read")(lambda body, kind, _: once(head(status=204))),
    "304": lie("http_304")(lambda body, kind, _: once(head('ETag: "1"', status=304))),
    "206": lie("kept", "read", "broken")(
        lambda body, kind, chance: answer(body, kind, 206, f"Content-Range: bytes 0-{len(body)}/{len(body) * 9}\r\n")
    ),
    "101": lie(*OF_NO_HTTP, "http_101")(
        lambda body, kind, _: once(head("Upgrade: x", "Connection: Upgrade", status=101))
    ),
    "300 to nowhere": lie("http_300")(lambda body, kind, _: answer(body, kind, 300)),
    "999": lie("http_999")(lambda body, kind, _: answer(body, kind, 999)),
}


def flipped(body: bytes, kind: str, chance: random.Random) -> bytes:
    data = bytearray(gzip.compress(body))
    data[-chance.randint(1, 8)] ^= 1 << chance.randint(0, 7)  # the sum and the length at its end
    return answer(bytes(data), kind, head="Content-Encoding: gzip\r\n")


BODIES = {
    "picture": (picture(1), "image/png"),
    "page": (b"<!doctype html><p>" + b"words " * 50, "text/html"),
    "style": (b"p { color: red }" * 20, "text/css"),
    "robots": (b"User-agent: *\nDisallow: /no\n" * 9, "text/plain"),
}


def lying(web: Hostile, seed: int, lies: Mapping[str, Lie]) -> dict[str, tuple[str, str]]:
    """Each lie about everything that is asked for, each on a host of its own: URL → (lie, what was asked for)."""
    urls = {}
    for place, (name, told) in enumerate(lies.items()):
        for what, (body, kind) in BODIES.items():
            host, path = f"{what}{place}.test", "/robots.txt" if what == "robots" else f"/{what}"
            web.routes[host + path] = told.send(body, kind, random.Random(f"{seed} {name} {what}"))
            if what == "robots":
                web.routes[f"{host}/{what}"] = png(1)
            urls[web.url(host, f"/{what}")] = (name, what)
    by = {what: [url for url, (_, one) in urls.items() if one == what] for what in BODIES}
    styles = "".join(f'<link rel=stylesheet href="{url}">' for url in by["style"]).encode()
    hub = shows(*by["picture"], *by["robots"], links=tuple(by["page"])).partition(b"\r\n\r\n")[2]
    web.routes |= {"hub.test/": answer(styles + hub), "/robots.txt": NOTHING}
    return urls


ALL = [pytest.param(seed, len(LIES), marks=(pytest.mark.slow, pytest.mark.timeout(300))) for seed in (1, 2)]


@pytest.mark.parametrize(("seed", "count"), [(0, len(LIES) // 3), *ALL])
def test_every_lie_about_everything_is_one_row(seed: int, count: int, web: Hostile, home: Home) -> None:
    drawn = random.Random(seed).sample(sorted(LIES), count)
    urls = lying(web, seed, {name: LIES[name] for name in drawn})
    job = web.job("hub.test/", same_site=False, concurrency=160, timeout_s=TIMEOUT_S, retry_s=0.01)
    measured = measure(job, home)
    harmless(measured)
    found = rows(home)
    wrong = {}
    for url, (name, what) in urls.items():
        became = found.pop(url, ["read"] if what in ("page", "style") else [])
        fits = LIES[name].reasons if what != "robots" else {"kept", *LIES[name].reasons, "robots", "incomplete"}
        if len(became) != 1 or not set(became) & fits:
            wrong[name, what] = became
    assert wrong == {}
    assert found == {}
    assert measured.summary["stopped"] == "finished"


# ---- what is kept ------------------------------------------------------------------------------------------

KINDS = ("image/jpeg", "text/html", "application/octet-stream", "IMAGE/PNG; charset=x", "", "multipart/form-data")


def sent(body: bytes, kind: str, chance: random.Random) -> Given:
    """An honest body, in one of the ways that servers send one."""
    cuts = sorted(chance.randint(0, len(body)) for _ in range(5))
    pieces = [body[one:other] for one, other in itertools.pairwise((0, *cuts, len(body))) if one < other]
    in_chunks = head(f"Content-Type: {kind}", "Transfer-Encoding: chunked") + chunked(*pieces)
    zipped = deflated(body, kind) if chance.random() < 0.5 else packed(body, kind)
    return chance.choice([answer(body, kind), once(head(f"Content-Type: {kind}") + body), in_chunks, zipped])


@pytest.mark.parametrize("seed", [0, 1])
def test_seven_formats_are_stored_as_they_were_sent(seed: int, web: Hostile, home: Home) -> None:
    chance, files = random.Random(seed), {}
    for name, settings in LOSSLESS.items():
        for tail in (b"", b"\0trailing bytes" * chance.randint(1, 99)):
            image = Image.fromarray(clouds(40, 30, chance.randint(0, 999)))
            path = f"/{len(files)}{chance.choice(('.jpg', '.html', '', '.PNG?x=1'))}"
            files[path] = encode(image, name, **settings) + tail
            web.routes[f"a.test{path}"] = sent(files[path], chance.choice(KINDS), chance)
    web.routes |= {"a.test/": shows(*files), "/robots.txt": NOTHING}
    assert run(web.job("a.test/"), home).refused == {}
    stored = {row["url"].partition(".test")[2].partition("/")[2]: row["picture"] for row in records(home, "sightings")}
    assert {f"/{path}": home.blobs().get(one) for path, one in stored.items()} == files


@pytest.mark.parametrize("seed", [0, 1])
def test_an_answer_behind_an_answer_is_nobodys(seed: int, web: Hostile, home: Home) -> None:
    """Who sends two answers to one question has the second taken for none: not for what is asked next either."""
    chance = random.Random(seed)
    poison = [picture(20_000 + number) for number in range(30)]
    names = [f"/{number}.png" for number in range(30)]
    for number, name in enumerate(names):
        behind = answer(poison[number], "image/png")[: chance.choice((None, 9, 40))]  # type: ignore[misc]
        web.routes[name] = png(number) + behind
    web.routes |= {"/": shows(*names), "/robots.txt": answer("", "text/plain") + png(20_099)}
    run(web.job(*(f"{host}.test/" for host in "abc"), delay_s=0.01), home)
    stored = {home.blobs().get(one) for one in home.blobs().ids()}
    assert stored <= {picture(number) for number in range(30)}
    assert not stored & set(poison)


# ---- certificates ------------------------------------------------------------------------------------------


def certificate(
    folder: Path, names: tuple[str, ...], begins: int = -9, ends: int = 9, bits: int = 0, common: str = "anybody"
) -> Path:
    """A self-signed certificate for these host names, valid from and to so many days from now; RSA of `bits`."""
    key = rsa.generate_private_key(65_537, bits) if bits else ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)]), dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now + dt.timedelta(days=begins))
    made = made.not_valid_after(now + dt.timedelta(days=ends))
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "certificate.pem"
    path.write_bytes(private + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


WWW = "www.trusted.test"
# How a certificate is made, and what becomes of a picture and of a page of `www.trusted.test`.
CERTIFICATES: dict[str, tuple[dict[str, Any], str]] = {
    "of the name": ({"names": (WWW,)}, "kept"),
    "of all names beside it": ({"names": ("*.trusted.test",)}, "kept"),
    "of another name": ({"names": ("other.test",)}, "bad_certificate"),
    "of the domain only": ({"names": ("trusted.test",)}, "bad_certificate"),
    "of all names two levels up": ({"names": ("*.test",)}, "bad_certificate"),
    "of no name": ({"names": ()}, "bad_certificate"),
    "of a common name only": ({"names": (), "common": WWW}, "bad_certificate"),
    "expired": ({"names": (WWW,), "ends": -1}, "bad_certificate"),
    "of next week": ({"names": (WWW,), "begins": 7}, "bad_certificate"),
    "of a key too small": ({"names": (WWW,), "bits": 1024}, "bad_certificate"),
}


@pytest.mark.parametrize("how", CERTIFICATES)
def test_names_and_times_of_certificates_count(
    how: str, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, expected = CERTIFICATES[how]
    path = certificate(tmp_path, **settings)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))  # trusted: the rest decides
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(path)
    with serving_raw(context) as web:
        web.routes = {"/robots.txt": NOTHING, "/1.png": png(1), "/": shows()}
        url = f"https://{WWW}:{web.port}/"
        with serving_raw() as open_web:
            open_web.routes = {"/robots.txt": NOTHING, "/": shows(f"{url}1.png", links=(url,))}
            allowed = (f"127.0.0.1:{web.port}", f"127.0.0.1:{open_web.port}")
            run(open_web.job("plain.test/", allow_addresses=allowed, same_site=False), home)
    found = rows(home)
    assert found == (
        {f"{url}1.png": ["kept"]} if expected == "kept" else {one: [expected] for one in (url, f"{url}1.png")}
    )
    assert (web.count(WWW) > 0) == (expected == "kept")


def test_what_does_not_speak_tls_is_a_row(web: Hostile, home: Home) -> None:
    """The raw server waits for the end of a head that never comes; the other does not even answer."""
    with socket.create_server(("127.0.0.1", 0)) as quiet:
        ports = (web.port, quiet.getsockname()[1])
        urls = [f"https://port{port}.test:{port}/1.png" for port in ports]
        web.routes = {"hub.test/": shows(*urls), "/robots.txt": NOTHING}
        run(web.job("hub.test/", allow_addresses=[f"127.0.0.1:{port}" for port in ports], timeout_s=0.3), home)
    assert rows(home) == {url: ["timeout"] for url in urls}
