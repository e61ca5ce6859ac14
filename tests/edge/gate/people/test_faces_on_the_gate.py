"""Faces: known by the threshold in force, kept by consent, erased everywhere, migrated as people pass."""

import dataclasses
from pathlib import Path

import pytest

from edge.gate.api import Reason
from edge.gate.people.api import DAY_MS, MOST_FACES, Consent, NoConsent, UnknownPerson
from edge.gate.people.keeping import Template, records_of
from edge.gate.people.people import People
from models.face.calibrate import Aim
from models.face.search import Metric
from tests.support.gate_people import (
    MODEL,
    NOW,
    YEAR,
    Box,
    again,
    consent,
    faces,
    roll_of,
    somebody,
    template,
)

LAX = Aim(fpir=0.01)


def calibrated(people: People, aim: Aim = LAX) -> People:
    report = people.calibrate(aim, by="test")
    assert report.record.threshold is not None, report.record.why
    return people


def test_without_a_calibration_a_card_comes_first(tmp_path: Path) -> None:
    people, known = Box(tmp_path).with_faces(60)
    found = people.identify(known[3], model=MODEL)
    assert (found.person, found.reason, found.mode) == (None, Reason.SECOND_WAY_NEEDED, "1:1 needed")
    assert people.verify("p3", again(known[3]), model=MODEL).person == "p3"
    assert any("linli gate calibrate" in one for one in people.troubles())
    people.close()


def test_people_are_known_and_strangers_are_not(tmp_path: Path) -> None:
    people, known = Box(tmp_path).with_faces(120)
    calibrated(people)
    for number in range(0, 120, 7):
        found = people.identify(again(known[number], seed=number), model=MODEL)
        assert (found.person, found.mode) == (f"p{number}", "1:N")
        assert found.score is not None
        assert found.second is not None
        assert found.score > 0.9 > found.second
    strangers = [people.identify(one, model=MODEL) for one in faces(50, seed=77)]
    assert {(one.person, one.reason) for one in strangers} == {(None, Reason.UNKNOWN_FACE)}
    found = people.verify("p1", again(known[2]), model=MODEL)
    assert (found.person, found.reason, found.mode) == (None, Reason.FACE_OF_ANOTHER, "1:1")
    people.close()


def test_a_face_that_fits_two_people_needs_a_second_way(tmp_path: Path) -> None:
    people, known = Box(tmp_path).with_faces(80)
    calibrated(people)
    people.apply(roll_of(81, revision=2))
    people.keep("p80", [template(again(known[5], seed=5))], consent=consent(), by="test")  # a twin
    found = people.identify(again(known[5], seed=6), model=MODEL)
    assert (found.person, found.reason) == (None, Reason.SECOND_WAY_NEEDED)
    assert people.verify("p5", again(known[5], seed=6), model=MODEL).person == "p5"
    people.close()


def test_nobody_has_more_than_a_few_templates(tmp_path: Path) -> None:
    people, known = Box(tmp_path).with_faces(1)
    for number in range(MOST_FACES + 2):
        people.keep("p0", [template(again(known[0], seed=number))], consent=consent(), by="test")
    assert people.counts().faces == MOST_FACES
    people.close()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"expires_ms": NOW}, "has ended"),
        ({"expires_ms": NOW + 4 * YEAR}, "longer than three years"),
        ({"given_ms": NOW + DAY_MS}, "in the future"),
        ({"given_by": " "}, "who consents"),
        ({"text": ""}, "version of the text"),
    ],
)
def test_a_consent_that_does_not_hold_keeps_no_face(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    people = Box(tmp_path).open()
    people.apply(roll_of(1))
    with pytest.raises(NoConsent, match=why):
        people.keep("p0", [template(faces(1)[0])], consent=consent(**changes), by="test")
    assert people.counts().faces == 0
    people.close()


def test_a_child_needs_a_guardian_and_nobody_is_enrolled_unasked(tmp_path: Path) -> None:
    people = Box(tmp_path).open()
    people.apply(roll_of(0, people=(somebody(0, minor=True), somebody(1, face=False)), revision=1))
    one = [template(faces(1)[0])]
    with pytest.raises(NoConsent, match="guardian"):
        people.keep("p0", one, consent=consent(), by="test")
    people.keep("p0", one, consent=consent(guardian="mother", given_by="p7"), by="test")
    with pytest.raises(NoConsent, match="not asked"):
        people.keep("p1", one, consent=consent(), by="test")
    with pytest.raises(UnknownPerson):
        people.keep("p9", one, consent=consent(), by="test")
    people.close()


def test_an_erased_face_is_nowhere_any_more(tmp_path: Path) -> None:
    box = Box(tmp_path)
    people, known = box.with_faces(60, several=2)
    calibrated(people)
    with people.vault.read() as db:
        sealed = [row[0] for row in db.execute("SELECT sealed FROM faces WHERE person = 'p3'")]
        sealed += [row[0] for row in db.execute("SELECT sealed FROM consents WHERE person = 'p3'")]
    files = list(box.data.glob("people.sqlite*"))
    assert all(any(row in file.read_bytes() for file in files) for row in sealed)
    assert people.erase("p3", by="guard") == 2
    assert people.identify(known[3], model=MODEL).person is None
    assert people.verify("p3", known[3], model=MODEL).reason is Reason.UNKNOWN_FACE
    assert not any(row in file.read_bytes() for file in box.data.glob("people.sqlite*") for row in sealed)
    assert people.person("p3") is not None, "they are still on the roll"
    assert people.erase("p3", by="guard") == 0
    people.keep("p3", [template(known[3])], consent=consent(), by="test")
    assert people.verify("p3", known[3], model=MODEL).person == "p3"
    people.close()


def test_a_face_expires_by_itself(tmp_path: Path) -> None:
    box = Box(tmp_path)
    people, known = box.with_faces(2)
    short = consent(expires_ms=NOW + DAY_MS)
    people.keep("p1", [template(again(known[1]))], consent=short, by="test")
    people.erase("p0", by="test")
    people.keep("p0", [template(known[0])], consent=short, by="test")
    box.clock.now += DAY_MS
    assert people.verify("p0", known[0], model=MODEL).reason is Reason.UNKNOWN_FACE, "even before the upkeep"
    assert [one.person for one in people.alike(known[0], model=MODEL)] == ["p1"]
    people.upkeep()
    assert people.counts().faces == 1
    with people.vault.read() as db:
        assert set(people.faces.consents(db, "p0")) == set()
        assert len(people.faces.consents(db, "p1")) == 1
        entries = [one.entry() for one in people.audit.read(db, person="p0")]
    assert ("expire", "expiry") in [(one.what, one.by) for one in entries]
    people.close()


def other_model(face: object, seed: int = 0) -> Template:
    """What a new model makes of the same face: other values of another size."""
    number = int(abs(float(face[0])) * 1e6) + seed  # type: ignore[index] # an array
    return Template(model="model-2", metric=Metric.DISTANCE, values=faces(1, seed=number)[0][:32])


def test_people_are_enrolled_in_a_new_model_as_they_pass(tmp_path: Path) -> None:
    box = Box(tmp_path)
    people, known = box.with_faces(60)
    calibrated(people)
    people.close()
    people = box.open(model="model-2")
    assert people.counts().by_model == {MODEL: 60}
    seen = again(known[4])
    assert not people.seen("p4", old=template(faces(1, seed=123)[0]), new=other_model(seen)), "the old one is not sure"
    assert not people.seen("p5", old=template(seen), new=other_model(seen)), "it is somebody else"
    assert people.seen("p4", old=template(seen), new=other_model(seen))
    assert not people.seen("p4", old=template(seen), new=other_model(seen)), "once is enough"
    assert people.counts().by_model == {MODEL: 60, "model-2": 1}
    assert people.verify("p4", other_model(seen).values, model="model-2").person == "p4"
    found = people.identify(other_model(seen).values, model="model-2")
    assert found.reason is Reason.SECOND_WAY_NEEDED, "the new model is calibrated for itself"
    with people.vault.read() as db:
        old, new = people.faces.of_person(db, "p4")
    assert (old.consent, old.expires_ms) == (new.consent, new.expires_ms)
    assert people.erase("p4", by="test") == 2
    people.close()


def test_somebody_whom_the_new_model_takes_for_another_is_not_migrated(tmp_path: Path) -> None:
    box = Box(tmp_path)
    people, known = box.with_faces(60)
    calibrated(people)
    people.close()
    people = box.open(model="model-2")
    assert people.seen("p4", old=template(known[4]), new=other_model(known[4]))
    assert not people.seen("p5", old=template(known[5]), new=other_model(known[4]))
    people.close()


def test_consent_shows_nobody_in_a_log() -> None:
    shown = repr(Consent(given_ms=1, expires_ms=2, text="v", given_by="Wang", guardian="Li"))
    assert "Wang" not in shown
    assert "Li" not in shown.replace("Linli", "")
    assert "values" not in repr(template(faces(1)[0]))
    assert dataclasses.fields(Template)[2].repr is False


def test_many_faces_are_loaded_and_forgotten_part_by_part(tmp_path: Path) -> None:
    box = Box(tmp_path)
    people = box.open()
    known = faces(4500)
    records = records_of(
        "p0", [template(one) for one in known], consent_id="c", expires_ms=NOW + YEAR, now_ms=NOW, origin="here",
        random_bytes=people.vault.random_bytes,
    )  # fmt: skip
    with people.vault.write() as db:
        people.faces.put(db, [dataclasses.replace(one, person=f"p{n}") for n, one in enumerate(records)])
    people.settle()
    other = box.open()
    for one in (people, other):
        assert one.counts().by_model == {MODEL: 4500}
    with people.vault.write() as db:
        people.faces.erase(db, [one.id for one in records[1000:1600]], at_ms=NOW)
        people.faces.erase(db, [records[4499].id], at_ms=NOW)
    people.settle()
    for one in (people, other):
        assert one.counts().by_model == {MODEL: 3899}
        assert one.alike(known[1200], model=MODEL)[0].person != "p1200"
        assert one.alike(known[999], model=MODEL)[0].person == "p999"
        assert one.alike(known[4498], model=MODEL)[0].person == "p4498"
        assert one.counts().damaged == 0
        one.close()
