"""The sealed backup: one file with everything that a gate holds, under the community's key, in case its box dies.

It holds what the database says, not the database: so it is sealed anew by the key of whatever box it is restored to,
and that box's own key never travels. Frames of AES-256-GCM follow a header that each of them is bound to; the last one
is marked, so that a file that was cut short is known for one.
"""

import base64
import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import TypeAdapter, ValidationError

from edge.gate.people.api import PeopleError, StoreFull
from edge.gate.people.audit import Written
from edge.gate.people.calibration import CalibrationRecord
from edge.gate.people.crypto import derive
from edge.gate.people.exchange import SharedFace, record_of, shared
from edge.gate.people.keys import KeyRing, RandomBytes
from edge.gate.people.people import People
from edge.gate.people.store import set_meta
from runtime.files import sync_folder
from wire.roll import Credential, GateRule, Person, Roll

MAGIC = b"LINLI-GATE-BACKUP-1\n"
_FRAME = 1 << 18
_LAST = 1 << 63
_FACES_AT_ONCE = 500


class BackupBroken(PeopleError):
    """A backup cannot be read: damaged, cut short, of another community, or none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BackupHeader:
    """What a backup says of itself, readable without its key."""

    made_ms: int
    gate: str
    store: str
    demo: bool
    people: int
    faces: int
    key_id: str
    salt: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """What came back."""

    made_ms: int
    people: int
    faces: int
    audit: int


def back_up(people: People, file: Path, ring: KeyRing, *, random_bytes: RandomBytes = os.urandom) -> BackupHeader:
    """Write a backup so that it appears whole, over the one before, whose bytes are overwritten. StoreFull."""
    people.flush()
    salt = random_bytes(32)
    counts = people.counts()
    header = BackupHeader(
        made_ms=people.now_ms(), gate=people.gate, store=people.vault.store_id, demo=people.demo, people=counts.people,
        faces=counts.faces, key_id=ring.current.id.hex(), salt=salt.hex(),
    )  # fmt: skip
    head = MAGIC + json.dumps(asdict(header), sort_keys=True).encode() + b"\n"
    cipher = AESGCM(derive(ring.current.secret, "backup", salt=salt))
    part: Path | None = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as target:
            part = Path(target.name)
            target.write(head)
            _seal_frames(target.file, cipher, head, _lines(people))
            target.flush()
            os.fsync(target.fileno())
        _replace(part, file)
        part = None
    except OSError as error:
        raise StoreFull(f"the backup {file} cannot be written: {error.strerror}") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    with people.vault.write() as db:
        set_meta(db, "backup_due", "")
        people.audit.append(db, [people.entry("backup", "sealed", figures={"faces": float(header.faces)})])
    return header


def read_header(file: Path) -> BackupHeader:
    """Read what a backup says of itself. BackupBroken."""
    with _opened(file) as source:
        return _header(file, source)[0]


def restore(people: People, file: Path, ring: KeyRing) -> Restored:
    """Fill an empty database from a backup, in one transaction. BackupBroken, StoreFull; then nothing was changed."""
    with people.vault.read() as db:
        if db.execute("SELECT (SELECT count(*) FROM people) + (SELECT count(*) FROM faces)").fetchone()[0]:
            raise PeopleError("this gate holds people already: a backup is restored into an empty folder")
    with _opened(file) as source:
        header, head = _header(file, source)
        key = ring.find(bytes.fromhex(header.key_id))
        if key is None:
            raise BackupBroken(
                f"{file} was sealed with the community key {header.key_id}, which the key file does not have"
            )
        if header.demo != people.demo:
            raise BackupBroken(
                f"{file} is of {'a demonstration' if header.demo else 'real people'}: it does not belong here"
            )
        cipher = AESGCM(derive(key.secret, "backup", salt=bytes.fromhex(header.salt)))
        try:
            return _fill(people, header, _parsed(_open_frames(file, source, cipher, head)))
        except (ValidationError, ValueError, KeyError, TypeError) as error:
            raise BackupBroken(f"{file} has content that this version does not read: {type(error).__name__}") from error


def _lines(people: People) -> Iterator[bytes]:
    """Give everything as JSON lines, from one state of the database."""
    with people.vault.snapshot() as db:
        community, revision, issued_ms = people.roll.state(db)
        roll = Roll(
            community=community,
            revision=revision,
            issued_ms=issued_ms or 0,
            people=tuple(people.roll.people(db)),
            credentials=tuple(people.roll.credentials(db)),
            rules=people.roll.rules(db),
            revoked=people.roll.revoked(db),
        )
        for name, adapter, items in (
            ("person", _PERSON, roll.people), ("credential", _CREDENTIAL, roll.credentials), ("rule", _RULE, roll.rules)
        ):  # fmt: skip
            yield from (_line(name, adapter.dump_python(one, mode="json")) for one in items)
        yield _line("roll", {"community": community, "revision": revision, "issued_ms": issued_ms})
        yield from (_line("revoked", one) for one in roll.revoked)
        for face, at_ms in people.faces.tombstones(db).items():
            yield _line("tombstone", {"face": face, "at_ms": at_ms})
        for person, at_ms in people.faces.erasures(db).items():
            yield _line("erasure", {"person": person, "at_ms": at_ms})
        for record in people.calibrations.all(db):
            yield _line("calibration", record.model_dump(mode="json"))
        for written in people.audit.read(db):
            yield _line("audit", asdict(written))
        ids = people.faces.ids(db)
    for start in range(0, len(ids), _FACES_AT_ONCE):
        for one in shared(people, ids[start : start + _FACES_AT_ONCE]):
            yield _line("face", one.model_dump(mode="json"))


def _fill(people: People, header: BackupHeader, lines: Iterator[tuple[str, Any]]) -> Restored:
    found: dict[str, list[Any]] = {}
    faces = audit = 0
    with people.vault.write() as db:
        for name, said in lines:
            match name:
                case "face":
                    one = SharedFace.model_validate_json(json.dumps(said))
                    record = record_of(one)
                    if record is None:
                        raise ValueError("a face that is none")
                    people.faces.put_consent(db, one.consent_id, one.person, one.consent)
                    people.faces.put(db, [record])
                    faces += 1
                case "tombstone":
                    people.faces.erase(db, [said["face"]], at_ms=said["at_ms"])
                case "erasure":
                    people.faces.note_erasure(db, said["person"], said["at_ms"])
                case "calibration":
                    people.calibrations.put(db, CalibrationRecord.model_validate_json(json.dumps(said)))
                case "audit":
                    people.audit.restate(db, [Written(**said)])
                    audit += 1
                case _:
                    found.setdefault(name, []).append(said)
        state = found["roll"][0]
        if state["issued_ms"] is not None:
            roll = Roll(
                community=state["community"], revision=state["revision"], issued_ms=state["issued_ms"],
                people=tuple(_PERSON.validate_json(json.dumps(one)) for one in found.get("person", ())),
                credentials=tuple(_CREDENTIAL.validate_json(json.dumps(one)) for one in found.get("credential", ())),
                rules=tuple(_RULE.validate_json(json.dumps(one)) for one in found.get("rule", ())),
                revoked=tuple(str(one) for one in found.get("revoked", ())),
            )  # fmt: skip
            gone = people.roll.apply(db, roll) or frozenset()
            people.faces.erase_people(db, gone, at_ms=people.now_ms(), lasting=True)
        figures = {"from_ms": float(header.made_ms), "faces": float(faces)}
        people.audit.append(db, [people.entry("restore", "restored", by=header.gate, figures=figures)])
    people.settle()
    return Restored(made_ms=header.made_ms, people=len(found.get("person", ())), faces=faces, audit=audit)


_PERSON: TypeAdapter[Any] = TypeAdapter(Person)
_CREDENTIAL: TypeAdapter[Any] = TypeAdapter(Credential)
_RULE: TypeAdapter[Any] = TypeAdapter(GateRule)


def _line(name: str, said: object) -> bytes:
    return json.dumps([name, said], separators=(",", ":"), default=_text).encode() + b"\n"


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no place in a backup")


def _parsed(lines: Iterator[bytes]) -> Iterator[tuple[str, Any]]:
    for line in lines:
        name, said = json.loads(line)
        yield str(name), said


def _seal_frames(target: Any, cipher: AESGCM, head: bytes, lines: Iterator[bytes]) -> None:  # noqa: ANN401 - a file
    about = hashlib.sha256(head).digest()
    waiting, number = bytearray(), 0

    def write(data: bytes, count: int) -> None:
        sealed = cipher.encrypt(count.to_bytes(12, "big"), data, about)
        target.write(len(sealed).to_bytes(4, "big") + sealed)

    for line in lines:
        waiting += line
        while len(waiting) > _FRAME:
            write(bytes(waiting[:_FRAME]), number)
            del waiting[:_FRAME]
            number += 1
    write(bytes(waiting), number | _LAST)


def _open_frames(file: Path, source: BinaryIO, cipher: AESGCM, head: bytes) -> Iterator[bytes]:
    """Give the lines; BackupBroken when a frame does not open, or the last one is not there."""
    about = hashlib.sha256(head).digest()
    rest, number, last = b"", 0, False
    while not last:
        size = int.from_bytes(source.read(4), "big")
        data = source.read(size) if 0 < size <= _FRAME + 16 else b""
        if not data or len(data) != size:
            raise BackupBroken(f"{file} is cut short after {number} frames")
        try:
            plain = cipher.decrypt(number.to_bytes(12, "big"), data, about)
        except InvalidTag:
            last = True
            try:
                plain = cipher.decrypt((number | _LAST).to_bytes(12, "big"), data, about)
            except InvalidTag as error:
                raise BackupBroken(f"{file} is damaged in frame {number}, or another key sealed it") from error
        number += 1
        lines = (rest + plain).split(b"\n")
        rest = lines.pop()
        yield from lines
    if rest or source.read(1):
        raise BackupBroken(f"{file} goes on after its end")


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    try:
        with file.open("rb") as source:
            yield source
    except OSError as error:
        raise BackupBroken(f"the backup {file} cannot be read: {error.strerror}") from error


def _header(file: Path, source: BinaryIO) -> tuple[BackupHeader, bytes]:
    magic, line = source.read(len(MAGIC)), source.readline(4096)
    if magic != MAGIC:
        raise BackupBroken(f"{file} is no backup of a gate")
    try:
        return BackupHeader(**json.loads(line)), magic + line
    except (ValueError, TypeError) as error:
        raise BackupBroken(f"{file} is no backup of a gate") from error


def _replace(part: Path, file: Path) -> None:
    """Put the new file in place, then overwrite the old one: where the disk writes in place, no erased face stays."""
    old = file.open("r+b") if file.exists() else None
    with contextlib.closing(old) if old is not None else contextlib.nullcontext():
        part.replace(file)
        sync_folder(file.parent)
        if old is not None:
            size = old.seek(0, os.SEEK_END)
            old.seek(0)
            for _ in range(0, size, 1 << 16):
                old.write(bytes(1 << 16))
            old.truncate(size)
            os.fsync(old.fileno())
