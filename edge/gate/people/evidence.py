"""Evidence snapshots: pictures of refusals and staff calls, kept only where a gate's policy says so, and only so long.

Each is a file of its own, sealed; its name has its times, and is bound to the content, so that renaming it does not
prolong it.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.gate.people.api import PeopleError, StoreFull
from edge.gate.people.crypto import Sealer, Unopenable
from edge.gate.people.people import People
from runtime.files import write_whole

FOLDER = "evidence"
MOST_BYTES = 2_000_000
_NAME = re.compile(r"(\d{13})-(\d{13})-([0-9a-f]{16})\.sealed")


class NoSnapshot(PeopleError):
    """There is no snapshot of this id, or it does not open."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A picture that is kept: why, and whom it is about where that is known (an opaque id)."""

    id: str
    at_ms: int
    expires_ms: int
    why: str
    person: str
    gate: str


class Evidence:
    """The snapshots of a gate's people. Blocking; any thread."""

    def __init__(self, people: People) -> None:
        self._people = people
        self.folder = people.vault.folder / FOLDER
        people.on_upkeep(self.expire)
        people.on_erase(self.erase_person)

    def put(self, jpeg: bytes, why: str, *, keep_ms: int | None, person: str = "", gate: str = "") -> str | None:
        """Keep a picture for `keep_ms`; None, and nothing is kept, where policy keeps none. StoreFull."""
        if keep_ms is None or keep_ms <= 0 or len(jpeg) > MOST_BYTES:
            return None
        at_ms, id_ = self._people.now_ms(), self._people.vault.random_bytes(8).hex()
        name = f"{at_ms + keep_ms:013d}-{at_ms:013d}-{id_}.sealed"
        head = json.dumps({"why": why, "person": person, "gate": gate}).encode()
        self._people.vault.follow_key()
        sealed = self._people.vault.seal(head + b"\0" + jpeg, row=f"evidence/{name}")
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            write_whole(self.folder / name, sealed)
        except OSError as error:
            raise StoreFull(f"a snapshot cannot be kept: {error.strerror}") from error
        self._people.note(self._people.entry("snapshot", "kept", person=person, gate=gate, figures={"why": why}))
        return id_

    def list(self) -> tuple[Snapshot, ...]:
        """Give what is kept and not expired, the oldest first."""
        now_ms = self._people.now_ms()
        found = [self._opened(file)[0] for file, expires_ms in _files(self.folder) if now_ms < expires_ms]
        return tuple(sorted((one for one in found if one is not None), key=lambda one: one.at_ms))

    def read(self, id_: str, *, by: str) -> bytes:
        """Give a picture (JPEG); noted in the audit with who asked. NoSnapshot."""
        now_ms = self._people.now_ms()
        for file, expires_ms in _files(self.folder):
            if file.name.endswith(f"-{id_}.sealed") and now_ms < expires_ms:
                about, jpeg = self._opened(file)
                if about is not None:
                    self._people.note(self._people.entry("snapshot", "read", person=about.person, by=by))
                    return jpeg
        raise NoSnapshot(f"there is no snapshot {id_}")

    def expire(self) -> int:
        """Erase what is past its time, and what a power cut left half-written; give how many."""
        now_ms = self._people.now_ms()
        gone = [file for file, expires_ms in _files(self.folder) if expires_ms <= now_ms]
        gone += list(self.folder.glob(".*.part"))
        return _erase(gone)

    def erase_person(self, person: str) -> int:
        """Erase the snapshots about somebody; give how many."""
        about = [(file, self._opened(file)[0]) for file, _ in _files(self.folder)]
        return _erase([file for file, one in about if one is not None and one.person == person])

    def _opened(self, file: Path) -> tuple[Snapshot | None, bytes]:
        match = _NAME.fullmatch(file.name)
        try:
            data = self._people.vault.open(file.read_bytes(), row=f"evidence/{file.name}")
            head, _, jpeg = data.partition(b"\0")
            said = json.loads(head)
        except (OSError, Unopenable, ValueError):
            return None, b""
        if match is None:
            return None, b""
        about = Snapshot(
            id=match[3], at_ms=int(match[2]), expires_ms=int(match[1]), why=said["why"], person=said["person"],
            gate=said["gate"],
        )  # fmt: skip
        return about, jpeg


def reseal_snapshots(folder: Path, sealer: Sealer) -> None:
    """Seal every snapshot with the current key; what does not open is erased, as nobody can read it any more."""
    for file, _ in list(_files(folder)):
        row = f"evidence/{file.name}"
        try:
            write_whole(file, sealer.seal(sealer.open(file.read_bytes(), row=row), row=row))
        except Unopenable:
            _erase([file])


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    if not folder.is_dir():
        return
    for file in sorted(folder.iterdir()):
        if match := _NAME.fullmatch(file.name):
            yield file, int(match[1])


def _erase(files: list[Path]) -> int:
    """Overwrite and remove files."""
    for file in files:
        try:
            with file.open("r+b") as target:
                target.write(bytes(file.stat().st_size))
                target.flush()
                os.fsync(target.fileno())
            file.unlink()
        except FileNotFoundError:
            continue  # another gate's upkeep was quicker
        except OSError as error:
            raise StoreFull(f"a snapshot cannot be erased: {error.strerror}") from error
    return len(files)
