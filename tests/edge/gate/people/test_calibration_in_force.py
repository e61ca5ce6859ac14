"""Which threshold holds: a calibration's, while the gallery is about the one it was made for; never a demo's."""

import sqlite3
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from edge.gate.api import Reason
from edge.gate.people.calibration import CalibrationRecord, RateRecord, SimulatedCalibration, in_force
from edge.gate.people.people import open_people
from edge.gate.people.plot import draw_calibration
from edge.gate.people.start_test import start_test
from models.face.calibrate import Aim
from models.face.search import Metric
from models.face.stack import make_stack
from models.manifest import Role, Stack
from models.runtime import OnnxNetwork
from tests.support.faces import built
from tests.support.gate_people import MODEL, NOW, Box, again, consent, faces, roll_of, template


def record(**changes: object) -> CalibrationRecord:
    rate = RateRecord(expected=0.001, low=0.0005, high=0.002)
    values = {
        "model": MODEL, "metric": Metric.COSINE, "threshold": 0.6, "verify": 0.5, "why": "", "method": "tail",
        "people": 100, "probes": 100, "templates": 100, "asked": 0.001, "fpir": rate, "fnir": None, "made_ms": NOW,
        "simulated": False,
    }  # fmt: skip
    return CalibrationRecord(**(values | changes))  # type: ignore[arg-type] # changes are fields


@pytest.mark.parametrize(
    ("people", "threshold", "stale"),
    [(50, 0.6, False), (100, 0.6, False), (110, 0.6, True), (199, 0.6, True), (200, None, True), (1000, None, True)],
)
def test_a_gallery_that_grows_outgrows_its_calibration(people: int, threshold: float | None, *, stale: bool) -> None:
    found = in_force(record(), people=people, authors=0.4)
    assert (found.threshold, found.stale, found.verify) == (threshold, stale, 0.5)
    if threshold is None:
        assert "calibrated for 100 people" in found.why
    else:
        assert found.fpir == pytest.approx(1 - 0.999 ** (people / 100))


def test_what_was_never_calibrated_is_one_to_one_by_the_authors_threshold() -> None:
    found = in_force(None, people=10, authors=0.4)
    assert (found.threshold, found.verify) == (None, 0.4)
    missed = in_force(record(threshold=None, why="too many are missed"), people=10, authors=0.4)
    assert (missed.threshold, missed.why) == (None, "too many are missed")


def test_a_simulated_calibration_never_decides_at_a_real_gate(tmp_path: Path) -> None:
    demo = Box(tmp_path, demo=True)
    people, known = demo.with_faces(60)
    assert people.calibrate(Aim(fpir=0.01), by="test").record.simulated
    assert people.identify(again(known[1]), model=MODEL).person == "p1"
    people.close()
    with sqlite3.connect(demo.database) as db:  # somebody makes a real gate of a demonstration's folder
        db.execute("UPDATE meta SET value = '0' WHERE key = 'demo'")
    people = Box(tmp_path).open()
    found = people.identify(again(known[1]), model=MODEL)
    assert (found.person, found.reason, found.mode) == (None, Reason.SECOND_WAY_NEEDED, "1:1 needed")
    assert "drawn faces" in people.in_force(MODEL).why
    with pytest.raises(SimulatedCalibration), people.vault.write() as db:
        people.calibrations.put(db, record(simulated=True))
    assert not people.calibrate(Aim(fpir=0.01), by="test").record.simulated
    assert people.identify(again(known[1]), model=MODEL).person == "p1"
    people.close()


def test_a_calibration_survives_a_restart_and_is_made_again_when_it_is_stale(tmp_path: Path) -> None:
    box = Box(tmp_path)
    people, _ = box.with_faces(60, several=2)
    report = people.calibrate(Aim(fpir=0.01), by="test")
    people.close()
    people = box.open()
    assert people.calibration(MODEL) == report.record
    assert people.troubles() == ()
    people.apply(roll_of(70, revision=2))
    for number in range(60, 70):
        people.keep(f"p{number}", [template(faces(70, seed=3)[number])], consent=consent(), by="test")
    assert people.troubles() == ("the gallery has grown since it was calibrated: `linli gate calibrate`",)
    people.upkeep()
    anew = people.calibration(MODEL)
    assert anew is not None
    assert (anew.people, anew.asked) == (70, 0.01)
    assert people.troubles() == ()
    people.close()


def test_the_plot_shows_the_threshold_and_says_when_it_is_of_drawings(tmp_path: Path) -> None:
    people, _ = Box(tmp_path, demo=True).with_faces(60, several=2)
    report = people.calibrate(Aim(fpir=0.01), by="test")
    root = ET.fromstring(draw_calibration(report))  # noqa: S314 - our own text
    text = " ".join(one.text or "" for one in root.iter())
    assert f"threshold {report.record.threshold:.4f}" in text
    assert "no threshold for a real gate" in text
    assert "60 people, 60 strangers" in text
    assert len([one for one in root.iter() if one.tag.endswith("rect")]) > 10
    people.close()


def test_the_plot_of_nothing_says_why(tmp_path: Path) -> None:
    people = Box(tmp_path).open()
    root = ET.fromstring(draw_calibration(people.calibrate(Aim(), by="test")))  # noqa: S314 - our own text
    assert any("no 1:N: 0 strangers" in (one.text or "") for one in root.iter())
    people.close()


def test_a_start_is_refused_to_a_model_that_mistakes_strangers(tmp_path: Path) -> None:
    stack = make_stack(Stack.DLIB, {role: built(role) for role in Role}, OnnxNetwork)
    people = open_people(
        tmp_path / "data", tmp_path / "key", gate="edge-1", model=MODEL, metric=Metric.DISTANCE, authors=2.0
    )
    assert start_test(stack, people) == ("it takes a drawn stranger for the drawn person",)
    people.close()
