"""Environments for other implementations, whose pins do not fit ours: each made once, from a lock with hashes."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
KEPT = ROOT / ".linli" / "peers"


def peer_python(lock: str) -> Path:
    """Give the Python of an environment with what `requirements/<lock>` pins; skip the test where it cannot be made.

    Where everything must be there (`LINLI_REQUIRE_SHARED=1`, as in continuous integration), fail instead.
    """
    file = ROOT / "requirements" / lock
    digest = hashlib.blake2b(file.read_bytes() + sys.version.encode(), digest_size=6).hexdigest()
    folder = KEPT / f"{file.stem}-{digest}"
    python = folder / "bin" / "python"
    KEPT.mkdir(parents=True, exist_ok=True)
    with _alone(KEPT / f"{folder.name}.lock"):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _uv("venv", "--quiet", "--python", sys.executable, str(folder))
            _uv("pip", "install", "--quiet", "--require-hashes", "--python", str(python), "--requirement", str(file))
            (folder / "complete").touch()
    return python


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _uv(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "uv", *arguments], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    reason = f"no environment for another implementation of Sparkplug (`uv {arguments[0]}`): {done.stderr[-500:]}"
    if os.environ.get("LINLI_REQUIRE_SHARED") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
