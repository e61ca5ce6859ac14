"""The key file: the secure channel's base key (SCBK) of every reader of a line, by its unit.

A TOML file that only its owner may read (mode 0600):

    [keys]
    0 = "…"      # 32 hexadecimal digits; `openssl rand -hex 16` makes them

No error here ever has a key in its words.
"""

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drivers.osdp.channel import DEFAULT_KEY
from drivers.osdp.codec import HIGHEST_ADDRESS

KEY_BYTES = 16
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LARGEST = 65536


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A base key; its repr says nothing."""

    value: bytes


class KeyFileError(Exception):
    """The key file cannot be used; the text says why and what to do, and never shows a key."""


def read_keys(file: Path) -> Mapping[int, Key]:
    """Read a key file: unit to key. KeyFileError, also when others may read it."""
    return _checked(file, _parsed(file, _content(file)))


def _content(file: Path) -> bytes:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeyFileError(f"the key file {file} cannot be opened: {error.strerror}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise KeyFileError(f"the key file {file} is no plain file")
        if found.st_uid not in {os.geteuid(), 0}:
            raise KeyFileError(f"the key file {file} belongs to another user; give it to the agent's")
        if found.st_mode & _OTHERS:
            mode = stat.S_IMODE(found.st_mode)
            raise KeyFileError(f"others may use the key file {file} (mode {mode:04o}); run `chmod 600` on it")
        return os.read(descriptor, _LARGEST)
    except OSError as error:
        raise KeyFileError(f"the key file {file} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _parsed(file: Path, content: bytes) -> Mapping[str, object]:
    try:
        data = tomllib.loads(content.decode("utf-8"))
    except ValueError:
        # Its own words may quote what it found there.
        raise KeyFileError(f'the key file {file} is no TOML: a table `[keys]` with lines `unit = "key"`') from None
    keys = data.get("keys")
    if not isinstance(keys, dict) or set(data) != {"keys"}:
        raise KeyFileError(f"the key file {file} has one table, `[keys]`")
    return keys


def _checked(file: Path, found: Mapping[str, object]) -> Mapping[int, Key]:
    keys: dict[int, Key] = {}
    for unit, text in found.items():
        if not (unit.isascii() and unit.isdigit() and int(unit) <= HIGHEST_ADDRESS):
            raise KeyFileError(f"the key file {file} has a line for no unit: units are 0 to {HIGHEST_ADDRESS}")
        try:
            value = bytes.fromhex(text) if isinstance(text, str) else b""
        except ValueError:
            value = b""
        if len(value) != KEY_BYTES:
            raise KeyFileError(f"the key of unit {unit} in {file} is not {2 * KEY_BYTES} hexadecimal digits")
        if value == DEFAULT_KEY:
            raise KeyFileError(f"the key of unit {unit} in {file} is the default key, which everybody knows")
        if any(value == other.value for other in keys.values()):
            raise KeyFileError(f"unit {unit} has the key of another in {file}: every reader has its own")
        keys[int(unit)] = Key(value)
    return keys
