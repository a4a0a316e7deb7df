"""What a purge comes to: which pictures and URLs it forgets, and which mixes and models learned from them.

Reads the catalog (or its snapshot, for a look beforehand) and the frontiers; writes nothing.

*Of a source* are the pictures that its pages showed or its hosts served, and the URLs of both. The same bytes seen
elsewhere go too, with everything known of them: it is the picture that is forgotten, and a sighting without its
picture would only say where it can be had. The other sources' URLs are not forbidden: what they serve tomorrow may be
another picture, and these bytes are refused wherever they come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from store.errors import UsageError
from store.forgetting.frontiers import urls_named_on
from store.forgetting.tombstones import url_place
from store.home import Home
from store.sources import source_of
from store.versions import read_champion

Rows = Callable[..., list[dict[str, Any]]]
# What each target looks like, in words and as a pattern. A source is a domain, a host and port, or an import's name.
SHAPES = {
    "source": ("the name of a source, as in the column `source`", r"(?!.*://)\S(.*\S)?"),
    "picture": ("a picture's id, 64 hex digits", r"[0-9a-f]{64}"),
    "url": ("a URL with its scheme", r"[A-Za-z][A-Za-z0-9+.-]*://\S.*"),
}
TARGETS = tuple(SHAPES)

SEEN = {
    "source": """
        SELECT DISTINCT picture, url FROM sightings
        WHERE source = :name
           OR regexp_extract(url, '^[A-Za-z]+://[^/?#]*') IN (SELECT unnest(CAST(:places AS VARCHAR[])))
        UNION SELECT picture, NULL FROM pictures WHERE source = :name""",
    "picture": "SELECT DISTINCT picture, url FROM sightings WHERE picture = :name UNION SELECT :name, NULL",
    "url": """
        WITH places AS (SELECT unnest(CAST(:places AS VARCHAR[])) AS place)
        SELECT DISTINCT picture, url FROM sightings
        WHERE url IN (SELECT place FROM places) OR page IN (SELECT place FROM places)""",
}
ORIGINS = "SELECT DISTINCT regexp_extract(url, '^[A-Za-z]+://[^/?#]*') AS place FROM sightings"
SPELLINGS = "SELECT DISTINCT unnest([url, page]) AS place FROM sightings"
COUNTS = """
    WITH gone AS (SELECT unnest(CAST(:pictures AS VARCHAR[])) AS picture)
    SELECT (SELECT coalesce(sum(size_bytes), 0) FROM pictures SEMI JOIN gone USING (picture)) AS bytes,
           (SELECT count(*) FROM sightings SEMI JOIN gone USING (picture)) AS sightings,
           (SELECT count(*) FROM verdict_records SEMI JOIN gone USING (picture)) AS verdicts,
           (SELECT count(*) FROM suite_pictures SEMI JOIN gone USING (picture)) AS suite_pictures"""
MIXES = """
    WITH gone AS (SELECT unnest(CAST(:pictures AS VARCHAR[])) AS picture)
    SELECT DISTINCT mix FROM mix_samples WHERE picture IN (SELECT picture FROM gone) OR source = :source ORDER BY mix"""
# Whoever was trained on such a mix, and whoever was trained from such a model.
LEARNED = """
    WITH RECURSIVE line AS (
        SELECT version, mix, true AS directly FROM models WHERE mix IN (SELECT unnest(CAST(:mixes AS VARCHAR[])))
        UNION SELECT m.version, m.mix, false FROM models m JOIN line l ON m.parent = l.version)
    SELECT version, any_value(mix) AS mix, bool_or(directly) AS directly FROM line GROUP BY version ORDER BY version"""


@dataclass(frozen=True)
class Plan:
    """Everything one purge forgets, by name, and what it touches."""

    target: str
    value: str
    pictures: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    mixes: tuple[str, ...] = ()
    models: tuple[dict[str, Any], ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """What free text is searched for: the source, and the folders of imported files, with a slash at the end."""
        files = [urlsplit(url).path for url in self.urls if url.startswith("file:")]
        folders = {f"{Path(unquote(path)).parent}/" for path in files} - {"//"}
        return folders | ({self.value} if self.target == "source" else set())

    def marks(self) -> list[tuple[str, str]]:
        """(kind, name) of every tombstone to set."""
        source = [("source", self.value)] if self.target == "source" else []
        return [*source, *(("url", url) for url in self.urls), *(("picture", picture) for picture in self.pictures)]

    def as_json(self) -> dict[str, Any]:
        """What a person wants to know, without a URL."""
        return {
            "pictures": len(self.pictures),
            "urls": len(self.urls),
            **self.counts,
            "mixes": list(self.mixes),
            "models": list(self.models),
        }


def check_target(target: str, value: str) -> str:
    """`value` as rows have it. Raises UsageError for what cannot be a source, picture or URL."""
    wanted, shape = SHAPES[target]
    if not re.fullmatch(shape, value, re.DOTALL):
        raise UsageError(f"--{target} wants {wanted}. Received: {value[:200]!r}")
    return value


def plan_purge(home: Home, rows: Rows, target: str, value: str) -> Plan:
    """What forgetting `value` comes to; `rows(query, **parameters)` asks the catalog or its snapshot."""
    places = _places(rows, target, value)
    seen = rows(SEEN[target], name=value, places=places)
    pictures = sorted({row["picture"] for row in seen if row["picture"]})
    urls = {row["url"] for row in seen if row["url"] and (target != "url" or url_place(row["url"]) == url_place(value))}
    if target == "source":
        urls.update(urls_named_on(home, lambda page: belongs(page, value)))
    if target == "url":
        urls.add(value)
    mixes = [row["mix"] for row in rows(MIXES, pictures=pictures, source=value if target == "source" else "")]
    (counts,) = rows(COUNTS, pictures=pictures)
    return Plan(target, value, tuple(pictures), tuple(sorted(urls)), tuple(mixes), _models(home, rows, mixes), counts)


def belongs(url: str, source: str) -> bool:
    """Whether `url` lies on a host of `source`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return False
    return bool(host) and source in {host, f"{host}:{port}", source_of(host, port)}


def _places(rows: Rows, target: str, value: str) -> list[str]:
    """The origins of a source, or the spellings of a URL, that stand in the sightings."""
    if target == "source":
        return [row["place"] for row in rows(ORIGINS) if row["place"] and belongs(row["place"], value)]
    if target == "url":
        wanted = url_place(value)
        return [row["place"] for row in rows(SPELLINGS) if row["place"] and url_place(row["place"]) == wanted]
    return []


def _models(home: Home, rows: Rows, mixes: Sequence[str]) -> tuple[dict[str, Any], ...]:
    champion = read_champion(home)
    serving = champion.version if champion else None
    found = rows(LEARNED, mixes=list(mixes))
    return tuple(row | {"champion": row["version"] == serving} for row in found)
