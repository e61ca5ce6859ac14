"""The reading thread of a camera: keeps its stream open for as long as the bus is, and knows how it does."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from drivers.camera.config import CameraSettings
from drivers.camera.newest import Newest
from drivers.camera.picture import Figures, Frame, Image, look
from drivers.camera.source import Sink, Source, StreamLost
from drivers.camera.watch import Rate, Stillness, is_covered
from runtime.lifecycle import Backoff

FIRST_PAUSE = timedelta(milliseconds=200)
LONGEST_PAUSE = timedelta(seconds=2)
"""A camera that was away is back within seconds, so it is asked often; one attempt costs it nothing."""
FIRST_REFUSED_PAUSE = timedelta(seconds=1)
LONGEST_REFUSED_PAUSE = timedelta(minutes=2)
"""A camera that refuses a login soon locks the whole address out, so it is asked seldom."""
_GRACE = 1.5  # a stream that was hung is opened anew meanwhile; until then its last picture is no picture


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What is known of a stream at one moment.

    `streaming` means that pictures come. `age_s` is how old the newest is, None before the first; `figures` are those
    of the newest that was measured, None as long as nothing comes. `corrupt`, `skipped` (a newer picture came before
    it was decoded) and `losses` count since the start.
    """

    streaming: bool
    problem: str
    rate: float
    age_s: float | None
    figures: Figures | None
    frozen: bool
    covered: bool
    corrupt: int
    skipped: int
    losses: int


@dataclass(kw_only=True, slots=True)
class _Tally:
    """What the threads count; guarded by the reader's lock."""

    problem: str = "no picture yet"
    figures: Figures | None = None
    still: Stillness = field(default_factory=Stillness)
    rate: Rate = field(default_factory=Rate)
    looked_s: float = float("-inf")
    last_s: float | None = None
    number: int = 0
    corrupt: int = 0
    skipped: int = 0
    losses: int = 0


class Reader:
    """Reads one camera until it is stopped, and puts every picture into `newest`, which goes on counting.

    `told` hears, in the thread, of each opening and each loss (None: opened). `monotonic` gives
    seconds and `unix_ms` Unix time; `random` spreads the attempts of many readers.
    """

    def __init__(
        self,
        settings: CameraSettings,
        source: Source,
        *,
        name: str,
        newest: Newest[Frame],
        told: Callable[[float, StreamLost | None], None],
        random: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
        unix_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._settings = settings
        self._source = source
        self._told = told
        self._monotonic = monotonic
        self._unix_ms = unix_ms
        self._backoff = Backoff(random=random, first=FIRST_PAUSE, limit=LONGEST_PAUSE)
        self._refused = Backoff(random=random, first=FIRST_REFUSED_PAUSE, limit=LONGEST_REFUSED_PAUSE)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._newest = newest
        self._tally = _Tally(number=newest.number)
        self._opened_s: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"{name}:read", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it does within the stream's time-outs. May be called again."""
        self._stop.set()
        self._source.interrupt()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end, at most so long; whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive() and not self._stop.is_set()

    def state(self) -> State:
        """Say how the stream does now."""
        now = self._monotonic()
        settings = self._settings
        with self._lock:
            tally = self._tally
            age = None if tally.last_s is None else max(now - tally.last_s, 0.0)
            patience = _GRACE * settings.silent_after.total_seconds()
            streaming = not tally.problem and age is not None and age <= patience
            figures = tally.figures if streaming else None
            return State(
                streaming=streaming,
                problem="" if streaming else tally.problem or f"no picture for {age or 0.0:.1f} s",
                rate=tally.rate.at(now) if streaming else 0.0,
                age_s=None if age is None else round(age, 3),
                figures=figures,
                frozen=streaming and tally.still.for_s >= settings.frozen_after.total_seconds(),
                covered=figures is not None
                and is_covered(
                    brightness=figures.brightness,
                    spread=figures.spread,
                    dark_below=settings.dark_below,
                    even_below=settings.even_below,
                ),
                corrupt=tally.corrupt,
                skipped=tally.skipped,
                losses=tally.losses,
            )

    def _run(self) -> None:
        sink = Sink(
            arrived=self._arrived,
            shown=self._shown,
            corrupt=self._corrupt,
            skipped=self._skipped,
            stopped=self._stop.is_set,
        )
        while not self._stop.is_set():
            started, self._opened_s = self._monotonic(), None
            backoff = self._backoff
            try:
                self._source.run(sink)
            except StreamLost as lost:
                self._lost(lost, started)
                backoff = self._refused if lost.refused else self._backoff
            if self._stop.wait(backoff.next_pause().total_seconds()):
                return

    def _lost(self, lost: StreamLost, started: float) -> None:
        with self._lock:
            self._tally.problem = str(lost)
            self._tally.losses += self._opened_s is not None
        if not self._stop.is_set():
            self._told(self._monotonic() - started, lost)

    def _arrived(self, at_s: float) -> None:
        with self._lock:
            self._tally.rate.add(at_s)

    def _shown(self, image: Image, at_s: float) -> None:
        """Take a decoded picture; measure it when it is time to."""
        if self._stop.is_set():  # it was on its way when another reader took over
            return
        first = self._opened_s is None
        with self._lock:
            due = first or at_s - self._tally.looked_s >= self._settings.look_every.total_seconds()
        measured = look(image, ignore=self._settings.ignore) if due else None
        with self._lock:
            tally = self._tally
            tally.number += 1
            tally.last_s = at_s
            tally.problem = ""
            if measured is not None:
                tally.looked_s, tally.figures = at_s, measured
                tally.still.see(measured.imprint, at_s)
            number = tally.number
        frame = Frame(image=image, number=number, at_s=at_s, at_ms=self._unix_ms() - self._age_ms(at_s))
        self._newest.put(frame, number)
        if first:
            self._opened_s = at_s
            self._backoff.reset()
            self._refused.reset()
            self._told(0.0, None)

    def _age_ms(self, at_s: float) -> int:
        return round((self._monotonic() - at_s) * 1000)

    def _corrupt(self, count: int) -> None:
        with self._lock:
            self._tally.corrupt += count

    def _skipped(self, count: int) -> None:
        with self._lock:
            self._tally.skipped += count
