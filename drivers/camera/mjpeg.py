"""Motion JPEG over HTTP: one thread drains the connection, another decodes the newest picture there is."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

import httpx

from drivers.camera.auth import CameraAuth, HiddenUrl, told
from drivers.camera.codec import NotMotionJpeg, Parts, boundary_of
from drivers.camera.config import CameraSettings
from drivers.camera.jpeg import BrokenPicture
from drivers.camera.picture import decode
from drivers.camera.place import NoLogin, needs_login, read_login
from drivers.camera.source import Sink, StreamLost

_OK = 200
_STATUS = {401: "the camera refuses the credentials", 403: "the camera forbids it", 404: "no such path on the camera"}
_JOIN_S = 1.0


class MjpegSource:
    """A stream of JPEG pictures. Everything that was received is taken from the connection at once."""

    def __init__(self, settings: CameraSettings, *, name: str) -> None:
        self._settings = settings
        self._name = name
        self._socket: socket.socket | None = None

    def run(self, sink: Sink) -> None:
        """Read the stream in this thread. StreamLost."""
        patience = self._settings.silent_after.total_seconds()
        with self._opened() as response, _Decoder(sink, name=self._name) as decoder:
            try:
                parts = Parts(boundary=boundary_of(response.headers.get("content-type", "")))
            except NotMotionJpeg as error:
                raise StreamLost(str(error)) from error
            last = time.monotonic()
            for chunk in response.iter_raw():
                lost = parts.lost
                now = time.monotonic()
                for jpeg in parts.feed(chunk):
                    last = now
                    sink.arrived(now)
                    decoder.put(jpeg, now)
                if parts.lost > lost:
                    sink.corrupt(parts.lost - lost)
                if sink.stopped():
                    return
                if now - last > patience:
                    raise StreamLost(f"bytes come, and no picture for {patience:g} s", silent=True)
        if not sink.stopped():
            raise StreamLost("the camera ended the stream")

    def interrupt(self) -> None:
        """End a read that waits."""
        if (connection := self._socket) is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _opened(self) -> Iterator[httpx.Response]:
        settings = self._settings
        timeout, patience = settings.timeout.total_seconds(), settings.silent_after.total_seconds()
        try:
            login = read_login(settings.credentials_file)
        except NoLogin as error:
            raise StreamLost(str(error)) from error
        auth = CameraAuth(login) if login is not None and not needs_login(settings.url) else None
        try:
            # No proxies and no redirects: both would take the credentials elsewhere.
            with (
                httpx.Client(
                    timeout=httpx.Timeout(timeout, read=patience),
                    transport=HiddenUrl(settings.url, login),
                    trust_env=False,
                    headers={"Accept-Encoding": "identity"},
                ) as client,
                client.stream("GET", settings.url, auth=auth) as response,
            ):
                if response.status_code != _OK:
                    why = _STATUS.get(response.status_code, f"the camera answers {response.status_code}")
                    raise StreamLost(why, refused=response.status_code in _STATUS)
                self._socket = response.extensions["network_stream"].get_extra_info("socket")
                yield response
        except httpx.ReadTimeout as error:
            raise StreamLost(f"nothing came for {patience:g} s", silent=True) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise StreamLost(told(error, timeout_s=timeout)) from None  # the cause knows the whole URL
        finally:
            self._socket = None


class _Decoder:
    """Decodes pictures in a thread of its own. A picture that is still waiting when a newer one comes is dropped."""

    def __init__(self, sink: Sink, *, name: str) -> None:
        self._sink = sink
        self._news = threading.Condition()
        self._waiting: tuple[bytes, float] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"{name}:decode", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._news:
            self._closed = True
            self._news.notify()
        self._thread.join(_JOIN_S)

    def put(self, jpeg: bytes, at_s: float) -> None:
        """Have a picture decoded next."""
        with self._news:
            skipped, self._waiting = self._waiting is not None, (jpeg, at_s)
            self._news.notify()
        if skipped:
            self._sink.skipped(1)

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            jpeg, at_s = taken
            try:
                image = decode(jpeg)
            except BrokenPicture:
                self._sink.corrupt(1)
                continue
            self._sink.shown(image, at_s)

    def _take(self) -> tuple[bytes, float] | None:
        with self._news:
            while self._waiting is None and not self._closed:
                self._news.wait()
            if self._closed:
                return None
            taken, self._waiting = self._waiting, None
            return taken
