"""The demo's web: seven hosts on one loopback port, with pages, links, sitemaps, and a part that robots.txt forbids."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from blindspot.demo.pictures import Made, copies, odd_sizes, planted

PER_PAGE = 48
TYPES = {"jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "bmp": "image/bmp", "webp": "image/webp"}

# Family → the hosts of its pictures that train, and the host that holds the others out. Two hosts or more for each.
TRAINING_HOSTS: dict[str, tuple[str, ...]] = {
    "digits_black_on_white": ("digits.demo.test", "sketches.demo.test"),
    "digits_white_on_black": ("digits.demo.test", "sketches.demo.test"),
    "strokes": ("sketches.demo.test", "digits.demo.test"),
    "tight_crops": ("scraps.demo.test", "photos.demo.test"),
    "strips": ("scraps.demo.test", "photos.demo.test"),
    "fashion": ("sketches.demo.test", "digits.demo.test"),
}
HELD_OUT_HOSTS: dict[str, str] = {
    "digits_black_on_white": "archive.demo.test",
    "digits_white_on_black": "archive.demo.test",
    "strokes": "archive.demo.test",
    "tight_crops": "attic.demo.test",
    "strips": "attic.demo.test",
    "fashion": "attic.demo.test",
}


@dataclass
class Web:
    """Host → path → (type, bytes); `truth` maps a picture's bytes to what is known of it."""

    sites: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=lambda: defaultdict(dict))
    pictures: dict[str, list[Made]] = field(default_factory=lambda: defaultdict(list))

    @property
    def hosts(self) -> list[str]:
        return sorted(self.sites)


def build_web() -> Web:
    """Lay the planted pictures out on their hosts and write the pages."""
    web = Web()
    for index, picture in enumerate(planted(held_out=False)):
        hosts = TRAINING_HOSTS[picture.family or ""]
        web.pictures[hosts[index % len(hosts)]].append(picture)
    for picture in planted(held_out=True):
        web.pictures[HELD_OUT_HOSTS[picture.family or ""]].append(picture)
    web.pictures["photos.demo.test"] += list(copies(quality=90, shrink=0.6))
    web.pictures["mirror.demo.test"] += [*copies(quality=70, shrink=0.5), *odd_sizes()]
    for host, pictures in web.pictures.items():
        _write_site(web.sites[host], host, pictures, [other for other in web.pictures if other != host])
    return web


def _write_site(site: dict[str, tuple[str, bytes]], host: str, pictures: list[Made], others: list[str]) -> None:
    public, forbidden = pictures[:-2], pictures[-2:]
    for picture in public:
        site[f"/i/{picture.stem}.{picture.suffix}"] = (TYPES[picture.suffix], picture.data)
    for picture in forbidden:
        site[f"/private/{picture.stem}.{picture.suffix}"] = (TYPES[picture.suffix], picture.data)
    paths = [f"/i/{picture.stem}.{picture.suffix}" for picture in public]
    pages = [paths[start : start + PER_PAGE] for start in range(0, len(paths), PER_PAGE)]
    for number, chunk in enumerate(pages):
        following = f'<a href="/p/{number + 1}.html">more</a>' if number + 1 < len(pages) else ""
        site[f"/p/{number}.html"] = _html(host, "".join(map(_carrier, range(len(chunk)), chunk)) + following, chunk[0])
    hidden = "".join(f'<img src="/private/{p.stem}.{p.suffix}">' for p in forbidden)
    links = "".join(f'<a href="http://{other}:PORT/">{other}</a> ' for other in others)
    site["/"] = _html(host, f'<a href="/p/0.html">pictures</a> {links} {hidden}', paths[0])
    site["/robots.txt"] = ("text/plain", b"User-agent: *\nDisallow: /private/\n")
    urls = "".join(f"<url><loc>http://{host}:PORT/p/{number}.html</loc></url>" for number in range(len(pages)))
    sitemap = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
    site["/sitemap.xml"] = ("application/xml", sitemap.encode())


def _carrier(index: int, path: str) -> str:
    """A picture in one of the ways that pages carry pictures."""
    if index % 7 == 1:
        return f'<img srcset="{path} 1x" alt="">'
    if index % 7 == 2:
        return f'<picture><source srcset="{path}"></picture>'
    if index % 7 == 3:
        return f"<div style=\"background-image: url('{path}')\"></div>"
    return f'<img src="{path}" alt="">'


def _html(host: str, body: str, first: str) -> tuple[str, bytes]:
    head = f'<meta charset="utf-8"><title>{host}</title><meta property="og:image" content="{first}">'
    return "text/html; charset=utf-8", f"<!doctype html><html><head>{head}</head><body>{body}</body></html>".encode()


@contextlib.contextmanager
def serve_web(web: Web) -> Iterator[int]:
    """Serve every host of `web` on one loopback port, which is given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Without this every answer waits 40 ms for the kernel to join two small writes.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            host = (self.headers.get("Host") or "").split(":")[0]
            kind, body = web.sites.get(host, {}).get(self.path, ("text/plain", b"not here"))
            found = self.path in web.sites.get(host, {})
            if not kind.startswith("image/"):
                body = body.replace(b":PORT/", f":{port}/".encode())
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads this log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port = server.server_address[1]
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield port
        finally:
            server.shutdown()


def write_folder(pictures: Iterator[Made], folder: Path) -> int:
    """Write pictures as files, as an owner would bring them; how many."""
    count = 0
    for count, picture in enumerate(pictures, start=1):
        path = folder / (picture.family or "pictures") / f"{count:05d}-{picture.stem}.{picture.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture.data)
    return count
