"""Who may pass, as one gate holds it: `open_people` gives `People`, which looks up, keeps, erases and audits.

All methods block, some for long (`apply`, `calibrate`): call them in threads. Any thread may call any of them; a
look-up never waits for a change. Several gates of an agent, and the command line, may have one folder open at once:
each sees what another changed before its next look-up.
"""

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from edge.gate.api import Reason
from edge.gate.people.api import Consent, Counts, Identification, UnknownPerson
from edge.gate.people.audit import Audit, AuditEntry
from edge.gate.people.calibration import CalibrationRecord, CalibrationStore, InForce, Report, make_report
from edge.gate.people.clerk import Clerk
from edge.gate.people.consent import check_consent
from edge.gate.people.face_store import FaceStore
from edge.gate.people.gallery import Candidate, best_score, recognise
from edge.gate.people.keeping import Template, make_room, records_of
from edge.gate.people.memory import Memory
from edge.gate.people.migration import migrate
from edge.gate.people.roll_store import RollStore
from edge.gate.people.store import Vault, set_meta
from edge.gate.people.upkeep import expire, recalibrate
from models.api import Floats
from models.face.calibrate import Aim
from models.face.search import Metric
from wire.roll import CredentialKind, GateRule, Person, Roll, RollDelta


class People:
    """The people of a gate. Made by `open_people`; to be closed."""

    def __init__(
        self,
        vault: Vault,
        *,
        gate: str,
        model: str,
        metric: Metric,
        authors: float,
        clock_ms: Callable[[], int],
        demo: bool = False,
        upkeep_every_s: float = 60.0,
    ) -> None:
        self.vault = vault
        self.gate, self.model, self.metric, self.demo = gate, model, metric, demo
        self._authors = authors
        self._clock_ms = clock_ms
        self.roll, self.faces, self.audit = RollStore(vault), FaceStore(vault), Audit(vault)
        self.calibrations = CalibrationStore(vault, demo=demo)
        self._memory = Memory(
            vault, roll=self.roll, faces=self.faces, calibrations=self.calibrations, model=model, metric=metric,
            authors=authors,
        )  # fmt: skip
        self._listeners: list[Callable[[], object]] = []
        self._works: list[Callable[[], object]] = []
        self._erasers: list[Callable[[str], object]] = []
        self._calibrated_ms = 0
        self._reseal: Callable[[], object] | None = None
        self._memory.refresh()
        self._told = self._memory.change
        vault.scrub()
        self._clerk = Clerk(self._write_audit, self.upkeep, self._watch, every_s=upkeep_every_s)

    # what is held

    @property
    def revision(self) -> int:
        """The roll's revision; 0 before the first."""
        self._memory.refresh()
        return self._memory.revision

    @property
    def issued_ms(self) -> int | None:
        """When that revision was issued."""
        self._memory.refresh()
        return self._memory.issued_ms

    def counts(self) -> Counts:
        """Give figures."""
        by_model = self._memory.by_model()
        with self.vault.read() as db:
            people, with_face, faces, credentials = db.execute(
                "SELECT (SELECT count(*) FROM people), (SELECT count(DISTINCT person) FROM faces),"
                " (SELECT count(*) FROM faces), (SELECT count(*) FROM credentials)"
            ).fetchone()
        return Counts(
            people=people, with_face=with_face, faces=faces, credentials=credentials,
            by_model=by_model, damaged=self._memory.damaged, audit_waiting=self._clerk.waiting,
        )  # fmt: skip

    def person(self, person_id: str) -> Person | None:
        """Give somebody on the roll."""
        with self.vault.read() as db:
            return self.roll.person(db, person_id)

    def by_card(self, text: str, *, gate: str = "") -> Person | None:
        """Give whose card it is; None for nobody's, an expired one, or one that stands for several people."""
        return self._by(CredentialKind.CARD, text, gate)

    def by_pin(self, text: str, *, gate: str = "") -> Person | None:
        """Give whose PIN it is, likewise."""
        return self._by(CredentialKind.PIN, text, gate)

    def is_revoked(self, pass_id: str) -> bool:
        """Tell whether a visitor's pass was revoked."""
        with self.vault.read() as db:
            return self.roll.is_revoked(db, pass_id)

    def rule(self, gate: str) -> GateRule | None:
        """Give what the service says of a gate's checks."""
        with self.vault.read() as db:
            return self.roll.rule(db, gate)

    def everyone(self) -> list[tuple[Person, int]]:
        """Give all people on the roll, by id, with how many templates each has."""
        with self.vault.snapshot() as db:
            held = dict(db.execute("SELECT person, count(*) FROM faces GROUP BY person"))
            return [(one, int(held.get(one.id, 0))) for one in self.roll.people(db)]

    # faces

    def identify(self, template: Floats, *, model: str, gate: str = "") -> Identification:
        """Say whose face it is among all, 1:N, or that a card or a pass must come first. ValueError for no template."""
        force = self._memory.in_force(model)
        if force.threshold is None:
            found = Identification(person=None, reason=Reason.SECOND_WAY_NEEDED, mode="1:1 needed")
        else:
            candidates = self._memory.search(model, template, now_ms=self._clock_ms())
            found = recognise(candidates, self._memory.metric(model), force.threshold)
        self._note_match("identify", found, gate=gate)
        return found

    def verify(self, person_id: str, template: Floats, *, model: str, gate: str = "") -> Identification:
        """Say whether it is the face of one person, 1:1. UNKNOWN_FACE: they have none by this model."""
        now_ms = self._clock_ms()
        with self.vault.read() as db:
            held = [
                one for one in self.faces.of_person(db, person_id) if one.model == model and now_ms < one.expires_ms
            ]
        metric = self._memory.metric(model)
        score = best_score(metric, held, template)
        if score is None:
            found = Identification(person=None, reason=Reason.UNKNOWN_FACE, mode="1:1")
        elif metric.accepts(score, self.in_force(model).verify):
            found = Identification(person=person_id, score=score, mode="1:1")
        else:
            found = Identification(person=None, score=score, reason=Reason.FACE_OF_ANOTHER, mode="1:1")
        self._note_match("verify", found, gate=gate, about=person_id)
        return found

    def alike(self, template: Floats, *, model: str) -> tuple[Candidate, ...]:
        """Give the people who are most alike, for enrolment and for tests by staff; not a decision."""
        return self._memory.search(model, template, now_ms=self._clock_ms())

    def keep(
        self, person: str, templates: Sequence[Template], *, consent: Consent, by: str, what: str = "enrol"
    ) -> tuple[str, ...]:
        """Keep templates of somebody who consents; give their ids. The oldest go where there are too many.

        UnknownPerson, NoConsent, StoreFull.
        """
        now_ms = self._clock_ms()
        with self.vault.write() as db:
            known = self.roll.person(db, person)
            if known is None:
                raise UnknownPerson(f"nobody is on the roll as {person}")
            check_consent(consent, known, now_ms=now_ms)
            consent_id = self.vault.random_bytes(16).hex()
            new = records_of(
                person,
                templates,
                consent_id=consent_id,
                expires_ms=consent.expires_ms,
                now_ms=now_ms,
                origin=self.gate,
                random_bytes=self.vault.random_bytes,
            )
            self.faces.put_consent(db, consent_id, person, consent)
            self.faces.erase(db, make_room(self.faces.of_person(db, person), new), at_ms=now_ms)
            self.faces.put(db, new)
            figures: dict[str, float | str] = {"templates": float(len(new)), "consent": consent.text}
            self.audit.append(db, [self.entry(what, "kept", person=person, by=by, figures=figures)])
        self.settle()
        return tuple(one.id for one in new)

    def seen(self, person: str, *, old: Template, new: Template, by: str = "migration") -> bool:
        """Enrol somebody in a new model as they pass, where the old one recognises them with confidence.

        Both templates must be of one face in one picture. False, and nothing is kept, when the old model is not sure,
        when the new one knows them already, or finds somebody else too much like them.
        """
        return migrate(self, person, old=old, new=new, by=by)

    def erase(self, person: str, *, by: str) -> int:
        """Erase somebody's faces and consents at once: on disk, in memory, in the backup, and at the other gates.

        Give how many templates there were. They may be enrolled again, with new consent.
        """
        with self.vault.write() as db:
            count = self._erase(db, [person], by=by)
        self.settle([person])
        return count

    # changes from outside

    def apply(self, change: Roll | RollDelta) -> None:
        """Apply a roll or its changes, in one transaction; the faces of whoever is gone are erased with it.

        What was applied before changes nothing. RollMismatch: it does not follow what is held. StoreFull.
        """
        with self.vault.write() as db:
            gone = self.roll.apply(db, change)
            if gone is None:
                return
            self._erase(db, sorted(gone), by="roll")
            self.audit.append(
                db, [self.entry("roll", "applied", by="roll", figures={"revision": float(change.revision)})]
            )
        self.settle(sorted(gone))

    def upkeep(self) -> None:
        """Do what is due: erase what has expired, calibrate what has outgrown its calibration, seal the backup anew."""
        due = expire(self)
        self._calibrated_ms = recalibrate(self, last_ms=self._calibrated_ms)
        for work in self._works:
            work()
        if due and self._reseal is not None:
            self._reseal()

    def on_upkeep(self, work: Callable[[], object]) -> None:
        """Have `work` done with each upkeep, about every minute."""
        self._works.append(work)

    def on_erase(self, erase: Callable[[str], object]) -> None:
        """Have `erase` called with each person whose faces are erased."""
        self._erasers.append(erase)

    def on_change(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Have `listener` called, in whatever thread, after each change made here; what is given back ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def back_up_with(self, reseal: Callable[[], object]) -> None:
        """Have `reseal` called, in a thread of its own, soon after each erasure, until it has worked."""
        self._reseal = reseal
        self._clerk.nudge()

    # calibration

    def in_force(self, model: str) -> InForce:
        """Say which thresholds hold for a model now."""
        return self._memory.in_force(model)

    def calibration(self, model: str) -> CalibrationRecord | None:
        """Give the calibration of a model."""
        return self._memory.calibration(model)

    def calibrate(self, aim: Aim, *, by: str, strangers: Floats | None = None) -> Report:
        """Calibrate this gate's model at the present gallery, and put it in force. Blocking: seconds for thousands."""
        with self.vault.snapshot() as db:
            faces, _, _, _ = self.faces.since(db, 0)
        now_ms = self._clock_ms()
        report = make_report(
            [one for one in faces if one.model == self.model and now_ms < one.expires_ms],
            model=self.model, metric=self.metric, aim=aim, authors=self._authors, now_ms=now_ms, simulated=self.demo,
            strangers=strangers,
        )  # fmt: skip
        record = report.record
        with self.vault.write() as db:
            self.calibrations.put(db, record)
            figures = {"people": float(record.people), "asked": record.asked, "threshold": record.threshold or 0.0}
            self.audit.append(db, [self.entry("calibrate", record.method, by=by, figures=figures)])
        self._memory.refresh()
        return report

    def troubles(self) -> tuple[str, ...]:
        """Say what somebody should look after; empty when all is well."""
        counts, force = self.counts(), self.in_force(self.model)
        texts = {
            f"{counts.damaged} rows do not open with their key; restore the backup": counts.damaged > 0,
            f"{counts.with_face} people with faces: 100,000 must be filed with the authority": counts.near_filing,
            "the gallery has grown since it was calibrated: `linli gate calibrate`": force.stale,
            force.why: counts.with_face > 0 and force.threshold is None,
            f"{counts.audit_waiting} entries of the audit wait for the disk": counts.audit_waiting > 1000,  # noqa: PLR2004
            f"{self._clerk.lost} entries of the audit were lost": self._clerk.lost > 0,
        }
        return tuple(text for text, is_so in texts.items() if is_so)

    # housekeeping

    def note(self, entry: AuditEntry) -> None:
        """Put an entry into the audit, soon."""
        self._clerk.note(entry)

    def entry(
        self,
        what: str,
        outcome: str,
        *,
        person: str = "",
        by: str = "",
        gate: str = "",
        figures: Mapping[str, float | str] = MappingProxyType({}),
    ) -> AuditEntry:
        """Make an entry of this gate, now."""
        return AuditEntry(
            what=what,
            outcome=outcome,
            at_ms=self._clock_ms(),
            gate=gate or self.gate,
            person=person,
            by=by,
            figures=figures,
        )

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until the audit is on disk."""
        return self._clerk.flush(timeout_s)

    def settle(self, erased: Sequence[str] = ()) -> None:
        """Take a change of the database into memory, and tell those who listen; `erased` have no face any more."""
        self._memory.refresh()
        for person in erased:
            for erase in self._erasers:
                erase(person)
        if erased:
            self.vault.scrub()
            self._clerk.nudge()
        self._told = self._memory.change
        for listener in self._listeners:
            listener()

    def now_ms(self) -> int:
        """Give the time by the gate's clock."""
        return self._clock_ms()

    def close(self) -> None:
        """Write what waits, forget all templates, and close the database."""
        self._clerk.close()
        self._memory.forget()
        self.vault.close()

    def _by(self, kind: CredentialKind, text: str, gate: str) -> Person | None:
        self._memory.refresh()
        with self.vault.read() as db:
            holder = self.roll.holder(db, kind, text, now_ms=self._clock_ms())
            found = None if holder is None else self.roll.person(db, holder)
        outcome = "unknown" if found is None else "found"
        self._clerk.note(self.entry(kind.value, outcome, person="" if found is None else found.id, gate=gate))
        return found

    def _note_match(self, what: str, found: Identification, *, gate: str, about: str = "") -> None:
        figures: dict[str, float | str] = {"mode": found.mode}
        if found.score is not None:
            figures["score"] = round(found.score, 3)
        person = found.person or about
        self._clerk.note(self.entry(what, found.reason.value, person=person, gate=gate, figures=figures))

    def _watch(self) -> None:
        """Notice what another process changed: nothing that was erased stays in memory, and neighbours hear of it."""
        self._memory.refresh()
        if self._memory.change != self._told:
            self.settle()

    def _write_audit(self, entries: Sequence[AuditEntry]) -> None:
        with self.vault.write() as db:
            self.audit.append(db, entries)

    def _erase(self, db: sqlite3.Connection, people: Sequence[str], *, by: str) -> int:
        count = self.faces.erase_people(db, people, at_ms=self._clock_ms(), lasting=True)
        self.audit.append(db, [self.entry("erase", "erased", person=one, by=by) for one in people])
        if people:
            set_meta(db, "backup_due", "1")
        return count


def open_people(
    folder: Path,
    key_file: Path,
    *,
    gate: str,
    model: str,
    metric: Metric,
    authors: float,
    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    demo: bool = False,
) -> People:
    """Open or make the people of a gate, in `folder`; the key file is made at first use.

    `gate` is agent and gate, as `edge-1/north`; `model` is `models.store.identity` of the stack that describes faces,
    `metric` and `authors` its way of comparing and its authors' threshold. A folder is of real people or of a
    demonstration, for good. KeyRefused, StoreBroken, StoreFull.
    """
    vault = Vault(folder, key_file, demo=demo)
    try:
        return People(
            vault, gate=gate, model=model, metric=metric, authors=authors, clock_ms=clock_ms, demo=demo
        )  # fmt: skip
    except BaseException:
        vault.close()
        raise
