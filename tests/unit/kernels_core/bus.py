"""A bus on a bench, with subscribers that answer when the test says so."""

from __future__ import annotations

from typing import Any

from grace_actors.kernel import LATER, Answer, Context, Kernel, Request
from grace_actors.kernels.message_bus import MessageBus
from tests.harness.kernels import Bench

NAME = "message_bus"


class Listener(Kernel):
    """Records what it is told. `failing` raises for so many deliveries; `silent` never answers."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.got: list[dict[str, Any]] = []
        self.failing: list[Exception] = []
        self.silent = False

    def do_deliver(self, request: Request) -> Any:
        if self.failing:
            raise self.failing.pop(0)
        self.got.append(request.args)
        return LATER if self.silent else "ok"

    def payloads(self) -> list[Any]:
        return [one["payload"] for one in self.got]


def start(bench: Bench, **config: Any) -> MessageBus:
    kernel = bench.add(NAME, MessageBus, **({"boot_rate_limit": 0, "durable": ["keep.#"]} | config))
    assert isinstance(kernel, MessageBus)
    return kernel


def listener(bench: Bench, name: str, topic: str = "", **args: Any) -> Listener:
    kernel = bench.add(name, Listener)
    assert isinstance(kernel, Listener)
    if topic:
        bench.ask(NAME, "subscribe", sender=name, topic=topic, **args)
    return kernel


def publish(bench: Bench, topic: str, payload: Any = None, sender: str = "test", **args: Any) -> Answer:
    answers: list[Answer] = []
    bench.post(sender, NAME, "publish", {"topic": topic, "payload": payload} | args, answers.append)
    if not answers:
        bench.advance(0.01)
    return answers[0]


def restart(bench: Bench, **config: Any) -> MessageBus:
    bench.crash(NAME)
    return start(bench, **config)


def answer_waiting(bench: Bench, but: Any = None) -> None:
    """The subscribers at last answer what they kept."""
    for number, on_answer in list(bench._waiting.items()):
        if on_answer != but:
            bench.answer(number, Answer(ok=True))
