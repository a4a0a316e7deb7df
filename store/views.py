"""The named views of the catalog: the questions people ask, as SQL. They are documented and stay stable.

The tables hold what happened; the views say what it means now, under the policy in force and the newest
operating points. Each view may use those above it.
"""

from __future__ import annotations

import hashlib

# Parameters that sign a URL and say until when it is good: those of S3 and CloudFront, of Google, Azure (`sig se st …`)
# and Akamai, of Facebook (`oh oe _nc_…`) and Discord (`ex is hm`), and the commonest of everybody's own. RE2, and
# without a colon, which SQLAlchemy would take for a parameter. Source: the providers' documentation.
SIGNATURE = (
    "[?&](x-(amz|goog|oss|cos|ms|bce)-[a-z0-9-]+|awsaccesskeyid|googleaccessid|ossaccesskeyid|key-pair-id|policy|signature"
    "|expires?|expiry|expiration|exp|sig|se|st|sp|sv|sr|spr|sip|ske?|skoid|sktid|sks|skv|skt|hdn(ea|ts)|__token__|token"
    "|access_token|auth|auth_key|hmac|oh|oe|_nc_[a-z]+|ex|is|hm)=[^&#]*"
)
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
    # Pictures that stand in for others ("image removed"): one host serves them under 10 or more distinct URLs (chosen
    # by eye; query strings count, but not what signs a URL and is another each time). The same bytes are one face.
    # Other bytes of a star are the same face only when nothing that was ever measured tells them apart: a burst of
    # photographs, the sizes of one picture, animations that begin alike and icons that differ in what alpha hides are
    # all near-copies and must not be thrown away.
    "placeholders": f"""
        WITH seen AS (
            SELECT coalesce(c.representative, s.picture) AS representative, s.host, s.url, s.picture, c.hash_version
            FROM sightings s LEFT JOIN copies c ON c.picture = s.picture
            WHERE s.host IS NOT NULL),
        crowded AS (SELECT representative, host FROM seen GROUP BY representative, host HAVING count(*) >= 10),
        faces AS (
            SELECT n.representative, n.host, n.url, n.picture,
                   CASE WHEN m.frames = 1 AND NOT m.has_alpha AND h.picture IS NOT NULL
                        THEN min(n.picture) OVER (
                            PARTITION BY n.representative, n.host, h.phash, h.energy, h.thumbnail, m.width_px,
                                m.height_px, m.format, m.frames, m.has_alpha, m.entropy_bits, m.palette_share,
                                m.extremes_share, m.border_flatness, m.top_colour_share, m.colourfulness)
                        ELSE n.picture END AS face
            FROM seen n JOIN crowded USING (representative, host)
            LEFT JOIN measurements m ON m.picture = n.picture
            LEFT JOIN hashes h ON h.picture = n.picture AND h.hash_version = n.hash_version),
        many AS (
            SELECT representative, host, face, count(DISTINCT unsigned) AS urls
            FROM (SELECT *, regexp_replace(url, '{SIGNATURE}', '', 'gi') AS unsigned FROM faces)
            GROUP BY representative, host, face HAVING count(DISTINCT unsigned) >= 10)
        SELECT DISTINCT f.picture, f.representative, f.host, n.urls
        FROM faces f JOIN many n USING (representative, host, face)""",
    # What may be mined, reviewed and trained on: every stored picture that no suite holds and that is no placeholder.
    "pool": """
        SELECT p.* FROM pictures p
        ANTI JOIN suite_pictures s ON s.picture = p.picture
        ANTI JOIN placeholders b ON b.picture = p.picture""",
    # What a picture looks like, with what follows from its measurements and its size in bytes.
    "looks": """
        SELECT m.*, p.size_bytes, CAST(m.width_px AS DOUBLE) / m.height_px AS aspect,
               p.size_bytes / (CAST(m.width_px AS DOUBLE) * m.height_px) AS bytes_per_pixel
        FROM measurements m JOIN pictures p USING (picture)""",
    # Per URL that ever gave a picture: its newest sighting, and the newest refusal since. `gone` = that refusal says
    # that the picture is not there any more; a host that is down or slow, or forbids it, may have it still.
    "link_rot": """
        WITH seen AS (
            SELECT url, max_by(picture, seen_at) AS picture, max_by(host, seen_at) AS host,
                   max_by(source, seen_at) AS source, max(seen_at) AS seen_at
            FROM sightings WHERE url IS NOT NULL GROUP BY url),
        refused AS (
            SELECT s.url, max_by(r.reason, r.refused_at) AS reason, max(r.refused_at) AS refused_at
            FROM refusals r JOIN seen s ON s.url = r.url AND r.refused_at > s.seen_at
            GROUP BY s.url)
        SELECT s.url, s.picture, s.host, s.source, s.seen_at, r.reason, r.refused_at,
               coalesce(r.reason IN ('http_404', 'http_410', 'http_451', 'cannot_resolve', 'not_a_picture'), false)
               AS gone
        FROM seen s LEFT JOIN refused r ON r.url = s.url""",
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
    # The newest queue without what has been decided since (a verdict answers for all copies of its picture), what a
    # suite has taken in since, what turned out to be a placeholder, and what can no longer be shown.
    "queue": """
        WITH decided AS (
            SELECT coalesce(c.representative, v.picture) AS representative
            FROM verdicts v LEFT JOIN copies c ON c.picture = v.picture JOIN policy p USING (policy_version))
        SELECT q.rank, q.lane, q.picture, q.value, q.reason, q.version, q.policy_version, q.queue, q.queued_at
        FROM queue_entries q LEFT JOIN copies c ON c.picture = q.picture
        ANTI JOIN decided d ON d.representative = coalesce(c.representative, q.picture)
        ANTI JOIN suite_pictures s ON s.picture = q.picture
        ANTI JOIN placeholders b ON b.picture = q.picture
        ANTI JOIN dropped_pictures x ON x.picture = q.picture
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

# What one row of each view is, for whoever asks the catalog what there is.
MEANINGS: dict[str, str] = {
    "policy": "the policy in force, as JSON in `body`",
    "policy_classes": "one row per class of every policy that was in force, and whether it is flagged",
    "champion": "the version that serves, since when, how it got there and by whom",
    "thresholds": "the newest operating point of each version under each policy",
    "scores": "one row per picture, version and view: flag_score in [0, 1]; flagged = above the operating point",
    "verdicts": "what persons decided and nobody undid",
    "placeholders": 'pictures that stand in for others ("image removed"): one face under many URLs of a host',
    "pool": "what may be mined, reviewed and trained on: every picture but those of suites and placeholders",
    "looks": "what a picture looks like: its measurements, size_bytes, aspect (width / height) and bytes_per_pixel",
    "link_rot": "one row per URL that ever gave a picture; gone = a newer refusal says that it is not there any more",
    "copies_groups": "one row per group of copies: how many, and which, nearest first",
    "labels": "what is true of a picture under the policy in force: by a verdict on it or a copy, or by a suite",
    "suites": "one row per suite, role and class: how many pictures, how many times it has grown",
    "queue": "what a person should look at next, and why: what is left of the newest queue",
    "families": "one row per family and version: how many flagged, how many of the known ones wrong, as shown",
}

# Changes when any definition does; the fold then makes the views anew.
VIEWS_VERSION = hashlib.sha256(repr(VIEWS).encode()).hexdigest()[:16]
