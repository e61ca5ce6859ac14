"""The database of a gate's people: one SQLite file, one writer and one reader connection, every body sealed.

WAL with synchronous=FULL: what a transaction did survives a kill and a power cut. secure_delete overwrites what is
deleted, and `scrub` empties the log that held it. Several processes may have the file open.
"""

import contextlib
import hashlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from edge.gate.people.api import KeyRefused, StoreBroken, StoreFull
from edge.gate.people.crypto import Sealer, UnknownKey, Unopenable
from edge.gate.people.keys import ID_BYTES, KeyRing, RandomBytes, check_apart, make_keys, read_keys

FILE_NAME = "people.sqlite"
PARTS = ("", "-wal", "-shm")
_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE people (id TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID",
    (
        "CREATE TABLE credentials (digest BLOB NOT NULL, person TEXT NOT NULL, sealed BLOB NOT NULL,"
        " PRIMARY KEY (digest, person)) WITHOUT ROWID"
    ),
    "CREATE INDEX credentials_by_person ON credentials (person)",
    "CREATE TABLE rules (gate TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE revoked (pass TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE consents (id TEXT PRIMARY KEY, person TEXT NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID",
    "CREATE INDEX consents_by_person ON consents (person)",
    (
        "CREATE TABLE faces (id TEXT PRIMARY KEY, person TEXT NOT NULL, model TEXT NOT NULL,"
        " consent TEXT NOT NULL, expires_ms INTEGER NOT NULL, seq INTEGER NOT NULL, sealed BLOB NOT NULL)"
    ),
    "CREATE INDEX faces_by_person ON faces (person)",
    "CREATE INDEX faces_by_consent ON faces (consent)",
    "CREATE INDEX faces_by_expiry ON faces (expires_ms)",
    "CREATE INDEX faces_by_seq ON faces (seq)",
    "CREATE TABLE tombstones (face TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX tombstones_by_seq ON tombstones (seq)",
    "CREATE TABLE erasures (person TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE calibrations (model TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID",
    (
        "CREATE TABLE audit (number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, person TEXT NOT NULL,"
        " body TEXT NOT NULL, chain BLOB NOT NULL)"
    ),
    "CREATE INDEX audit_by_person ON audit (person)",
    "CREATE INDEX audit_by_time ON audit (at_ms)",
)
_VERSION = 1
_CHECK = "this database is read with its key"
_PASSING = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""What may work later. Any other error of the file is damage."""
_WAY_BACK = "restore it from a backup: `linli gate restore`"


class Vault:
    """An open database and the keys of its rows. Methods may be called from any thread."""

    def __init__(
        self, folder: Path, key_file: Path, *, demo: bool = False, random_bytes: RandomBytes = os.urandom
    ) -> None:
        """Open or make it; `demo` marks a new one for good, and one of the other kind is refused. PeopleError."""
        self.folder = folder
        self.key_file = key_file
        self._random = random_bytes
        self._writing, self._reading = threading.RLock(), threading.RLock()
        file = folder / FILE_NAME
        check_apart(key_file, folder)
        with _translated(file):
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise StoreFull(f"{folder} cannot be made: {error.strerror}") from error
            is_new = not file.exists() or not file.stat().st_size
            keys = _keys_for(key_file, folder, file=None if is_new else file, random_bytes=random_bytes)
            self._sealer = Sealer(keys, random_bytes=random_bytes)
            self._file = file
            with contextlib.ExitStack() as undo:
                self._writer = _connect(file)
                undo.callback(self._writer.close)
                file.chmod(0o600)
                self._prepare(demo=demo)
                self._reader = _connect(file)
                undo.callback(self._reader.close)
                self._reader.execute("PRAGMA query_only=ON")
                self._reader.execute("SELECT count(*) FROM meta").fetchone()
                undo.pop_all()

    def _prepare(self, *, demo: bool) -> None:
        db = self._writer
        db.execute("PRAGMA journal_mode=WAL")
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise StoreBroken(f"{self._file} is damaged: {verdict}; {_WAY_BACK}")
        db.execute("BEGIN IMMEDIATE")
        try:
            if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                for statement in _SCHEMA:
                    db.execute(statement)
                set_meta(db, "schema", str(_VERSION))
                set_meta(db, "store", self._random(16).hex())
                set_meta(db, "demo", str(int(demo)))
                self.mark_key(db)
            self._judge(db, demo=demo)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _judge(self, db: sqlite3.Connection, *, demo: bool) -> None:
        if (version := meta(db, "schema")) != str(_VERSION):
            raise StoreBroken(f"{self._file} is of schema {version!r}, and this version of Linli reads {_VERSION}")
        if meta(db, "demo") != str(int(demo)):
            kind, other = ("a demonstration", "real people") if demo else ("real people", "a demonstration")
            raise StoreBroken(f"{self._file} belongs to {other}, and this gate is for {kind}: use another folder")
        self._follow_key(db)

    def _follow_key(self, db: sqlite3.Connection) -> None:
        """Use the key that the database is sealed with now; another process may have changed it."""
        sealed = db.execute("SELECT value FROM meta WHERE key = 'check'").fetchone()
        if sealed is None:
            raise StoreBroken(f"{self._file} is not a gate's database; {_WAY_BACK}")
        wanted = bytes(sealed[0][:ID_BYTES])
        if wanted != self._sealer.current.id:
            ring = read_keys(self.key_file, apart_from=self.folder)
            if (key := ring.find(wanted)) is None:
                raise KeyRefused(
                    f"{self._file} is sealed with the key {wanted.hex()}, and {self.key_file} has"
                    f" {ring.current.id.hex()}: bring back that key file, or {_WAY_BACK}"
                )
            # A rotation that was cut off leaves both keys in the file: the database says which one it has.
            others = tuple(one for one in (ring.current, *ring.former) if one is not key)
            self._sealer = Sealer(KeyRing(current=key, former=others), random_bytes=self._random)
        try:
            sound = self._sealer.open(sealed[0], row="meta/check") == _CHECK.encode()
        except Unopenable:
            sound = False
        if not sound:
            raise StoreBroken(f"{self._file} does not open with its key; {_WAY_BACK}")

    def mark_key(self, db: sqlite3.Connection) -> None:
        """Write which key is in use."""
        set_meta(db, "check", self._sealer.seal(_CHECK.encode(), row="meta/check"))

    @property
    def store_id(self) -> str:
        """Names this database."""
        with self.read() as db:
            return meta(db, "store")

    @property
    def key_id(self) -> str:
        """Names the key in use."""
        return self._sealer.current.id.hex()

    @property
    def sealer(self) -> Sealer:
        """The keys in use; a rotation takes their place by `use`."""
        return self._sealer

    @property
    def random_bytes(self) -> RandomBytes:
        """Where randomness comes from."""
        return self._random

    def use(self, sealer: Sealer) -> None:
        """Take other keys, within a transaction that seals all anew."""
        self._sealer = sealer

    def seal(self, data: bytes, *, row: str) -> bytes:
        """Seal what stands at `row`."""
        return self._sealer.seal(data, row=row)

    def open(self, sealed: bytes, *, row: str) -> bytes:
        """Open a row; Unopenable. A key that is not known here may have come into the key file meanwhile."""
        try:
            return self._sealer.open(sealed, row=row)
        except UnknownKey:
            self.follow_key()
            return self._sealer.open(sealed, row=row)

    def follow_key(self) -> None:
        """Use the key that the database is sealed with now."""
        with self.read() as db:
            self._follow_key(db)

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Read by the reader's connection, never waiting for who writes."""
        with self._reading, _translated(self._file):
            yield self._reader

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Read much, by a connection of its own that sees one state, and holds up nobody."""
        with _translated(self._file), contextlib.closing(_connect(self._file)) as db:
            db.execute("PRAGMA query_only=ON")
            db.execute("BEGIN")
            yield db

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Run one transaction: all of it is on disk afterwards, or nothing was changed."""
        with self._writing, _translated(self._file):
            db = self._writer
            db.execute("BEGIN IMMEDIATE")
            try:
                self._follow_key(db)
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def version(self) -> int:
        """Give a number that is another one once anything was written."""
        with self._reading, _translated(self._file):
            return int(self._reader.execute("PRAGMA data_version").fetchone()[0])

    def scrub(self) -> None:
        """Empty the log, so that nothing that was deleted stays in it. A reader elsewhere may put it off."""
        with self._writing, _translated(self._file), contextlib.suppress(sqlite3.OperationalError):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close both connections; the last one that leaves puts the log away."""
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()


def move_aside(folder: Path) -> tuple[Path, ...]:
    """Rename a database that cannot be used, with its log, and give the new names. StoreFull."""
    number = 1
    while (folder / f"{FILE_NAME}.damaged-{number}").exists():
        number += 1
    there = [part for part in PARTS if (folder / f"{FILE_NAME}{part}").exists()]
    try:
        return tuple(
            (folder / f"{FILE_NAME}{part}").rename(folder / f"{FILE_NAME}.damaged-{number}{part}") for part in there
        )
    except OSError as error:
        raise StoreFull(f"{folder}: the database cannot be moved aside: {error.strerror}") from error


def meta(db: sqlite3.Connection, key: str) -> str:
    """Read a value of `meta`; empty when it is not there."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return "" if row is None else str(row[0])


def meta_number(db: sqlite3.Connection, key: str) -> int | None:
    """Read a number of `meta`; None when it is not there. StoreBroken when it is none."""
    text = meta(db, key)
    try:
        return int(text) if text else None
    except ValueError as error:
        raise StoreBroken(f"the database is damaged: {key} is no number; {_WAY_BACK}") from error


def set_meta(db: sqlite3.Connection, key: str, value: bytes | str) -> None:
    """Write a value of `meta`."""
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def next_seq(db: sqlite3.Connection) -> int:
    """Count one change of the roll, the faces or a calibration, within a transaction."""
    number = (meta_number(db, "seq") or 0) + 1
    set_meta(db, "seq", str(number))
    return number


def digest_of(ids: Iterator[str]) -> str:
    """Give one digest of many ids that are sorted."""
    found = hashlib.sha256()
    for one in ids:
        found.update(one.encode() + b"\n")
    return found.hexdigest()


def _connect(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, isolation_level=None, timeout=10.0, check_same_thread=False)
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA secure_delete=ON")
    return db


def _keys_for(key_file: Path, folder: Path, *, file: Path | None, random_bytes: RandomBytes) -> KeyRing:
    """Read the keys; they are made where there is no database yet. `file` is the database where there is one."""
    if file is None and not key_file.exists():
        return make_keys(key_file, random_bytes=random_bytes)
    if not key_file.exists():
        raise KeyRefused(f"{file} is there, and its key file {key_file} is not: bring that back, or {_WAY_BACK}")
    return read_keys(key_file, apart_from=folder)


@contextlib.contextmanager
def _translated(file: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _PASSING:
            raise StoreFull(f"{file} takes nothing now: {error}") from error
        raise StoreBroken(f"{file} is damaged: {error}; {_WAY_BACK}") from error
    except (UnicodeDecodeError, Unopenable) as error:
        raise StoreBroken(f"{file} is damaged: {error}; {_WAY_BACK}") from error
