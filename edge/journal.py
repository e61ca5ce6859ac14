"""The journal as the agent uses it: an SQLite file in a thread of its own, so that no disk holds up the event loop."""

import asyncio
import errno
import fcntl
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO, ParamSpec, TypeVar

from edge.journal_file import (
    JournalBroken,
    JournalDenied,
    JournalError,
    JournalFile,
    JournalFull,
    JournalStatus,
    Limits,
    NotedCommand,
)
from edge.journal_look import look_at_name
from edge.losses import Loss
from edge.records import Draft, Entry
from edge.spent import Span
from runtime.logs import get_log

FILE_NAME = "journal.sqlite"
_LOCK_NAME = "journal.lock"
_PARTS = ("", "-wal", "-shm")
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What a disk says that may take bytes again later."""

P = ParamSpec("P")
T = TypeVar("T")


class JournalInUse(JournalError):
    """Another process has this journal open."""


class Journal:
    """A journal: the methods of `JournalFile`, each run in the journal's thread. Errors are JournalError.

    Nothing but `open` and `close` may be called before `open` has succeeded. `new_id` names the journal when it is new,
    and one that takes the place of a damaged file, which is moved aside (its name gets `at_ms`): what was not yet
    acknowledged is lost then, and the new name tells the cloud so.
    """

    def __init__(self, folder: Path, *, new_id: str, limits: Limits, at_ms: int) -> None:
        self._folder = folder
        self._new_id = new_id
        self._limits = limits
        self._at_ms = at_ms
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._lock: IO[bytes] | None = None
        self._opened: JournalFile | None = None

    async def open(self) -> None:
        """Open it, or create it; nothing when it is open. JournalInUse, JournalDenied: it cannot be had.

        JournalFull: the disk takes nothing now, nothing was changed, and it may be tried again.
        """
        await self._call(self._open)

    async def close(self) -> None:
        """Close it, if it is open; what was begun is ended."""
        await self._call(self._close)
        self._thread.shutdown()

    def _open(self) -> None:
        if self._opened is not None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if self._lock is None:
                self._lock = _locked(self._folder)
        except PermissionError as error:
            raise JournalDenied(str(error)) from error
        except OSError as error:
            if error.errno not in _PASSING:
                raise
            raise JournalFull(str(error)) from error
        file = self._folder / FILE_NAME
        self._opened = _open_or_replace(file, new_id=self._new_id, limits=self._limits, at_ms=self._at_ms)

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        if self._lock is not None:
            self._lock.close()

    @property
    def _file(self) -> JournalFile:
        if self._opened is None:
            raise RuntimeError("open() comes first")
        return self._opened

    @property
    def journal_id(self) -> str:
        """The random name of this journal."""
        return self._file.journal_id

    @property
    def former(self) -> str:
        """What is known of the journal whose place this one took: JSON with `id`, `last` and `reason`; or empty."""
        return self._file.former

    @property
    def clock_ms(self) -> int:
        """The floor for the clock of the next start; 0 for none."""
        return self._file.clock_ms

    async def append(
        self,
        drafts: Sequence[Draft],
        *,
        lost: Loss | None = None,
        documents: Mapping[str, str] = MappingProxyType({}),
        spent: Sequence[Span] | None = None,
    ) -> tuple[int, ...]:
        """Make records durable in one transaction; gives their offsets."""
        return await self._call(self._file.append, drafts, lost=lost, documents=documents, spent=spent)

    async def read(self, *, after: int, limit: int) -> tuple[Entry, ...]:
        """Give the entries above `after`, in order."""
        return await self._call(self._file.read, after=after, limit=limit)

    async def acknowledge(self, journal_id: str, offset: int) -> bool:
        """Forget everything up to `offset`; False when it is not this journal's to forget."""
        return await self._call(self._file.acknowledge, journal_id, offset)

    async def status(self) -> JournalStatus:
        """Give the journal in figures."""
        return await self._call(self._file.status)

    async def last_offsets(self) -> dict[str, int]:
        """Give the highest offset that is held about each device."""
        return await self._call(self._file.last_offsets)

    async def documents(self) -> dict[str, str]:
        """Give the documents that what is held needs, by key."""
        return await self._call(self._file.documents)

    async def next_bdseq(self) -> int:
        """Count one CONNECT; gives its bdSeq."""
        return await self._call(self._file.next_bdseq)

    async def begin_command(self, *, command_id: str, device: str, name: str, at_ms: int, birth: str = "") -> bool:
        """Note a command durably; False when its id was seen before."""
        return await self._call(
            self._file.begin_command, command_id=command_id, device=device, name=name, at_ms=at_ms, birth=birth
        )

    async def command(self, command_id: str) -> NotedCommand | None:
        """Give what is noted about a command."""
        return await self._call(self._file.command, command_id)

    async def unfinished_commands(self) -> tuple[NotedCommand, ...]:
        """Give the commands without an outcome."""
        return await self._call(self._file.unfinished_commands)

    async def _call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: function(*args, **kwargs))


@asynccontextmanager
async def journal_in(folder: Path, *, new_id: str, limits: Limits, at_ms: int) -> AsyncIterator[Journal]:
    """Give the journal of a folder for the time of the context, not opened yet."""
    journal = Journal(folder, new_id=new_id, limits=limits, at_ms=at_ms)
    try:
        yield journal
    finally:
        await journal.close()


@asynccontextmanager
async def open_journal(folder: Path, *, new_id: str, limits: Limits, at_ms: int) -> AsyncIterator[Journal]:
    """Give the journal of a folder for the time of the context, open. Errors as of `Journal.open`."""
    async with journal_in(folder, new_id=new_id, limits=limits, at_ms=at_ms) as journal:
        await journal.open()
        yield journal


def _open_or_replace(file: Path, *, new_id: str, limits: Limits, at_ms: int) -> JournalFile:
    try:
        return JournalFile(file, new_id=new_id, limits=limits)
    except JournalBroken as error:
        aside = file.with_name(f"{file.name}.damaged-{at_ms}")
        for part in _PARTS:
            source = file.with_name(file.name + part)
            if source.exists():
                source.rename(aside.with_name(aside.name + part))
        former = _former(aside)
        get_log("edge.journal").error(
            "the journal is damaged: it was moved aside, and a new one begins; what was not acknowledged is lost",
            moved_to=str(aside),
            new_journal=new_id,
            damage=str(error),
        )
        return JournalFile(file, new_id=new_id, limits=limits, former=former)


def _former(aside: Path) -> dict[str, object]:
    """Say what can still be read of a damaged journal's name and size, so that the cloud can tell what is missing."""
    former: dict[str, object] = {"id": None, "last": None, "reason": "damaged"}
    # What is too damaged says nothing, and a number that is none is damage too.
    with suppress(sqlite3.DatabaseError, OSError, ValueError, KeyError):
        name, last = look_at_name(aside)
        former |= {"id": name, "last": last}
    return former


def _locked(folder: Path) -> IO[bytes]:
    """Keep a second agent off the same journal. The lock ends with the process, however it ends."""
    lock = (folder / _LOCK_NAME).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise JournalInUse(f"{folder} is in use by another agent") from error
    return lock
