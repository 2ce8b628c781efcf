"""Actions that judge the instance from outside: does its API answer, and how fast.

Invariant: what was not measured is a failure, never a pass.
"""

from __future__ import annotations

import math
from typing import Any

from grace_actors.actions.action import Ask, Call, Result, Steps, ask, fields, given, needed, positive, reads
from grace_actors.actions.commands import tool
from grace_actors.actions.tree import find
from grace_actors.errors import Refused, WorldFailed
from grace_actors.kernel import Answer, Data
from grace_actors.kernels.watch.http_look import api_url
from grace_actors.kernels.watch.schemas import PROMISES

API = "api_server"
GET_S = 5.0
MOST_SAMPLES = 100
_JSON: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


@reads(
    paths=given(["/health"], "what is asked; each must answer with the status 200"),
    url=given("", "where; empty: the address of api_server"),
)
def run_smoke_tests(call: Call) -> Steps:
    """Asks HTTP paths; ok if each answers with the status 200."""
    if not call["paths"]:
        raise Refused("paths is empty", hint="name at least one, for example /health")
    found: list[Data] = yield from _probe(call, [str(path) for path in call["paths"]])
    bad = [f"{one['url']}: {one['error'] or one['status']}" for one in found if one["status"] != 200]
    data = {"value": len(found) - len(bad), "answers": found}
    if not bad:
        return Result(True, message=f"{len(found)} of {len(found)} paths answer 200", data=data)
    return Result(False, message=f"run_smoke_tests: {'; '.join(bad)}; see: status {API}", data=data)


@reads(
    path=needed("the HTTP path that is asked; it answers with JSON"),
    fields=given({}, "what the answer must have: a field (`a.b` within another) and its type; empty: what is promised"),
    url=given("", "where; empty: the address of api_server"),
)
def validate_endpoint(call: Call) -> Steps:
    """Asks an HTTP path and checks the fields of its JSON answer. data lists missing fields, wrong types, and fields
    that were not named. Types are those of JSON Schema."""
    promised = PROMISES.get(call["path"], {})
    wanted = call["fields"] or {
        name: next(word for word, of in _JSON.items() if of is kind) for name, kind in promised.items()
    }
    unknown = [f"{name}: {type!r:.60}" for name, type in wanted.items() if type not in _JSON]
    if not wanted or unknown:
        text = unknown[0] if unknown else f"fields is empty, and nothing is promised of {call['path']}"
        raise Refused(text, hint=f"types are: {', '.join(_JSON)}; promised are: {', '.join(PROMISES)}")
    (found,) = yield from _probe(call, [call["path"]], reads=True)
    if found["error"] or found["status"] != 200:
        why = found["error"] if found["status"] in (200, None) else f"status {found['status']}"
        raise WorldFailed(f"{call['path']}: {why}", hint=f"see: status {API}")
    missing, wrong = [], {}
    for name, type in wanted.items():
        is_there, value = _field(found["json"], name)
        if not is_there:
            missing.append(name)
        elif not _fits(value, type):
            wrong[name] = f"{_kind(value)} instead of {type}"
    named = {name.partition(".")[0] for name in wanted}
    extra = sorted(found["json"].keys() - named) if isinstance(found["json"], dict) else []
    data = {"value": not missing and not wrong, "missing": missing, "wrong": wrong, "extra": extra}
    if data["value"]:
        return Result(True, message=f"{call['path']} has all {len(wanted)} fields", data=data)
    said = [f"{name} is missing" for name in missing] + [f"{name} is {what}" for name, what in wrong.items()]
    text = f"{call['path']}: {', '.join(said[:5])}"
    return Result(False, message=f"validate_endpoint: {text}; it is another version than expected", data=data)


def _field(answer: Any, name: str) -> tuple[bool, Any]:
    for part in name.split("."):
        if not isinstance(answer, dict) or part not in answer:
            return False, None
        answer = answer[part]
    return True, answer


def _fits(value: Any, type: str) -> bool:
    return isinstance(value, _JSON[type]) and (type == "boolean" or not isinstance(value, bool))


def _kind(value: Any) -> str:
    return next((name for name in _JSON if _fits(value, name)), "null")


@reads(
    kernel=given("", "measure the pings of this kernel; empty: measure the endpoint"),
    endpoint=given("/health", "the HTTP path that is measured when no kernel is named"),
    url=given("", "where that is; empty: the address of api_server"),
    threshold_ms=given(500.0, "the slowest that is allowed"),
    percentile=given(95.0, "how many per cent of the samples must be so fast"),
    samples=given(5, "how often it is measured, one after the other"),
)
def verify_slo(call: Call) -> Steps:
    """Measures the latency of an HTTP endpoint or of a kernel's ping. `value` is the percentile in ms; a sample that
    got no answer is a failure."""
    positive(call, "threshold_ms")
    if not 1 <= call["samples"] <= MOST_SAMPLES or not 0 < call["percentile"] <= 100:
        hint = f"samples from 1 to {MOST_SAMPLES}, percentile above 0 and at most 100"
        raise Refused(f"samples is {call['samples']}, percentile {call['percentile']}", hint=hint)
    times, bad = yield from (_pings(call) if call["kernel"] else _gets(call))
    what = call["kernel"] or call["endpoint"]
    if bad:
        return Result(False, message=f"verify_slo: {what} gave no answer: {bad}; see: status {call['kernel'] or API}")
    times.sort()
    value = times[math.ceil(len(times) * call["percentile"] / 100) - 1]
    seen = f"{value:.1f} ms at percentile {call['percentile']:g} of {len(times)} samples"
    text = f"{what}: {seen}, {call['threshold_ms']:g} allowed"
    data = {"value": value, "slowest_ms": times[-1], "fastest_ms": times[0], "samples": len(times)}
    if value <= call["threshold_ms"]:
        return Result(True, message=text, data=data)
    return Result(False, message=f"verify_slo: {text}; see: status {what if call['kernel'] else API}", data=data)


def _pings(call: Call) -> Steps:
    """Milliseconds of each ping, and the first problem."""
    name: str = call["kernel"]
    times: list[float] = []
    yield from find(call, name)
    for _ in range(call["samples"]):
        began = call.ctx.now()
        answer: Answer = yield Ask(to=name, verb="ping", timeout_s=GET_S)
        if not answer.ok:
            return times, str((answer.error or {}).get("message") or "it does not answer")
        times.append((call.ctx.now() - began) * 1000)
    return times, ""


def _gets(call: Call) -> Steps:
    """The same for GET requests."""
    found: list[Data] = yield from _probe(call, [call["endpoint"]] * call["samples"])
    bad = [str(one["error"] or f"status {one['status']}") for one in found if one["status"] != 200]
    return [one["ms"] for one in found if one["status"] == 200], bad[0] if bad else ""


def _probe(call: Call, paths: list[str], *, reads: bool = False) -> Steps:
    # What readers of the API would meet: they find it where the home says it is.
    base = call["url"] or api_url(call.ctx.home) or fields((yield from ask(API, "address")), API, "url")["url"]
    if not base.startswith(("http://", "https://")) or not all(path.startswith("/") for path in paths):
        raise Refused(
            f"{base} and {', '.join(paths)} are no addresses", hint="a url begins with http://, a path with /"
        )
    order = {"urls": [base.rstrip("/") + path for path in paths], "timeout_s": GET_S, "reads": reads}
    return (yield from tool("http_probe", order, timeout_s=GET_S * len(paths) + 10))
