"""A listener that nobody may reach, and the ways to write where it listens."""

from __future__ import annotations

import queue
import socket
import threading
from pathlib import Path
from typing import Any

from crawl.job import Job

# Ways to write an address of this machine or of its private neighbourhood. `mapped.test` is for `[resolve]`.
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
    "[2002:a00:1::1]", "[2002:7f00:1:1::1]", "[64:ff9b:1::7f00:1]", "[::ffff:0:127.0.0.1]", "[2001:0:7f00:1::1]",
    "[2606:4700::5efe:7f00:1]", "[2606:4700::200:5efe:127.0.0.1]", "[fe80::5efe:127.0.0.1]", "[::ffff:10.0.0.1]",
    "[::ffff:127.0.0.1%25lo]", "[::1%lo]", "127.0.0.1:080@127.0.0.1", "localhost%00.test", "127.0.0.1%09",
]  # fmt: skip


class Canary:
    """Listens on every address of this machine, or on one, and remembers who came."""

    def __init__(self, address: str = "", port: int = 0) -> None:
        family = socket.AF_INET6 if not address and socket.has_dualstack_ipv6() else socket.AF_INET
        self.socket = socket.create_server((address, port), family=family, dualstack_ipv6=family == socket.AF_INET6)
        self.address = address or "127.0.0.1"
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
        with socket.create_connection((self.address, self.port)) as last:
            port = last.getsockname()[1]
            count = 0
            while self.visitors.get(timeout=10) != port:
                count += 1
            return count

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


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
