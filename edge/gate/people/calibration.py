"""Which threshold a gate uses: the calibration that it holds, and whether that still stands for the present gallery."""

import sqlite3
from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError

from edge.gate.people.api import PeopleError
from edge.gate.people.crypto import Unopenable
from edge.gate.people.face_store import FaceRecord
from edge.gate.people.store import Vault, next_seq
from models.api import Floats
from models.face.calibrate import Aim, Calibrated, Rate, Scores, calibrate, grown, measure
from models.face.search import Metric
from runtime.config import Strict

STALE_FROM = 1.1
"""A gallery that has grown by so much should be calibrated again."""
WORTHLESS_FROM = 2.0
"""And by so much the calibration says nothing any more: 1:1 until it is made again."""


class SimulatedCalibration(PeopleError):
    """A calibration of drawn faces, which no real gate uses."""


class RateRecord(Strict):
    """A rate with its interval."""

    expected: float
    low: float
    high: float


class CalibrationRecord(Strict):
    """A calibration as it is kept. `simulated` ones come from drawn faces, and stay with demonstrations."""

    model: str
    metric: Metric
    threshold: float | None
    verify: float
    why: str
    method: str
    people: int
    probes: int
    templates: int
    asked: float
    fpir: RateRecord | None
    fnir: RateRecord | None
    made_ms: int
    simulated: bool
    strangers: bool = False
    """Whether the impostors were a folder of strangers, not the gallery itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InForce:
    """What holds now: `threshold` is None where a card or a pass must come first, and `why` says why."""

    threshold: float | None
    verify: float
    why: str = ""
    stale: bool = False
    fpir: float | None = None
    """The rate that is to be expected at the present size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A calibration that was just made, with what it rests on."""

    record: CalibrationRecord
    scores: Scores
    nearest: tuple[tuple[str, str, float], ...]
    """The most alike of different people: their ids and the score; under the threshold they need a second way."""


def in_force(record: CalibrationRecord | None, *, people: int, authors: float) -> InForce:
    """Say what holds for a gallery of so many people; `authors` is what a model's authors give for 1:1."""
    if record is None:
        return InForce(threshold=None, verify=authors, why="the gallery was never calibrated: `linli gate calibrate`")
    size = people / max(record.people, 1)
    stale = size >= STALE_FROM
    if record.threshold is None:
        return InForce(threshold=None, verify=record.verify, why=record.why, stale=stale)
    if size >= WORTHLESS_FROM:
        why = f"calibrated for {record.people} people, and there are {people}: `linli gate calibrate`"
        return InForce(threshold=None, verify=record.verify, why=why, stale=True)
    expected = None if record.fpir is None else grown(record.fpir.expected, record.people, people)
    return InForce(threshold=record.threshold, verify=record.verify, stale=stale, fpir=expected)


def make_report(
    faces: list[FaceRecord],
    *,
    model: str,
    metric: Metric,
    aim: Aim,
    authors: float,
    now_ms: int,
    simulated: bool,
    strangers: Floats | None = None,
    seed: int = 1,
) -> Report:
    """Calibrate for the faces of one model. Blocking: seconds for thousands. ValueError when they do not fit."""
    generator = np.random.default_rng(seed)
    names = sorted({one.person for one in faces})
    index = {name: number for number, name in enumerate(names)}
    size = faces[0].template.size if faces else 1
    templates = np.stack([one.template for one in faces]) if faces else np.zeros((0, size), np.float32)
    owners = np.array([index[one.person] for one in faces], dtype=np.int64)
    scores = measure(templates, owners, metric, generator=generator, strangers=strangers)
    found = calibrate(
        scores, metric, aim, people=len(names), authors=authors, generator=generator, among_themselves=strangers is None
    )
    nearest = tuple((names[one], names[other], score) for one, other, score in scores.nearest)
    record = _record(
        found, model=model, metric=metric, aim=aim, templates=len(faces), now_ms=now_ms, simulated=simulated,
        strangers=strangers is not None,
    )  # fmt: skip
    return Report(record=record, scores=scores, nearest=nearest)


class CalibrationStore:
    """Keeps one calibration a model, sealed, within the caller's transaction."""

    def __init__(self, vault: Vault, *, demo: bool) -> None:
        self._vault = vault
        self._demo = demo

    def put(self, db: sqlite3.Connection, record: CalibrationRecord) -> None:
        """Keep a calibration instead of the one before; SimulatedCalibration where it does not belong."""
        self._judge(record)
        sealed = self._vault.seal(record.model_dump_json().encode(), row=f"calibrations/{record.model}")
        db.execute("INSERT OR REPLACE INTO calibrations VALUES (?, ?)", (record.model, sealed))
        next_seq(db)

    def get(self, db: sqlite3.Connection, model: str) -> CalibrationRecord | None:
        """Give the calibration of a model; None when there is none that opens. SimulatedCalibration."""
        row = db.execute("SELECT sealed FROM calibrations WHERE model = ?", (model,)).fetchone()
        if row is None:
            return None
        try:
            data = self._vault.open(row[0], row=f"calibrations/{model}")
            record = CalibrationRecord.model_validate_json(data)
        except (Unopenable, ValidationError):
            return None
        self._judge(record)
        return record

    def all(self, db: sqlite3.Connection) -> list[CalibrationRecord]:
        """Give all that open and belong here."""
        models = [row[0] for row in db.execute("SELECT model FROM calibrations ORDER BY model")]
        return [found for model in models if (found := self.get(db, model)) is not None]

    def _judge(self, record: CalibrationRecord) -> None:
        if record.simulated and not self._demo:
            raise SimulatedCalibration(
                "this calibration was made from drawn faces, and no real gate uses it: run `linli gate calibrate`"
            )


def _record(
    found: Calibrated,
    *,
    model: str,
    metric: Metric,
    aim: Aim,
    templates: int,
    now_ms: int,
    simulated: bool,
    strangers: bool,
) -> CalibrationRecord:
    return CalibrationRecord(
        model=model, metric=metric, threshold=found.threshold, verify=found.verify, why=found.why, method=found.method,
        people=found.people, probes=found.probes, templates=templates, asked=aim.fpir, fpir=_rate(found.fpir),
        fnir=_rate(found.fnir), made_ms=now_ms, simulated=simulated, strangers=strangers,
    )  # fmt: skip


def _rate(rate: Rate | None) -> RateRecord | None:
    return None if rate is None else RateRecord(expected=rate.expected, low=rate.low, high=rate.high)
