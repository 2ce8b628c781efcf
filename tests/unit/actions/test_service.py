"""The API is asked over real HTTP, kernels by ping; what gave no answer has not passed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.unit.actions.stage import Answering, Stage

ANSWER = {"status": "ok", "count": 3, "ready": True, "host": {"cpu": 1.5, "names": []}, "total_kernels": "20"}


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.path in ("/health", "/text", "/api/control/state")
        self.send_response(200 if known else 503)
        self.end_headers()
        if known:
            self.wfile.write(b"no JSON" if self.path == "/text" else json.dumps(ANSWER).encode())

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_path_that_answers_200_passes_and_another_status_does_not(stage: Stage, url: str) -> None:
    stage.bench.add("api_server", Answering, address={"url": url})
    assert stage.ok("run_smoke_tests").data["value"] == 1
    assert "/broken: 503" in stage.fails("run_smoke_tests", paths=["/health", "/broken"]).message


def test_an_address_nobody_listens_on_is_a_failure(stage: Stage) -> None:
    assert "refused" in stage.fails("run_smoke_tests", url="http://127.0.0.1:1").message
    assert "api_server did not answer" in stage.fails("run_smoke_tests").message


@pytest.mark.parametrize("params", [{"paths": []}, {"url": "file:///etc"}, {"paths": ["health"], "url": "http://x"}])
def test_an_address_that_is_none_is_refused(stage: Stage, params: dict[str, object]) -> None:
    stage.fails("run_smoke_tests", **params)


def test_an_endpoint_is_measured_against_the_threshold(stage: Stage, url: str) -> None:
    result = stage.ok("verify_slo", url=url, threshold_ms=60_000.0)
    assert (result.data["samples"], result.data["value"] > 0) == (5, True)
    assert "allowed" in stage.fails("verify_slo", url=url, threshold_ms=1e-6).message


def test_an_endpoint_that_answers_another_status_gave_no_answer(stage: Stage, url: str) -> None:
    assert "status 503" in stage.fails("verify_slo", url=url, endpoint="/broken").message


def test_the_ping_of_a_kernel_is_measured_by_percentile(stage: Stage) -> None:
    stage.world.add("librarian")
    kernel = stage.bench.add("librarian", Answering, ping={"pong": True}, late_s=0.2)
    assert stage.ok("verify_slo", kernel="librarian").data["value"] == pytest.approx(200)
    assert "allowed" in stage.fails("verify_slo", kernel="librarian", threshold_ms=199.0).message
    late = iter([0.1, 0.2, 0.3, 0.9])
    kernel.ctx.config["ping"] = lambda request: kernel.ctx.config.update(late_s=next(late))  # type: ignore[attr-defined]
    data = stage.ok("verify_slo", kernel="librarian", samples=4, percentile=70.0).data
    assert (data["value"], data["slowest_ms"]) == (pytest.approx(300), pytest.approx(900))


def test_a_kernel_that_does_not_answer_its_ping_fails(stage: Stage) -> None:
    stage.world.add("librarian")
    assert "gave no answer" in stage.fails("verify_slo", kernel="librarian").message
    assert "there is no 'nobody'" in stage.fails("verify_slo", kernel="nobody").message


@pytest.mark.parametrize("params", [{"samples": 0}, {"percentile": 0.0}, {"threshold_ms": -1.0}])
def test_figures_that_mean_nothing_are_refused(stage: Stage, params: dict[str, object]) -> None:
    stage.fails("verify_slo", **params)


def test_an_answer_with_every_field_in_its_type_passes_and_others_are_told(stage: Stage, url: str) -> None:
    fields = {"status": "string", "count": "number", "ready": "boolean", "host.cpu": "number", "host.names": "array"}
    result = stage.ok("validate_endpoint", path="/health", fields=fields, url=url)
    assert (result.data["value"], result.data["extra"]) == (True, ["total_kernels"])


def test_missing_fields_and_wrong_types_are_named(stage: Stage, url: str) -> None:
    fields = {"gone": "string", "host.gone": "array", "count": "string", "ready": "integer", "status.x": "null"}
    data = stage.fails("validate_endpoint", path="/health", fields=fields, url=url).data
    assert data["missing"] == ["gone", "host.gone", "status.x"]
    assert data["wrong"] == {"count": "integer instead of string", "ready": "boolean instead of integer"}


def test_without_fields_what_is_promised_is_checked(stage: Stage, url: str) -> None:
    assert stage.ok("validate_endpoint", path="/health", url=url).data["value"]
    data = stage.fails("validate_endpoint", path="/api/control/state", url=url).data
    assert (data["missing"], data["wrong"]) == (["system_state"], {"total_kernels": "string instead of integer"})


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"path": "/text", "fields": {"a": "string"}}, "the answer is no JSON"),
        ({"path": "/broken", "fields": {"a": "string"}}, "503"),
        ({"path": "/text"}, "nothing is promised of /text"),
        ({"path": "/health", "fields": {"a": "text"}}, "types are: string"),
    ],
)
def test_an_answer_that_cannot_be_judged_is_a_failure(
    stage: Stage, url: str, params: dict[str, object], told: str
) -> None:
    assert told in stage.fails("validate_endpoint", url=url, **params).message
