"""The cases that are not over: by id, by kernel, and by the failure they are about.

It must not know what happens to them. Invariant: a failure finds the case that was opened for it last, and one kernel
or one kind of event can take so many places only, so that a storm of one leaves room for the rest.
"""

from __future__ import annotations

from collections import Counter

from playbooks.incidents import Case, How, Phase

MAX_OPEN = 200
"""More incidents at once are counted and not followed, so that a storm does not become the next failure."""
MAX_OF_KERNEL = 20
MAX_HELD = 100
"""So many more for kernels that are held, which nobody else will start."""
MAX_DECIDED = 150
"""Of those that no supervisor answers; the rest is for failures of the tree."""


class OpenCases:
    """A mapping of cases by id with two more ways in."""

    def __init__(self) -> None:
        self._cases: dict[str, Case] = {}
        self._of_kernel: dict[str, dict[str, Case]] = {}
        self._of_failure: dict[tuple[str, str], str] = {}
        self._decided = 0

    def add(self, case: Case) -> None:
        """One more. An older case stays the one of its failure while that goes on."""
        record = case.record
        self._cases[record.id] = case
        self._of_kernel.setdefault(record.kernel, {})[record.id] = case
        self._of_failure.setdefault((record.kernel, record.specific), record.id)
        self._decided += record.decide

    def remove(self, id: str) -> None:
        """It is over."""
        record = self._cases.pop(id).record
        mine = self._of_kernel[record.kernel]
        del mine[id]
        if not mine:
            del self._of_kernel[record.kernel]
        if self._of_failure.get((record.kernel, record.specific)) == id:
            del self._of_failure[record.kernel, record.specific]
        self._decided -= record.decide

    def __contains__(self, id: str) -> bool:
        return id in self._cases

    def __getitem__(self, id: str) -> Case:
        return self._cases[id]

    def __len__(self) -> int:
        return len(self._cases)

    @property
    def ids(self) -> list[str]:
        """All of them, the oldest first."""
        return list(self._cases)

    def of_kernel(self, kernel: str) -> dict[str, Case]:
        """Those of one kernel, the oldest first."""
        return dict(self._of_kernel.get(kernel, {}))

    def of_failure(self, kernel: str, specific: str) -> str:
        """The case of a failure; empty when there is none."""
        return self._of_failure.get((kernel, specific), "")

    def has_room(self, kernel: str, *, decide: bool, is_held: bool) -> bool:
        """Whether one more is followed."""
        most = MAX_OPEN + MAX_HELD if is_held else MAX_OPEN
        if len(self._cases) >= most or len(self._of_kernel.get(kernel, ())) >= MAX_OF_KERNEL:
            return False
        return not decide or self._decided < MAX_DECIDED

    def busy_beside(self, id: str) -> str:
        """The case that has the kernel of this one for itself; empty when none has. A kernel that is held down is
        brought up before anything else that was found about it is attended to."""
        if id not in self._cases:
            return ""
        mine = self._cases[id].record
        for other, case in self._of_kernel[mine.kernel].items():
            goes_first = case.record.is_held and mine.decide and not mine.is_held
            if other != id and (goes_first or (case.record.is_busy and not _is_restart(case))):
                return other
        return ""

    def next_queued(self, kernel: str) -> str:
        """The case whose turn it is when nobody has the kernel; empty when there is none."""
        for id, case in self._of_kernel.get(kernel, {}).items():
            if case.record.phase is Phase.QUEUED and not self.busy_beside(id):
                return id
        return ""

    def counts(self) -> dict[str, int]:
        """How many there are of each state."""
        return dict(Counter(case.record.state.value for case in self._cases.values()))


def _is_restart(case: Case) -> bool:
    """A restart that is verified takes nothing from others."""
    attempt = case.record.attempt
    return case.record.phase is Phase.VERIFY and attempt is not None and attempt.how in (How.RESTART, How.BY_HAND)
