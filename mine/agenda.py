"""What a scan has to do: the pictures that lack something, and what is asked again after a worker died.

Reads the snapshot; writes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from mine.examine import Question, Task, refusal_detail
from mine.hashes import HASH_VERSION
from mine.measure import MEASURE_VERSION
from mine.views import AS_SHOWN, DIFFERS, VIEWS
from store.catalog import Snapshot
from store.home import Home

# Second opinions feed the queue, which never holds a suite's picture: those are scored by the first version alone.
# What cannot be decoded is not tried again; what one version cannot score (`detail` names the question) others still
# can. Dropped bytes (`retain`) cannot be looked at at all.
MISSING = f"""
    WITH v AS (
        SELECT unnest(CAST(:details AS VARCHAR[])) AS detail, unnest(CAST(:versions AS VARCHAR[])) AS version,
               unnest(CAST(:views AS VARCHAR[])) AS view, unnest(CAST(:least_frames AS INTEGER[])) AS least_frames,
               unnest(CAST(:alpha AS BOOLEAN[])) AS alpha, unnest(CAST(:oblong AS BOOLEAN[])) AS oblong,
               unnest(CAST(:longest_px AS INTEGER[])) AS longest_px),
    lacking AS (
        SELECT p.picture, list(v.detail ORDER BY v.detail) AS details
        FROM pictures p JOIN v
          ON v.version = :first OR p.picture NOT IN (SELECT picture FROM suite_pictures)
        LEFT JOIN measurements m ON m.picture = p.picture
        ANTI JOIN raw_scores s ON s.picture = p.picture AND s.version = v.version AND s.view = v.view
        ANTI JOIN refusals r ON r.picture = p.picture AND r.stage = 'score' AND r.detail = v.detail
        WHERE v.view = '{AS_SHOWN}' OR m.picture IS NULL OR ({DIFFERS})
        GROUP BY p.picture)
    SELECT p.picture, h.picture IS NOT NULL AND m.picture IS NOT NULL AS measured, coalesce(l.details, []) AS details
    FROM pictures p
    LEFT JOIN lacking l ON l.picture = p.picture
    LEFT JOIN hashes h ON h.picture = p.picture AND h.hash_version = :hash_version
    LEFT JOIN measurements m ON m.picture = p.picture AND m.measure_version >= :measure_version
    ANTI JOIN refusals r ON r.picture = p.picture AND r.stage = 'decode'
    ANTI JOIN dropped_pictures d ON d.picture = p.picture
    WHERE l.picture IS NOT NULL OR h.picture IS NULL OR m.picture IS NULL
    ORDER BY p.picture"""


def missing(home: Home, versions: Sequence[str], views: Sequence[str] = (AS_SHOWN,)) -> list[Task]:
    """The pictures that lack measurements or a score by one of `versions` (the champion first), and what they lack.

    Without versions, what is to be measured and hashed.

    A view is not missing where it cannot differ from `as_shown`; of a picture that was never measured it may be.
    """
    # Every question once, however many pictures lack it.
    asked: dict[str, Question] = {refusal_detail(a, b): (a, b) for a in versions for b in views}
    looks = [VIEWS[view] for _, view in asked.values()]
    with Snapshot(home) as snapshot:
        rows = snapshot.rows(
            MISSING,
            details=list(asked),
            versions=[version for version, _ in asked.values()],
            views=[view for _, view in asked.values()],
            least_frames=[look.least_frames for look in looks],
            alpha=[look.alpha for look in looks],
            oblong=[look.oblong for look in looks],
            longest_px=[look.longest_px for look in looks],
            first=versions[0] if versions else None,
            hash_version=HASH_VERSION,
            measure_version=MEASURE_VERSION,
        )
    return [Task(row["picture"], row["measured"], tuple(asked[detail] for detail in row["details"])) for row in rows]


class Agenda:
    """The tasks of a run, one by one: first what is asked again, then what is new, never of a version given up.

    An iterator that may have more after it had none: a worker that dies of the last task leaves questions behind.
    """

    def __init__(self, tasks: Sequence[Task], given_up: AbstractSet[str]) -> None:
        """`given_up` is looked at whenever the next task is wanted."""
        self._tasks, self._given_up = iter(tasks), given_up
        self._first: deque[Task] = deque()
        self._waiting: dict[str, tuple[Question, ...]] = {}

    def __iter__(self) -> Iterator[Task]:
        return self

    def __next__(self) -> Task:
        while True:
            task = self._first.popleft() if self._first else next(self._tasks)
            left = tuple(question for question in task.questions if question[0] not in self._given_up)
            if left or not task.measured:
                return task if left == task.questions else replace(task, questions=left)

    def ask_again(self, task: Task) -> None:
        """Ask a task again that a worker died of, part by part; the questions only once measuring went well."""
        if task.measured:
            self._one_by_one(task.picture, task.questions)
        else:
            self._waiting[task.picture] = task.questions
            self._first.append(Task(task.picture, False, (), again=True))

    def is_measured(self, picture: str) -> None:
        """Measuring went well: ask the questions that wait for it, if any."""
        self._one_by_one(picture, self._waiting.pop(picture, ()))

    def _one_by_one(self, picture: str, questions: Sequence[Question]) -> None:
        self._first.extend(Task(picture, True, (question,), again=True) for question in questions)
