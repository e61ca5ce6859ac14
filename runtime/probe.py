"""A small HTTP server for `/health` and `/metrics`, for processes that serve no other page."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from runtime.health import Health, Status


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the library's signature
        """Write nothing: a probe comes every few seconds."""


@contextmanager
def probe_server(*, host: str, port: int, health: Health, registry: CollectorRegistry) -> Iterator[int]:
    """Serve while the context lasts; gives the port that is really used (for `port=0`). OSError when it is taken."""
    metrics = make_wsgi_app(registry)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            body: Iterable[bytes] = metrics(environ, start_response)
            return body
        if path == "/health":
            report = health.report()
            status = "503 Service Unavailable" if report["status"] == Status.DOWN else "200 OK"
            start_response(status, [("Content-Type", "application/json; charset=utf-8")])
            return [json.dumps(report, ensure_ascii=False).encode()]
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"here are /health and /metrics\n"]

    server = make_server(host, port, application, server_class=_Server, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, name="probe", daemon=True)
    thread.start()
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
