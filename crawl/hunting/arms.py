"""What the hunt believes of each part of the web: how often it gives a blind spot, and how sure that is.

Counts are hits against expected hits, so that one measure fits hosts, folders and kinds of pages alike: a part gives
`multiplier` times what it would give if all were alike. Hits are Poisson and multipliers Gamma, which unlike Beta takes
graded rewards and a page with several blind spots. Reads and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from store.sources import domain_of

if TYPE_CHECKING:
    from crawl.hunting.yields import Yields

Floats = NDArray[np.float64]

# Judged sightings of a host after which what it gave before counts half. Chosen by eye: a few galleries.
HALF_LIFE = 500.0
# A web that has shown nothing is taken to hold one blind spot in a hundred pictures, on the strength of fifty. Chosen
# by eye.
PRIOR_HITS, PRIOR_FETCHES = 0.5, 50.0
# Shapes of the Gamma prior that are weighed, from a few rich parts among empty ones to hardly any difference. Chosen by
# eye.
SHAPES = np.geomspace(1 / 32, 16, 10)
# Parts differ when the data are so many times likelier if they do. Simulated on webs of 200 hosts without
# concentration: reached in 0 of 30.
SURE = 3.0


@dataclass(frozen=True)
class Spread:
    """How much parts differ: the shape of the Gamma prior of their multipliers, and the evidence that they do."""

    shape: float = 1.0
    evidence: float = 1.0

    @property
    def differ(self) -> bool:
        """Whether it would be more than chance to prefer one part."""
        return self.evidence >= SURE


def spread_of(hits: Floats, expected: Floats) -> Spread:
    """The spread that explains `hits (N,)` where `expected (N,)` ≥ 0 would come if all were alike.

    Empirical Bayes over SHAPES: the evidence is the mean likelihood ratio of Gamma-Poisson against Poisson, which by
    Ville's inequality chance alone lifts above c once in c webs at most.
    Source: Robbins 1956; Greenwood and Yule 1920 for the mixture.
    """
    from scipy.special import gammaln

    shapes = SHAPES[:, None]
    ratios = gammaln(shapes + hits) - gammaln(shapes) + shapes * np.log(shapes / (shapes + expected))
    ratios += expected - hits * np.log(shapes + expected)
    total: Floats = ratios.sum(axis=1)
    weights = np.exp(total - total.max())
    shape = np.exp((weights * np.log(SHAPES)).sum() / weights.sum())
    return Spread(float(shape), float(np.exp(np.minimum(total, 500.0)).mean()))


def kept(hosts: NDArray[np.int64], ages: NDArray[np.int64], counts: Floats) -> Floats:
    """The share in [0, 1] of each row's `counts` that is not forgotten, where newer rows of its host push it back."""
    order = np.lexsort((ages, hosts))
    count = counts[order]
    before = np.cumsum(count) - count
    first = np.searchsorted(hosts[order], hosts[order])
    before -= before[first]
    decay = np.log(2) / HALF_LIFE
    # The mean of 2^(-x / half-life) over the row's own length.
    length = np.maximum(count * decay, 1e-9)
    share = np.empty(len(counts))
    share[order] = np.exp(-before * decay) * -np.expm1(-length) / length
    return share


@dataclass(frozen=True)
class Beliefs:
    """What one reading of the snapshot says; the arrays are per host, `hosts` names their places.

    A host gives `mean` hits per fetch (what its domain promises) times a multiplier that is Gamma(`shape`, `weight`).
    `waiting` sightings are not judged yet, `arrived` came since the reading before; `judged` sightings and their
    `rewards` are raw sums; the newest sighting is about `back` sightings old. One hit is worth a reward of `hit`.
    `domains`: (hits, expected hits). `folders` and `kinds`: log2 of how much more than their host they give, where that
    is known.
    """

    hosts: dict[str, int]
    shape: Floats
    weight: Floats
    mean: Floats
    waiting: Floats
    arrived: Floats
    judged: Floats
    rewards: Floats
    back: Floats
    spread: Spread
    rate: float
    hit: float
    domains: dict[str, tuple[float, float]]
    folders: dict[tuple[str, ...], float]
    kinds: dict[str, float]

    def mean_of(self, host: str) -> float:
        """Hits per fetch of a host of which nothing is known but its domain."""
        hits, expected = self.domains.get(domain_of(host), (0.0, 0.0))
        return self.rate * (self.spread.shape + hits) / (self.spread.shape + expected)

    def lift_of(self, host: str) -> float:
        """log2 of how much more than the average a host gives; 0 for an unknown one."""
        i = self.hosts.get(host)
        return 0.0 if i is None else float(np.log2(self.mean[i] * self.shape[i] / self.weight[i] / self.rate))


def interval(hits: float, fetches: float) -> tuple[float, float]:
    """The exact 95 % interval of the hits per fetch. Source: Garwood 1936."""
    from scipy.special import gammaincinv

    low = float(gammaincinv(hits, 0.025)) if hits > 0 else 0.0
    return low / max(1.0, fetches), float(gammaincinv(hits + 1, 0.975)) / max(1.0, fetches)


def nothing() -> Beliefs:
    """What is believed before anything was read."""
    none = np.empty(0)
    rate = PRIOR_HITS / PRIOR_FETCHES
    return Beliefs({}, none, none, none, none, none, none, none, none, Spread(), rate, 1.0, {}, {}, {})


def beliefs_of(yields: Yields) -> Beliefs:
    """Learn from one reading of the snapshot."""
    table = yields.hosts
    rows, names = _codes(table["host"])
    column = {name: table[name].to_numpy().astype(float) for name in table.column_names[1:]}
    # Graded rewards as hits of equal worth, with the same mean and variance. Source: Wedderburn 1974, quasi-Poisson.
    total = column["reward"].sum()
    hit = float(column["squares"].sum() / total) if total > 0 else 1.0
    share = kept(rows, column["age"].astype(np.int64), column["judged"])
    judged = _sums(rows, share * column["judged"], len(names))
    hits = _sums(rows, share * column["reward"] / hit, len(names))
    rate = float((hits.sum() + PRIOR_HITS) / (judged.sum() + PRIOR_FETCHES))
    spread = spread_of(hits, judged * rate)
    domains, mean = _domains(names, hits, judged * rate, spread.shape)
    shape, weight = spread.shape + hits, spread.shape + judged * rate * mean
    raw = {name: _sums(rows, column[name], len(names)) for name in ("waiting", "arrived", "judged", "reward")}
    back = np.full(len(names), np.inf)
    np.minimum.at(back, rows, np.exp2(column["age"]))
    hosts, each = {name: i for i, name in enumerate(names)}, rate * mean * shape / weight
    return Beliefs(
        hosts,
        shape,
        weight,
        rate * mean,
        raw["waiting"],
        raw["arrived"],
        raw["judged"],
        raw["reward"],
        back,
        spread,
        rate,
        hit,
        domains,
        _lifts(yields.folders, ("host", "folder"), hosts, each * hit, hit),
        {kind: lift for (kind,), lift in _lifts(yields.kinds, ("kind",), hosts, each * hit, hit).items()},
    )


def _domains(
    hosts: list[str], hits: Floats, expected: Floats, shape: float
) -> tuple[dict[str, tuple[float, float]], Floats]:
    """(hits, expected hits) of every domain, and for each host the multiplier that its domain's other hosts promise."""
    of = {name: i for i, name in enumerate(dict.fromkeys(map(domain_of, hosts)))}
    rows = np.array([of[domain_of(host)] for host in hosts], np.int64)
    all_hits, all_expected = _sums(rows, hits, len(of)), _sums(rows, expected, len(of))
    mean = (shape + all_hits[rows] - hits) / (shape + all_expected[rows] - expected)
    return dict(zip(of, zip(all_hits.tolist(), all_expected.tolist(), strict=True), strict=True)), mean


def _lifts(
    table: pa.Table, by: tuple[str, ...], hosts: dict[str, int], each: Floats, hit: float
) -> dict[tuple[str, ...], float]:
    """log2 of the multiplier of every part, against what its hosts give `each` per sighting; {} if parts are alike."""
    if not table.num_rows:
        return {}
    expected = table["judged"].to_numpy() * each[[hosts[name] for name in table["host"].to_pylist()]]
    table = table.append_column("expected", pa.array(expected)).group_by(list(by))
    table = table.aggregate([("reward", "sum"), ("expected", "sum")])
    hits, expected = table["reward_sum"].to_numpy() / hit, table["expected_sum"].to_numpy() / hit
    expected = expected * (hits.sum() / max(expected.sum(), 1e-9))
    spread = spread_of(hits, expected)
    if not spread.differ:
        return {}
    lifts = np.log2((spread.shape + hits) / (spread.shape + expected)).tolist()
    return dict(zip(zip(*(table[name].to_pylist() for name in by), strict=True), lifts, strict=True))


def _sums(rows: NDArray[np.int64], values: Floats, length: int) -> Floats:
    return np.bincount(rows, values, length).astype(np.float64)


def _codes(names: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str]]:
    coded = names.combine_chunks().dictionary_encode()
    return coded.indices.to_numpy().astype(np.int64), coded.dictionary.to_pylist()
