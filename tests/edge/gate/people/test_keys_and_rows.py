"""Keys lie apart and belong to their owner alone; rows open only where they were sealed."""

import os
import sqlite3
from pathlib import Path

import pytest

from edge.gate.people.api import KeyRefused, StoreBroken
from edge.gate.people.crypto import Sealer, UnknownKey, Unopenable
from edge.gate.people.evidence import Evidence
from edge.gate.people.keys import make_keys, read_keys, write_keys
from edge.gate.people.rotation import rotate
from runtime.logs import configure_logs
from tests.support.gate_people import MODEL, Box, again, consent, faces, roll_of, template


def test_a_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "gate.key"
    ring = make_keys(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_keys(file) == ring
    with pytest.raises(KeyRefused, match="never overwritten"):
        make_keys(file)
    assert repr(ring.current.secret) not in repr(ring)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "gate.key"
    make_keys(file)
    file.chmod(mode)
    with pytest.raises(KeyRefused, match=r"others may read or change .*chmod 600"):
        read_keys(file)


def test_a_key_inside_the_data_folder_is_refused_also_by_a_link(tmp_path: Path) -> None:
    box = Box(tmp_path)
    inside = box.data / "keys" / "gate.key"
    make_keys(inside)
    with pytest.raises(KeyRefused, match="lies in the data folder"):
        read_keys(inside, apart_from=box.data)
    outside = tmp_path / "link.key"
    outside.symlink_to(inside)
    with pytest.raises(KeyRefused, match="lies in the data folder"):
        read_keys(outside, apart_from=box.data)


@pytest.mark.parametrize("content", [b"", b"linli-gate-key 1\n", b"linli-gate-key 1\nzz zz\n", b"\xff\xfe", b"hello\n"])
def test_a_damaged_key_file_is_refused_with_a_word_of_advice(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "gate.key"
    file.touch(0o600)
    file.write_bytes(content)
    with pytest.raises(KeyRefused, match="bring back the copy"):
        read_keys(file)


def test_the_key_is_made_at_first_use_and_never_for_a_database_that_is_there(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.open().close()
    kept = box.key_file.read_bytes()
    box.key_file.unlink()
    with pytest.raises(KeyRefused, match="bring that back, or restore"):
        box.open()
    assert not box.key_file.exists()
    make_keys(box.key_file)
    with pytest.raises(KeyRefused, match="is sealed with the key"):
        box.open()
    box.key_file.unlink()
    box.key_file.touch(0o600)
    box.key_file.write_bytes(kept)
    box.open().close()


def test_a_sealed_row_opens_only_where_it_stood(tmp_path: Path) -> None:
    sealer = Sealer(make_keys(tmp_path / "a.key"))
    sealed = sealer.seal(b"template", row="faces/1/p1/m")
    assert sealer.open(sealed, row="faces/1/p1/m") == b"template"
    with pytest.raises(Unopenable, match="damaged, or was moved"):
        sealer.open(sealed, row="faces/2/p2/m")
    with pytest.raises(Unopenable):
        sealer.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), row="faces/1/p1/m")
    with pytest.raises(UnknownKey):
        Sealer(make_keys(tmp_path / "b.key")).open(sealed, row="faces/1/p1/m")


def test_nothing_in_the_files_says_who_somebody_is(tmp_path: Path) -> None:
    box = Box(tmp_path)
    people, known = box.with_faces(3)
    assert people.by_card("card-00001") is not None
    people.flush()
    content = b"".join(file.read_bytes() for file in box.data.iterdir())
    people.close()
    content += b"".join(file.read_bytes() for file in box.data.iterdir())
    for secret in (b"Resident", b"CARD-0000", b"CARD0000", known[1].tobytes()[:16], b"themselves"):
        assert secret not in content
    assert box.database.stat().st_mode & 0o777 == 0o600


def test_faces_that_were_swapped_in_the_database_are_nobodys(tmp_path: Path) -> None:
    box = Box(tmp_path)
    people, known = box.with_faces(3)
    people.close()
    with sqlite3.connect(box.database) as db:
        rows = dict(db.execute("SELECT person, sealed FROM faces"))
        db.execute("UPDATE faces SET sealed = ? WHERE person = 'p0'", (rows["p1"],))
        db.execute("UPDATE faces SET sealed = ? WHERE person = 'p1'", (rows["p0"],))
    people = box.open()
    assert people.counts().damaged == 2
    assert people.verify("p0", known[1], model=MODEL).person is None
    assert people.verify("p2", known[2], model=MODEL).person == "p2"
    assert any("do not open" in one for one in people.troubles())
    people.close()


def test_a_rotation_seals_everything_anew_and_forgets_the_old_key(tmp_path: Path) -> None:
    box = Box(tmp_path)
    people, known = box.with_faces(4)
    evidence = Evidence(people)
    kept = evidence.put(b"jpeg", "fever", keep_ms=1000)
    old = people.vault.key_id
    running = box.open()  # another process that has the database open
    new = rotate(people.vault, evidence.folder)
    assert new != old
    assert [one.id.hex() for one in (read_keys(box.key_file).current, *read_keys(box.key_file).former)] == [new]
    for one in (people, running):
        assert one.by_card("CARD-00002") is not None
        assert one.verify("p3", again(known[3]), model=MODEL).person == "p3"
        assert one.counts().damaged == 0
    running.keep("p1", [template(faces(1, seed=9)[0])], consent=consent(), by="test")
    assert kept is not None
    assert evidence.read(kept, by="guard") == b"jpeg"
    running.close()
    people.flush()
    with people.vault.read() as db:
        assert people.audit.verify(db) == ()
    people.close()
    with sqlite3.connect(box.database) as db:
        for table in ("people", "credentials", "faces", "consents"):
            assert {row[0][:4].hex() for row in db.execute(f"SELECT sealed FROM {table}")} == {new}  # noqa: S608 - ours
    people = box.open()
    assert people.counts().damaged == 0
    people.close()


@pytest.mark.parametrize("sealed", [False, True], ids=["before the database", "before the key file"])
def test_a_rotation_that_was_cut_off_is_no_loss(tmp_path: Path, *, sealed: bool) -> None:
    box = Box(tmp_path)
    people, known = box.with_faces(2)
    evidence = Evidence(people)
    before = read_keys(box.key_file)
    rotate(people.vault, evidence.folder)
    after = read_keys(box.key_file)
    people.close()
    if not sealed:  # undo the database's part: it is still sealed with the key before
        other = Box(tmp_path / "other")
        write_keys(other.key_file, before)
        people, known = other.with_faces(2)
        people.close()
        box = other
    write_keys(box.key_file, type(after)(current=after.current, former=(before.current,)))
    people = box.open()
    assert people.by_card("CARD-00001") is not None
    assert people.verify("p1", known[1], model=MODEL).person == "p1"
    people.apply(roll_of(3, revision=2))
    assert people.by_card("CARD-00002") is not None
    rotate(people.vault, evidence.folder)
    assert people.by_card("CARD-00002") is not None
    assert len(read_keys(box.key_file).former) == 0
    people.close()


def test_a_demonstration_and_real_people_never_share_a_folder(tmp_path: Path) -> None:
    Box(tmp_path, demo=True).open().close()
    with pytest.raises(StoreBroken, match="belongs to a demonstration"):
        Box(tmp_path).open()
    Box(tmp_path / "real").open().close()
    with pytest.raises(StoreBroken, match="belongs to real people"):
        Box(tmp_path / "real", demo=True).open()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "gate.key"
    make_keys(file)
    os.chown(file, 12345, 12345)
    with pytest.raises(KeyRefused, match="belongs to another user"):
        read_keys(file)


def test_no_log_line_names_anybody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs(process="gate under test", level="debug")
    people, known = Box(tmp_path).with_faces(3)
    people.by_card("CARD-00002")
    people.by_card("04:A1:FF:02")
    people.verify("p1", known[0], model=MODEL)
    people.identify(known[1], model=MODEL)
    people.back_up_with(lambda: Path("/nowhere").read_bytes())
    people.erase("p1", by="guard")
    people.close()
    told = capfd.readouterr().err
    assert "upkeep waits" in told, "what is logged is seen here"
    for secret in ("Resident", "CARD", "A1FF", "A1:FF", "themselves", str(known[0][0])[:7]):
        assert secret not in told
