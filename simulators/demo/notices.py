"""A receiver of notifications: what a phone would show goes to a file, one JSON object a line."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_LONGEST = 1_000_000


@contextmanager
def receive_notices(file: Path) -> Iterator[int]:
    """Receive on a port of 127.0.0.1 while the context lasts; gives the port."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = min(int(self.headers.get("Content-Length") or 0), _LONGEST)
            try:
                body: Any = json.loads(self.rfile.read(size))
            except ValueError:
                self.send_error(400, "not JSON")
                return
            line = json.dumps({"at_ms": round(time.time() * 1000), **body}, ensure_ascii=False)
            with lock, file.open("a", encoding="utf-8") as target:
                target.write(line + "\n")
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's signature
            """Write nothing to the terminal."""

    file.parent.mkdir(parents=True, exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="notices", daemon=True)
    thread.start()
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
