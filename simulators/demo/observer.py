"""An outsider that watches the telemetry store and notes when it first sees each sample."""

import sqlite3
import threading
import time
from pathlib import Path

_PERIOD_S = 0.025

# As the view `sample`, but without the slots that are over, because this is asked again and again.
_NEWER = """
SELECT at_ms FROM settled WHERE series_id = :series AND at_ms > :after
UNION
SELECT at_ms FROM slot CROSS JOIN recent ON recent.slot = slot.id AND recent.series_id = :series
WHERE slot.id >= :after / 10000 AND at_ms > :after
ORDER BY at_ms
"""


class Observer:
    """Reads the store's file in a thread of its own, from samples at or after `since_ms`."""

    def __init__(self, file: Path, *, since_ms: int) -> None:
        self._file = file
        self._since_ms = since_ms
        self._seen: dict[tuple[int, str, int], float] = {}
        self._last: dict[tuple[int, int, str], int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="observer", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> dict[tuple[int, str, int], float]:
        """End, after one more look; gives (device id, point, at_ms) to the Unix milliseconds of first sight."""
        self._stop.set()
        self._thread.join()
        return self._seen

    def _watch(self) -> None:
        connection = sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=10)
        try:
            while not self._stop.wait(_PERIOD_S):
                self._look(connection)
            self._look(connection)
        finally:
            connection.close()

    def _look(self, connection: sqlite3.Connection) -> None:
        series = connection.execute("SELECT id, device_id, point FROM series").fetchall()
        for key in series:
            after = self._last.get(key, self._since_ms - 1)
            rows = connection.execute(_NEWER, {"series": key[0], "after": after}).fetchall()
            if rows:
                now = time.time() * 1000
                for (at_ms,) in rows:
                    self._seen[key[1], key[2], at_ms] = now
                self._last[key] = rows[-1][0]
