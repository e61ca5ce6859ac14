"""What a gate keeps in memory of its database, so that a look-up waits for no disk; it follows every change."""

import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import replace

from edge.gate.people.calibration import CalibrationRecord, CalibrationStore, InForce, SimulatedCalibration, in_force
from edge.gate.people.face_store import FaceStore
from edge.gate.people.gallery import Candidate, Faces
from edge.gate.people.roll_store import RollStore
from edge.gate.people.store import Vault, meta_number
from models.api import Floats
from models.face.search import Metric

_MANY = 200
"""So many erased templates are forgotten sooner by reading all others anew."""


_AT_ONCE = 2000


class Memory:
    """The gallery, the calibrations and the roll's revision. Any thread may use it."""

    def __init__(
        self,
        vault: Vault,
        *,
        roll: RollStore,
        faces: FaceStore,
        calibrations: CalibrationStore,
        model: str,
        metric: Metric,
        authors: float,
    ) -> None:
        self._vault, self._roll, self._faces, self._calibrations = vault, roll, faces, calibrations
        self._model, self._metric, self._authors = model, metric, authors
        self._gallery = Faces()
        self._lock = threading.Lock()
        self._version, self._seq, self.change = -1, 0, -1
        self._records: dict[str, CalibrationRecord] = {}
        self._refused = ""
        self._sizes: dict[str, int] = {}
        self.damaged = 0
        self.revision = 0
        self.issued_ms: int | None = None

    def refresh(self) -> None:
        """Take over what was written since, by whomever."""
        with self._lock:
            version = self._vault.version()
            if version == self._version:
                return
            with self._vault.read() as db:
                change = meta_number(db, "seq") or 0
                if change == self.change:
                    self._version = version  # the audit, no more
                    return
                self._vault.follow_key()
                _, self.revision, self.issued_ms = self._roll.state(db)
                self._load(db)
                try:
                    self._records = {one.model: one for one in self._calibrations.all(db)}
                    self._refused = ""
                except SimulatedCalibration as error:
                    self._records, self._refused = {}, str(error)
            self._version, self.change = version, change
            self._sizes = {model: self._gallery.people(model) for model in self._gallery.by_model()}

    def _load(self, db: sqlite3.Connection) -> None:
        """Load faces part by part, so that no second copy of all is ever in memory."""
        anew = self._seq == 0
        while True:
            faces, gone, seq, damaged = self._faces.since(db, self._seq, most=_AT_ONCE)
            if len(gone) > _MANY and not anew:
                self._gallery.clear()
                self._seq, self.damaged, anew = 0, 0, True
                continue
            self._gallery.drop(gone)
            self.damaged += damaged + self._gallery.take(faces)
            self._seq = seq
            if len(faces) + damaged < _AT_ONCE:
                return

    def search(self, model: str, template: Floats, *, now_ms: int) -> tuple[Candidate, ...]:
        """Give the people who are most alike, the best first; ValueError for what is no template of this model."""
        self.refresh()
        return self._gallery.search(model, template, now_ms=now_ms)

    def in_force(self, model: str) -> InForce:
        """Say which thresholds hold for a model now."""
        self.refresh()
        record = self._records.get(model)
        authors = self._authors if model == self._model or record is None else record.verify
        force = in_force(record, people=self._sizes.get(model, 0), authors=authors)
        return replace(force, why=self._refused) if self._refused else force

    def calibration(self, model: str) -> CalibrationRecord | None:
        """Give the calibration of a model."""
        self.refresh()
        return self._records.get(model)

    def metric(self, model: str) -> Metric:
        """Say how templates of a model are compared."""
        return self._metric if model == self._model else (self._gallery.metric(model) or self._metric)

    def by_model(self) -> Mapping[str, int]:
        """Count templates by model."""
        self.refresh()
        return self._gallery.by_model()

    def forget(self) -> None:
        """Overwrite all templates."""
        with self._lock:
            self._gallery.clear()
