"""The clerk: a thread that writes the audit and does what has to be done by itself. One for each open gate."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence

from edge.gate.people.audit import AuditEntry
from runtime.logs import get_log

MOST_WAITING = 50_000
_MOST_AT_ONCE = 500
_RETRY_S = 2.0
_WATCH_S = 1.0

_log = get_log("edge.gate.people")


class Clerk:
    """Writes entries soon after they are given, in their order; calls `upkeep` every so often, and `watch` each second.

    While the disk refuses, entries wait in memory, the oldest `MOST_WAITING` of them; what does not fit is counted.
    """

    def __init__(
        self,
        write: Callable[[Sequence[AuditEntry]], None],
        upkeep: Callable[[], None],
        watch: Callable[[], None],
        *,
        every_s: float = 60.0,
    ) -> None:
        self._write, self._upkeep, self._watch = write, upkeep, watch
        self._every_s = every_s
        self._waiting: queue.Queue[AuditEntry | None] = queue.Queue(MOST_WAITING)
        self._batch: list[AuditEntry] = []
        self._closing, self._nudged = threading.Event(), threading.Event()
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="gate-people-clerk", daemon=True)
        self._thread.start()

    def note(self, entry: AuditEntry) -> None:
        """Take an entry; never waits."""
        try:
            self._waiting.put_nowait(entry)
        except queue.Full:
            self._lost += 1

    @property
    def waiting(self) -> int:
        """How many entries are not on disk."""
        return self._waiting.unfinished_tasks

    @property
    def lost(self) -> int:
        """How many entries found no room."""
        return self._lost

    def nudge(self) -> None:
        """Have the upkeep done soon."""
        self._nudged.set()
        self._wake()

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until what was given is on disk; False when the disk does not take it in time."""
        if threading.current_thread() is self._thread:  # what is due by itself needs the audit on disk
            self._collect(0.0)
            return self._written()
        end = time.monotonic() + timeout_s
        while self._waiting.unfinished_tasks:
            if time.monotonic() > end or not self._thread.is_alive():
                return False
            time.sleep(0.002)  # a queue can be joined, but not with a time-out
        return True

    def close(self, timeout_s: float = 30.0) -> None:
        """Write what waits, and end."""
        self._closing.set()
        self._wake()
        self._thread.join(timeout_s)

    def _wake(self) -> None:
        with contextlib.suppress(queue.Full):  # then it is awake
            self._waiting.put_nowait(None)

    def _run(self) -> None:
        next_upkeep = time.monotonic() + self._every_s
        while True:
            self._collect(min(_WATCH_S, max(0.0, next_upkeep - time.monotonic())))
            written = self._written()
            self._do(self._watch)
            if self._nudged.is_set() or time.monotonic() >= next_upkeep:
                self._nudged.clear()
                self._do(self._upkeep)
                next_upkeep = time.monotonic() + self._every_s
            if self._closing.is_set() and (not written or self._waiting.empty()):
                return
            if not written:
                self._closing.wait(_RETRY_S)

    def _collect(self, timeout_s: float) -> None:
        """Wait for entries; take what is there, unless some before them have still to be written."""
        if self._batch:
            return
        with contextlib.suppress(queue.Empty):
            entry = self._waiting.get(block=timeout_s > 0, timeout=timeout_s)
            while True:
                if entry is None:
                    self._waiting.task_done()
                else:
                    self._batch.append(entry)
                if len(self._batch) >= _MOST_AT_ONCE:
                    return
                entry = self._waiting.get_nowait()

    def _written(self) -> bool:
        if not self._batch:
            return True
        try:
            self._write(self._batch)
        except Exception as error:  # noqa: BLE001 - a clerk that ends would leave look-ups without an audit
            _log.warning("audit waits", entries=self.waiting, why=str(error))
            return False
        for _ in self._batch:
            self._waiting.task_done()
        self._batch.clear()
        return True

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - likewise, and what is due is tried again
            _log.warning("upkeep waits", why=str(error))
