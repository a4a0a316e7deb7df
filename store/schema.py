"""The tables of the catalog, declared once. Each is also a kind of record for the inbox.

Keys are natural and live in `Table.info["key"]`: the fold inserts a record only when its key is not there
yet, which makes every re-run harmless; where `Table.info["newest"]` names a column, a record with a higher number in it
takes the place of the one with its key. There are no primary keys, foreign keys, indexes or enums in the
database: a primary key on sha256 tripled the file (1.78 against 0.63 GB at 10 M rows) and each of them blocks
later ALTERs in DuckDB. A new column goes at the end of its table; the fold adds it to homes that lack it.

Units are in the names: `_px _bytes _bits _s _at` (UTC, without a zone) `_rate` (0–1). A picture is the sha256
of its bytes as 64 hex digits, everywhere.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Double, Integer, LargeBinary, Text, true

from store.types import FloatList, TextList, UInt64

metadata = sa.MetaData()


def _table(name: str, doc: str, *columns: Column[Any], key: tuple[str, ...], newest: str = "") -> sa.Table:
    return sa.Table(name, metadata, *columns, comment=doc, info={"key": key, "newest": newest})


# ---- what was fetched ----------------------------------------------------------------------------
pictures = _table(
    "pictures",
    "one row per stored picture; source = registered domain of the page where it was first seen, or an "
    "import's name",
    Column("picture", Text), Column("size_bytes", BigInteger), Column("source", Text),
    Column("first_seen_at", DateTime),
    key=("picture",),
)  # fmt: skip
sightings = _table(
    "sightings",
    "one row per time a picture was seen; hint = a class that a list of URLs claimed, never a verdict",
    Column("picture", Text), Column("url", Text), Column("page", Text), Column("host", Text),
    Column("source", Text), Column("job", Text), Column("http_status", Integer), Column("content_type", Text),
    Column("seen_at", DateTime), Column("hint", Text),
    key=("picture", "url", "seen_at"),
)  # fmt: skip
refusals = _table(
    "refusals",
    "one row per picture or URL that could not be used, with a reason code; never silence. Of stage score: detail = "
    "the version, and the view if it is not as_shown",
    Column("picture", Text), Column("url", Text), Column("stage", Text), Column("reason", Text),
    Column("detail", Text), Column("job", Text), Column("refused_at", DateTime),
    key=("picture", "url", "stage", "reason", "job", "refused_at", "detail"),
)  # fmt: skip
crawls = _table(
    "crawls",
    "one row per run of a crawl job; `summary` is all that it counted, as JSON",
    Column("crawl", Text), Column("job", Text), Column("spider", Text), Column("started_at", DateTime),
    Column("ended_at", DateTime), Column("stopped", Text), Column("pages", BigInteger),
    Column("pictures", BigInteger), Column("new_pictures", BigInteger), Column("summary", Text),
    key=("crawl",),
)  # fmt: skip

# ---- what was forgotten --------------------------------------------------------------------------
forget_requests = _table(
    "forget_requests",
    "one row per purge or retention; `value` names what to forget, and is null once that is forgotten",
    Column("request", Text), Column("verb", Text), Column("target", Text), Column("value", Text),
    Column("suites_too", Boolean), Column("reason", Text), Column("requested_at", DateTime),
    Column("done_at", DateTime), Column("summary", Text),
    key=("request",),
)  # fmt: skip
tombstones = _table(
    "tombstones",
    "what may neither be fetched nor stored again: keyed hashes of sources and URLs, sha256 of pictures",
    Column("kind", Text), Column("mark", Text), Column("reason", Text), Column("request", Text),
    Column("made_at", DateTime),
    key=("kind", "mark"),
)  # fmt: skip
dropped_pictures = _table(
    "dropped_pictures",
    "pictures whose bytes were dropped by a retention; everything else that is known of them stays",
    Column("picture", Text), Column("request", Text), Column("dropped_at", DateTime),
    key=("picture",),
)  # fmt: skip

# ---- what it looks like --------------------------------------------------------------------------
measurements = _table(
    "measurements",
    "what a picture looks like, measured in one decode: on a 64-px thumbnail, but for sharpness, grain and "
    "flat_share, which want the pixels of the original and are null without",
    Column("picture", Text), Column("width_px", Integer), Column("height_px", Integer),
    Column("format", Text),
    Column("frames", Integer), Column("reduced", Boolean), Column("has_alpha", Boolean),
    Column("entropy_bits", Double), Column("palette_share", Double), Column("extremes_share", Double),
    Column("border_flatness", Double), Column("top_colour_share", Double), Column("colourfulness", Double),
    Column("measured_at", DateTime),
    Column("components", Integer), Column("ink_share", Double), Column("sharpness", Double),
    Column("grain", Double), Column("flat_share", Double), Column("measure_version", Integer),
    key=("picture",), newest="measure_version",
)  # fmt: skip
hashes = _table(
    "hashes",
    "perceptual hashes of a picture by one defined input path (`hash_version`); low energy = do not "
    "trust phash alone; turned = phash of the seven other orientations, lowest byte first",
    Column("picture", Text), Column("phash", UInt64), Column("energy", Double),
    Column("thumbnail", LargeBinary),
    Column("hash_version", Text),
    Column("turned", LargeBinary), Column("pdq", LargeBinary), Column("pdq_quality", Integer),
    Column("path_version", Integer),
    key=("picture",), newest="path_version",
)  # fmt: skip
copies = _table(
    "copies",
    "stars of near-copies: each picture points at its group's representative (itself when it is one)",
    Column("picture", Text), Column("representative", Text), Column("distance_bits", Integer),
    Column("hash_version", Text), Column("path_version", Integer),
    key=("picture",), newest="path_version",
)  # fmt: skip
turned_copies = _table(
    "turned_copies",
    "representatives that are mirrored or rotated copies of another one, and how the picture must be turned to "
    "lie like it: so many quarter turns against the clock, 4 more = mirrored first; they share no verdict",
    Column("picture", Text), Column("representative", Text), Column("orientation", Integer),
    Column("distance_bits", Integer), Column("hash_version", Text), Column("path_version", Integer),
    key=("picture",), newest="path_version",
)  # fmt: skip
look_alikes = _table(
    "look_alikes",
    "representatives that a network sees as near: of each the five nearest stored when it came, by the cosine of "
    "their embeddings under one frozen base; no copies, and they share nothing",
    Column("picture", Text), Column("base", Text), Column("look_alike", Text), Column("cosine", Double),
    key=("picture", "base", "look_alike"),
)  # fmt: skip
family_definitions = _table(
    "family_definitions",
    "named sets of pictures: a rule over measurements, a frozen cluster, or a label; never a model's "
    "own scores",
    Column("family", Text), Column("kind", Text), Column("definition", Text), Column("defined_at", DateTime),
    key=("family", "definition"),
)  # fmt: skip
family_members = _table(
    "family_members", "which pictures belong to which family",
    Column("family", Text), Column("picture", Text),
    key=("family", "picture"),
)  # fmt: skip

# ---- what the models say -------------------------------------------------------------------------
models = _table(
    "models",
    "one row per model version; `card` is the whole card as JSON",
    Column("version", Text), Column("name", Text), Column("base", Text), Column("parent", Text),
    Column("mix", Text), Column("level", Text), Column("classes", TextList), Column("card", Text),
    Column("made_at", DateTime),
    key=("version",),
)  # fmt: skip
policies = _table(
    "policies",
    "every policy that was ever in force, from when; the newest row is in force",
    Column("policy_version", Text), Column("body", Text), Column("since_at", DateTime),
    key=("policy_version", "since_at"),
)  # fmt: skip
flag_masks = _table(
    "flag_masks",
    "1 for each class of a version that a policy flags, else 0; flag_score = probabilities · mask",
    Column("version", Text), Column("policy_version", Text), Column("mask", FloatList),
    key=("version", "policy_version"),
)  # fmt: skip
raw_scores = _table(
    "raw_scores",
    "class probabilities as the model gave them, per picture, version and view",
    Column("picture", Text), Column("version", Text), Column("view", Text),
    Column("probabilities", FloatList), Column("scored_at", DateTime),
    key=("picture", "version", "view"),
)  # fmt: skip
operating_points = _table(
    "operating_points",
    "the threshold on flag_score of a version under a policy, with the negatives it was set on; the "
    "newest counts",
    Column("version", Text), Column("policy_version", Text), Column("threshold", Double),
    Column("negatives", Text), Column("n_negatives", Integer), Column("target_rate", Double),
    Column("set_at", DateTime),
    key=("version", "policy_version", "set_at"),
)  # fmt: skip
promotions = _table(
    "promotions",
    "each time a version became champion, how (first, certificate, operating_point, rollback) and by whom",
    Column("version", Text), Column("policy_version", Text), Column("threshold", Double), Column("how", Text),
    Column("certificate", Text), Column("by", Text), Column("promoted_at", DateTime),
    key=("version", "promoted_at"),
)  # fmt: skip

# ---- what looks wrong, and what people said ------------------------------------------------------
findings = _table(
    "findings",
    "what a detector found; score in [0, 1], higher = more suspicious; version is null when no model "
    "was asked",
    Column("detector", Text), Column("picture", Text), Column("score", Double), Column("threshold", Double),
    Column("reason", Text), Column("version", Text), Column("found_at", DateTime),
    key=("detector", "picture", "version"),
)  # fmt: skip
queue_entries = _table(
    "queue_entries",
    "every queue that was ever made; the view `queue` shows what is left of the newest",
    Column("queue", Text), Column("rank", Integer), Column("lane", Text), Column("picture", Text),
    Column("value", Double), Column("reason", Text), Column("version", Text), Column("policy_version", Text),
    Column("queued_at", DateTime),
    key=("queue", "rank"),
)  # fmt: skip
verdict_records = _table(
    "verdict_records",
    "one decision of one person on one picture; `undoes` names an earlier record, and then class may be null",
    Column("verdict", Text), Column("picture", Text), Column("class", Text), Column("reviewer", Text),
    Column("policy_version", Text), Column("lane", Text), Column("undoes", Text), Column("note", Text),
    Column("decided_at", DateTime),
    key=("verdict",),
)  # fmt: skip
suite_pictures = _table(
    "suite_pictures",
    "pictures with known labels that the owner brought for evaluation; a suite only grows, batch by batch",
    Column("suite", Text), Column("role", Text), Column("picture", Text), Column("class", Text),
    Column("batch", Text), Column("added_at", DateTime),
    key=("suite", "picture"),
)  # fmt: skip

# ---- what was trained and proved -----------------------------------------------------------------
mixes = _table(
    "mixes",
    "the exact list of samples of one training; `mix` is the hash of its samples; not replayable = some of "
    "them were purged",
    Column("mix", Text), Column("policy_version", Text), Column("parent", Text), Column("settings", Text),
    Column("made_at", DateTime), Column("replayable", Boolean, server_default=true()),
    key=("mix",),
)  # fmt: skip
mix_samples = _table(
    "mix_samples",
    "the samples of a mix; kind: verdict, hold (keep the parent's answer) or sentinel (no picture exists)",
    Column("mix", Text), Column("sample", Text), Column("kind", Text), Column("picture", Text),
    Column("class", Text), Column("weight", Double), Column("split", Text), Column("split_group", Text),
    Column("source", Text),
    key=("mix", "sample"),
)  # fmt: skip
evaluations = _table(
    "evaluations",
    "errors of a version on a slice (suite, family or source), with the threshold used and a 95 % interval",
    Column("evaluation", Text), Column("version", Text), Column("policy_version", Text),
    Column("slice", Text),
    Column("name", Text), Column("error", Text), Column("threshold_kind", Text), Column("threshold", Double),
    Column("errors", Integer), Column("n", Integer), Column("rate", Double), Column("low_rate", Double),
    Column("high_rate", Double), Column("evaluated_at", DateTime),
    key=("evaluation", "version", "slice", "name", "error", "threshold_kind"),
)  # fmt: skip
certificates = _table(
    "certificates",
    "every answer of the gate; `body` is the whole certificate as JSON",
    Column("certificate", Text), Column("candidate", Text), Column("label", Text), Column("champion", Text),
    Column("policy_version", Text), Column("decision", Text), Column("reasons", Text), Column("body", Text),
    Column("made_at", DateTime),
    key=("certificate",),
)  # fmt: skip
cycles = _table(
    "cycles",
    "each turn of crawl → mine → verdicts → train → gate, with what every step gave as JSON",
    Column("cycle", Text), Column("started_at", DateTime), Column("ended_at", DateTime),
    Column("outcome", Text),
    Column("summary", Text),
    key=("cycle",),
)  # fmt: skip

# Which inbox files are in the catalog.
folded = _table(
    "folded",
    "one row per inbox file that was taken into the catalog",
    Column("file", Text), Column("rows", BigInteger), Column("folded_at", DateTime),
    key=("file",),
)  # fmt: skip

# No kinds of records: the fold alone writes these.
OF_THE_FOLD = (folded, tombstones, dropped_pictures)
KINDS: dict[str, sa.Table] = {name: table for name, table in metadata.tables.items() if table not in OF_THE_FOLD}
