"""Who waits for whom in an inbox: control overtakes bulk, but not its own sender's earlier bulk, unless it must."""

from __future__ import annotations

from grace_actors.transport.inbox import PATIENCE_S, Inbox, Source


def bodies(inbox: Inbox, now: float) -> list[bytes]:
    taken = []
    while (item := inbox.take(now)) is not None:
        taken.append(item[1])
    return taken


def test_control_overtakes_the_bulk_of_others() -> None:
    inbox, flooder, parent = Inbox(), Source("flooder"), Source("parent")
    for number in range(3):
        inbox.put(flooder, [b"%d" % number])
    inbox.put_control(parent, 0, b"stop", now=0.0)
    assert bodies(inbox, 0.0) == [b"stop", b"0", b"1", b"2"]


def test_control_waits_for_what_its_own_sender_sent_before() -> None:
    inbox, sender = Inbox(), Source("child")
    inbox.put(sender, [b"result"])
    inbox.put_control(sender, 1, b"exited", now=0.0)
    assert bodies(inbox, 0.0) == [b"result", b"exited"]


def test_control_waits_for_earlier_bulk_that_is_still_on_its_way() -> None:
    inbox, sender = Inbox(), Source("child")
    inbox.put_control(sender, 1, b"exited", now=0.0)
    assert bodies(inbox, 0.0) == []
    inbox.put(sender, [b"result"])
    assert bodies(inbox, 0.0) == [b"result", b"exited"]


def test_control_that_has_waited_long_enough_overtakes_its_own_senders_bulk() -> None:
    inbox, sender = Inbox(), Source("parent")
    for number in range(3):
        inbox.put(sender, [b"%d" % number])
    inbox.put_control(sender, 3, b"stop", now=0.0)
    assert inbox.take(0.0) == (sender, b"0")
    assert inbox.next_due() == PATIENCE_S
    assert bodies(inbox, PATIENCE_S) == [b"stop", b"1", b"2"]


def test_control_of_one_sender_keeps_its_order_while_that_of_another_passes() -> None:
    inbox, slow, other = Inbox(), Source("slow"), Source("other")
    inbox.put_control(slow, 1, b"first", now=0.0)
    inbox.put_control(slow, 0, b"second", now=0.0)
    inbox.put_control(other, 0, b"beat", now=0.0)
    assert bodies(inbox, 0.0) == [b"beat"]
    assert bodies(inbox, PATIENCE_S) == [b"first", b"second"]


def test_bytes_are_counted_in_and_out() -> None:
    inbox, sender = Inbox(), Source("a")
    inbox.put(sender, [b"x" * 1000])
    assert inbox.bytes >= 1000
    inbox.take(0.0)
    assert inbox.bytes == 0


def test_what_was_taken_out_of_turn_and_given_back_keeps_its_place() -> None:
    inbox, one = Inbox(), Source("one")
    inbox.put_control(one, 0, b"a", now=0.0)
    items = inbox.take_all_control()
    inbox.put_control(one, 0, b"b", now=0.0)
    inbox.give_back(items)
    assert bodies(inbox, 0.0) == [b"a", b"b"]
