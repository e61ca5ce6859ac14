"""What was said to be done is there after kill -9 and on a full disk; a damaged file says that it is one."""

import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.gate.people.api import StoreBroken, StoreFull
from edge.gate.people.backup import back_up, read_header, restore
from edge.gate.people.evidence import Evidence
from edge.gate.people.keys import make_keys
from edge.gate.people.store import move_aside
from tests.support.gate_people import MODEL, Box, consent, faces, roll_of, template

_WRITER = """
import os, sys
from pathlib import Path
from tests.support.gate_people import Box, consent, faces, roll_of, template
people = Box(Path(sys.argv[1])).open()
people.apply(roll_of(40))
known = faces(40)
for number in range(40):
    people.keep(f"p{number}", [template(known[number])], consent=consent(), by="test")
    print("kept", number, flush=True)
    if number % 3 == 0:
        people.erase(f"p{number}", by="test")
        print("erased", number, flush=True)
    people.apply(roll_of(40, revision=number + 2))
    print("roll", number + 2, flush=True)
"""


@pytest.mark.parametrize("lines", [3, 17, 40, 71])
def test_what_was_done_before_a_kill_is_done(tmp_path: Path, lines: int) -> None:
    with subprocess.Popen([sys.executable, "-c", _WRITER, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().split() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        said += [line.split() for line in process.stdout.read().splitlines()]
    people = Box(tmp_path).open()
    last = {what: max((int(n) for w, n in said if w == what), default=0) for what in ("kept", "erased", "roll")}
    assert people.revision >= last["roll"]
    known = faces(40)
    for number in range(last["kept"]):
        there = people.verify(f"p{number}", known[number], model=MODEL).person is not None
        assert there == (number % 3 != 0), number
    assert people.verify(f"p{last['erased']}", known[last["erased"]], model=MODEL).person is None
    with people.vault.read() as db:
        assert people.audit.verify(db) == ()
    assert people.counts().damaged == 0
    people.close()


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """A disk that is full: the limit holds for this process, and ends with it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_takes_nothing_and_nothing_is_half_done(tmp_path: Path) -> None:
    box = Box(tmp_path)
    people, known = box.with_faces(5)
    with no_file_grows_beyond(4096):
        with pytest.raises(StoreFull):
            people.apply(roll_of(500, revision=2))
        with pytest.raises(StoreFull):
            people.keep("p1", [template(faces(1, seed=5)[0])], consent=consent(), by="test")
        assert people.verify("p1", known[1], model=MODEL).person == "p1", "the gate decides on"
        assert people.by_card("CARD-00003") is not None
        assert not people.flush(0.2), "the audit waits for the disk"
        assert people.counts().audit_waiting >= 2
    assert people.revision == 1
    assert people.counts().faces == 5
    assert people.flush(15)
    people.apply(roll_of(500, revision=2))
    with people.vault.read() as db:
        assert people.audit.verify(db) == ()
        told = [one.entry().what for one in people.audit.read(db)]
    assert told.count("verify") == 1
    assert told.count("card") == 1
    people.close()


def test_a_full_disk_leaves_the_backup_of_before(tmp_path: Path) -> None:
    people, _ = Box(tmp_path).with_faces(3)
    ring = make_keys(tmp_path / "community.key")
    file = tmp_path / "usb" / "b"
    back_up(people, file, ring)
    people.erase("p0", by="test")
    people.flush()
    evidence = Evidence(people)
    with no_file_grows_beyond(64):
        with pytest.raises(StoreFull, match="cannot be written"):
            back_up(people, file, ring)
        with pytest.raises(StoreFull, match="a snapshot"):
            evidence.put(b"x" * 5000, "fever", keep_ms=1000)
    assert read_header(file).faces == 3
    assert [one.name for one in file.parent.iterdir()] == ["b"]
    assert evidence.list() == ()
    people.close()


def test_a_first_start_on_a_full_disk_is_no_start_and_leaves_no_trap(tmp_path: Path) -> None:
    box = Box(tmp_path)
    with no_file_grows_beyond(512), pytest.raises(StoreFull):
        box.open()
    people = box.open()
    assert people.revision == 0
    people.close()


@pytest.mark.parametrize("where", ["head", "middle", "text"])
def test_a_damaged_database_says_so_and_the_backup_brings_it_back(tmp_path: Path, where: str) -> None:
    box = Box(tmp_path)
    people, known = box.with_faces(60)
    ring = make_keys(tmp_path / "community.key")
    back_up(people, tmp_path / "b", ring)
    people.close()
    content = bytearray(box.database.read_bytes())
    if where == "text":
        content = bytearray(b"not a database at all " * 100)
    else:
        start = 20 if where == "head" else 4096
        content[start : start + 6000] = b"\xaa" * 6000
    box.database.write_bytes(content)
    with pytest.raises(StoreBroken, match=r"(?s)damaged.*linli gate restore"):
        box.open()
    move_aside(box.data)
    people = box.open()
    assert restore(people, tmp_path / "b", ring).faces == 60
    assert people.verify("p7", known[7], model=MODEL).person == "p7"
    people.close()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    box = Box(tmp_path_factory.mktemp("sound"))
    people, _ = box.with_faces(30)
    people.close()
    return box.database.read_bytes(), box.key_file.read_bytes()


@pytest.mark.parametrize("seed", range(40))
def test_whatever_bytes_change_nobody_is_taken_for_another(
    sound: tuple[bytes, bytes], tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    drawn = random.Random(seed)  # noqa: S311 - which bytes are spoilt
    box = Box(tmp_path_factory.mktemp("spoilt"))
    content = bytearray(sound[0])
    for _ in range(drawn.randint(1, 30)):
        content[drawn.randrange(100, len(content))] ^= drawn.randint(1, 255)
    box.data.mkdir(parents=True)
    box.database.write_bytes(content)
    box.key_file.parent.mkdir()
    box.key_file.touch(0o600)
    box.key_file.write_bytes(sound[1])
    try:
        people = box.open()
    except StoreBroken:
        return
    try:
        known = faces(30)
        for number in range(30):
            found = people.alike(known[number], model=MODEL)
            assert not found or found[0].score < 0.9 or found[0].person == f"p{number}"
            card = people.by_card(f"CARD-{number:05d}")
            assert card is None or card.id == f"p{number}"
            person = people.person(f"p{number}")
            assert person is None or person.name == f"Resident {number}"
    except (StoreBroken, StoreFull):
        return
    finally:
        people.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises((StoreFull, StoreBroken)):
        Box(tmp_path).open()
