"""The named views of the catalog: the questions people ask, as SQL. They are documented and stay stable.

The tables hold what happened; the views say what it means now, under the policy in force and the newest
operating points. Each view may use those above it.
"""

from __future__ import annotations

import hashlib

VIEWS: dict[str, str] = {
    # The policy in force: exactly one row once a home has a policy.
    "policy": """
        SELECT policy_version, body, since_at FROM policies ORDER BY since_at DESC, policy_version LIMIT 1""",
    "policy_classes": """
        SELECT DISTINCT p.policy_version, c.key AS class, CAST(c.value->>'flagged' AS BOOLEAN) AS flagged
        FROM policies p, json_each(p.body, '$.classes') c""",
    # The champion as the catalog knows it; the file models/champion is the truth.
    "champion": """
        SELECT version, policy_version, threshold, how, "by", promoted_at
        FROM promotions ORDER BY promoted_at DESC LIMIT 1""",
    "thresholds": """
        SELECT version, policy_version, max_by(threshold, set_at) AS threshold
        FROM operating_points GROUP BY version, policy_version""",
    # flag_score in [0, 1] = the probabilities of all classes that the policy flags; .5 until negatives set a
    # point.
    "scores": """
        SELECT picture, version, view, probabilities, flag_score, threshold,
               flag_score > threshold AS flagged, scored_at
        FROM (
            SELECT s.*, least(greatest(list_dot_product(s.probabilities, m.mask), 0), 1) AS flag_score,
                   coalesce(t.threshold, 0.5) AS threshold
            FROM raw_scores s
            JOIN flag_masks m ON m.version = s.version
            JOIN policy p ON p.policy_version = m.policy_version
            LEFT JOIN thresholds t ON t.version = s.version AND t.policy_version = m.policy_version)""",
    # What persons decided and nobody undid; newest first in time, one row per record.
    "verdicts": """
        SELECT r.verdict, r.picture, r.class, c.flagged, r.reviewer, r.policy_version, r.lane, r.note,
               r.decided_at
        FROM verdict_records r
        LEFT JOIN policy_classes c ON c.policy_version = r.policy_version AND c.class = r.class
        WHERE r.class IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM verdict_records u WHERE u.undoes = r.verdict)""",
    # What may be mined and reviewed: every stored picture that no suite holds.
    "pool": """
        SELECT p.* FROM pictures p ANTI JOIN suite_pictures s ON s.picture = p.picture""",
    "copies_groups": """
        SELECT representative, count(*) AS n, list(picture ORDER BY distance_bits, picture) AS pictures
        FROM copies GROUP BY representative""",
    # What is known to be true of a picture under the policy in force: the newest verdict on it or on a copy
    # of it, else the label of a suite.
    "labels": """
        WITH grouped AS (
            SELECT coalesce(c.representative, v.picture) AS representative, v.*
            FROM verdicts v LEFT JOIN copies c ON c.picture = v.picture
            JOIN policy p ON p.policy_version = v.policy_version),
        newest AS (
            SELECT representative, max_by(class, decided_at) AS class, max_by(flagged, decided_at) AS flagged
            FROM grouped GROUP BY representative),
        reviewed AS (
            SELECT p.picture, n.class, n.flagged, 'verdict' AS origin
            FROM pictures p LEFT JOIN copies c ON c.picture = p.picture
            JOIN newest n ON n.representative = coalesce(c.representative, p.picture))
        SELECT s.picture, any_value(s.class) AS class, any_value(c.flagged) AS flagged, 'suite' AS origin
        FROM suite_pictures s
        JOIN policy p ON true
        JOIN policy_classes c ON c.policy_version = p.policy_version AND c.class = s.class
        GROUP BY s.picture
        UNION ALL
        SELECT r.* FROM reviewed r ANTI JOIN suite_pictures s ON s.picture = r.picture""",
    "suites": """
        SELECT suite, role, class, count(*) AS n, count(DISTINCT batch) AS version, max(added_at) AS grown_at
        FROM suite_pictures GROUP BY suite, role, class""",
    # The newest queue without what has been decided since (a verdict answers for all copies of its picture)
    # and without what a suite has taken in since.
    "queue": """
        WITH decided AS (
            SELECT coalesce(c.representative, v.picture) AS representative
            FROM verdicts v LEFT JOIN copies c ON c.picture = v.picture JOIN policy p USING (policy_version))
        SELECT q.rank, q.lane, q.picture, q.value, q.reason, q.version, q.policy_version, q.queue, q.queued_at
        FROM queue_entries q LEFT JOIN copies c ON c.picture = q.picture
        ANTI JOIN decided d ON d.representative = coalesce(c.representative, q.picture)
        ANTI JOIN suite_pictures s ON s.picture = q.picture
        WHERE q.queue = (SELECT max_by(queue, queued_at) FROM queue_entries)
        ORDER BY q.rank""",
    # Per family and model version: how many pictures, how many have a known answer, how often the model is
    # wrong.
    "families": """
        SELECT f.family, any_value(d.kind) AS kind, s.version,
               count(DISTINCT f.picture) AS n,
               count(DISTINCT f.picture) FILTER (WHERE s.flagged) AS flagged,
               count(DISTINCT f.picture) FILTER (WHERE NOT l.flagged) AS known_negatives,
               count(DISTINCT f.picture) FILTER (WHERE s.flagged AND NOT l.flagged) AS false_positives,
               count(DISTINCT f.picture) FILTER (WHERE l.flagged) AS known_positives,
               count(DISTINCT f.picture) FILTER (WHERE NOT s.flagged AND l.flagged) AS misses
        FROM family_members f
        JOIN (SELECT family, max_by(kind, defined_at) AS kind FROM family_definitions GROUP BY family) d
          ON d.family = f.family
        JOIN scores s ON s.picture = f.picture AND s.view = 'as_shown'
        LEFT JOIN labels l ON l.picture = f.picture
        GROUP BY f.family, s.version""",
}

# Changes when any definition does; the fold then makes the views anew.
VIEWS_VERSION = hashlib.sha256(repr(VIEWS).encode()).hexdigest()[:16]
