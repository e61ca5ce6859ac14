"""The journal as the agent uses it: an SQLite file in a thread of its own, so that no disk holds up the event loop."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

from edge.journal_file import JournalBroken, JournalError, JournalFile, JournalStatus, Limits, NotedCommand
from edge.records import Draft, Entry
from runtime.logs import get_log

FILE_NAME = "journal.sqlite"
_LOCK_NAME = "journal.lock"
_PARTS = ("", "-wal", "-shm")

P = ParamSpec("P")
T = TypeVar("T")


class JournalInUse(JournalError):
    """Another process has this journal open."""


class Journal:
    """An open journal: the methods of `JournalFile`, each run in the journal's thread. Errors are JournalError."""

    def __init__(self, file: JournalFile, thread: ThreadPoolExecutor) -> None:
        self._file = file
        self._thread = thread

    @property
    def journal_id(self) -> str:
        """The random name of this journal."""
        return self._file.journal_id

    async def append(self, drafts: Sequence[Draft], *, lost: int = 0) -> tuple[int, ...]:
        """Make records durable in one transaction; gives their offsets."""
        return await self._call(self._file.append, drafts, lost=lost)

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

    async def next_bdseq(self) -> int:
        """Count one CONNECT; gives its bdSeq."""
        return await self._call(self._file.next_bdseq)

    async def begin_command(self, *, command_id: str, device: str, name: str, at_ms: int) -> bool:
        """Note a command durably; False when its id was seen before."""
        return await self._call(self._file.begin_command, command_id=command_id, device=device, name=name, at_ms=at_ms)

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
async def open_journal(folder: Path, *, new_id: str, limits: Limits, at_ms: int) -> AsyncIterator[Journal]:
    """Open the journal in `folder` for the time of the context.

    A damaged file is moved aside (its name gets `at_ms`), and a new journal named `new_id` begins: what was not yet
    acknowledged is lost, and the new name tells the cloud so. JournalInUse, JournalFull.
    """
    loop = asyncio.get_running_loop()
    with _locked(folder), ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal") as thread:
        file = await loop.run_in_executor(
            thread, lambda: _open_or_replace(folder / FILE_NAME, new_id=new_id, limits=limits, at_ms=at_ms)
        )
        try:
            yield Journal(file, thread)
        finally:
            await loop.run_in_executor(thread, file.close)


def _open_or_replace(file: Path, *, new_id: str, limits: Limits, at_ms: int) -> JournalFile:
    try:
        return JournalFile(file, new_id=new_id, limits=limits)
    except JournalBroken as error:
        aside = file.with_name(f"{file.name}.damaged-{at_ms}")
        for part in _PARTS:
            source = file.with_name(file.name + part)
            if source.exists():
                source.rename(aside.with_name(aside.name + part))
        get_log("edge.journal").error(
            "the journal is damaged: it was moved aside, and a new one begins; what was not acknowledged is lost",
            moved_to=str(aside),
            new_journal=new_id,
            damage=str(error),
        )
        return JournalFile(file, new_id=new_id, limits=limits)


@contextmanager
def _locked(folder: Path) -> Iterator[IO[bytes]]:
    """Keep a second agent off the same journal. The lock ends with the process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK_NAME).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise JournalInUse(f"{folder} is in use by another agent") from error
        yield lock
