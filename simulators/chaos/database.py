"""A PostgreSQL server of a run's own, which waits for the disk as one in service does, and is killed as all are."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

_USER = "postgres"


class NoServer(Exception):
    """There is no PostgreSQL on this machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A server that was prepared: how to start it, and where it listens."""

    command: tuple[str, ...]
    port: int

    def url(self, port: int) -> str:
        """Give the URL of its database by way of a port."""
        return f"postgresql+asyncpg://linli@127.0.0.1:{port}/postgres"


def prepare(folder: Path) -> Server:
    """Make an empty server in a folder; NoServer."""
    programs = _programs()
    folder.mkdir(parents=True, exist_ok=True)
    become: list[str] = []
    if os.geteuid() == 0:  # the server refuses to be root
        user = pwd.getpwnam(_USER)
        os.chown(folder, user.pw_uid, user.pw_gid)
        for parent in folder.parents:  # what makes temporary folders closes them to others
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
        become = ["setpriv", "--reuid", _USER, "--regid", _USER, "--clear-groups", "--"]
    data = folder / "data"
    initialise = [str(programs / "initdb"), "-D", str(data), "-U", "linli", "--auth=trust", "--encoding=UTF8"]
    done = subprocess.run(  # noqa: S603 - a program of the system, on our own folder
        [*become, *initialise], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NoServer(f"PostgreSQL cannot be prepared in {folder}: {done.stderr.strip()}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    settings = ["listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={folder}", "fsync=on"]
    settings += ["full_page_writes=on", "synchronous_commit=on", "max_connections=100"]
    words = [word for setting in settings for word in ("-c", setting)]
    return Server(command=(*become, str(programs / "postgres"), "-D", str(data), *words), port=port)


async def answers(port: int, *, within_s: float) -> bool:
    """Wait until somebody listens on a port of this machine; whether somebody does."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while loop.time() < deadline:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return True
    return False


def _programs() -> Path:
    """Find the newest installed server; Debian keeps each version in a folder of its own."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: float(file.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise NoServer("PostgreSQL is not installed; `make setup` installs it")
    return Path(on_path).resolve().parent
