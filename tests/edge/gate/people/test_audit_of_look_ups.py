"""The audit: every look-up by opaque ids, chained so that no entry can be changed, dropped or added unseen."""

import sqlite3
from pathlib import Path

import pytest

from edge.gate.people.audit import KEEP_MS
from edge.gate.people.people import People
from tests.support.gate_people import MODEL, Box, again, faces


def entries(people: People) -> list[tuple[str, str, str]]:
    assert people.flush()
    with people.vault.read() as db:
        return [(one.entry().what, one.person, one.entry().outcome) for one in people.audit.read(db)]


def looked_up(tmp_path: Path) -> Box:
    box = Box(tmp_path)
    people, known = box.with_faces(2)
    people.verify("p1", again(known[1]), model=MODEL, gate="edge-1/south")
    people.verify("p1", known[0], model=MODEL)
    people.identify(faces(1, seed=8)[0], model=MODEL)
    people.by_card("CARD-00001")
    people.by_card("CARD-77777")
    people.erase("p0", by="guard")
    assert entries(people)[-6:-1] == [
        ("verify", "p1", "ok"),
        ("verify", "p1", "face_of_another"),
        ("identify", "", "second_way_needed"),
        ("card", "p1", "found"),
        ("card", "", "unknown"),
    ] or entries(people)[-1] == ("card", "", "unknown")
    with people.vault.read() as db:
        assert people.audit.verify(db) == ()
        assert {one.entry().gate for one in people.audit.read(db)} == {"edge-1/north", "edge-1/south"}
    people.close()
    return box


def test_each_look_up_is_there_after_a_restart_and_says_no_name(tmp_path: Path) -> None:
    box = looked_up(tmp_path)
    people = box.open()
    found = entries(people)
    assert ("erase", "p0", "erased") in found
    assert ("enrol", "p0", "kept") in found
    with people.vault.read() as db:
        text = " ".join(one.body for one in people.audit.read(db))
        assert people.audit.verify(db) == ()
    assert "Resident" not in text
    assert "CARD" not in text
    people.close()


@pytest.mark.parametrize(
    ("tampering", "what"),
    [
        ("UPDATE audit SET body = replace(body, 'face_of_another', 'ok')", "is not what was written"),
        ("UPDATE audit SET at_ms = at_ms - 1 WHERE number = 3", "entry 3 is not"),
        ("UPDATE audit SET person = 'p7' WHERE number = 2", "entry 2 is not"),
        ("DELETE FROM audit WHERE number = 4", "after entry 3 comes entry 5"),
        ("DELETE FROM audit WHERE number >= (SELECT max(number) FROM audit)", "it ends with entry"),
        ("DELETE FROM audit WHERE number = 1", "after entry 0 comes entry 2"),
        ("DELETE FROM audit", "it ends with entry 0"),
        ("INSERT INTO audit SELECT max(number) + 1, at_ms, person, body, chain FROM audit", "is not what was written"),
        ("DELETE FROM meta WHERE key = 'audit_key'", "the audit's own marks"),
    ],
)
def test_tampering_shows(tmp_path: Path, tampering: str, what: str) -> None:
    box = looked_up(tmp_path)
    with sqlite3.connect(box.database) as db:
        db.execute(tampering)
    people = box.open()
    with people.vault.read() as reading:
        (problem,) = people.audit.verify(reading)
    assert what in problem
    people.close()


def test_old_entries_go_and_the_rest_still_proves_itself(tmp_path: Path) -> None:
    box = looked_up(tmp_path)
    people = box.open()
    count = len(entries(people))
    box.clock.now += KEEP_MS
    people.by_card("CARD-00001")
    box.clock.now += 1
    assert people.flush()
    people.upkeep()
    with people.vault.read() as db:
        assert people.audit.verify(db) == ()
        assert next(one.number for one in people.audit.read(db)) == count + 1
    box.clock.now += KEEP_MS + 1
    people.upkeep()
    people.by_card("CARD-00001")
    assert people.flush()
    with people.vault.read() as db:
        assert people.audit.verify(db) == ()
        assert people.audit.head(db)[0] > count + 1
    people.close()


def test_several_who_write_share_one_chain(tmp_path: Path) -> None:
    box = Box(tmp_path)
    first, _ = box.with_faces(1)
    second = box.open()
    for number in range(20):
        (first, second)[number % 2].by_card(f"CARD-{number:05d}")
    assert first.flush()
    assert second.flush()
    with first.vault.read() as db:
        assert first.audit.verify(db) == ()
        assert sum(one.entry().what == "card" for one in first.audit.read(db)) == 20
    first.close()
    second.close()
