"""The inbox under any arrival: the invariants its module states, checked against a naive record."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from grace_actors.transport.inbox import PATIENCE_S, Inbox, Source
from tests.harness.examples import examples

SENDERS = 3


class InboxMachine(RuleBasedStateMachine):
    """Senders number what they send; bulk may arrive later than the control sent after it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.inbox = Inbox()
        self.sources = [Source(str(number)) for number in range(SENDERS)]
        self.bulk_sent = [0] * SENDERS
        self.bulk_arrived = [0] * SENDERS
        self.bulk_taken = [0] * SENDERS
        self.control_sent = [0] * SENDERS
        self.control_taken = [0] * SENDERS
        self.arrival: list[tuple[int, int]] = []
        self.due: dict[tuple[int, int], tuple[int, float]] = {}

    @rule(sender=st.integers(0, SENDERS - 1))
    def send_bulk(self, sender: int) -> None:
        self.bulk_sent[sender] += 1

    @rule(sender=st.integers(0, SENDERS - 1))
    def bulk_arrives(self, sender: int) -> None:
        if self.bulk_arrived[sender] == self.bulk_sent[sender]:
            return
        number = self.bulk_arrived[sender]
        self.bulk_arrived[sender] += 1
        self.arrival.append((sender, number))
        self.inbox.put(self.sources[sender], [b"B%d" % number])

    @rule(sender=st.integers(0, SENDERS - 1))
    def control_arrives(self, sender: int) -> None:
        number = self.control_sent[sender]
        self.control_sent[sender] += 1
        self.due[sender, number] = (self.bulk_sent[sender], self.now + PATIENCE_S)
        self.inbox.put_control(self.sources[sender], self.bulk_sent[sender], b"C%d" % number, self.now)

    @rule(seconds=st.sampled_from([0.0, PATIENCE_S / 3, PATIENCE_S, 1.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        item = self.inbox.take(self.now)
        if item is None:
            assert not self.arrival, "bulk that has arrived is never held back"
            assert all(now_due > self.now for now_due in self._waiting_dues()), "nobody waits beyond its patience"
            return
        source, body = item
        sender, number = int(source.path), int(body[1:])
        if body[:1] == b"B":
            assert self.arrival.pop(0) == (sender, number)
            self.bulk_taken[sender] += 1
            return
        assert number == self.control_taken[sender], "control of one sender keeps its order"
        self.control_taken[sender] += 1
        position, due = self.due.pop((sender, number))
        assert self.bulk_taken[sender] >= position or self.now >= due

    def _waiting_dues(self) -> list[float]:
        heads = ((sender, self.control_taken[sender]) for sender in range(SENDERS))
        return [self.due[head][1] for head in heads if head in self.due]

    def teardown(self) -> None:
        self.now += PATIENCE_S
        while self.arrival or self.due:
            before = len(self.inbox)
            self.take()
            assert len(self.inbox) == before - 1
        assert len(self.inbox) == 0
        assert self.inbox.bytes == 0


TestInboxMachine = InboxMachine.TestCase
TestInboxMachine.settings = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)
