"""Runs a version that lives behind a URL: TF Serving's REST predict, and whatever else speaks it.

Sends prepared pictures as JSON to the one host that the card names and follows no redirect; reads and writes no file.
Source: the RESTful API of TensorFlow Serving, row format.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import numpy as np

from mine.runtimes.answers import Floats, Runner, as_probabilities
from store.cards import Card
from store.errors import ModelError, UsageError

# A picture's share of time in the engine is 6 s; a server's first answer may have to load its model.
TIMEOUT_S, FIRST_TIMEOUT_S = 5.0, 30.0
BATCH = 8  # a picture of 224 px is some 3 MB of JSON; chosen by eye
ANSWER_BYTES = 1 << 20  # of a batch; a thousand classes take 200 kB
# A graphics card answers otherwise than a processor by some 1e-4, another model by more. Chosen by eye.
SAME_MODEL = 1e-3
_PATH = re.compile(r"/v1/models/[^/:]+(?:/(?:versions/\d+|labels/[^/:]+))?(?::predict)?")


def predict_url(url: str) -> str:
    """The URL in full, `http(s)://HOST[:PORT]/v1/models/NAME[/versions/N]:predict`. Raises UsageError for others."""
    wanted = "wanted http://HOST:PORT/v1/models/NAME[/versions/N]:predict"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{wanted}. Received: {url[:200]!r} ({error})") from None
    if parts.username is not None or parts.password is not None:
        raise UsageError(f"{wanted}, without a name or password in it: it would stand in the card")
    bad = re.search(r"[\x00-\x20\x7f]", url) or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not host or bad or not _PATH.fullmatch(parts.path):
        raise UsageError(f"{wanted}. Received: {url[:200]!r}")
    return url if url.endswith(":predict") else f"{url}:predict"


def probe_picture(side_px: int) -> Floats:
    """(1, side, side, 3) float32 in [0, 1): the seeded noise by which a model behind a URL is known again."""
    return np.random.default_rng(0).random((1, side_px, side_px, 3), dtype=np.float32)


def opened(folder: Path, card: Card, threads: int) -> Runner:
    """Make sure that the server answers, and as it did at adoption. Raises ModelError when it is down or another.

    `threads` is the server's own affair.
    """
    now = Served(card, FIRST_TIMEOUT_S)(probe_picture(card.input_px))["probabilities"][0]
    if card.runs.probe is not None:
        gap = float(np.abs(now - np.array(card.runs.probe, np.float32)).max())
        if not gap <= SAME_MODEL:
            raise ModelError(f"{card.version}: {card.runs.url} answers otherwise than when adopted; adopt it again")
    return Served(card)


class Served:
    """The client of one model; safe to share between threads."""

    def __init__(self, card: Card, timeout_s: float = TIMEOUT_S) -> None:
        self._card, self._url, self._timeout_s = card, str(card.runs.url), timeout_s
        self._parts: SplitResult = urlsplit(self._url)

    def __call__(self, batch: Floats) -> Mapping[str, Floats]:
        pictures = batch.transpose(0, 3, 1, 2) if self._card.runs.layout == "NCHW" else batch
        parts = [self._predicted(pictures[start : start + BATCH]) for start in range(0, len(pictures), BATCH)]
        return {"probabilities": as_probabilities(np.concatenate(parts), self._card)}

    def _predicted(self, pictures: Floats) -> Floats:
        """(N, W) what the server says of N pictures."""
        status, content = self._asked(json.dumps({"instances": pictures.tolist()}).encode())
        try:
            answer = json.loads(content)
        except ValueError:
            raise self._error(f"answered HTTP {status} and no JSON: {content[:60]!r}") from None
        if status != 200 or not isinstance(answer, dict) or "predictions" not in answer:
            said = answer.get("error", answer) if isinstance(answer, dict) else answer
            raise self._error(f"refused with HTTP {status}: {' '.join(str(said).split())[:200]}")
        return self._columns(answer["predictions"], len(pictures))

    def _columns(self, rows: Any, n: int) -> Floats:
        if not isinstance(rows, list) or len(rows) != n:
            found = len(rows) if isinstance(rows, list) else type(rows).__name__
            raise self._error(f"was asked about {n} pictures and answered {found}")
        if isinstance(rows[0], dict):
            rows = [row.get(self._named(rows[0])) if isinstance(row, dict) else None for row in rows]
        try:
            return np.asarray(rows, np.float32).reshape(n, -1)  # a null is NaN
        except (TypeError, ValueError):
            raise self._error(f"answered what are not rows of numbers: {str(rows)[:60]}") from None

    def _named(self, row: Mapping[str, Any]) -> str:
        """The output to read of several."""
        output = self._card.runs.output
        if output is None and len(row) == 1:
            return str(next(iter(row)))
        if output is None or output not in row:
            raise self._error(f"has the outputs {sorted(row)}; the card's `output` must name one, it is {output!r}")
        return output

    def _asked(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer, by a connection of its own: beside the megabytes it costs nothing."""
        parts, seconds = self._parts, self._timeout_s
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        try:
            with contextlib.closing(kind(str(parts.hostname), parts.port, timeout=seconds)) as connection:
                deadline = time.monotonic() + seconds
                headers = {"Content-Type": "application/json", "Connection": "close"}
                connection.request("POST", parts.path, body, headers)
                with connection.getresponse() as answer:
                    return answer.status, _read(answer, deadline)
        except (OSError, http.client.HTTPException) as error:
            said = " ".join(str(error).split())[:120] or type(error).__name__
            raise self._error(f"is down: {said}; start it, then run this again") from None

    def _error(self, said: str) -> ModelError:
        return ModelError(f"{self._card.version}: the model at {self._url} {said}")


def _read(answer: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body, of which neither the length nor the slowness may be endless."""
    content = bytearray()
    while part := answer.read1(1 << 16):
        content += part
        if len(content) > ANSWER_BYTES:
            raise http.client.HTTPException(f"its answer is longer than {ANSWER_BYTES} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError("its answer was not complete in time")
    return bytes(content)
