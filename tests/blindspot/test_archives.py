"""Pictures come out of WARC files as a browser had them; what is broken costs a row, and never the rest."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import hashlib
import os
import random
import signal
import time
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from blindspot import warc
from blindspot.archives import Archives, Found
from blindspot.importing import Imported, import_pictures
from store.blobs import picture_id
from store.home import Home
from tests.blindspot.calls import Front, ended, start
from tests.blindspot.test_importing import rows
from tests.blindspot.test_interrupts import stored, when
from tests.crawl.site import picture

WHEN = "2021-03-04T05:06:07Z"
URL = "http://img.example.com/1.png"
SEEN_AT = dt.datetime(2021, 3, 4, 5, 6, 7)


class Warc:
    """A WARC file in the making."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.packed = path.suffix == ".gz"

    def __enter__(self) -> Warc:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def add(
        self,
        body: bytes,
        url: str = URL,
        kind: str = "response",
        http: dict[str, str] | None = None,
        status: str = "HTTP/1.1 200 OK",
        **headers: str,
    ) -> str:
        """Write a record; its id."""
        block, content_type = body, {}
        if kind in ("response", "request", "revisit"):
            head = (http if http is not None else {"Content-Type": "image/png"}).items()
            block = "".join(f"{line}\r\n" for line in (status, *(f"{k}: {v}" for k, v in head), "")).encode() + body
            content_type = {"Content-Type": f"application/http; msgtype={kind}"}
        digest = base64.b32encode(hashlib.sha1(block, usedforsecurity=False).digest()).decode()
        made = f"<urn:uuid:{uuid.uuid4()}>"
        named = {
            "WARC-Type": kind, "WARC-Record-ID": made, "WARC-Date": WHEN, "WARC-Target-URI": url,
            "WARC-Block-Digest": f"sha1:{digest}", "Content-Length": str(len(block)),
        }  # fmt: skip
        named |= content_type | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = "".join(f"{line}\r\n" for line in ("WARC/1.1", *(f"{k}: {v}" for k, v in named.items()), ""))
        record = lines.encode() + block + b"\r\n\r\n"
        self.file.write(gzip.compress(record) if self.packed else record)
        return made


@pytest.fixture(params=["a.warc", "a.warc.gz"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def found_in(path: Path, max_bytes: int = 1_000_000) -> tuple[list[Found], dict[str, int]]:
    archives = Archives(lambda picture: False, max_bytes)
    return list(archives.found_in(path)), dict(archives.passed_over)


def reasons(path: Path, **limits: int) -> list[str]:
    return [found.error.reason if found.error else "ok" for found in found_in(path, **limits)[0]]


# ---- what a record holds -----------------------------------------------------------------------------------


def test_a_response_becomes_a_picture_with_a_sighting(fresh: Home, archive: Path) -> None:
    with Warc(archive) as made:
        made.add(picture(1), "http://user:secret@img.shop.example.co.uk:8080/1.png?a=b#c")
    done = import_pictures(fresh, archive)
    assert done == Imported(1, 1, {}, {})
    assert fresh.blobs().get(picture_id(picture(1))) == picture(1)
    columns = "picture, url, page, host, source, job, http_status, content_type, seen_at"
    assert rows(fresh, f"SELECT {columns} FROM sightings") == [
        (
            picture_id(picture(1)), "http://img.shop.example.co.uk:8080/1.png?a=b", None, "img.shop.example.co.uk",
            "example.co.uk", "import", 200, "image/png", SEEN_AT,
        )
    ]  # fmt: skip
    size = len(picture(1))
    query = "SELECT picture, size_bytes, source, first_seen_at FROM pictures"
    assert rows(fresh, query) == [(picture_id(picture(1)), size, "example.co.uk", SEEN_AT)]


def test_a_resource_is_its_block(archive: Path) -> None:
    with Warc(archive) as made:
        made.add(picture(1), kind="resource", Content_Type="image/png")
        made.add(picture(2), "urn:thumbnail:http://a.example/", kind="resource", Content_Type="image/png")
    first, second = found_in(archive)[0]
    assert (first.data, first.http_status, first.content_type, first.source) == (
        picture(1),
        None,
        "image/png",
        "example.com",
    )
    assert (second.url, second.host, second.source) == ("urn:thumbnail:http://a.example/", None, None)


def test_the_source_may_be_named(fresh: Home, archive: Path) -> None:
    with Warc(archive) as made:
        made.add(picture(1))
        made.add(picture(2), "urn:x", kind="resource")
    import_pictures(fresh, archive)
    assert set(rows(fresh, "SELECT source FROM sightings")) == {("example.com",), (archive.resolve().stem,)}
    import_pictures(fresh, archive, source="mine")
    assert set(rows(fresh, "SELECT source FROM pictures")) == {("example.com",), (archive.resolve().stem,)}, "the first"


def test_what_holds_no_picture_is_counted(archive: Path) -> None:
    with Warc(archive) as made:
        made.add(b"software: test\r\n", kind="warcinfo")
        made.add(b"<html>", "http://a.example/", http={"Content-Type": "text/html"})
        made.add(b"", "http://a.example/gone", status="HTTP/1.1 404 Not Found")
        made.add(b"", "http://a.example/", kind="request", status="GET / HTTP/1.1")
        made.add(b"20210304050607\na.example 1.2.3.4", "dns:a.example", kind="resource")
        made.add(b"x", "http://a.example/", kind="conversion")
        made.add(b"", "http://a.example/", kind="revisit", WARC_Payload_Digest="sha1:" + "A" * 32)
    found, passed = found_in(archive)
    assert found == []
    assert passed == {"warcinfo": 1, "not_a_picture": 3, "request": 1, "conversion": 1, "unknown_revisit": 1}


def test_an_error_page_that_is_a_picture_keeps_its_status(archive: Path) -> None:
    with Warc(archive) as made:
        made.add(picture(1), status="HTTP/1.1 404 Not Found")
    (found,) = found_in(archive)[0]
    assert (found.http_status, found.data) == (404, picture(1))


@pytest.mark.parametrize("link", ["WARC_Concurrent_To", "url"])
@pytest.mark.parametrize("order", ["request first", "response first"])
def test_the_page_is_the_referer_of_the_request(link: str, order: str, archive: Path) -> None:
    def ask(made: Warc, other: str, page: str) -> str:
        told = {"WARC_Concurrent_To": other} if other and link != "url" else {}
        return made.add(b"", kind="request", status="GET /1.png HTTP/1.1", http={"Referer": page}, **told)

    with Warc(archive) as made:
        for shade, page in enumerate(("http://a.example/1?b#c", "http://u:p@b.example/2")):
            if order == "request first":
                asked = ask(made, "", page)
                made.add(picture(shade), **({"WARC_Concurrent_To": asked} if link != "url" else {}))
            else:
                ask(made, made.add(picture(shade)), page)
    first, second = found_in(archive)[0]
    assert second.page == "http://b.example/2"
    if link != "url" or order == "request first":
        assert first.page == "http://a.example/1?b"
    assert {first.source, second.source} == {"a.example", "b.example"}, "that of the page"


def test_the_page_is_what_a_crawler_came_via(archive: Path) -> None:
    with Warc(archive) as made:
        first = made.add(picture(1))
        made.add(
            b"via: http://a.example/gallery\r\nhopsFromSeed: LE\r\n", kind="metadata", WARC_Concurrent_To=first,
            Content_Type="application/warc-fields",
        )  # fmt: skip
        made.add(picture(2), "http://img.example.com/2.png")
        made.add(b"via: javascript:1\r\n", "http://img.example.com/2.png", kind="metadata")
    assert [found.page for found in found_in(archive)[0]] == ["http://a.example/gallery", None]


# ---- bodies as a browser had them --------------------------------------------------------------------------


def chunked(body: bytes, size: int = 7) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\nTrailer: 1\r\n\r\n"


def deflated(body: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-15)
    return machine.compress(body) + machine.flush()


CODED: dict[str, tuple[dict[str, str], Callable[[bytes], bytes]]] = {
    "plain": ({}, bytes),
    "chunked": ({"Transfer-Encoding": "Chunked"}, chunked),
    "gzip": ({"Content-Encoding": "gzip"}, gzip.compress),
    "x-gzip": ({"Content-Encoding": "X-GZIP"}, gzip.compress),
    "deflate": ({"Content-Encoding": "deflate"}, zlib.compress),
    "bare deflate": ({"Content-Encoding": "deflate"}, deflated),
    "brotli": ({"Content-Encoding": "br"}, brotli.compress),
    "zstd": ({"Content-Encoding": "zstd"}, zstd.compress),
    "two": ({"Content-Encoding": "gzip, br"}, lambda body: brotli.compress(gzip.compress(body))),
    "chunked gzip": (
        {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}, lambda body: chunked(gzip.compress(body))
    ),
    "decoded already": ({"Content-Encoding": "br", "Transfer-Encoding": "chunked"}, bytes),
    "unchunked already": ({"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}, gzip.compress),
}  # fmt: skip


@pytest.mark.parametrize("name", CODED)
def test_transfer_and_content_codings_are_undone(name: str, archive: Path) -> None:
    header, encode = CODED[name]
    with Warc(archive) as made:
        made.add(encode(picture(3)), http={"Content-Type": "image/png"} | header)
    assert [found.data for found in found_in(archive)[0]] == [picture(3)]


BROKEN: dict[str, tuple[str, dict[str, str], Callable[[bytes], bytes]]] = {
    "cut gzip": ("incomplete", {"Content-Encoding": "gzip"}, lambda body: gzip.compress(body)[:-20]),
    "cut brotli": ("incomplete", {"Content-Encoding": "br"}, lambda body: brotli.compress(body)[:-5]),
    "cut zstd": ("incomplete", {"Content-Encoding": "zstd"}, lambda body: zstd.compress(body)[:-5]),
    "no gzip": ("bad_encoding", {"Content-Encoding": "gzip"}, lambda body: b"no gzip"),
    "no brotli": ("bad_encoding", {"Content-Encoding": "br"}, lambda body: b"\xff" * 99),
    "no zstd": ("bad_encoding", {"Content-Encoding": "zstd"}, lambda body: b"\xff" * 99),
    "no coding": ("bad_encoding", {"Content-Encoding": "klingon"}, lambda body: b"x" + body),
    "too many": ("bad_encoding", {"Content-Encoding": "gzip," * 5}, lambda body: b"x" + body),
    "cut chunk": ("incomplete", {"Transfer-Encoding": "chunked"}, lambda body: chunked(body)[:40]),
    "no last chunk": ("incomplete", {"Transfer-Encoding": "chunked"}, lambda body: b"%x\r\n%s\r\n" % (len(body), body)),
    "announced more": ("incomplete", {"Content-Length": "99999"}, bytes),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_bodies_that_are_cut_or_lie_are_refused(name: str, archive: Path) -> None:
    reason, header, encode = BROKEN[name]
    with Warc(archive) as made:
        made.add(encode(picture(3)), http={"Content-Type": "image/png"} | header)
        made.add(encode(picture(3)), http={"Content-Type": "text/html"} | header, url="http://a.example/page")
    found, passed = found_in(archive)
    assert next(one.error.reason for one in found if one.error) == reason
    assert len(found) + passed.get("not_a_picture", 0) == 2


def test_parts_and_what_was_cut_when_archived_are_refused(archive: Path) -> None:
    with Warc(archive) as made:
        made.add(picture(1), status="HTTP/2 206", http={"Content-Range": "bytes 0-9/900"})
        made.add(
            picture(2),
            status="HTTP/2 206",
            http={"Content-Range": f"bytes 0-{len(picture(2)) - 1}/{len(picture(2))}"},
        )
        made.add(picture(3), WARC_Truncated="length")
    assert reasons(archive) == ["incomplete", "ok", "incomplete"]


@pytest.mark.parametrize("name", ["gzip", "bare deflate", "brotli", "zstd", "two"])
def test_a_bomb_is_one_row(name: str, archive: Path) -> None:
    header, encode = CODED[name]
    bomb = picture(1) + bytes(6_000_000)
    with Warc(archive) as made:
        made.add(encode(bomb), http={"Content-Type": "image/png"} | header)
        made.add(picture(2))
    assert reasons(archive) == ["too_many_bytes", "ok"]


def test_larger_than_the_limit_is_refused(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc, "MAX_BLOCK_BYTES", 2_000)
    with Warc(archive) as made:
        made.add(picture(1) + bytes(3_000))
        made.add(picture(1) + bytes(1_000))
        made.add(b"<html>" + bytes(3_000))
        made.add(picture(2))
    assert reasons(archive, max_bytes=900) == ["too_many_bytes", "too_many_bytes", "ok"]


# ---- revisits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False])
def test_a_revisit_is_a_sighting_of_what_came_before(told: bool, fresh: Home, tmp_path: Path) -> None:
    folder = tmp_path / "warcs"
    folder.mkdir()
    with Warc(folder / "1.warc.gz") as made:
        digest = "sha1:" + _base32_sha1(b"as the writer saw it") if told else "sha1:" + _base32_sha1(picture(1))
        made.add(picture(1), **({"WARC_Payload_Digest": digest} if told else {}))
        made.add(b"", "http://other.example/again.png", kind="revisit", WARC_Payload_Digest=digest)
    with Warc(folder / "2.warc.gz") as made:
        made.add(b"", kind="revisit", WARC_Payload_Digest=digest, WARC_Date="2022-01-01T00:00:00Z")
    done = import_pictures(fresh, folder)
    assert (done.pictures, done.new_pictures, done.refused) == (3, 1, {})
    query = "SELECT host, seen_at FROM sightings ORDER BY seen_at, host"
    assert rows(fresh, query) == [
        ("img.example.com", SEEN_AT),
        ("other.example", SEEN_AT),
        ("img.example.com", dt.datetime(2022, 1, 1)),
    ]
    assert rows(fresh, "SELECT count(*) FROM pictures") == [(1,)]


def test_a_revisit_by_sha256_may_name_any_stored_picture(fresh: Home, archive: Path) -> None:
    fresh.blobs().put(picture(1))
    with Warc(archive) as made:
        made.add(b"", kind="revisit", WARC_Payload_Digest=f"SHA-256:{picture_id(picture(1)).upper()}")
        made.add(b"", kind="revisit", WARC_Payload_Digest=f"sha-256:{picture_id(picture(2))}")
    done = import_pictures(fresh, archive)
    assert (done.pictures, done.passed_over) == (1, {"unknown_revisit": 1})


def _base32_sha1(data: bytes) -> str:
    return base64.b32encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


# ---- rows for what is broken -------------------------------------------------------------------------------


def test_broken_records_are_rows(fresh: Home, archive: Path) -> None:
    with Warc(archive) as made:
        made.add(picture(1), WARC_Date="yesterday")
        made.add(picture(2), "http://[::1")
        made.add(picture(3), "http://a.example/" + "x" * 9_000)
        made.add(picture(4))
    done = import_pictures(fresh, archive)
    assert (done.pictures, done.refused) == (1, {"bad_record": 1, "bad_url": 2})
    found = rows(fresh, "SELECT stage, reason, job, refused_at FROM refusals WHERE reason = 'bad_url'")
    assert found == [("import", "bad_url", "import", SEEN_AT)] * 2


def test_a_block_that_is_not_what_its_digest_says_is_damaged(tmp_path: Path) -> None:
    with Warc(tmp_path / "a.warc") as made:
        made.add(picture(1))
        made.add(picture(2))
    data = (tmp_path / "a.warc").read_bytes()
    at = data.index(picture(1)) + 50
    (tmp_path / "a.warc").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    assert reasons(tmp_path / "a.warc") == ["damaged_record", "ok"]


def many(path: Path, count: int = 6) -> list[int]:
    """A file of `count` pictures; where each record begins."""
    places = []
    with Warc(path) as made:
        for shade in range(count):
            places.append(made.file.tell())
            made.add(picture(shade), f"http://a.example/{shade}.png")
    return [*places, path.stat().st_size]


def test_a_file_that_is_cut_gives_what_was_readable_and_one_refusal(archive: Path) -> None:
    places, whole = many(archive), archive.read_bytes()
    for cut in (places[3] + 5, places[3] + 60, places[4] - 40):
        archive.write_bytes(whole[:cut])
        assert reasons(archive) == ["ok"] * 3 + ["damaged_record"], cut
    archive.write_bytes(whole[: places[3]])
    assert reasons(archive) == ["ok"] * 3


@pytest.mark.parametrize("damage", ["zeros", "junk", "missing", "a line"])
def test_after_damage_in_the_middle_the_rest_is_read(damage: str, archive: Path) -> None:
    places, whole = many(archive), archive.read_bytes()
    start, end = places[2] + 20, places[3] - 20
    junk = {
        "zeros": bytes(end - start),
        "junk": random.Random(1).randbytes(end - start),
        "missing": b"",
        "a line": b"\r\n\r\nWARC/\r\nhello" + whole[start:end],
    }[damage]
    archive.write_bytes(whole[:start] + junk + whole[end:])
    assert reasons(archive) == ["ok"] * 2 + ["damaged_record"] + ["ok"] * 3


def test_a_wrong_length_costs_its_own_record(tmp_path: Path) -> None:
    many(tmp_path / "a.warc", 4)
    whole = (tmp_path / "a.warc").read_bytes()
    first = whole.index(b"Content-Length: ", whole.index(b"2.png"))
    end = whole.index(b"\r", first)
    for length in (b"5", b"-1", b"x", b"", b"9" * 30, b"1_0"):
        (tmp_path / "a.warc").write_bytes(whole[:first] + b"Content-Length: " + length + whole[end:])
        assert [reason == "ok" for reason in reasons(tmp_path / "a.warc")].count(True) == 3, length


@pytest.mark.parametrize("form", ["plain", "one gzip", "bare lines"])
def test_odd_files_are_read(form: str, tmp_path: Path) -> None:
    many(tmp_path / "a.warc")
    whole = (tmp_path / "a.warc").read_bytes()
    if form == "one gzip":
        whole = gzip.compress(whole)
    elif form == "bare lines":
        whole = b"\n\n" + whole.replace(b"\r\n\r\n\r\n\r\nWARC/", b"\nWARC/").replace(b"\r\n\r\nWARC/", b"\nWARC/")
    (tmp_path / "nameless").write_bytes(whole)
    assert reasons(tmp_path / "nameless") == ["ok"] * 6


HOSTILE = {
    "an endless header line": b"WARC/1.0\r\nWARC-Type: " + b"x" * 3_000_000,
    "a million headers": b"WARC/1.0\r\n" + b"a: b\r\n" * 1_000_000,
    "folded for ever": b"WARC/1.0\r\na: b\r\n" + b" c\r\n" * 1_000_000,
    "a million records": b"WARC/1.0\r\n\r\n" * 100_000,
    "an endless line": b"x" * 3_000_000,
    "no records": b"\n" * 3_000_000,
    "gzip of nothing": gzip.compress(b"") * 20_000,
    "gzip headers": b"\x1f\x8b\x08" * 500_000,
    "a bomb": gzip.compress(bytes(200_000_000)),
    "a bomb of a header": gzip.compress(b"WARC/1.0\r\nWARC-Type: " + b"x" * 100_000_000),
    "a bomb of a block": gzip.compress(
        b"WARC/1.0\r\nWARC-Type: resource\r\nContent-Length: 300000000\r\n\r\n" + bytes(300_000_000)
    ),
    "one gzip header in another": b"\x1f\x8b\x08\x08" * 300_000 + b"\0",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_soon_with_few_rows(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.warc").write_bytes(HOSTILE[name])
    began = time.perf_counter()
    found, _ = found_in(tmp_path / "a.warc")
    assert all(one.error for one in found)
    assert len(found) <= warc.MAX_DAMAGES + 1
    assert time.perf_counter() - began < 20


@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"WARC/1.0\r\n", b"\x1f\x8b\x08", b"WARC/1.0\r\nContent-Length: 3\r\n\r\n"]),
)
def test_no_bytes_are_too_strange(tmp_path_factory: pytest.TempPathFactory, data: bytes, start: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.warc"
    path.write_bytes(start + data)
    found, _ = found_in(path)
    assert all(one.error for one in found)


@given(st.sampled_from(["b.warc", "b.warc.gz"]), st.floats(0, 1, exclude_max=True), st.integers(0, 255))
def test_a_changed_byte_costs_at_most_its_neighbours(
    tmp_path_factory: pytest.TempPathFactory, name: str, where: float, value: int
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    places = many(path)
    whole = bytearray(path.read_bytes())
    at = int(where * len(whole))
    whole[at] = value
    path.write_bytes(whole)
    hit = next(index for index, place in enumerate(places[1:]) if at < place)
    found, passed = found_in(path)
    kept = {one.url for one in found if not one.error}
    assert {f"http://a.example/{shade}.png" for shade in range(6) if abs(shade - hit) > 1} <= kept
    assert any(one.error for one in found) or len(found) + sum(passed.values()) == 6, "nothing is lost in silence"


# ---- the command -------------------------------------------------------------------------------------------


def test_the_command_takes_archives_and_says_what_else_was_in_them(door: Front, archive: Path) -> None:
    with Warc(archive) as made:
        made.add(picture(1))
        made.add(b"<html>", http={"Content-Type": "text/html"})
    said = door("import", archive, "--suite", "s", "--label", "neutral", "--family", "f")
    assert (
        said.out == f"1 pictures imported from {archive}, 1 of them new; refused: none; no pictures: 1 not_a_picture\n"
    )
    found = door("import", archive, "--suite", "s", "--label", "neutral", "--json").json
    assert found == {"pictures": 1, "new_pictures": 0, "refused": {}, "passed_over": {"not_a_picture": 1}}
    assert door.sql("SELECT suite, n, version FROM suites") == [["s", 1, 1]]
    assert door.sql("SELECT * FROM pool") == []


def test_an_archive_again_adds_nothing(door: Front, archive: Path) -> None:
    many(archive)
    archive.write_bytes(archive.read_bytes()[:-30] + b"broken")
    before = door("import", archive, "--json").json
    tables = {name: door.sql(f"SELECT * FROM {name} ORDER BY ALL") for name in ("pictures", "sightings", "refusals")}
    assert len(tables["refusals"]) == before["refused"]["damaged_record"] == 1
    again = door("import", archive, "--json").json
    assert again == before | {"new_pictures": 0}
    for name, known in tables.items():
        assert door.sql(f"SELECT * FROM {name} ORDER BY ALL") == known


def test_an_archive_in_a_folder_and_on_a_list_is_read(fresh: Home, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    many(folder / "a.warc.gz", 2)
    (folder / "b.png").write_bytes(picture(9))
    os.mkfifo(folder / "c.warc")
    done = import_pictures(fresh, folder)
    assert (done.pictures, done.refused) == (3, {"unreadable": 1})
    (tmp_path / "list.txt").write_text(f"{folder / 'a.warc.gz'}\n{folder / 'b.png'}\n")
    seen: list[tuple[int, int]] = []
    assert import_pictures(fresh, tmp_path / "list.txt", progress=lambda *at: seen.append(at)).pictures == 3
    assert seen == [(1, 2), (2, 2)]


def test_killed_again_and_again_it_loses_and_doubles_nothing(door: Front, tmp_path: Path) -> None:
    count, path = 700, tmp_path / "big.warc.gz"
    with Warc(path) as made:
        for shade in range(count):
            made.add(picture(shade), f"http://a.example/{shade}.png")
            if shade % 100 == 0:
                made.add(picture(shade)[:-9], f"http://a.example/{shade}.cut", http={"Content-Length": "9999"})
    for moment in (1, count // 3, count - 1):
        process = start(door.home, "import", path)
        when(lambda moment=moment: stored(door.home) >= moment, process)  # type: ignore[misc]
        process.kill()
        assert ended(process).code in (-signal.SIGKILL, 0)
    done: dict[str, Any] = door("import", path, "--json").json
    assert (done["pictures"], done["refused"]) == (count, {"incomplete": 7})
    assert door.sql("SELECT count(*), count(DISTINCT picture) FROM pictures") == [[count, count]]
    assert door.sql("SELECT count(*), count(DISTINCT url) FROM sightings") == [[count, count]]
    assert door.sql("SELECT count(*), count(DISTINCT url) FROM refusals") == [[7, 7]]
    found = {row[0] for row in door.sql("SELECT picture FROM pictures")}
    assert found == {picture_id(picture(shade)) for shade in range(count)} == set(door.home.blobs().ids())
