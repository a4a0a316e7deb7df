"""The questions that people ask the catalog, by name, as SQL that `blindspot sql --named` runs and shows.

Each is one SELECT on the tables and views, with `$name` parameters; `store.named` binds them. A default is an SQL
expression of its own, which may use the parameters before it, and all that the caller gave. Rates stand beside their
counts and a 95 % interval, and "worst" means by the lower end of it: one error in one is no pattern.
"""

from __future__ import annotations

from dataclasses import dataclass

from store.parameters import (
    AFTER,
    AT_LEAST,
    BEFORE,
    BY,
    COUNT,
    FOUND_BY,
    JOB,
    ONE_PICTURE,
    OTHER,
    SHOWN,
    TEXT,
    Parameter,
)


@dataclass(frozen=True)
class Question:
    """One question: what it answers, the columns of the answer, its SQL and parameters."""

    meaning: str
    columns: tuple[str, ...]
    sql: str
    parameters: tuple[Parameter, ...] = ()


Z = 1.959964  # the 97.5 % point of the normal distribution


def _rate(errors: str, n: str) -> str:
    """Three columns of SQL: a rate in [0, 1] and Wilson's interval. Source: Wilson 1927, JASA 22."""
    root = f"{Z} * sqrt({errors} * ({n} - {errors}) / nullif({n}, 0) + {Z**2 / 4})"
    # + 0 makes of a minus zero what people expect.
    low, high = (f"round(({errors} + {Z**2 / 2} {sign} {root}) / ({n} + {Z**2}), 4) + 0" for sign in "-+")
    return f"round({errors} / nullif({n}, 0), 4) AS rate, {low} AS low_rate, {high} AS high_rate"


FLIPPED = """WITH before AS (SELECT picture, flag_score, flagged FROM scores WHERE version = $before AND view = $view),
        after AS (SELECT picture, flag_score, flagged FROM scores WHERE version = $after AND view = $view),
        flipped AS (
            SELECT a.picture, a.flagged, b.flag_score AS score_before, a.flag_score AS score_after
            FROM after a JOIN before b ON b.picture = a.picture AND b.flagged <> a.flagged)"""
# What a model is asked about: the findings that are of no version, or of the one that is asked for.
OF_VERSION = "(version IS NULL OR version = $version) AND ($detector IS NULL OR detector = $detector)"
WRONG = """
    SELECT s.picture, p.source, s.flag_score, s.threshold, l.class AS known_class, l.origin
    FROM scores s JOIN labels l USING (picture) LEFT JOIN pictures p USING (picture)
    WHERE s.version = $version AND s.view = $view AND s.flagged = {flagged} AND l.flagged = {known}
    ORDER BY s.flag_score {order}, s.picture"""
PEOPLE = """
    SELECT coalesce(c.representative, v.picture) AS representative, v.reviewer,
           max_by(v.class, v.decided_at) AS class, max_by(v.flagged, v.decided_at) AS flagged,
           max(v.decided_at) AS decided_at
    FROM verdicts v JOIN policy USING (policy_version) LEFT JOIN copies c ON c.picture = v.picture
    GROUP BY ALL"""


def _columns(names: str) -> tuple[str, ...]:
    return tuple(names.split())


RATES = "rate low_rate high_rate"
QUESTIONS: dict[str, Question] = {
    "flips": Question(
        "which pictures does one version flag and the other not?",
        _columns("picture source change score_before score_after"),
        f"""
        {FLIPPED}
        SELECT f.picture, p.source, if(f.flagged, 'now flagged', 'no longer flagged') AS change,
               f.score_before, f.score_after
        FROM flipped f LEFT JOIN pictures p USING (picture)
        ORDER BY abs(f.score_after - f.score_before) DESC, f.picture""",
        (AFTER, BEFORE, SHOWN),
    ),
    "mended": Question(
        "of the flips with a known answer, which does the newer version put right, and which wrong?",
        _columns("picture source change known_class origin score_before score_after"),
        f"""
        {FLIPPED}
        SELECT f.picture, p.source, if(f.flagged = l.flagged, 'mended', 'broken') AS change, l.class AS known_class,
               l.origin, f.score_before, f.score_after
        FROM flipped f JOIN labels l USING (picture) LEFT JOIN pictures p USING (picture)
        ORDER BY change, abs(f.score_after - f.score_before) DESC, f.picture""",
        (AFTER, BEFORE, SHOWN),
    ),
    "view_flips": Question(
        "which pictures does a version flag in one view and not in another?",
        _columns("picture source flagged_views other_views low_score high_score"),
        """
        WITH shaky AS (
            SELECT picture, list(view ORDER BY view) FILTER (WHERE flagged) AS flagged_views,
                   list(view ORDER BY view) FILTER (WHERE NOT flagged) AS other_views,
                   min(flag_score) AS low_score, max(flag_score) AS high_score
            FROM scores WHERE version = $version GROUP BY picture
            HAVING bool_or(flagged) AND NOT bool_and(flagged))
        SELECT s.picture, p.source, s.flagged_views, s.other_views, s.low_score, s.high_score
        FROM shaky s LEFT JOIN pictures p USING (picture) ORDER BY s.high_score - s.low_score DESC, s.picture""",
        (BY,),
    ),
    "disagreement": Question(
        "on which sources do two versions answer differently most often?",
        _columns(f"source differ pictures {RATES} only_version only_other mean_difference"),
        f"""
        WITH pairs AS (
            SELECT p.source, a.flagged AS ours, b.flagged AS theirs, abs(a.flag_score - b.flag_score) AS difference
            FROM (SELECT * FROM scores WHERE version = $version AND view = $view) a
            JOIN (SELECT * FROM scores WHERE version = $other AND view = $view) b ON b.picture = a.picture
            JOIN pictures p ON p.picture = a.picture),
        counted AS (
            SELECT source, count(*) FILTER (WHERE ours <> theirs) AS differ, count(*) AS pictures,
                   count(*) FILTER (WHERE ours AND NOT theirs) AS only_version,
                   count(*) FILTER (WHERE theirs AND NOT ours) AS only_other,
                   round(avg(difference), 4) AS mean_difference
            FROM pairs GROUP BY source)
        SELECT source, differ, pictures, {_rate("differ", "pictures")}, only_version, only_other, mean_difference
        FROM counted WHERE pictures >= $at_least ORDER BY low_rate DESC, mean_difference DESC, source""",
        (BY, OTHER, SHOWN, AT_LEAST),
    ),
    "worst_sources": Question(
        "which sources show most blind spots, by detector?",
        _columns(f"source detector found pictures {RATES}"),
        f"""
        WITH held AS (SELECT source, count(*) AS pictures FROM pictures GROUP BY source),
        hit AS (SELECT p.source, f.detector, count(DISTINCT f.picture) AS found
                FROM findings f JOIN pictures p USING (picture) WHERE {OF_VERSION} GROUP BY ALL)
        SELECT source, detector, found, pictures, {_rate("found", "pictures")}
        FROM hit JOIN held USING (source) WHERE pictures >= $at_least ORDER BY low_rate DESC, source, detector""",
        (BY, FOUND_BY, AT_LEAST),
    ),
    "worst_hosts": Question(
        "which hosts show most blind spots, by detector?",
        _columns(f"host detector found pictures {RATES}"),
        f"""
        WITH seen AS (SELECT DISTINCT host, picture FROM sightings WHERE host IS NOT NULL),
        held AS (SELECT host, count(*) AS pictures FROM seen GROUP BY host),
        hit AS (SELECT s.host, f.detector, count(DISTINCT f.picture) AS found
                FROM findings f JOIN seen s USING (picture) WHERE {OF_VERSION} GROUP BY ALL)
        SELECT host, detector, found, pictures, {_rate("found", "pictures")}
        FROM hit JOIN held USING (host) WHERE pictures >= $at_least ORDER BY low_rate DESC, host, detector""",
        (BY, FOUND_BY, AT_LEAST),
    ),
    "false_positives": Question(
        "what does a version flag that a person or a suite says is fine?",
        _columns("picture source flag_score threshold known_class origin"),
        WRONG.format(flagged=True, known=False, order="DESC"),
        (BY, SHOWN),
    ),
    "misses": Question(
        "what does a version let pass that a person or a suite says is to be flagged?",
        _columns("picture source flag_score threshold known_class origin"),
        WRONG.format(flagged=False, known=True, order="ASC"),
        (BY, SHOWN),
    ),
    "copies_of": Question(
        "which copies of a picture are there, and where do they come from?",
        _columns("picture distance_bits representative source size_bytes width_px height_px format urls first_seen_at"),
        """
        WITH star AS (
            SELECT * FROM copies
            WHERE (representative, hash_version) IN (
                SELECT (representative, hash_version) FROM copies WHERE picture = $picture)),
        seen AS (
            SELECT picture, count(DISTINCT url) AS urls FROM sightings SEMI JOIN star USING (picture) GROUP BY picture)
        SELECT c.picture, c.distance_bits, c.representative, p.source, p.size_bytes, m.width_px, m.height_px, m.format,
               coalesce(s.urls, 0) AS urls, p.first_seen_at
        FROM star c LEFT JOIN pictures p USING (picture) LEFT JOIN measurements m USING (picture)
        LEFT JOIN seen s USING (picture) ORDER BY c.distance_bits, c.picture""",
        (ONE_PICTURE,),
    ),
    "look_alikes_of": Question(
        "what else does a network see as near to a picture, and how is it judged?",
        _columns("picture cosine base source flag_score"),
        """
        WITH lead AS (
            SELECT coalesce((SELECT representative FROM copies WHERE picture = $picture), $picture) AS representative),
        either AS (
            SELECT look_alike AS picture, base, cosine FROM look_alikes JOIN lead ON picture = representative
            UNION SELECT picture, base, cosine FROM look_alikes JOIN lead ON look_alike = representative)
        SELECT e.picture, max(e.cosine) AS cosine, e.base, p.source, s.flag_score
        FROM either e LEFT JOIN pictures p USING (picture)
        LEFT JOIN scores s ON s.picture = e.picture AND s.version = $version AND s.view = 'as_shown'
        GROUP BY ALL ORDER BY cosine DESC, picture""",
        (ONE_PICTURE, BY),
    ),
    "copy_groups": Question(
        "which pictures are copied most, and over how many sources?",
        _columns("representative pictures sources largest_bits"),
        """
        WITH star AS (
            SELECT representative, hash_version, count(*) AS pictures, max(distance_bits) AS largest_bits
            FROM copies GROUP BY ALL HAVING count(*) >= $at_least),
        spread AS (
            SELECT c.representative, c.hash_version, count(DISTINCT p.source) AS sources
            FROM copies c SEMI JOIN star s ON s.representative = c.representative JOIN pictures p USING (picture)
            GROUP BY ALL)
        SELECT representative, pictures, coalesce(sources, 0) AS sources, largest_bits
        FROM star LEFT JOIN spread USING (representative, hash_version) ORDER BY pictures DESC, representative""",
        (Parameter("at_least", COUNT, "only groups of so many pictures or more", "2"),),
    ),
    "placeholders": Question(
        "which pictures stand in for others (\"image removed\"), and on which hosts?",
        _columns("representative host pictures urls"),
        """
        SELECT representative, host, count(DISTINCT picture) AS pictures, max(urls) AS urls
        FROM placeholders GROUP BY ALL ORDER BY urls DESC, representative, host""",
    ),
    "never_scored": Question(
        "which stored pictures has a version never scored, and why?",
        _columns("picture source first_seen_at reason"),
        """
        WITH refused AS (
            SELECT picture, max_by(reason, refused_at) AS reason FROM refusals
            WHERE picture IS NOT NULL AND (stage = 'decode' OR (stage = 'score' AND detail = $version))
            GROUP BY picture)
        SELECT p.picture, p.source, p.first_seen_at,
               coalesce(r.reason, if(d.picture IS NULL, 'not yet', 'dropped')) AS reason
        FROM pictures p
        ANTI JOIN (SELECT picture FROM raw_scores WHERE version = $version AND view = $view) s USING (picture)
        LEFT JOIN refused r USING (picture) LEFT JOIN dropped_pictures d USING (picture)
        ORDER BY reason, p.first_seen_at, p.picture""",
        (BY, SHOWN),
    ),
    "refusals": Question(
        "what was refused, for which reason and at which host?",
        _columns("stage reason host refused urls newest_at example"),
        """
        SELECT stage, reason, trim(regexp_extract(url, '^[a-z]+://([^/?#]*@)?(\\[[^]]*\\]|[^/?#:]*)', 2), '[]') AS host,
               count(*) AS refused, count(DISTINCT url) AS urls, max(refused_at) AS newest_at,
               max_by(coalesce(url, picture), refused_at) AS example
        FROM refusals WHERE ($job IS NULL OR job = $job) AND ($reason IS NULL OR reason = $reason)
        GROUP BY ALL ORDER BY refused DESC, stage, reason, host""",
        (Parameter("job", TEXT, "one job; else all"), Parameter("reason", TEXT, "one reason; else all")),
    ),
    "link_rot": Question(
        "which hosts have lost most of what they once gave?",
        _columns(f"host gone urls {RATES} refused_since newest_refusal_at"),
        f"""
        WITH counted AS (
            SELECT host, count(*) FILTER (WHERE gone) AS gone, count(*) AS urls, count(reason) AS refused_since,
                   max(refused_at) AS newest_refusal_at
            FROM link_rot GROUP BY host)
        SELECT host, gone, urls, {_rate("gone", "urls")}, refused_since, newest_refusal_at
        FROM counted WHERE urls >= $at_least ORDER BY low_rate DESC, host""",
        (Parameter("at_least", COUNT, "only hosts with so many URLs or more", "1"),),
    ),
    "runs": Question(
        "what did each run of a job bring, and how much of it is a blind spot now?",
        _columns(f"job started_at seconds stopped pages pictures new_pictures refused blind_spots brought {RATES}"),
        f"""
        WITH brought AS (
            SELECT c.crawl, count(DISTINCT s.picture) AS brought,
                   count(DISTINCT s.picture) FILTER (WHERE f.picture IS NOT NULL) AS blind_spots
            FROM crawls c JOIN sightings s ON s.job = c.job AND s.seen_at BETWEEN c.started_at AND c.ended_at
            LEFT JOIN (SELECT DISTINCT picture FROM findings) f USING (picture) GROUP BY c.crawl),
        run AS (
            SELECT c.*, epoch(ended_at - started_at) AS seconds, coalesce(b.brought, 0) AS brought,
                   coalesce(b.blind_spots, 0) AS blind_spots,
                   coalesce(list_sum(CAST(json_extract(summary, '$.refused.*') AS BIGINT[])), 0) AS refused
            FROM crawls c LEFT JOIN brought b USING (crawl) WHERE $job IS NULL OR c.job = $job)
        SELECT job, started_at, seconds, stopped, pages, pictures, new_pictures, refused, blind_spots, brought,
               {_rate("blind_spots", "brought")}
        FROM run ORDER BY started_at DESC, job""",
        (Parameter("job", JOB, "one job; else all"),),
    ),
    "reviewer_agreement": Question(
        "how often do two reviewers answer the same about a picture or its copies?",
        _columns(f"reviewer other same pictures {RATES} same_flag"),
        f"""
        WITH people AS ({PEOPLE}),
        counted AS (
            SELECT a.reviewer, b.reviewer AS other, count(*) FILTER (WHERE a.class = b.class) AS same,
                   count(*) AS pictures, count(*) FILTER (WHERE a.flagged = b.flagged) AS same_flag
            FROM people a JOIN people b ON b.representative = a.representative AND b.reviewer > a.reviewer
            GROUP BY ALL)
        SELECT reviewer, other, same, pictures, {_rate("same", "pictures")}, same_flag
        FROM counted WHERE pictures >= $at_least ORDER BY high_rate, reviewer, other""",
        (AT_LEAST,),
    ),
    "disputed": Question(
        "about which pictures do reviewers disagree?",
        _columns("picture answers flags_differ newest_at"),
        f"""
        SELECT representative AS picture, list(reviewer || ': ' || class ORDER BY reviewer) AS answers,
               bool_or(flagged) AND NOT bool_and(flagged) AS flags_differ, max(decided_at) AS newest_at
        FROM ({PEOPLE}) GROUP BY representative HAVING count(DISTINCT class) > 1
        ORDER BY flags_differ DESC, newest_at DESC, picture""",
    ),
}  # fmt: skip
