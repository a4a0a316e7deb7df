"""Whose fault it is when a version does not answer: its own, or a picture's.

A version that fails at several pictures in a row is given up for this run and named in one line; those pictures are
asked about again in the next. One that answers others gets a row in `refusals` for a picture that its worker died of.
Pure bookkeeping; reads and writes nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

# Chosen by eye: a server that is restarted is not given up, one that is down costs no more than this many waits.
GIVE_UP_AFTER = 8


@dataclass
class Blame:
    """What is known of the versions of one run.

    `given_up`: not asked any more; `unanswered`: how many questions each left open; `lines`: its last complaint.
    """

    given_up: set[str] = field(default_factory=set)
    unanswered: Counter[str] = field(default_factory=Counter)
    lines: dict[str, str] = field(default_factory=dict)
    _in_a_row: Counter[str] = field(default_factory=Counter)
    _answered: set[str] = field(default_factory=set)
    _suspects: list[tuple[str, str, str, str]] = field(default_factory=list)

    def answers(self, version: str) -> None:
        """A version has answered."""
        self._in_a_row[version] = 0
        self._answered.add(version)

    def fails(self, version: str, line: str) -> None:
        """A version has not answered, for a reason of its own."""
        self.unanswered[version] += 1
        self.lines[version] = line
        self._in_a_row[version] += 1
        if self._in_a_row[version] >= GIVE_UP_AFTER:
            self.given_up.add(version)

    def dies(self, version: str, view: str, picture: str, reason: str, detail: str) -> None:
        """A worker has died, or taken too long, over this one question; whose fault that is shows at the end."""
        self.fails(version, f"{version}: {reason}: {detail}")
        self._suspects.append((version, view, picture, reason))

    def failed(self) -> dict[str, str]:
        """The versions that were given up or never answered, each with one line."""
        silent = {version for version in self.lines if version not in self._answered}
        return {version: self.lines[version] for version in sorted(silent | self.given_up)}

    def picked_out(self) -> list[tuple[str, str, str, str]]:
        """(version, view, picture, reason) of the questions that killed a worker of a version that works."""
        failed = self.failed()
        return [suspect for suspect in self._suspects if suspect[0] not in failed]
