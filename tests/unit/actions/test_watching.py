"""Events are waited for from a remembered place on."""

from __future__ import annotations

import fnmatch
from typing import Any

import pytest

from grace_actors.errors import Refused
from grace_actors.kernel import LATER, Kernel, Request
from tests.unit.actions.stage import Stage


class Events(Kernel):
    """The event log of the status actor, as far as it is read here; `later` comes 3 s after the start."""

    kept: list[dict[str, Any]]
    later: list[dict[str, Any]]

    def setup(self) -> None:
        self.asked = 0
        self.ctx.after(3.0, lambda: self.kept.extend(self.later))

    def do_events(self, request: Request) -> Any:
        self.asked += 1
        if self.asked == 2:
            raise Refused("it is being restarted")
        wanted = request.args
        since = wanted.get("since")
        if since is None:
            return self._page(self.kept[-wanted["limit"] :])
        if self._found(wanted) or not wanted.get("wait_s"):
            return self._page(self._found(wanted))
        self.ctx.after(wanted["wait_s"], lambda: self.ctx.answer(request, self._page(self._found(wanted))))
        return LATER

    def _found(self, wanted: Any) -> list[dict[str, Any]]:
        return [
            one
            for one in self.kept
            if one["seq"] > wanted["since"]
            and fnmatch.fnmatch(one["type"], wanted["type"])
            and wanted["subject"] in (None, one["subject"])
        ][: wanted["limit"]]

    def _page(self, events: list[dict[str, Any]]) -> Any:
        return {"events": events, "last": self.kept[-1]["seq"]}


def event(seq: int, type: str, subject: str) -> dict[str, Any]:
    return {"seq": seq, "type": type, "subject": subject, "data": {}}


@pytest.fixture
def told(stage: Stage) -> Stage:
    kept = [event(6, "child.exited", "librarian"), event(7, "log.restored", "000001")]
    later = [event(8, "child.exited", "sandbox"), event(9, "child.started", "librarian")]
    stage.bench.add("status", type("Events", (Events,), {"kept": kept, "later": later}))
    return stage


def test_only_later_events_count(told: Stage) -> None:
    result = told.ok("wait_for_event", type="child.*", subject="librarian", within_s=10.0)
    assert (result.data["value"], result.data["type"]) == (9, "child.started")


def test_events_after_a_remembered_place_count_at_once(told: Stage) -> None:
    assert told.ok("event_position").data["value"] == 7
    assert told.ok("wait_for_event", type="child.exited", after=5, within_s=1.0).data["value"] == 6


def test_an_event_that_does_not_come_is_a_failure(told: Stage) -> None:
    message = told.fails("wait_for_event", type="log.*", within_s=12.0).message
    assert "no event log.* after #7 within 12 s" in message
    assert "a number above 0" in told.fails("wait_for_event", type="x", within_s=0.0).message
