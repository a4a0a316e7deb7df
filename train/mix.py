"""The mix: the exact samples, weights and splits of one training, with a hash.

Reads labels, copies and hashes from the snapshot and embeddings from their shards; appends `mixes` and `mix_samples`.
A sample is a reviewed picture (`verdict`), an unreviewed one whose old answer is to be kept (`hold`), or a feature
vector that must stay flagged (`sentinel`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from mine.copies import split_groups
from mine.stars import read_hashes
from store.catalog import Snapshot
from store.errors import TooFewSamples
from store.home import Home

# One reviewed picture per copies group, with the group's label; a suite's picture and whatever chains to it within 8
# bits stays out. Without an ordinary suite the audit lane sets and checks rates, so nothing is learned from it.
REVIEWED = """
    SELECT v.picture, any_value(l.class) AS class, any_value(p.source) AS source,
           any_value(coalesce(c.representative, v.picture)) AS star
    FROM verdicts v JOIN policy USING (policy_version) JOIN pool p ON p.picture = v.picture
    JOIN labels l ON l.picture = v.picture
    JOIN scores s ON s.picture = v.picture AND s.version = :champion AND s.view = 'as_shown'
    LEFT JOIN copies c ON c.picture = v.picture
    WHERE v.lane IS DISTINCT FROM 'audit' OR EXISTS (SELECT 1 FROM suite_pictures WHERE role = 'ordinary')
    GROUP BY v.picture ORDER BY v.picture"""
UNREVIEWED = """
    SELECT p.picture, p.source, coalesce(c.representative, p.picture) AS star
    FROM pool p JOIN scores s ON s.picture = p.picture AND s.version = :champion AND s.view = 'as_shown'
    LEFT JOIN copies c ON c.picture = p.picture
    WHERE s.flag_score <= 0.5 AND p.picture NOT IN (SELECT picture FROM labels)
    ORDER BY hash(p.picture), p.picture"""
SUITES = "SELECT DISTINCT picture FROM suite_pictures"


@dataclass(frozen=True)
class MixSettings:
    """How a mix is put together. Fewer than `least_verdicts` reviewed pictures are not worth a training.

    `hold` unreviewed pictures keep the old answers, `sentinels` per level keep the old flags; both chosen by eye so
    that about 200 verdicts neither drown nor run alone. 0 switches a part off. What comes from `held_out_sources` is
    for the gate alone.
    """

    least_verdicts: int = 30
    hold: int = 800
    sentinels: int = 600
    validation_share: float = 0.2
    test_share: float = 0.1
    verdict_weight: float = 3.0
    held_out_sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One sample; `split` is train, validation, or test: reviewed pictures that only the gate looks at."""

    sample: str
    kind: str
    picture: str
    label: str | None
    weight: float
    split: str
    split_group: str
    source: str


@dataclass(frozen=True)
class Mix:
    """Samples in a fixed order; `name` is the hash over all of them, the parent version and the settings."""

    parent: str
    policy_version: str
    settings: MixSettings
    samples: tuple[Sample, ...]
    dropped: int

    @property
    def name(self) -> str:
        whole = [self.parent, self.policy_version, asdict(self.settings), [asdict(s) for s in self.samples]]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


def make_mix(home: Home, champion: str, policy_version: str, settings: MixSettings | None = None) -> Mix:
    """Put the mix together from what the snapshot knows.

    Raises TooFewSamples, naming what is missing, below `least_verdicts` reviewed pictures.
    """
    settings = settings or MixSettings()
    with Snapshot(home) as snapshot:
        hashed = read_hashes(snapshot)
        groups = split_groups(hashed)
        reviewed = _one_per_star(snapshot.rows(REVIEWED, champion=champion), groups)
        unreviewed = _one_per_star(snapshot.rows(UNREVIEWED, champion=champion), groups)
        suites = {row["picture"] for row in snapshot.rows(SUITES)}
    sealed = {groups[picture] for picture in suites if picture in groups}
    free = [row for row in reviewed if groups[row["picture"]] not in sealed]
    if len(free) < settings.least_verdicts:
        raise TooFewSamples(
            f"wanted {settings.least_verdicts} reviewed pictures to train on, found {len(free)} "
            f"({len(reviewed) - len(free)} more are near-copies of suite pictures); review more: `blindspot queue`"
        )
    held = [row for row in unreviewed if groups[row["picture"]] not in sealed]
    samples = [_sample("verdict", row, groups, settings) for row in free]
    samples += [_sample("hold", row, groups, settings) for row in held[: settings.hold]]
    # Sentinels for replay start from pictures after those held, or from the last of these where too few are left; the
    # gate's own start from suite pictures.
    after = max(0, min(settings.hold, len(held) - settings.sentinels))
    samples += [_sample("sentinel", row, groups, settings) for row in held[after : after + settings.sentinels]]
    used = tuple(sample for sample in samples if sample.split != "left_out")
    return Mix(champion, policy_version, settings, used, len(reviewed) - len(free))


def record_mix(home: Home, mix: Mix) -> None:
    """Append the mix and its samples; the same mix again changes nothing."""
    inbox = home.inbox()
    inbox.append(
        "mixes",
        [
            {
                "mix": mix.name,
                "policy_version": mix.policy_version,
                "parent": mix.parent,
                "settings": json.dumps(asdict(mix.settings)),
                "made_at": dt.datetime.now(dt.UTC),
            }
        ],
    )
    inbox.append("mix_samples", [_row(mix.name, sample) for sample in mix.samples])


def _row(mix: str, sample: Sample) -> dict[str, Any]:
    fields = asdict(sample)
    return {"mix": mix, "class": fields.pop("label"), **fields}


def _one_per_star(rows: Iterable[dict[str, Any]], groups: dict[str, str]) -> list[dict[str, Any]]:
    """The first row of every copies group; a picture without a hash may be anything's copy, so it is left out."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["picture"] in groups:
            first.setdefault(row["star"], row)
    return list(first.values())


def _sample(kind: str, row: dict[str, Any], groups: dict[str, str], settings: MixSettings) -> Sample:
    picture = str(row["picture"])
    group = groups[picture]
    # By the group's hash, so that a group never straddles the splits and a rerun splits alike.
    share = int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) / 16**8
    return Sample(
        sample=f"{kind}:{picture}",
        kind=kind,
        picture=picture,
        label=str(row["class"]) if kind == "verdict" else None,
        weight=settings.verdict_weight if kind == "verdict" else 1.0,
        split=_split(kind, share, row["source"] in settings.held_out_sources, settings),
        split_group=group,
        source=str(row["source"]),
    )


def _split(kind: str, share: float, held_out: bool, settings: MixSettings) -> str:
    if held_out or share < settings.test_share:
        return "test" if kind == "verdict" else "left_out"
    return "validation" if share < settings.test_share + settings.validation_share else "train"
