"""Stand-ins for the actors a kernel talks to: fixed answers, and a status actor with an event log."""

from __future__ import annotations

from typing import Any

from grace_actors.errors import NotFound, Refused
from grace_actors.kernel import Context, Data, Kernel, Request


class Fixed(Kernel):
    """Answers every verb with what `answers` holds for it; keeps the requests. A GraceError is raised."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.answers: dict[str, Any] = dict(ctx.config)
        self.asked: list[Request] = []

    def handle(self, request: Request) -> Any:
        self.asked.append(request)
        if request.verb not in self.answers:
            raise Refused(f"no answer for {request.verb}")
        value = self.answers[request.verb]
        if isinstance(value, Exception):
            raise value
        return value(request) if callable(value) else value


class Status(Kernel):
    """An event log with subscribers, and a tree set by the test."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.log: list[Data] = []
        self.tree: Data = {"name": "grace", "kind": "supervisor", "state": "running", "children": []}
        self.subscribers: dict[str, list[str]] = {}

    def happen(self, type: str, subject: str, at: float, /, **data: Any) -> None:
        """Append an event and push it to whoever subscribed."""
        event = {"seq": len(self.log) + 1, "type": type, "subject": subject, "at": at, "data": data}
        self.log.append(event)
        for name, types in self.subscribers.items():
            if type in types:
                self.ctx.tell(name, "event", event)

    def do_subscribe(self, request: Request) -> Data:
        self.subscribers[request.sender] = request.args["types"]
        return {"last": len(self.log)}

    def do_events(self, request: Request) -> Data:
        since, limit = request.args["since"], request.args["limit"]
        page = self.log[since : since + limit]
        return {"events": page, "last": page[-1]["seq"] if page else since, "oldest": 1}

    def do_status(self, request: Request) -> Data:
        name = request.args.get("name")
        if name is None:
            return {"state": "running", "tree": self.tree}
        found = next((node for node in self.tree["children"] if node["name"] == name), None)
        if found is None:
            raise NotFound(f"nothing in the tree is called {name!r}")
        return dict(found)


def child(name: str, state: str = "running", **more: Any) -> Data:
    """A node as the status actor shows it."""
    base = {"name": name, "kind": "kernel", "state": state, "restarts": 0, "last_exit": None, "critical": False}
    return base | {"does": f"{name} works", "children": [], "degraded": []} | more
