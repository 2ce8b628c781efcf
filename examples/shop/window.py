"""The shop window: a page over HTTP, as an ordinary program that knows nothing of Grace.

Listens on 127.0.0.1, port $SHOP_PORT (8099 if unset, 0 for any free one), and says so in a line of its output,
by which the tree file sees that it is ready.
"""

from __future__ import annotations

import os
from http.server import BaseHTTPRequestHandler, HTTPServer

PAGE = b"<!doctype html><title>Shop</title><h1>Open</h1>\n"


class Window(BaseHTTPRequestHandler):
    """Shows the page whatever is asked for."""

    def do_GET(self) -> None:
        """Answer with the page."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)


def main() -> None:
    """Serve until a signal ends it."""
    server = HTTPServer(("127.0.0.1", int(os.environ.get("SHOP_PORT", "8099"))), Window)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
