"""Real stores of time series, started as children on free ports in folders that go with them.

Debian's InfluxDB 1.6.7 takes line protocol on `/write` only; `Relay` stands before it, answers `/api/v2/write` as 1.8
does by handing exactly the bytes that came to `/write`, and hands on everything else as it is.
"""

import contextlib
import gzip
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import httpx
import pytest

STARTS_WITHIN_S = 60

http = httpx.Client(timeout=20, trust_env=False)


def required() -> bool:
    """Whether a missing server is a failure: always where continuous integration runs."""
    return os.environ.get("LINLI_REQUIRE_SHARED") == "1" or os.environ.get("CI") == "true"


def program(name: str, package: str) -> str:
    """Find a server, or skip the test; where everything must be there, fail."""
    found = shutil.which(name)
    if found is None:
        reason = f"{name} is not installed: `make setup` installs Debian's {package}"
        if required():
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@dataclass(kw_only=True)
class Server:
    """A store in a folder of its own that can be killed and started again, on the same port."""

    command: list[str]
    folder: Path
    port: int
    ready: str
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "server.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.folder, stdout=log, stderr=log)
        until = time.monotonic() + STARTS_WITHIN_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.command[0]} does not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return http.get(f"{self.url}{self.ready}", timeout=1).is_success
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
            self.process = None

    def ask(self, path: str, **parameters: str) -> str:
        """Send a GET request, and give what comes back."""
        return http.get(f"{self.url}{path}", params=parameters).raise_for_status().text

    def tell(self, path: str, **parameters: str) -> None:
        """Send a POST request without a body."""
        http.post(f"{self.url}{path}", params=parameters).raise_for_status()


@contextlib.contextmanager
def influxdb(folder: Path, *, database: str = "linli") -> Iterator[Server]:
    """Start Debian's InfluxDB 1.6.7 with an empty database."""
    name = program("influxd", "influxdb")
    folder.mkdir(parents=True, exist_ok=True)
    port, inner = free_port(), free_port()
    config = folder / "influxdb.conf"
    config.write_text(
        f"""
reporting-enabled = false
bind-address = "127.0.0.1:{inner}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
""",
        encoding="utf-8",
    )
    server = Server(command=[name, "-config", str(config)], folder=folder, port=port, ready="/ping")
    server.start()
    try:
        server.tell("/query", q=f'CREATE DATABASE "{database}"')
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def victoria_metrics(folder: Path) -> Iterator[Server]:
    """Start Debian's VictoriaMetrics, which takes `/api/v2/write`."""
    name = program("victoria-metrics", "victoria-metrics")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [
        name,
        f"-storageDataPath={folder}/data",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y",
        "-memory.allowedBytes=256MB",
        "-loggerLevel=ERROR",
    ]
    server = Server(command=command, folder=folder, port=port, ready="/health")
    server.start()
    try:
        yield server
    finally:
        server.kill()


class Relay:
    """Answers as InfluxDB 1.8 would, with 1.6.7 behind it. `bodies` are the bytes that came, in order.

    `refuse` makes it answer writes with a status and words of its own; `authorizations` are what was shown to it.
    """

    def __init__(self, target: Server) -> None:
        self.target = target
        self.bodies: list[bytes] = []
        self.authorizations: list[str | None] = []
        self.largest = 2**40
        self.refuse: tuple[int, str] | None = None
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                self._answer(*relay.write(self.path, self.rfile.read(length), dict(self.headers)))

            def do_GET(self) -> None:
                relay.authorizations.append(self.headers.get("Authorization"))
                self._answer(*relay.forward(self.path))

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="relay", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def write(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        parts = urllib.parse.urlsplit(path)
        asked = dict(urllib.parse.parse_qsl(parts.query))
        self.authorizations.append(headers.get("Authorization"))
        if parts.path != "/api/v2/write":
            return 404, b"{}"
        if self.refuse is not None:
            status, words = self.refuse
            return status, words.encode()
        plain = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        if len(plain) > self.largest:
            return 413, b'{"error":"Request Entity Too Large"}'
        self.bodies.append(plain)
        database, _, policy = asked["bucket"].partition("/")
        query = {"db": database, "precision": asked["precision"], **({"rp": policy} if policy else {})}
        return self.forward(f"/write?{urllib.parse.urlencode(query)}", plain)

    def forward(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        method = "GET" if body is None else "POST"
        try:
            answer = http.request(method, f"{self.target.url}{path}", content=body)
        except httpx.HTTPError as error:
            return 502, str(error).encode()
        return answer.status_code, answer.content

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
