"""Spoiling an embedded telemetry store from outside, for tests that want a judge to find it."""

import sqlite3
from contextlib import closing
from pathlib import Path


def in_store(folder: Path, statement: str) -> None:
    """Run a statement where a table of samples has its first GOOD number.

    THE_TABLE is that table, THE_ROW the number's row, and A_COPY its columns with a time of one millisecond later.
    """
    with closing(sqlite3.connect(folder / "telemetry.db", isolation_level=None)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        tables = {name: [row[1] for row in db.execute(f"PRAGMA table_info({name})")] for name in names}
        for table, columns in tables.items():
            if not {"series_id", "at_ms", "value", "quality"} <= set(columns):
                continue
            found = db.execute(
                f"SELECT series_id, at_ms FROM {table} JOIN series ON series.id = series_id "  # noqa: S608 - names of ours
                "WHERE point = 'number' AND quality = 192 ORDER BY at_ms LIMIT 1"
            ).fetchone()
            if found is not None:
                copy = ", ".join("at_ms + 1" if column == "at_ms" else column for column in columns)
                words = statement.replace("THE_TABLE", table).replace("A_COPY", copy)
                db.execute(words.replace("THE_ROW", f"series_id = {found[0]} AND at_ms = {found[1]}"))
                return
    raise AssertionError("the store holds no number")
