"""Faults of the gateway: socket, ssl, http.client, urllib, h11, asyncio."""

from __future__ import annotations

from tests.harness.provoke.fault import Values, faults_of

fault = faults_of("gateway")
SOCKET, TLS, HTTP = {"library": "socket"}, {"library": "ssl"}, {"library": "http.client"}
URL, H11, ASYNC = {"library": "urllib"}, {"library": "h11"}, {"library": "asyncio"}
NET = {"library": "ipaddress"}


def answer(status: str, body: str = "", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode()


def cut_off(v: Values) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % v.number + v.word.encode()


FAULTS = [
    fault("wires.greeted", "refused", lambda v: {"name": v.user}, **SOCKET),
    fault("wires.greeted_or_told", "raised_from", lambda v: {"name": v.user}, **SOCKET),
    fault("wires.unix", "not_there", lambda v: {"path": f"var/{v.word}-{v.number}.sock"}, **SOCKET),
    fault("wires.unix", "long_path", lambda v: {"path": f"{v.word}/" * 40}, **SOCKET),
    fault("wires.bound_twice", "in_use", lambda v: {"name": v.user}, **SOCKET),
    fault("wires.slow", "timeout", lambda v: {"seconds": v.number}, **SOCKET),
    fault("wires.not_ready", "would_block", lambda v: {"count": v.number}, **SOCKET),
    fault("wires.hung_up", "broken_pipe", lambda v: {"text": v.word.encode()}, **SOCKET),
    fault("wires.after_close", "bad_descriptor", lambda v: {"text": v.word.encode()}, **SOCKET),
    fault("wires.packed", "no_address", lambda v: {"address": f"{v.word}.{v.number}"}, **SOCKET),
    fault("wires.port_number", "too_large", lambda v: {"port": v.number + 70000}, **SOCKET),
    fault("wires.port_number", "text", lambda v: {"port": str(v.number)}, **SOCKET),
    fault("wires.service_of", "unknown", lambda v: {"name": v.word}, **SOCKET),
    fault("wires.watched_twice", "twice", lambda v: {"data": v.word}, library="selectors"),
    fault("wires.not_watched", "unknown", lambda v: {"count": v.number}, library="selectors"),
    fault("wires.network", "host_bits", lambda v: {"text": f"10.0.0.{v.between(1, 99)}/24"}, **NET),
    fault("wires.address", "no_address", lambda v: {"text": f"{v.word}.{v.number}"}, **NET),
    fault("wires.host_in", "larger", lambda v: {"text": "10.0.0.0/16", "host": f"10.0.{v.between(1, 9)}.1"}, **NET),
    fault("wires.trusted", "no_file", lambda v: {"path": v.no_file(".pem")}, **TLS),
    fault("wires.trusted", "no_certificates", lambda v: {"path": v.file(".crt", v.word)}, **TLS),
    fault("wires.with_certificate", "no_pem", lambda v: {"path": v.file(".key", v.hex)}, **TLS),
    fault("wires.handshake", "plain_text", lambda v: {"text": f"220 {v.word} {v.hex}", "name": v.user}, **TLS),
    fault("wires.ciphers", "unknown", lambda v: {"names": v.word.upper()}, **TLS),
    fault("wires.asked", "no_http", lambda v: {"answer": f"{v.word} {v.number}\r\n\r\n".encode()}, **HTTP),
    fault("wires.asked", "nothing", lambda v: {"answer": b"", "path": f"/{v.word}"}, **HTTP),
    fault("wires.asked", "cut_off", lambda v: {"answer": cut_off(v)}, **HTTP),
    fault("wires.asked", "long_line", lambda v: {"answer": b"HTTP/1.1 " + b"x" * (70000 + v.number)}, **HTTP),
    fault("wires.answered_json", "html", lambda v: {"answer": answer("200 OK", f"<p>{v.word}"), "key": "a"}),
    fault("wires.answered_json", "no_key", lambda v: {"answer": answer("200 OK", '{"b": 1}'), "key": v.word}),
    fault("wires.header", "not_sent", lambda v: {"answer": answer("200 OK", v.word), "name": f"X-{v.word}"}),
    fault("wires.before_request", "order", lambda v: {"path": v.word}, **HTTP),
    fault("wires.too_early", "order", lambda v: {"path": v.word}, **HTTP),
    fault("wires.bad_port", "no_number", lambda v: {"host": f"{v.word}:{v.user}"}, **HTTP),
    fault("wires.fetched", "status_404", lambda v: {"answer": answer("404 Gone"), "path": v.word}, **URL),
    fault("wires.fetched", "hung_up", lambda v: {"answer": b"", "path": v.word}, **URL),
    fault(
        "wires.fetched",
        "redirected_to_file",
        lambda v: {"answer": answer("302 F", "", f"Location: file:///{v.word}"), "path": v.word},
        **URL,
    ),
    fault("wires.fetched_from_nobody", "refused", lambda v: {"path": v.word}, **URL),
    fault("wires.fetched_or_told", "during_handling", lambda v: {"path": v.word}, **URL),
    fault("wires.opened", "no_scheme", lambda v: {"url": f"{v.word}/{v.number}"}, **URL),
    fault("wires.opened", "unknown_scheme", lambda v: {"url": f"{v.word}://{v.user}"}, **URL),
    fault("wires.request_of", "no_host", lambda v: {"method": "GET", "target": f"/{v.word}"}, **H11),
    fault("wires.received", "no_http", lambda v: {"data": f"{v.word}\r\n\r\n".encode()}, **H11),
    fault("wires.received", "too_long", lambda v: {"data": b"GET /" + b"x" * (20000 + v.number)}, **H11),
    fault("wires.body_without_head", "order", lambda v: {"data": v.word.encode()}, **H11),
    fault("wires.too_much_body", "longer", lambda v: {"data": v.word.encode()}, **H11),
    fault("wires.bad_header", "a_space", lambda v: {"name": f"{v.word} {v.user}"}, **H11),
    fault("wires.bad_status", "too_small", lambda v: {"code": v.between(1, 99)}, **H11),
    fault("loops.awaited", "no_name", lambda v: {"name": v.user}, **ASYNC),
    fault("loops.in_time", "timeout", lambda v: {"seconds": v.number}, **ASYNC),
    fault("loops.in_time_block", "timeout", lambda v: {"seconds": v.number}, **ASYNC),
    fault("loops.gathered", "one_fails", lambda v: {"names": [v.user, v.id]}, **ASYNC),
    fault("loops.grouped", "some_fail", lambda v: {"names": [v.user, *[v.id] * v.between(2, 4)]}, **ASYNC),
    fault("loops.mixed", "two_kinds", lambda v: {"names": [v.user, v.word], "table": {v.user: 1}}, **ASYNC),
    fault("loops.cancelled", "cancelled", lambda v: {"seconds": v.number}, **ASYNC),
    fault("loops.nested", "loop_runs", lambda v: {"seconds": v.number}, **ASYNC),
    fault("loops.not_awaited", "coroutine", lambda v: {"name": v.user}, **ASYNC),
    fault("loops.not_a_coroutine", "a_number", lambda v: {"value": v.number}, **ASYNC),
    fault("loops.queue_full", "full", lambda v: {"items": [v.user, v.word]}, **ASYNC),
    fault("loops.queue_empty", "empty", lambda v: {"count": v.number}, **ASYNC),
    fault("loops.result_too_early", "not_done", lambda v: {"value": v.number}, **ASYNC),
    fault("loops.set_twice", "done", lambda v: {"value": v.word}, **ASYNC),
    fault("loops.connected", "not_there", lambda v: {"path": f"var/{v.word}.sock"}, **ASYNC),
    fault("loops.line_of", "too_long", lambda v: {"text": v.word.encode() * 20}, **ASYNC),
    fault("loops.exactly", "too_short", lambda v: {"data": v.word.encode() * v.between(1, 9)}, **ASYNC),
    fault("loops.released", "not_held", lambda v: {"name": v.word}, **ASYNC),
    fault("loops.program", "not_there", lambda v: {"name": f"{v.word}-{v.number}"}, **ASYNC),
    fault("loops.in_thread", "by_zero", lambda v: {"value": v.number}, **ASYNC),
    fault("loops.looped", "a_list", lambda v: {"names": [v.word]}, **ASYNC),
]
