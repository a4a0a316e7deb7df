"""What comes over a connection, before anything parses it: so much at a time, and no heads without end.

A parser works through what it is given at one go, and whoever sends little that is costly would hold up everybody.
"""

from __future__ import annotations

import re
import socket
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

# What one read gives at most: 256 KB may hold 40,000 chunks. Chosen by eye.
RECEIVED_BYTES = 131_072
# Heads of one answer, of which all but the last say 1xx; honest servers send one or two of those. Chosen by eye.
MOST_HEADS = 20
NEXT_HEAD = re.compile(rb"\n\r?\nHTTP/1\.")


class Socket(socket.socket):
    """Hands on `RECEIVED_BYTES` at a time."""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        return super().recv(min(size, RECEIVED_BYTES), flags)

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        return super().recv_into(buffer, min(size or len(buffer), RECEIVED_BYTES), flags)


class Handler(ResponseHandler):
    """Breaks off where an answer never comes to its point: 1xx after 1xx."""

    _heads = 0

    def set_response_params(self, **given: Any) -> None:
        """A new answer begins."""
        self._heads = 0
        super().set_response_params(**given)

    def data_received(self, data: bytes) -> None:
        """Take what has come, unless it is one head too many."""
        self._heads += len(NEXT_HEAD.findall(data))
        if self._heads <= MOST_HEADS:
            super().data_received(data)
        elif self.transport is not None:
            self.set_exception(aiohttp.ClientPayloadError(f"more than {MOST_HEADS} heads of one answer"))
            self.transport.abort()
