"""A small SQLite file that outlives a power cut: what a method has written when it returns is on disk."""

import os
import sqlite3
import threading
from pathlib import Path
from typing import Self


class DurableFile:
    """One file with `synchronous=FULL`, its owner's alone, for any thread. Close it, or use it as a context.

    Several may have it open, in one process or more. What SQLite or the disk refuses is raised as `error`.
    """

    def __init__(self, file: Path, schema: str, error: type[Exception]) -> None:
        self._lock = threading.Lock()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None, timeout=2)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(schema)
        except (sqlite3.Error, OSError) as refused:
            raise error(f"{file}: {refused}") from refused

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
