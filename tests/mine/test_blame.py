from __future__ import annotations

from mine.blame import GIVE_UP_AFTER, Blame


def test_a_version_that_never_answers_has_failed_however_few_it_was_asked() -> None:
    blame = Blame()
    blame.fails("down", "it is down")
    assert (blame.failed(), blame.given_up) == ({"down": "it is down"}, set())


def test_several_in_a_row_are_given_up_and_an_answer_starts_the_count_again() -> None:
    blame = Blame()
    for _ in range(GIVE_UP_AFTER - 1):
        blame.fails("flaky", "down")
    blame.answers("flaky")
    for _ in range(GIVE_UP_AFTER - 1):
        blame.fails("flaky", "down again")
    assert (blame.given_up, blame.failed()) == (set(), {})
    assert blame.unanswered["flaky"] == 2 * (GIVE_UP_AFTER - 1)
    blame.fails("flaky", "down for good")
    assert (blame.given_up, blame.failed()) == ({"flaky"}, {"flaky": "down for good"})


def test_a_death_is_the_pictures_fault_only_where_the_version_answers_others() -> None:
    blame = Blame()
    for version in ("works", "dies"):
        blame.dies(version, "as_shown", "p", "timeout", "6 s")
    blame.answers("works")
    assert blame.picked_out() == [("works", "as_shown", "p", "timeout")]
    assert blame.failed() == {"dies": "dies: timeout: 6 s"}
