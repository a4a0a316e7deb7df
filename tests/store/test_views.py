"""The named views on a small hand-made catalog: what the rows mean under the policy in force."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from samples import NOW, card, catalog, install, later, picture, select

from store.catalog import open_catalog
from store.console import ask
from store.fold import fold
from store.home import Home
from store.policy import read_policy
from store.views import VIEWS, VIEWS_VERSION

V = "small.00000001"
SCORES = (
    "SELECT picture, round(CAST(flag_score AS DOUBLE), 6), threshold, flagged "
    "FROM scores WHERE view = 'as_shown' ORDER BY ALL"
)


@pytest.fixture
def scored(home: Home) -> Home:
    """Four pictures of one model (bag, shoe, hat; bag is flagged); b is a copy of a."""
    install(home, card())
    version = read_policy(home.policy).version
    catalog(
        home,
        pictures=[picture(name) for name in "abcd"],
        copies=[copy("a", "a", 0), copy("b", "a", 3), copy("c", "c", 0)],
        raw_scores=[
            score("a", [0.9, 0.1, 0.0]),
            score("b", [0.6, 0.4, 0.0]),
            score("c", [0.5, 0.25, 0.25]),
            score("d", [0.0, 0.5, 0.5]),
            score("d", [1.0, 0.0, 0.0], view="middle_frame"),
            score("a", [0.9, 0.1], version="not.declared"),
        ],
        operating_points=[point(version, 0.7, 0), point("another-policy", 0.1, 9)],
    )
    return home


def copy(name: str, representative: str, bits: int) -> dict[str, Any]:
    return {"picture": name, "representative": representative, "distance_bits": bits, "hash_version": "1"}


def score(name: str, probabilities: list[float], version: str = V, view: str = "as_shown") -> dict[str, Any]:
    return {"picture": name, "version": version, "view": view, "probabilities": probabilities, "scored_at": NOW}


def point(policy_version: str, threshold: float, minutes: float) -> dict[str, Any]:
    row = {"version": V, "policy_version": policy_version, "threshold": threshold, "negatives": "street"}
    return row | {"n_negatives": 100, "target_rate": 0.005, "set_at": later(minutes)}


def verdict(name: str, class_: str, minutes: float, policy_version: str) -> dict[str, Any]:
    row = {"verdict": f"{name}{minutes}", "picture": name, "class": class_, "reviewer": "ada"}
    return row | {"policy_version": policy_version, "decided_at": later(minutes)}


def suite(name: str, class_: str, label: str = "street") -> dict[str, Any]:
    row = {"suite": label, "role": "ordinary", "picture": name, "class": class_}
    return row | {"batch": "1", "added_at": NOW}


def version_of(home: Home) -> str:
    return read_policy(home.policy).version


def test_the_version_of_the_views_is_of_their_text() -> None:
    assert len(VIEWS_VERSION) == 16
    assert {"policy", "champion", "scores", "verdicts", "pool", "labels", "suites", "queue", "families"} <= set(VIEWS)


def test_scores_by_mask_and_the_newest_operating_point_of_this_policy(scored: Home) -> None:
    assert select(scored, SCORES) == [
        ("a", 0.9, 0.7, True),
        ("b", 0.6, 0.7, False),
        ("c", 0.5, 0.7, False),
        ("d", 0.0, 0.7, False),
    ]
    assert select(scored, "SELECT picture, flag_score FROM scores WHERE view = 'middle_frame'") == [("d", 1.0)]
    catalog(scored, operating_points=[point(version_of(scored), 0.55, 1)])
    assert select(scored, "SELECT picture FROM scores WHERE flagged AND view = 'as_shown' ORDER BY ALL") == [
        ("a",),
        ("b",),
    ]


def test_scores_follow_the_policy_and_stand_at_a_half_without_an_operating_point(
    scored: Home, small_policy: str
) -> None:
    old = "[classes.shoe]\nflagged = false"
    scored.policy.write_text(small_policy.replace(old, old.replace("false", "true")))
    fold(scored)
    assert select(scored, SCORES) == [
        ("a", 1.0, 0.5, True),
        ("b", 1.0, 0.5, True),
        ("c", 0.75, 0.5, True),
        ("d", 0.5, 0.5, False),
    ]


def test_flagged_means_above_the_threshold_and_rounding_does_not_lift_a_score_above_one(scored: Home) -> None:
    version = version_of(scored)
    catalog(scored, raw_scores=[score("e", [1.0000001, 0.0, 0.0])], operating_points=[point(version, 1.0, 2)])
    found = select(scored, "SELECT flag_score, flagged FROM scores WHERE picture = 'e'")
    assert found == [(1.0, False)], "an operating point of 1 flags nothing"


def test_the_policy_in_force_and_its_classes(scored: Home) -> None:
    assert select(scored, "SELECT policy_version FROM policy") == [(version_of(scored),)]
    assert select(scored, "SELECT class, flagged FROM policy_classes ORDER BY ALL") == [
        ("bag", True),
        ("other", False),
        ("shoe", False),
    ]


def test_class_names_with_any_letters(home: Home) -> None:
    names = ['say "bag"', "b.c d", "größe/~", "it's", "$[0]"]
    classes = "".join(f"[classes.'{n}']\nflagged = false\n" for n in names if "'" not in n)
    home.policy.write_text(f'name = "p"\nrule = "r"\n{classes}[classes."it\'s"]\nflagged = true\n')
    fold(home)
    found = select(home, "SELECT class, flagged FROM policy_classes ORDER BY ALL")
    assert found == sorted((name, name == "it's") for name in names)


def test_labels_are_shared_with_copies_and_the_newest_verdict_of_a_group_counts(scored: Home) -> None:
    version = version_of(scored)
    catalog(scored, verdict_records=[verdict("a", "bag", 0, version), verdict("d", "shoe", 0, version)])
    labels = "SELECT picture, class, flagged, origin FROM labels ORDER BY ALL"
    assert select(scored, labels) == [
        ("a", "bag", True, "verdict"),
        ("b", "bag", True, "verdict"),
        ("d", "shoe", False, "verdict"),
    ]
    catalog(scored, verdict_records=[verdict("b", "other", 5, version)])
    assert select(scored, labels)[:2] == [("a", "other", False, "verdict"), ("b", "other", False, "verdict")]
    undone = {"verdict": "u", "picture": "b", "undoes": "b5", "reviewer": "ada", "decided_at": later(6)}
    catalog(scored, verdict_records=[undone])
    assert select(scored, labels)[:2] == [("a", "bag", True, "verdict"), ("b", "bag", True, "verdict")]


def test_a_suites_label_stands_before_a_verdict_and_is_not_shared(scored: Home) -> None:
    catalog(
        scored,
        verdict_records=[verdict("b", "bag", 0, version_of(scored))],
        suite_pictures=[suite("a", "shoe"), suite("c", "bag", "bags")],
    )
    assert select(scored, "SELECT picture, class, flagged, origin FROM labels ORDER BY ALL") == [
        ("a", "shoe", False, "suite"),
        ("b", "bag", True, "verdict"),
        ("c", "bag", True, "suite"),
    ]
    assert select(scored, "SELECT picture FROM pool ORDER BY ALL") == [("b",), ("d",)]


def test_verdicts_under_another_policy_are_kept_but_label_nothing(scored: Home, small_policy: str) -> None:
    catalog(scored, verdict_records=[verdict("a", "bag", 0, version_of(scored))])
    scored.policy.write_text(small_policy.replace("fills", "covers"))
    fold(scored)
    assert select(scored, "SELECT picture, flagged FROM verdicts") == [("a", True)]
    assert select(scored, "SELECT * FROM labels") == []


def entry(queue: str, rank: int, name: str, minutes: float) -> dict[str, Any]:
    row = {"queue": queue, "rank": rank, "lane": "flagged", "picture": name, "value": 0.5, "reason": "r"}
    return row | {"version": V, "queued_at": later(minutes)}


def test_the_queue_is_the_newest_without_decided_groups_and_suites(scored: Home) -> None:
    catalog(
        scored,
        queue_entries=[
            *(entry("old", n, name, 0) for n, name in enumerate("dcba")),
            *(entry("new", n, name, 1) for n, name in enumerate("bdc")),
        ],
    )
    waiting = "SELECT picture FROM queue"
    assert select(scored, waiting) == [("b",), ("d",), ("c",)]
    catalog(scored, verdict_records=[verdict("a", "bag", 0, version_of(scored))])
    assert select(scored, waiting) == [("d",), ("c",)], "b is a copy of the decided a"
    catalog(scored, suite_pictures=[suite("d", "shoe")])
    assert select(scored, waiting) == [("c",)], "a suite's picture is never in the queue"
    nameless = verdict("x", "bag", 3, version_of(scored)) | {"picture": None}
    catalog(scored, verdict_records=[nameless], suite_pictures=[suite("y", "shoe") | {"picture": None}])
    assert select(scored, waiting) == [("c",)], "a null hides nobody"
    undone = {"verdict": "u", "picture": "a", "undoes": "a0", "reviewer": "ada", "decided_at": later(6)}
    catalog(scored, verdict_records=[undone])
    assert select(scored, waiting) == [("b",), ("c",)]


def test_families_count_known_answers_and_errors(scored: Home) -> None:
    definition = {"family": "digits", "kind": "label", "definition": "drawn", "defined_at": NOW}
    catalog(
        scored,
        family_definitions=[definition, definition | {"definition": "drawn again", "defined_at": later(1)}],
        family_members=[{"family": "digits", "picture": name} for name in "abcdz"],
        verdict_records=[verdict("a", "shoe", 0, version_of(scored)), verdict("c", "bag", 0, version_of(scored))],
    )
    with_names = ask(scored, "SELECT * FROM families")
    assert [dict(zip(with_names.columns, row, strict=True)) for row in with_names.rows] == [
        {
            "family": "digits",
            "kind": "label",
            "version": V,
            "n": 4,  # z is not scored, the middle frame of d is no picture of its own
            "flagged": 1,  # a
            "known_negatives": 2,  # a and its copy b
            "false_positives": 1,  # a
            "known_positives": 1,  # c
            "misses": 1,  # c
        }
    ]


def test_copies_groups_list_the_nearest_first(scored: Home) -> None:
    assert select(scored, "SELECT * FROM copies_groups ORDER BY representative") == [
        ("a", 2, ["a", "b"]),
        ("c", 1, ["c"]),
    ]


def test_the_champion_is_the_newest_promotion(home: Home) -> None:
    rows = [
        {"version": name, "policy_version": "p", "threshold": 0.5, "how": "first", "promoted_at": later(minutes)}
        for name, minutes in (("b", 2), ("a", 1))
    ]
    catalog(home, promotions=rows)
    assert select(home, "SELECT version, promoted_at FROM champion") == [("b", dt.datetime(2026, 11, 23, 12, 2))]


def test_an_empty_home_answers_every_view(home: Home) -> None:
    home.policy.unlink()
    fold(home)
    for name in VIEWS:
        assert select(home, f"SELECT * FROM {name}") == [], name


# ---- placeholders ------------------------------------------------------------------------------------------

ALIKE = {"width_px": 300, "height_px": 200, "format": "PNG", "frames": 1, "has_alpha": False, "entropy_bits": 1.5}


def seen(name: str, url: str, host: str | None = "a.test", **changes: Any) -> dict[str, Any]:
    return {"picture": name, "url": url, "host": host, "page": "http://a.test/", "seen_at": NOW} | changes


def star(home: Home, n: int, thumbnails: list[bytes], **measured: Any) -> list[str]:
    """n pictures of one star, each with its bytes and URL, at one host."""
    names = [f"s{index:02d}" for index in range(n)]
    catalog(
        home,
        pictures=[picture(name) for name in names],
        copies=[copy(name, names[0], 0) for name in names],
        hashes=[
            {
                "picture": name,
                "phash": 7,
                "energy": 30.0,
                "hash_version": "1",
                "thumbnail": thumbnails[i % len(thumbnails)],
            }
            for i, name in enumerate(names)
        ],
        measurements=[{"picture": name, **(ALIKE | measured)} for name in names],
        sightings=[seen(name, f"http://a.test/{name}.png") for name in names],
    )
    return names


def test_the_same_bytes_under_ten_urls_of_one_host_are_a_placeholder(home: Home) -> None:
    catalog(
        home,
        pictures=[picture("removed"), picture("nine"), picture("logo"), picture("spread"), picture("imported")],
        sightings=[
            *(seen("removed", f"http://a.test/{n}.png") for n in range(8)),
            *(seen("removed", f"http://a.test/0.png?id={n}") for n in range(2)),
            *(seen("nine", f"http://a.test/nine/{n % 9}", seen_at=later(n)) for n in range(40)),
            *(seen("logo", "http://a.test/logo.png", page=f"http://a.test/{n}", seen_at=later(n)) for n in range(40)),
            *(seen("spread", f"http://h{n}.test/x.png", host=f"h{n}.test") for n in range(40)),
            *(seen("imported", f"file:///pictures/{n}.png", host=None) for n in range(40)),
        ],
    )
    assert select(home, "SELECT * FROM placeholders") == [("removed", "removed", "a.test", 10)]
    assert select(home, "SELECT picture FROM pool ORDER BY picture") == [
        ("imported",),
        ("logo",),
        ("nine",),
        ("spread",),
    ]


SIGNED = [
    "X-Amz-Date={n}&X-Amz-Expires=900&X-Amz-Signature={n}{n}",
    "Expires={n}&Signature=~{n}-_&Key-Pair-Id=K{n}",
    "AWSAccessKeyId=A&Expires={n}&Signature={n}%3D",
    "w=200&sv=2023-11-03&st={n}&se={n}&sr=b&sp=r&sig={n}%2F",
    "token={n}&w=200",
    "x-goog-signature={n}",
    "_nc_ht={n}&oh={n}&oe={n}",
    "EX={n}&IS={n}&HM={n}&",
]


@pytest.mark.parametrize("query", SIGNED)
def test_a_picture_under_ever_new_signatures_is_no_placeholder(home: Home, query: str) -> None:
    catalog(
        home,
        pictures=[picture("signed"), picture("removed")],
        sightings=[
            *(seen("signed", f"http://a.test/p.png?{query.format(n=n)}", seen_at=later(n)) for n in range(40)),
            *(seen("removed", f"http://a.test/{n}.png?{query.format(n=n)}", seen_at=later(n)) for n in range(10)),
        ],
    )
    assert select(home, "SELECT * FROM placeholders") == [("removed", "removed", "a.test", 10)]


def test_other_bytes_of_a_star_are_the_same_face_when_nothing_measured_differs(home: Home) -> None:
    names = star(home, 10, [b"t" * 256])
    assert select(home, "SELECT * FROM placeholders ORDER BY picture") == [(n, names[0], "a.test", 10) for n in names]
    assert select(home, "SELECT * FROM pool") == []


def bursts() -> list[Any]:
    """Near-copies that are no placeholder: what differs, if only a little, and what a look at one view cannot see."""
    frames = [bytes([level] * 256) for level in (100, 101)]
    return [
        pytest.param(frames, {}, id="a burst: other cells by one grey level"),
        pytest.param([b"t" * 256], {"frames": 12}, id="animations that begin alike"),
        pytest.param([b"t" * 256], {"has_alpha": True}, id="icons, white on nothing"),
    ]


@pytest.mark.parametrize(("thumbnails", "measured"), bursts())
def test_a_gallery_of_near_copies_is_not_thrown_away(home: Home, thumbnails: list[bytes], measured: Any) -> None:
    names = star(home, 18, thumbnails, **measured)
    assert select(home, "SELECT * FROM placeholders") == []
    assert select(home, "SELECT count(*) FROM pool") == [(len(names),)]


def test_the_sizes_of_one_picture_are_not_thrown_away(home: Home) -> None:
    names = star(home, 9, [b"t" * 256])
    more = [f"w{width}" for width in range(9)]
    catalog(
        home,
        pictures=[picture(name) for name in more],
        copies=[copy(name, names[0], 0) for name in more],
        hashes=[
            {"picture": name, "phash": 7, "energy": 30.0, "hash_version": "1", "thumbnail": b"t" * 256} for name in more
        ],
        measurements=[{"picture": name, **ALIKE, "width_px": 640 + 10 * n} for n, name in enumerate(more)],
        sightings=[seen(name, f"http://a.test/{name}.png") for name in more],
    )
    assert select(home, "SELECT * FROM placeholders") == []


def test_what_nobody_has_measured_is_judged_by_its_bytes_alone(home: Home) -> None:
    names = [f"s{n}" for n in range(20)]
    catalog(home, pictures=[picture(n) for n in names], sightings=[seen(n, f"http://a.test/{n}") for n in names])
    assert select(home, "SELECT * FROM placeholders") == []


def test_a_reviewed_placeholder_stays_labelled_and_leaves_the_queue(scored: Home) -> None:
    catalog(scored, queue_entries=[entry("new", n, name, 1) for n, name in enumerate("cd")])
    catalog(scored, sightings=[seen("c", f"http://a.test/{n}") for n in range(10)])
    assert select(scored, "SELECT picture FROM queue") == [("d",)]
    catalog(scored, verdict_records=[verdict("c", "shoe", 0, version_of(scored))])
    assert select(scored, "SELECT picture, class FROM labels") == [("c", "shoe")]
    assert ("c",) not in select(scored, "SELECT picture FROM pool")


# ---- dropped pictures, link rot ----------------------------------------------------------------------------


def test_what_can_no_longer_be_shown_is_not_queued_and_stays_in_the_pool(scored: Home) -> None:
    catalog(scored, queue_entries=[entry("new", n, name, 1) for n, name in enumerate("cd")])
    with open_catalog(scored.catalog) as connection:
        connection.exec_driver_sql("INSERT INTO dropped_pictures (picture) VALUES ('c')")
        connection.commit()
    fold(scored)
    assert select(scored, "SELECT picture FROM queue") == [("d",)]
    assert select(scored, "SELECT count(*) FROM pool") == [(4,)], "heads are trained on it still"


def refusal(url: str, reason: str, minutes: float) -> dict[str, Any]:
    return {"url": url, "stage": "fetch", "reason": reason, "job": "j", "refused_at": later(minutes)}


def test_link_rot_is_the_newest_sighting_and_what_was_said_since(home: Home) -> None:
    catalog(
        home,
        sightings=[
            seen("old", "http://a.test/gone", seen_at=later(0)),
            seen("new", "http://a.test/gone", seen_at=later(5), source="a.test"),
            seen("p", "http://a.test/back", seen_at=later(9)),
            seen("p", "http://a.test/down", seen_at=later(0)),
            seen("p", "http://a.test/fine", seen_at=later(0)),
            seen("p", "http://a.test/page-now", seen_at=later(0)),
        ],
        refusals=[
            refusal("http://a.test/gone", "timeout", 6),
            refusal("http://a.test/gone", "http_410", 7),
            refusal("http://a.test/back", "http_404", 8),
            refusal("http://a.test/down", "http_404", 1),
            refusal("http://a.test/down", "connection_failed", 2),
            refusal("http://a.test/page-now", "not_a_picture", 1),
            refusal("http://a.test/never", "http_404", 1),
        ],
    )
    columns = "substr(url, 15), picture, reason, refused_at, gone"
    assert select(home, f"SELECT {columns} FROM link_rot ORDER BY url") == [
        ("back", "p", None, None, False),
        ("down", "p", "connection_failed", later(2).replace(tzinfo=None), False),
        ("fine", "p", None, None, False),
        ("gone", "new", "http_410", later(7).replace(tzinfo=None), True),
        ("page-now", "p", "not_a_picture", later(1).replace(tzinfo=None), True),
    ]
    seen_last = "SELECT seen_at, host, source FROM link_rot WHERE picture = 'new'"
    assert select(home, seen_last) == [(later(5).replace(tzinfo=None), "a.test", "a.test")]


def test_looks_add_bytes_and_proportions_to_what_was_measured(home: Home) -> None:
    catalog(
        home,
        pictures=[picture("a"), picture("b")],
        measurements=[{"picture": "a", "width_px": 40, "height_px": 10, "components": 3, "measured_at": NOW}],
    )
    size = select(home, "SELECT size_bytes FROM pictures WHERE picture = 'a'")[0][0]
    found = select(home, "SELECT picture, components, aspect, size_bytes, bytes_per_pixel FROM looks")
    assert found == [("a", 3, 4.0, size, size / 400)]
