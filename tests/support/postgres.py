"""A PostgreSQL server of the tests' own: started once for a test run, on a free port, in a folder that goes with it."""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import lru_cache
from pathlib import Path

import pytest

_STARTS_WITHIN_S = 60


def _programs() -> Path | None:
    """Find the newest installed server; Debian keeps each version in a folder of its own."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: float(file.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return None if on_path is None else Path(on_path).parent


def _as_user() -> dict[str, int]:
    """Give the user to run as: the server refuses to be root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid}


@lru_cache(maxsize=2)
def postgres(*, durable: bool = False) -> str:
    """Start the server, or find it started, and give the URL of its maintenance database.

    A `durable` one is a server of its own that waits for the disk, as benchmarks need it.
    """
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: `make setup` installs it")
    folder = Path(tempfile.mkdtemp(prefix="linli-postgres-"))
    user = _as_user()
    if user:
        os.chown(folder, user["user"], user["group"])
    data = folder / "data"
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, **user}
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "linli", "--auth=trust", "--encoding=UTF8", "--no-sync"],
        check=True,
        **quiet,  # type: ignore[call-overload]
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # Nothing of the tests outlives their run, so nothing waits for the disk but where a crash is what is tested.
    settings = [f"fsync={'on' if durable else 'off'}", "listen_addresses=127.0.0.1", f"port={port}"]
    settings += [f"unix_socket_directories={folder}", "max_connections=200", "log_min_messages=fatal"]
    command = [programs / "postgres", "-D", data, *(word for setting in settings for word in ("-c", setting))]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stderr=log, **quiet)  # type: ignore[call-overload]
    atexit.register(_end, server, folder)
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while not _answers(port):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((folder / "log").read_text())
        time.sleep(0.05)
    return f"postgresql+asyncpg://linli@127.0.0.1:{port}/postgres"


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _end(server: subprocess.Popen[bytes], folder: Path) -> None:
    server.send_signal(signal.SIGINT)  # fast: open connections are cut
    server.wait(30)
    shutil.rmtree(folder, ignore_errors=True)
