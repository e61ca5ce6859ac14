"""Child processes: started in order, watched, and stopped in the reverse order, whatever happens."""

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from runtime.logs import get_log


class ChildFailed(Exception):
    """A child process ended although it should run; `name`, its exit `status`, and where its log is."""

    def __init__(self, *, name: str, status: int | None, log: Path) -> None:
        self.name = name
        self.status = status
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else ""
        super().__init__(f"{name} ended with status {status}; its log is {log}\n{tail}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    """A child process, and what it takes to start it again."""

    name: str
    process: asyncio.subprocess.Process
    log: Path
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.returncode is None


class Children:
    """The child processes of a supervisor.

    Each heads a process group of its own, so that Ctrl-C in the terminal reaches the supervisor alone, which then stops
    them in order. Where the system has `setpriv`, the kernel ends them when the supervisor is killed.
    """

    def __init__(self, *, logs: Path, patience: timedelta = timedelta(seconds=10)) -> None:
        self._logs = logs
        self._patience = patience
        self._children: list[Child] = []
        self._log = get_log("runtime.children")

    async def __aenter__(self) -> Self:
        """Make the folder for logs."""
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all children, the last started first."""
        for child in reversed(self._children):
            await self.stop(child)

    async def start(self, name: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Child:
        """Start a child whose output goes to `<logs>/<name>.log`."""
        file = self._logs / f"{name}.log"
        guard = shutil.which("setpriv")
        guarded = command if guard is None else [guard, "--pdeathsig", "TERM", "--", *command]
        with file.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *guarded,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        child = Child(name=name, process=process, log=file, command=tuple(command), environment=dict(environment or {}))
        self._children.append(child)
        self._log.info("child started", child=name, pid=process.pid)
        return child

    async def stop(self, child: Child) -> None:
        """Ask a child to end (SIGTERM), and kill it when it does not."""
        if child in self._children:
            self._children.remove(child)
        if not child.running:
            return
        child.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(child.process.wait(), self._patience.total_seconds())
        except TimeoutError:
            self._log.warning("child did not stop, killing it", child=child.name)
            os.killpg(child.process.pid, signal.SIGKILL)
            await child.process.wait()

    def named(self, name: str) -> Child:
        """Give the child that was started last under a name and not stopped; KeyError when there is none."""
        for child in reversed(self._children):
            if child.name == name:
                return child
        raise KeyError(name)

    async def kill(self, child: Child) -> None:
        """End a child without warning, as a crash or a power cut would; `check` does not miss it afterwards."""
        if child in self._children:
            self._children.remove(child)
        if child.running:
            os.killpg(child.process.pid, signal.SIGKILL)
            await child.process.wait()

    async def start_again(self, child: Child) -> Child:
        """Start a child that was killed or stopped, with the same command."""
        return await self.start(child.name, child.command, environment=child.environment)

    def check(self) -> None:
        """ChildFailed when any child has ended by itself."""
        for child in self._children:
            if not child.running:
                raise ChildFailed(name=child.name, status=child.process.returncode, log=child.log)

    async def watch(self) -> None:
        """Wait until any child ends by itself, and raise ChildFailed."""
        while True:
            self.check()
            await asyncio.sleep(0.25)
