"""An OS process for tests that does what its words say, one after the other: run as `python service.py WORD...`.

Uses the standard library alone. A word is `verb` or `verb=value`; with `forever` it stays. For tests only.
Invariant: it prints `up` once every word before `forever` has been done.
"""

from __future__ import annotations

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path


def do(verb: str, value: str) -> None:
    match verb:
        case "print":
            print(value, flush=True)
        case "bytes":
            os.write(1, os.urandom(int(value)))
        case "long":
            os.write(1, b"x" * int(value) + b"\n")
        case "unfinished":
            os.write(1, value.encode())
        case "lines":
            for number in range(int(value)):
                print(f"line {number}")
        case "stderr":
            print(value, file=sys.stderr, flush=True)
        case "ignore":
            signal.signal(signal.Signals[value], signal.SIG_IGN)
        case "on":
            signal.signal(signal.Signals[value], lambda *_: (print(f"got {value}", flush=True), os._exit(0)))
        case "child":
            subprocess.Popen(["sleep", "3600"])
        case "setsid":
            subprocess.Popen(["setsid", "sh", "-c", "trap '' TERM HUP INT; sleep 3600 & wait"])
        case "chatter":
            subprocess.Popen(["yes", "chatter"])
        case "tcp":
            listener = socket.create_server(("127.0.0.1", int(value)))
            globals().setdefault("kept", []).append(listener)
        case "http":
            server = http.server.ThreadingHTTPServer(("127.0.0.1", int(value)), http.server.SimpleHTTPRequestHandler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
        case "notify":
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.sendto(value.replace(":", "=").encode(), os.environ["NOTIFY_SOCKET"])
        case "env":
            print(f"{value}={os.environ.get(value)}", flush=True)
        case "cwd":
            print(Path.cwd(), flush=True)
        case "wait":
            while not Path(value).exists():
                time.sleep(0.01)
        case "exit":
            sys.exit(int(value))
        case "forever":
            print("up", flush=True)
            while True:
                signal.pause()


for word in sys.argv[1:]:
    do(*word.partition("=")[::2])
