"""The sealed backup: everything comes back on another box, and nothing of it can be read or changed on the way."""

import sqlite3
from pathlib import Path

import pytest

from edge.gate.people.api import PeopleError
from edge.gate.people.backup import BackupBroken, back_up, read_header, restore
from edge.gate.people.keys import KeyRing, make_keys
from edge.gate.people.people import People
from models.face.calibrate import Aim
from tests.support.gate_people import MODEL, NOW, Box, again, roll_of


def sealed(tmp_path: Path) -> tuple[Path, KeyRing, People]:
    people, known = Box(tmp_path / "old").with_faces(60, several=2)
    people.erase("p7", by="guard")
    people.calibrate(Aim(fpir=0.01), by="test")
    people.identify(again(known[1]), model=MODEL)
    ring = make_keys(tmp_path / "community.key")
    file = tmp_path / "usb" / "gate.backup"
    back_up(people, file, ring)
    return file, ring, people


def test_a_dead_box_is_replaced_by_another(tmp_path: Path) -> None:
    file, ring, old = sealed(tmp_path)
    box = Box(tmp_path / "new", gate="edge-2/north")
    people = box.open()
    done = restore(people, file, ring)
    assert (done.people, done.faces) == (60, 118)
    assert people.vault.key_id != old.vault.key_id, "a box's own key never travels"
    assert people.everyone() == old.everyone()
    assert (people.revision, people.issued_ms) == (old.revision, old.issued_ms)
    assert people.by_card("CARD-00005") == old.by_card("CARD-00005")
    assert people.calibration(MODEL) == old.calibration(MODEL)
    with people.vault.read() as new_db, old.vault.read() as old_db:
        assert people.faces.tombstones(new_db) == old.faces.tombstones(old_db)
        assert people.faces.erasures(new_db) == {"p7": NOW}
        assert people.audit.verify(new_db) == ()
        told = [one.entry().what for one in people.audit.read(new_db)]
        before = [one.entry().what for one in old.audit.read(old_db)]
    assert told[: done.audit] == before[: done.audit]
    assert "restore" in told
    assert people.identify(again(old.faces.of_person(_db(old), "p4")[0].template), model=MODEL).person == "p4"
    people.close()
    old.close()


def _db(people: People) -> sqlite3.Connection:
    with people.vault.read() as db:
        return db


def test_nothing_of_a_backup_can_be_read(tmp_path: Path) -> None:
    file, _, old = sealed(tmp_path)
    content = file.read_bytes()
    assert b"Resident" not in content
    assert b"CARD" not in content
    assert file.stat().st_mode & 0o777 == 0o600
    header = read_header(file)
    assert (header.people, header.faces, header.demo, header.gate) == (60, 118, False, "edge-1/north")
    old.close()


@pytest.mark.parametrize("where", [0, 30, 300, -400, -1])
def test_a_backup_that_was_changed_is_refused_and_nothing_is_restored(tmp_path: Path, where: int) -> None:
    file, ring, old = sealed(tmp_path)
    old.close()
    content = bytearray(file.read_bytes())
    content[where] ^= 1
    file.write_bytes(content)
    people = Box(tmp_path / "new").open()
    with pytest.raises(BackupBroken):
        restore(people, file, ring)
    assert people.counts().people == 0
    people.close()


@pytest.mark.parametrize("left", [0.1, 0.5, 0.999])
def test_a_backup_that_was_cut_short_is_refused(tmp_path: Path, left: float) -> None:
    file, ring, old = sealed(tmp_path)
    old.close()
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * left)])
    people = Box(tmp_path / "new").open()
    with pytest.raises(BackupBroken):
        restore(people, file, ring)
    assert people.counts().people == 0
    people.close()


def test_another_communitys_key_opens_nothing(tmp_path: Path) -> None:
    file, _, old = sealed(tmp_path)
    old.close()
    people = Box(tmp_path / "new").open()
    with pytest.raises(BackupBroken, match="which the key file does not have"):
        restore(people, file, make_keys(tmp_path / "other.key"))
    with pytest.raises(BackupBroken, match="cannot be read"):
        restore(people, tmp_path / "nowhere", make_keys(tmp_path / "third.key"))
    people.close()


def test_a_backup_never_comes_over_people_who_are_there(tmp_path: Path) -> None:
    file, ring, old = sealed(tmp_path)
    with pytest.raises(PeopleError, match="into an empty folder"):
        restore(old, file, ring)
    old.close()


def test_a_backup_of_a_demonstration_stays_one(tmp_path: Path) -> None:
    demo = Box(tmp_path / "demo", demo=True).open()
    demo.apply(roll_of(2))
    ring = make_keys(tmp_path / "community.key")
    back_up(demo, tmp_path / "b", ring)
    demo.close()
    people = Box(tmp_path / "real").open()
    with pytest.raises(BackupBroken, match="a demonstration"):
        restore(people, tmp_path / "b", ring)
    people.close()


def test_an_erasure_seals_the_backup_anew_and_overwrites_the_old_one(tmp_path: Path) -> None:
    box = Box(tmp_path / "old")
    people, _ = box.with_faces(3)
    ring = make_keys(tmp_path / "community.key")
    file = tmp_path / "gate.backup"
    people.back_up_with(lambda: back_up(people, file, ring))
    back_up(people, file, ring)
    kept = tmp_path / "the-old-file"
    kept.hardlink_to(file)
    assert read_header(file).faces == 3
    people.erase("p1", by="guard")
    people.close()  # waits for what is due
    assert read_header(file).faces == 2
    assert set(kept.read_bytes()) == {0}


def test_a_backup_that_an_erasure_owes_is_made_at_the_next_start(tmp_path: Path) -> None:
    box = Box(tmp_path / "old")
    people, _ = box.with_faces(2)
    ring = make_keys(tmp_path / "community.key")
    people.erase("p0", by="guard")  # nobody to seal it, or the power went
    people.close()
    people = box.open()
    file = tmp_path / "gate.backup"
    people.back_up_with(lambda: back_up(people, file, ring))
    people.close()
    assert read_header(file).faces == 1
