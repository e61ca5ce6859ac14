"""A torn write takes nothing that was promised, and what was promised is found without SQLite's help."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from simulators.chaos.wal import promised, tear

WRITER = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode=WAL"), db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB)")
for n in range(20):
    db.execute("INSERT INTO t VALUES (?, randomblob(3000))", (n,))
if sys.argv[2] == "amid":
    db.execute("PRAGMA cache_size=1"), db.execute("BEGIN")
    for n in range(100, 200):
        db.execute("INSERT INTO t VALUES (?, randomblob(3000))", (n,))
os.kill(os.getpid(), 9)
"""


def killed_writer(file: Path, when: str) -> Path:
    done = subprocess.run([sys.executable, "-c", WRITER, str(file), when], check=False)
    assert done.returncode == -9
    return file.with_name(f"{file.name}-wal")


@pytest.mark.parametrize("when", ["between", "amid"])
@pytest.mark.parametrize("seed", range(6))
def test_what_was_committed_survives_a_torn_write(tmp_path: Path, when: str, seed: int) -> None:
    file = tmp_path / "db"
    log = killed_writer(file, when)
    found = promised(log.read_bytes())
    assert found.commits >= 21
    assert (found.end < log.stat().st_size) is (when == "amid")
    assert "behind" in tear(log, Random(seed))  # noqa: S311 - repeatable
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert [row[0] for row in db.execute("SELECT n FROM t ORDER BY n")] == list(range(20))


def test_a_promise_ends_where_the_log_was_touched(tmp_path: Path) -> None:
    log = killed_writer(tmp_path / "db", "between")
    data = bytearray(log.read_bytes())
    whole = promised(bytes(data))
    data[whole.end - 10] ^= 1
    assert promised(bytes(data)).commits == whole.commits - 1
    assert promised(b"").end == promised(b"x" * 100).end == 0
