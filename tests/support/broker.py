"""A real Mosquitto on a free port, with users, for the time of a test; it can be stopped and started again."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MOSQUITTO = "/usr/sbin/mosquitto"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(kw_only=True)
class Broker:
    """A broker on `host`:`port`; `users` maps a name to a password, and `acl` is the text of an ACL file."""

    folder: Path
    users: Mapping[str, str]
    acl: str = ""
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    _process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        passwords = self.folder / "passwords"
        passwords.write_text("".join(f"{name}:{secret}\n" for name, secret in self.users.items()))
        passwords.chmod(0o600)
        hashing = await asyncio.create_subprocess_exec("mosquitto_passwd", "-U", passwords)
        assert await hashing.wait() == 0
        lines = [
            f"listener {self.port} {self.host}",
            "allow_anonymous false",
            f"password_file {passwords}",
            "user root",
        ]
        if self.acl:
            rules = self.folder / "acl"
            rules.write_text(self.acl)
            lines.append(f"acl_file {rules}")
        file = self.folder / "mosquitto.conf"
        file.write_text("\n".join(lines) + "\n")
        self._process = await asyncio.create_subprocess_exec(
            MOSQUITTO, "-c", file, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(self.host, self.port)
                writer.close()
                return
            await asyncio.sleep(0.05)
        raise TimeoutError("mosquitto does not listen")

    def crash(self) -> None:
        """Kill it without waiting: its port and its connections close in this moment."""
        assert self._process is not None
        self._process.kill()

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def running_broker(folder: Path, *, users: Mapping[str, str], acl: str = "") -> AsyncIterator[Broker]:
    broker = Broker(folder=folder, users=users, acl=acl)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()
