"""A pseudo-terminal that a serial master opens like any line, found by a link that stays where it is."""

import asyncio
import os
import pty
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_CHUNK = 4096


class LineUnavailable(Exception):
    """A line cannot be opened; the text says why and what to do."""


class PseudoTerminal:
    """One line that can be taken away and brought back; masters may come and go. `hear` takes what a master sends."""

    def __init__(self, link: Path, *, hear: Callable[[bytes], None]) -> None:
        self._link = link
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self._ends: tuple[int, int] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the line is there."""
        return self._ends is not None

    def open(self) -> None:
        """Make the pseudo-terminal and point the link to it; LineUnavailable."""
        try:
            master, slave = pty.openpty()
        except OSError as error:
            raise LineUnavailable(f"no pseudo-terminal: {error}; is /dev/pts mounted?") from error
        # The simulator keeps the slave open too: a master that closes it would hang up the line for good.
        self._ends = master, slave
        try:
            tty.setraw(slave)
            os.set_blocking(master, False)
            _point(self._link, os.ttyname(slave))
        except LineUnavailable:
            self.close()
            raise
        self._loop.add_reader(master, self._on_readable)

    def close(self) -> None:
        """Take the line away; whoever has it open is hung up."""
        if self._ends is not None:
            master, slave = self._ends
            self._ends = None
            self._loop.remove_reader(master)
            _unpoint(self._link, os.ttyname(slave))
            os.close(master)
            os.close(slave)

    def write(self, data: bytes) -> None:
        """Send to whoever listens; bytes that nobody reads are lost, as on a wire."""
        if self._ends is not None:
            with suppress(BlockingIOError):  # nobody reads the line, and its buffer is full
                os.write(self._ends[0], data)

    def _on_readable(self) -> None:
        if self._ends is not None:
            with suppress(BlockingIOError):
                self._hear(os.read(self._ends[0], _CHUNK))


def _point(link: Path, target: str) -> None:
    """Make or turn a link in one step, so that nobody ever finds it missing."""
    if link.exists() and not link.is_symlink():
        raise LineUnavailable(f"{link} is not a link; move it away, or change the scene's `link`")
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            fresh.unlink()
        fresh.symlink_to(target)
        fresh.replace(link)
    except OSError as error:
        raise LineUnavailable(f"{link} cannot be made: {error.strerror or error}") from error


def _unpoint(link: Path, target: str) -> None:
    """Take the link away, unless another simulator has turned it to its own line."""
    with suppress(OSError):
        if str(link.readlink()) == target:
            link.unlink()
