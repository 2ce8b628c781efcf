"""The words of the HTTP API: JSON bodies, problem documents and the Prometheus text.

Pure: data in, `HttpResponse` out; knows no socket and no kernel. Invariant: an error is always an
`application/problem+json` object with title, status and detail (RFC 9457).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from grace_actors.kernel import Answer
from grace_actors.kernels.http_wire import HttpResponse
from grace_actors.status.model import walk

_STATUS_OF = {"not_found": 404, "refused": 400}


def as_json(value: Any, status: int = 200) -> HttpResponse:
    """A JSON answer. Values JSON does not know are shown as text."""
    body = json.dumps(value, default=str, separators=(",", ":")).encode("ascii") + b"\n"
    return HttpResponse(status=status, body=body, content_type="application/json")


def problem(status: int, detail: str, *, hint: str = "", headers: tuple[tuple[str, str], ...] = ()) -> HttpResponse:
    """An error for people and programs."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body = json.dumps({**document, "hint": hint} if hint else document).encode("ascii") + b"\n"
    return HttpResponse(status=status, body=body, content_type="application/problem+json", headers=headers)


def refused(answer: Answer) -> HttpResponse:
    """The error answer of an actor: the caller's mistake is 4xx, everything else 503."""
    error = answer.error or {}
    status = _STATUS_OF.get(error.get("code", ""), 503)
    headers = (("Retry-After", "1"),) if status == 503 else ()
    return problem(status, error.get("message", "no reason was given"), hint=error.get("hint", ""), headers=headers)


def layers(status: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Tier -> how many kernels it has and how many of them run."""
    found: dict[str, dict[str, int]] = {}
    for node in walk(status["tree"]):
        if node["kind"] == "kernel" and node["tier"]:
            layer = found.setdefault(node["tier"], {"total": 0, "running": 0})
            layer["total"] += 1
            layer["running"] += node["state"] == "running"
    return found


def readiness(status: Mapping[str, Any]) -> HttpResponse:
    """200 once every critical kernel runs, else 503 and which do not."""
    critical = [node for node in walk(status["tree"]) if node["critical"]]
    missing = {node["name"]: node["state"] for node in critical if node["state"] != "running"}
    is_ready = status["tree"] is not None and not missing
    body = {"ready": is_ready, "state": status["state"], "critical": len(critical), "not_ready": missing}
    return as_json(body, 200 if is_ready else 503)


def exposition(status: Mapping[str, Any] | None, events: int | None, requests: Mapping[tuple[str, int], int]) -> bytes:
    """Prometheus text format 0.0.4. Without an answer of the status actor only what is known here is shown."""
    lines = list(_family("grace_status_up", "gauge", "The status actor answers.", [({}, float(status is not None))]))
    if status is not None:
        lines += _tree_families(status)
    if events is not None:
        lines += _family("grace_events_total", "counter", "Events in the log.", [({}, events)])
    served = [({"route": route, "status": str(code)}, count) for (route, code), count in sorted(requests.items())]
    lines += _family("grace_api_requests_total", "counter", "HTTP requests answered.", served)
    return "".join(lines).encode()


def _tree_families(status: Mapping[str, Any]) -> Iterable[str]:
    nodes = list(walk(status["tree"]))
    kernels = [node for node in nodes if node["kind"] == "kernel"]
    up = [({"kernel": node["name"]}, float(node["state"] == "running")) for node in kernels]
    degraded = [({"kernel": node["name"]}, float(bool(node["degraded"]))) for node in kernels]
    memory = [({"actor": n["name"]}, n["memory_mb"] * 1e6) for n in nodes if n["memory_mb"] is not None]
    mailbox = [({"actor": n["name"]}, n["mailbox"]) for n in nodes if n["mailbox"] is not None]
    restarts = [({"actor": n["name"]}, n["restarts"]) for n in nodes]
    yield from _family("grace_tree_running", "gauge", "Everything runs.", [({}, float(status["state"] == "running"))])
    yield from _family("grace_kernel_up", "gauge", "The kernel runs.", up)
    yield from _family("grace_kernel_degraded", "gauge", "The kernel works with less than its function.", degraded)
    yield from _family("grace_restarts_total", "counter", "Restarts of this child.", restarts)
    yield from _family("grace_memory_bytes", "gauge", "Memory of the process (PSS).", memory)
    yield from _family("grace_mailbox_messages", "gauge", "Messages that wait.", mailbox)


def _family(name: str, kind: str, text: str, samples: Sequence[tuple[dict[str, str], float]]) -> Iterable[str]:
    yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
    for labels, value in samples:
        pairs = ",".join(f'{key}="{_escape(label)}"' for key, label in labels.items())
        number = str(int(value)) if float(value).is_integer() else repr(value)
        yield f"{name}{{{pairs}}} {number}\n" if pairs else f"{name} {number}\n"


def _escape(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
