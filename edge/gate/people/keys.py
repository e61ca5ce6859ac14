"""Key files: of the templates (one gate's own) and of the community (the same at each of its gates).

A key lies outside the database, in a file that only its owner reads. The first key of a file is the one in use; those
after it open what was sealed before a rotation.
"""

import base64
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.gate.people.api import KeyRefused
from runtime.files import write_whole

KEY_BYTES = 32
ID_BYTES = 4
_HEAD = "linli-gate-key 1"
_NOTE = "# Whoever has this file and the database can read faces. Keep them apart, and this one out of backups."
_OPEN_TO_OTHERS = 0o077

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A key and its name, which is written beside what it seals."""

    id: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyRing:
    """The keys of a file."""

    current: Key
    former: tuple[Key, ...] = ()

    def find(self, key_id: bytes) -> Key | None:
        """Give the key of a name."""
        return next((one for one in (self.current, *self.former) if one.id == key_id), None)


def new_key(random_bytes: RandomBytes = os.urandom) -> Key:
    """Make a key."""
    return Key(id=random_bytes(ID_BYTES), secret=random_bytes(KEY_BYTES))


def make_keys(file: Path, *, random_bytes: RandomBytes = os.urandom) -> KeyRing:
    """Make a key file that is not there; KeyRefused when it is, or cannot be written."""
    ring = KeyRing(current=new_key(random_bytes))
    if file.exists():
        raise KeyRefused(f"{file} is there already: a key is never overwritten")
    write_keys(file, ring)
    return ring


def write_keys(file: Path, ring: KeyRing) -> None:
    """Write a key file so that it appears whole, for its owner alone, also after a power cut; KeyRefused."""
    lines = [f"{one.id.hex()} {base64.b64encode(one.secret).decode()}" for one in (ring.current, *ring.former)]
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(file, ("\n".join((_HEAD, _NOTE, *lines)) + "\n").encode())
    except OSError as error:
        raise KeyRefused(f"the key file {file} cannot be written: {error.strerror}") from error


def read_keys(file: Path, *, apart_from: Path | None = None) -> KeyRing:
    """Read a key file; KeyRefused when others may read it, when it lies within `apart_from`, or is damaged."""
    check_apart(file, apart_from)
    try:
        with file.open("rb") as source:
            about = os.fstat(source.fileno())
            _check_mode(file, about)
            data = source.read(1 << 16)
    except FileNotFoundError as error:
        raise KeyRefused(f"there is no key file {file}") from error
    except OSError as error:
        raise KeyRefused(f"the key file {file} cannot be read: {error.strerror}") from error
    keys = _parsed(data)
    if keys is None:
        raise KeyRefused(f"{file} is no key file, or is damaged: bring back the copy that you keep apart")
    return KeyRing(current=keys[0], former=tuple(keys[1:]))


def check_apart(file: Path, folder: Path | None) -> None:
    """Refuse a key that lies in the folder of what it seals: who copies the folder must not have both."""
    if folder is not None and file.resolve().is_relative_to(folder.resolve()):
        raise KeyRefused(f"the key file {file} lies in the data folder {folder}: keep it elsewhere")


def _check_mode(file: Path, about: os.stat_result) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise KeyRefused(f"the key file {file} is no plain file")
    if about.st_mode & _OPEN_TO_OTHERS:
        mode = stat.S_IMODE(about.st_mode)
        raise KeyRefused(f"others may read or change the key file {file} (mode {mode:04o}): `chmod 600 {file}`")
    if about.st_uid not in {os.geteuid(), 0}:
        raise KeyRefused(f"the key file {file} belongs to another user")


def _parsed(data: bytes) -> list[Key] | None:
    keys: list[Key] = []
    try:
        lines = [one for one in data.decode("ascii").splitlines() if one and not one.startswith("#")]
        if not lines or lines.pop(0) != _HEAD:
            return None
        for line in lines:
            name, text = line.split()
            keys.append(Key(id=bytes.fromhex(name), secret=base64.b64decode(text, validate=True)))
    except ValueError:
        return None
    sound = keys and all(len(one.id) == ID_BYTES and len(one.secret) == KEY_BYTES for one in keys)
    return keys if sound and len({one.id for one in keys}) == len(keys) else None
