"""The roll at a gate: applied whole or not at all, in order, and whoever is gone takes their face with them."""

from pathlib import Path

import pytest

from edge.gate.api import Reason
from edge.gate.people.api import Counts, RollMismatch
from tests.support.gate_people import MODEL, NOW, Box, again, roll_of, somebody
from wire.roll import Credential, CredentialKind, GateRule, RollDelta


def card(
    value: str, person: str, *, until: int | None = None, kind: CredentialKind = CredentialKind.CARD
) -> Credential:
    return Credential(kind=kind, value=value, person=person, valid_until_ms=until)


def delta(base: int, revision: int, **changes: object) -> RollDelta:
    values = {"community": "garden", "base": base, "revision": revision, "issued_ms": NOW + revision} | changes
    return RollDelta(**values)  # type: ignore[arg-type] # changes are fields


def test_a_roll_is_there_after_a_restart(tmp_path: Path) -> None:
    box = Box(tmp_path)
    people = box.open()
    assert (people.revision, people.issued_ms, people.person("p1")) == (0, None, None)
    rule = GateRule(gate="edge-1/north", demands=(("mask", "required"),))
    people.apply(roll_of(3, revision=7, rules=(rule,), revoked=("v1",)))
    people.close()
    people = box.open()
    assert (people.revision, people.issued_ms) == (7, NOW + 7)
    assert people.person("p1") == somebody(1)
    assert people.rule("edge-1/north") == rule
    assert people.rule("edge-1/south") is None
    assert people.is_revoked("v1")
    assert not people.is_revoked("v2")
    people.close()


def test_changes_follow_what_is_held_and_a_repeat_changes_nothing(tmp_path: Path) -> None:
    people = Box(tmp_path).open()
    people.apply(roll_of(3))
    moved = somebody(1, name="Moved", areas=("tower-2",))
    change = delta(
        1, 2, people=(moved, somebody(9)), credentials=(card("NEW", "p1"),), gone=("p0",), revoked=("v9",), rules=()
    )
    for _ in range(2):
        people.apply(change)
        assert people.revision == 2
        assert people.person("p1") == moved
        assert people.person("p9") == somebody(9)
        assert people.person("p0") is None
        assert people.by_card("CARD-00001") is None
        assert people.by_card("new") == moved
        assert people.is_revoked("v9")
    with pytest.raises(RollMismatch, match="the changes since 7"):
        people.apply(delta(7, 8))
    with pytest.raises(RollMismatch, match="of village"):
        people.apply(delta(2, 3, community="village"))
    assert people.revision == 2
    people.close()


def test_an_old_roll_does_not_come_back_and_a_newly_issued_one_does(tmp_path: Path) -> None:
    people = Box(tmp_path).open()
    people.apply(roll_of(3, revision=9))
    with pytest.raises(RollMismatch, match="older"):
        people.apply(roll_of(5, revision=4))
    people.apply(roll_of(2, revision=4, issued_ms=NOW + 100))  # a service that was restored from its backup
    assert people.revision == 4
    assert people.person("p2") is None
    people.close()


def test_whoever_is_gone_takes_their_face_with_them(tmp_path: Path) -> None:
    box = Box(tmp_path)
    people, known = box.with_faces(4)
    people.apply(delta(1, 2, gone=("p0",)))
    people.apply(delta(2, 3, people=(somebody(1, face=False),)))
    people.apply(roll_of(3, revision=4))  # without p3; p1 did not get their face back
    for number in (0, 1, 3):
        assert people.verify(f"p{number}", known[number], model=MODEL).reason is Reason.UNKNOWN_FACE
        assert people.alike(again(known[number]), model=MODEL)[0].person == "p2"
    assert people.counts().faces == 1
    people.close()
    people = box.open()
    assert people.counts().faces == 1
    people.close()


@pytest.mark.parametrize("shown", ["04:A1:FF:02", "04a1ff02", "04-a1-ff-02", " 04A1FF02\n"])
def test_a_card_is_found_however_a_reader_writes_it(tmp_path: Path, shown: str) -> None:
    people = Box(tmp_path).open()
    people.apply(roll_of(1, credentials=(card("04:A1:FF:02", "p0"),)))
    assert people.by_card(shown) == somebody(0)
    assert people.by_pin(shown) is None
    people.close()


def test_a_pin_of_several_people_is_nobodys(tmp_path: Path) -> None:
    people = Box(tmp_path).open()
    pins = [card("2468", f"p{number}", kind=CredentialKind.PIN) for number in (0, 1)]
    people.apply(roll_of(2, credentials=(*pins, card("1357", "p1", kind=CredentialKind.PIN))))
    assert people.by_pin("2468") is None
    assert people.by_pin("1357") == somebody(1)
    people.close()


def test_a_card_ends_when_it_should(tmp_path: Path) -> None:
    box = Box(tmp_path)
    people = box.open()
    people.apply(roll_of(1, credentials=(card("A", "p0", until=NOW + 10),)))
    assert people.by_card("A") == somebody(0)
    box.clock.now += 10
    assert people.by_card("A") is None
    people.close()


def test_two_gates_of_an_agent_see_what_either_changes(tmp_path: Path) -> None:
    box = Box(tmp_path)
    north, known = box.with_faces(2)
    south = box.open()
    north.erase("p0", by="guard")
    assert south.verify("p0", known[0], model=MODEL).reason is Reason.UNKNOWN_FACE
    assert [one.person for one in south.alike(known[0], model=MODEL)] == ["p1"]
    south.apply(delta(1, 2, people=(somebody(5),)))
    assert north.revision == 2
    north.close()
    south.close()


def test_everyone_is_listed_with_their_templates(tmp_path: Path) -> None:
    people, _ = Box(tmp_path).with_faces(2, several=2)
    people.apply(delta(1, 2, people=(somebody(7),)))
    assert [(one.id, count) for one, count in people.everyone()] == [("p0", 2), ("p1", 2), ("p7", 0)]
    counts = people.counts()
    assert (counts.people, counts.with_face, counts.faces, counts.credentials) == (3, 2, 4, 2)
    assert not counts.near_filing
    people.close()


@pytest.mark.parametrize(("with_face", "near"), [(89_999, False), (90_000, True), (100_000, True)])
def test_the_number_that_must_be_filed_is_told_before_it_is_reached(with_face: int, *, near: bool) -> None:
    counts = Counts(people=with_face, with_face=with_face, faces=with_face, credentials=0, by_model={})
    assert counts.near_filing is near
