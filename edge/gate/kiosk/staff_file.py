"""Who may log in at the kiosk: a TOML file of logins, names and Argon2id hashes. It holds no password.

    [staff.wang]
    name = "王工"
    hash = "$argon2id$v=19$m=65536,t=3,p=4$…"

It is read at each login, so that a change holds at once. `linli gate staff` writes it.
"""

import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY
from pydantic import Field

from runtime.config import Strict, load
from runtime.files import write_whole

LOGIN = r"^[a-z0-9][a-z0-9._-]{0,31}$"
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 200


class WeakPassword(ValueError):
    """A password that is too short or too long to be one."""


class BadLogin(ValueError):
    """A login that is not of small letters, digits, dot, dash and underscore."""


class StaffMember(Strict):
    """Somebody who may log in."""

    name: str = Field(min_length=1, max_length=64)
    hash: str = Field(min_length=1, repr=False)


class StaffFile(Strict):
    """The file as a whole."""

    staff: dict[Annotated[str, Field(pattern=LOGIN)], StaffMember] = Field(default_factory=dict)


def read_staff(file: Path) -> Mapping[str, StaffMember]:
    """Read who may log in; ConfigError for a file that cannot be used, a missing one too."""
    return load(file, StaffFile).staff


def put_staff(file: Path, *, login: str, name: str, password: str, hasher: PasswordHasher | None = None) -> None:
    """Add somebody or give them a new password. WeakPassword, BadLogin, ConfigError or OSError; else it is on disk."""
    if not re.fullmatch(LOGIN, login):
        raise BadLogin(f"{login!r}: a login has small letters, digits, dot, dash and underscore, at most 32")
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise WeakPassword(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    known = dict(read_staff(file)) if file.exists() else {}
    hashed = (hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)).hash(password)
    known[login] = StaffMember(name=name, hash=hashed)
    _write(file, known)


def remove_staff(file: Path, login: str) -> bool:
    """Take somebody off; False when they were not on it. ConfigError or OSError like `put_staff`."""
    known = dict(read_staff(file))
    if known.pop(login, None) is None:
        return False
    _write(file, known)
    return True


def _write(file: Path, staff: Mapping[str, StaffMember]) -> None:
    lines = ["# Who may log in at the kiosk. Written by `linli gate staff`.\n"]
    for login, one in sorted(staff.items()):
        # JSON's strings are TOML's basic strings, except that JSON leaves DEL as it is; dots make a login a quoted key.
        name, hashed = (
            json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f") for text in (one.name, one.hash)
        )
        lines.append(f'\n[staff."{login}"]\nname = {name}\nhash = {hashed}\n')
    write_whole(file, "".join(lines).encode())


class Passwords:
    """Verifies passwords, with the same work whether the login exists or not. Blocking: call it in a thread."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._nobody: str | None = None

    def fits(self, member: StaffMember | None, password: str) -> bool:
        """Whether the password is the member's; nobody's never is."""
        if self._nobody is None:
            self._nobody = self._hasher.hash(secrets.token_urlsafe(16))
        try:
            self._hasher.verify(member.hash if member else self._nobody, password[:LONGEST_PASSWORD])
        except (VerificationError, InvalidHashError):
            return False
        return member is not None
