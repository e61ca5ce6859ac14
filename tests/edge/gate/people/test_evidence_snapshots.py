"""Snapshots are kept by policy only, sealed, for their time only; and what is read stands in the audit."""

from pathlib import Path

import pytest

from edge.gate.people.evidence import Evidence, NoSnapshot
from tests.support.gate_people import Box

JPEG = b"\xff\xd8" + b"a face nobody should find" * 20


def test_without_a_policy_no_picture_is_kept(tmp_path: Path) -> None:
    people = Box(tmp_path).open()
    evidence = Evidence(people)
    assert evidence.put(JPEG, "fever", keep_ms=None) is None
    assert evidence.list() == ()
    assert not evidence.folder.exists()
    people.close()


def test_a_snapshot_is_sealed_read_and_gone_in_time(tmp_path: Path) -> None:
    box = Box(tmp_path)
    people = box.open()
    evidence = Evidence(people)
    first = evidence.put(JPEG, "picture_of_a_face", keep_ms=1000, gate="edge-1/north")
    second = evidence.put(JPEG + b"2", "fever", keep_ms=5000, person="p3")
    assert first is not None
    assert second is not None
    assert b"nobody should find" not in b"".join(file.read_bytes() for file in evidence.folder.iterdir())
    assert [(one.id, one.why, one.person, one.gate) for one in evidence.list()] == [
        (first, "picture_of_a_face", "", "edge-1/north"), (second, "fever", "p3", "")
    ]  # fmt: skip
    assert evidence.read(first, by="guard") == JPEG
    box.clock.now += 1000
    with pytest.raises(NoSnapshot):
        evidence.read(first, by="guard")
    (evidence.folder / ".half.part").write_bytes(b"a power cut")
    people.upkeep()
    assert [one.id for one in evidence.list()] == [second]
    assert len(list(evidence.folder.iterdir())) == 1
    people.flush()
    with people.vault.read() as db:
        told = [(one.entry().what, one.entry().outcome, one.entry().by) for one in people.audit.read(db)]
    assert ("snapshot", "read", "guard") in told
    people.close()


def test_a_renamed_snapshot_does_not_live_longer(tmp_path: Path) -> None:
    people = Box(tmp_path).open()
    evidence = Evidence(people)
    evidence.put(JPEG, "fever", keep_ms=1000)
    (file,) = evidence.folder.iterdir()
    file.rename(file.with_name("9" + file.name[1:]))
    assert evidence.list() == ()
    people.close()


def test_erasing_somebody_erases_their_snapshots(tmp_path: Path) -> None:
    people, _ = Box(tmp_path).with_faces(2)
    evidence = Evidence(people)
    evidence.put(JPEG, "blocked", keep_ms=10_000, person="p0")
    kept = evidence.put(JPEG, "blocked", keep_ms=10_000, person="p1")
    people.erase("p0", by="guard")
    assert [one.id for one in evidence.list()] == [kept]
    people.close()
