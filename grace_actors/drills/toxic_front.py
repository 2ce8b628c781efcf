"""Puts the proxy in front of the HTTP API: who looks up the address finds the spoiled way.

Knows where the address stands; must not know how the proxy works. A restarted api_server writes its own address again,
which heals. Invariant: only an upstream of this machine is accepted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from grace_actors.drills import file_faults, proxy, toxics
from grace_actors.drills.file_faults import Plan
from grace_actors.errors import Refused
from grace_actors.home import Home, read_json_object

SERVER = "api_server"


def upstream(home: Path, target: str) -> str:
    """`host:port` of the API. Raises Refused."""
    if target != SERVER:
        raise Refused(f"toxic: {target!r:.80} has no port that others look up", hint=f"target: {SERVER}")
    url = Home(home).api_url()
    if url is None:
        raise Refused(f"toxic: {SERVER} has not written down its address", hint=f"see: status {SERVER}")
    found = urlsplit(url).netloc
    try:
        proxy.address(found)
    except ValueError as error:
        raise Refused(f"toxic: {error}", hint="only ports of this machine") from None
    return found


def redirect(home: Path, port: int) -> Plan:
    """How the written address is replaced by that of the proxy. Raises Refused."""
    file = Home(home).api_file
    text = json.dumps({**read_json_object(file), "url": f"http://127.0.0.1:{port}"})
    return file_faults.swap(home, file.name, text.encode() + b"\n")


def toxic_of(params: dict[str, Any]) -> dict[str, Any]:
    """The toxic as the proxy takes it: of the parameters, those of its type."""
    kind = params["toxic"]
    attributes = {key: params[key] for key in toxics.ATTRIBUTES[kind]}
    shared = {"stream": params["stream"], "toxicity": params["toxicity"]}
    return {"name": "drill", "type": kind, **shared, "attributes": attributes}
