"""RTSP over TCP by OpenCV's FFmpeg: one thread takes every picture as soon as it is there."""

import os
import socket
import time
from contextlib import suppress
from urllib.parse import urlsplit

import cv2
import numpy as np

from drivers.camera.config import CameraSettings
from drivers.camera.place import NoLogin, read_login, with_login
from drivers.camera.source import Sink, StreamLost

_PORT = 554
_KNOCK_S = 1.0
_MOST_LAG_S = 1.5
_DRIFT = 0.001
_ENDED = 10
_FIRST = 4  # OpenCV tells the same time for a stream's first pictures
_REFUSED = "the camera refuses the stream: wrong path, wrong credentials, or no TCP transport"


class RtspSource:
    """A stream as FFmpeg reads it. The consumer never holds it up, and a backlog that grows is dropped."""

    def __init__(self, settings: CameraSettings, *, name: str) -> None:
        self._settings = settings
        self._name = name
        self._stop = False

    def run(self, sink: Sink) -> None:
        """Read the stream in this thread. StreamLost."""
        quieten()
        patience = self._settings.silent_after.total_seconds()
        capture = self._opened()
        lag = Lag()
        failures = 0
        try:
            while not (sink.stopped() or self._stop):
                asked = time.monotonic()
                if not capture.grab():
                    if time.monotonic() - asked >= 0.9 * patience:
                        raise StreamLost(f"no picture for {patience:g} s", silent=True)
                    failures += 1  # FFmpeg gives up a picture that it cannot decode, and goes on with the next
                    if failures >= _ENDED:
                        raise StreamLost("the camera ended the stream")
                    continue
                sink.corrupt(failures)
                failures = 0
                now = time.monotonic()
                behind = lag.at(now, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
                if behind > _MOST_LAG_S:
                    raise StreamLost(f"the pictures are {behind:.1f} s late: the machine cannot follow the stream")
                if lag.is_shrinking:
                    continue  # FFmpeg looks at seconds of a stream before it opens it: these pictures are old
                sink.arrived(now)
                done, image = capture.retrieve()
                if done and image is not None:
                    sink.shown(np.asarray(image, np.uint8), now - behind)
                else:
                    sink.corrupt(1)
        finally:
            capture.release()

    def interrupt(self) -> None:
        """End it at the next picture; a stream that is hung ends by FFmpeg's own time-out."""
        self._stop = True

    def _opened(self) -> cv2.VideoCapture:
        settings = self._settings
        timeout_ms = int(settings.timeout.total_seconds() * 1000)
        patience_ms = int(settings.silent_after.total_seconds() * 1000)
        try:
            login = read_login(settings.credentials_file)
        except NoLogin as error:
            raise StreamLost(str(error)) from error
        speaks = self._knock()
        capture = cv2.VideoCapture()
        # Each picture is decoded by one thread: several would hold back as many pictures as there are threads.
        options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, patience_ms]
        options += [cv2.CAP_PROP_N_THREADS, 1]
        started = time.monotonic()
        try:
            opened = capture.open(with_login(settings.url, login), cv2.CAP_FFMPEG, options)
        except cv2.error:
            raise StreamLost(_REFUSED, refused=True) from None  # the cause may know the whole URL
        if not opened:
            capture.release()
            if hung := time.monotonic() - started >= 0.9 * timeout_ms / 1000:
                raise StreamLost(f"no stream within {timeout_ms / 1000:g} s", silent=hung)
            if not speaks:
                raise StreamLost("the camera drops the connection")
            raise StreamLost(_REFUSED, refused=True)
        return capture

    def _knock(self) -> bool:
        """See who is there, as FFmpeg does not say why it cannot open a stream; whether RTSP is spoken. StreamLost.

        A camera that is just starting accepts connections and drops them: that is no refusal.
        """
        parts = urlsplit(self._settings.url)
        timeout = self._settings.timeout.total_seconds()
        try:
            with socket.create_connection((parts.hostname or "", parts.port or _PORT), timeout) as connection:
                connection.settimeout(min(timeout, _KNOCK_S))
                with suppress(OSError):
                    connection.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
                    return connection.recv(64).startswith(b"RTSP/")
                return False
        except TimeoutError as error:
            raise StreamLost(f"no connection within {timeout:g} s") from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a host that is no name
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise StreamLost(f"cannot connect: {why}") from error


class Lag:
    """How far pictures fall behind: the stream's own clock against ours, from the best that was seen.

    The best is forgotten slowly, because two clocks drift apart, and a backlog grows much faster than that.
    `is_shrinking` while pictures come faster than they were taken, so that each is younger than the one before.
    """

    def __init__(self) -> None:
        self.is_shrinking = False
        self._best = 0.0
        self._unsure = _FIRST
        self._last: tuple[float, float] | None = None

    def at(self, now_s: float, shown_s: float) -> float:
        """Give the seconds by which a picture with the stream time `shown_s` is late; 0 where the stream has none."""
        offset = now_s - shown_s
        last, self._last = self._last, (now_s, shown_s)
        if last is None or shown_s <= last[1]:  # the first ones, or no clock, or a clock that was set
            self._unsure = max(self._unsure - 1, 0)
            self.is_shrinking = self._unsure > 0
            self._best = offset
            return 0.0
        self._unsure = 0
        best = self._best + _DRIFT * (now_s - last[0])
        self.is_shrinking = best - offset > (shown_s - last[1]) / 2
        self._best = min(best, offset)
        return offset - self._best


def quieten() -> None:
    """Keep OpenCV and FFmpeg from writing to standard error: their lines are no events, and may name a whole URL."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET; read once, before the first stream
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
