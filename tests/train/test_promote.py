from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from store.catalog import Snapshot
from store.errors import CardError, GateLacksEvidence, GateRejects, ModelError
from store.fold import fold
from store.home import Home
from store.policy import read_policy
from store.versions import read_champion, require_champion, roll_back
from tests.mine.squares import CLASSES, POLICY, champion, make_home, variant
from train.certificate import Certificate, OperatingPoint
from train.checks import Check
from train.promote import promote_by_certificate, promote_first, promote_released, set_operating_point

AT = 0.3


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home where the fooled version serves and a candidate, `new.1`, stands by."""
    home = make_home(tmp_path / "home")
    variant(home.models, "new.1", parent=champion().name)
    fold(home)
    return home


def certificate(home: Home, answer: Any = "pass", **changes: Any) -> Certificate:
    made = Certificate(
        candidate=OperatingPoint("new.1", AT, 150),
        champion=OperatingPoint(champion().name, 0.2, 150),
        serving_threshold=0.5,
        policy=read_policy(home.policy).version,
        review_s=6,
        checks=(Check("finite", "finite scores", answer, "why"),),
        made_at=dt.datetime.now(dt.UTC),
    )
    return dataclasses.replace(made, **changes)


def recorded(home: Home, made: Certificate, identity: str) -> Certificate:
    """Append the certificate's row as the gate does, folded."""
    from train.gate import _record

    _record(home, made, identity, "tests")
    fold(home)
    return made


def in_force(home: Home) -> dict[str, Any]:
    """What pointer and catalog say of the champion: version, its threshold here and there, how."""
    fold(home)
    pointer = require_champion(home)
    with Snapshot(home) as snapshot:
        (row,) = snapshot.rows("SELECT * FROM champion")
        point = snapshot.value(
            "SELECT threshold FROM thresholds WHERE version = :v AND policy_version = :p",
            v=pointer.version,
            p=pointer.policy_version,
        )
    assert (row["version"], row["threshold"], row["how"]) == (pointer.version, pointer.threshold, pointer.how)
    return {"version": pointer.version, "threshold": pointer.threshold, "point": point, "how": pointer.how}


def test_a_release_moves_version_and_operating_point_together(home: Home) -> None:
    done = promote_released(home, certificate(home), "c1", "tests")
    assert done == read_champion(home)
    assert (done.certificate, done.by) == ("c1", "tests")
    assert in_force(home) == {"version": "new.1", "threshold": AT, "point": AT, "how": "certificate"}
    with Snapshot(home) as snapshot:
        rows = snapshot.rows("SELECT version, negatives, n_negatives FROM operating_points")
    assert rows == [{"version": "new.1", "negatives": "certificate c1", "n_negatives": 150}]


def test_the_newest_certificate_counts(home: Home) -> None:
    recorded(home, certificate(home), "c1")
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5)
    recorded(home, certificate(home, candidate=OperatingPoint("new.1", 0.4, 151), made_at=later), "c2")
    done = promote_by_certificate(home, "new.1", "tests")
    assert (done.certificate, done.threshold) == ("c2", 0.4)
    assert in_force(home)["point"] == 0.4


@pytest.mark.parametrize(("answer", "error"), [("reject", GateRejects), ("not_enough_evidence", GateLacksEvidence)])
def test_only_a_release_may_serve(home: Home, answer: str, error: type[Exception]) -> None:
    refused = recorded(home, certificate(home, answer), "c1")
    with pytest.raises(error, match=f"c1 of new.1 says {answer}"):
        promote_released(home, refused, "c1", "tests")
    with pytest.raises(error, match="only a release may serve"):
        promote_by_certificate(home, "new.1", "tests")
    assert in_force(home)["version"] == champion().name


def test_without_a_certificate_nothing_is_promoted(home: Home) -> None:
    with pytest.raises(GateLacksEvidence, match=r"new\.1 has no certificate; `blindspot gate new\.1`"):
        promote_by_certificate(home, "new.1", "tests")


def test_a_champion_that_has_changed_meanwhile_makes_a_certificate_void(home: Home) -> None:
    variant(home.models, "other.1")
    made = recorded(home, certificate(home), "c1")
    other = certificate(home, candidate=OperatingPoint("other.1", 0.6, 150))
    promote_released(home, other, "c0", "tests")
    with pytest.raises(ModelError, match=rf"wanted champion {champion().name} to be replaced, found other\.1"):
        promote_released(home, made, "c1", "tests")
    with pytest.raises(ModelError, match="judge against that one"):
        promote_by_certificate(home, "new.1", "tests")
    assert in_force(home)["version"] == "other.1"


def test_a_policy_that_has_changed_meanwhile_makes_a_certificate_void(home: Home) -> None:
    made = recorded(home, certificate(home), "c1")
    home.policy.write_text(POLICY.replace("= 0.1", "= 0.05"), encoding="utf-8")
    for promote in (
        lambda: promote_released(home, made, "c1", "t"),
        lambda: promote_by_certificate(home, "new.1", "t"),
    ):
        with pytest.raises(GateLacksEvidence, match="judges it anew"):
            promote()
    assert require_champion(home).version == champion().name


def test_a_rollback_brings_version_and_operating_point_back(home: Home) -> None:
    promote_released(home, certificate(home), "c1", "tests")
    fold(home)
    roll_back(home, "tests")
    back = in_force(home)
    assert (back["version"], back["threshold"], back["how"]) == (champion().name, 0.5, "rollback")
    roll_back(home, "tests")
    assert (in_force(home)["version"], in_force(home)["threshold"]) == ("new.1", AT)


def test_a_new_operating_point_is_an_act_of_its_own(home: Home) -> None:
    policy = read_policy(home.policy)
    done = set_operating_point(home, policy, 0.7, "suite ordinary", 900, "tests")
    assert (done.version, done.how, done.certificate) == (champion().name, "operating_point", None)
    assert in_force(home) == {"version": champion().name, "threshold": 0.7, "point": 0.7, "how": "operating_point"}


def test_the_first_champion_needs_a_card_that_fits_and_an_empty_place(home: Home) -> None:
    card = variant(home.models, "third.1")
    with pytest.raises(ModelError, match="wanted champion None"):
        promote_first(home, read_policy(home.policy), card, "tests")
    foreign = card.model_copy(update={"class_map": dict.fromkeys(CLASSES, "cat")})
    (home.models / "champion").unlink()
    with pytest.raises(CardError, match="does not fit"):
        promote_first(home, read_policy(home.policy), foreign, "tests")
    assert promote_first(home, read_policy(home.policy), card, "tests").threshold == 0.5
