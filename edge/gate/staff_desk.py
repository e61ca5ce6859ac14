"""What staff can do at the kiosk once they have logged in: enrol, test, open, erase, look. Everything is audited."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.gate.api import Guidance, Reason, Standing, Way
from edge.gate.door import OpeningOutcome
from edge.gate.gate import Gate
from edge.gate.house import Gatehouse
from edge.gate.kiosk.api import (
    CameraLine,
    ConsentGiven,
    EnrolOutcome,
    EnrolResult,
    Flaw,
    GateStatus,
    Measure,
    Opening,
    OpenOutcome,
    PersonLine,
    Quality,
    Sight,
    Taken,
)
from edge.gate.lookout import Seen
from edge.gate.people.api import DAY_MS, AlreadyEnrolled, Consent, NoConsent, NotGoodEnough, PeopleError, UnknownPerson
from edge.gate.people.enrolment import DIFFERENT_PEOPLE, Enrolment, QualityReport
from edge.gate.people.people import People
from models.api import ModelError, Picture
from models.face.quality import Flaw as Found
from models.face.quality import Limits
from models.face.search import Metric
from wire.roll import Person

CONSENT_MS = 365 * DAY_MS
"""How long consent given at the kiosk lasts: people are asked again after a year."""
_KEEPS_S = 300.0
_MOST_TAKEN = 12
_MOST_FOUND = 50
_OLD_S = 2.0
_FLAWS: Mapping[Found, Flaw] = {
    Found.NO_FACE: Flaw.NO_FACE,
    Found.SEVERAL_FACES: Flaw.SEVERAL_FACES,
    Found.TOO_SMALL: Flaw.TOO_SMALL,
    Found.CUT_OFF: Flaw.CUT_OFF,
    Found.BLURRED: Flaw.BLURRED,
    Found.TURNED: Flaw.TURNED,
    Found.TILTED: Flaw.TURNED,
    Found.TOO_DARK: Flaw.TOO_DARK,
    Found.TOO_BRIGHT: Flaw.TOO_BRIGHT,
    Found.FLAT: Flaw.UNEVEN_LIGHT,
    Found.ONE_SIDED: Flaw.UNEVEN_LIGHT,
}
_OPENINGS = {
    OpeningOutcome.CONFIRMED: OpenOutcome.OPENED,
    OpeningOutcome.UNKNOWN: OpenOutcome.UNCONFIRMED,
    OpeningOutcome.FAILED: OpenOutcome.REFUSED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    picture: Picture
    at_s: float


class StaffDesk:
    """A `Staff` over a gate that runs. `enrolment` is None where the gate has no models; `models` are those in use."""

    def __init__(
        self,
        gate: Gate,
        house: Gatehouse,
        *,
        enrolment: Enrolment | None,
        metric: Metric,
        models: tuple[str, ...],
        waiting: Callable[[], int],
    ) -> None:
        self._gate = gate
        self._house = house
        self._enrolment = enrolment
        self._metric = metric
        self._models = models
        self._waiting = waiting
        self._taken: dict[str, _Kept] = {}

    @property
    def _people(self) -> People:
        return self._house.people

    async def find(self, text: str, *, by: str) -> tuple[PersonLine, ...]:
        """Give people whose id or name has `text` in it."""
        wanted = text.strip().casefold()
        everyone = await asyncio.to_thread(self._people.everyone)
        found = [
            _line(person, faces)
            for person, faces in everyone
            if wanted in person.name.casefold() or wanted in person.id.casefold()
        ]
        self._people.note(self._people.entry("find", "found" if found else "nobody", by=by))
        return tuple(sorted(found, key=lambda one: (one.name, one.id))[:_MOST_FOUND])

    async def quality(self) -> Quality:
        """Judge what the camera sees now."""
        return (await self._look())[0]

    async def take(self, *, by: str) -> Taken:
        """Take a picture for an enrolment."""
        quality, seen = await self._look()
        taken = Taken(id=self._house.new_id(), quality=quality)
        self._forget()
        if quality.good and seen is not None:
            while len(self._taken) >= _MOST_TAKEN:
                del self._taken[next(iter(self._taken))]
            self._taken[taken.id] = _Kept(picture=seen.frame.image, at_s=time.monotonic())
        self._people.note(self._people.entry("take", "good" if quality.good else "not_good_enough", by=by))
        return taken

    async def drop(self, taken: tuple[str, ...]) -> None:
        """Forget pictures."""
        for one in taken:
            self._taken.pop(one, None)

    async def enrol(self, person: str, taken: tuple[str, ...], consent: ConsentGiven, *, by: str) -> EnrolResult:
        """Make templates of the pictures and forget these, whatever comes of it."""
        self._forget()
        kept = [self._taken.pop(one, None) for one in taken]
        pictures = [one.picture for one in kept if one is not None]
        if self._enrolment is None:
            return EnrolResult(outcome=EnrolOutcome.FAILED)
        if not pictures or len(pictures) < len(taken):
            return EnrolResult(outcome=EnrolOutcome.PICTURES_GONE)
        now_ms = self._house.clock_ms()
        given = Consent(
            given_ms=now_ms,
            expires_ms=now_ms + CONSENT_MS,
            text=f"{consent.wording}/{consent.language}",
            given_by=consent.guardian or person,
            guardian=consent.guardian,
        )
        try:
            await asyncio.to_thread(self._enrolment.enrol, person, pictures, consent=given, by=by)
        except (PeopleError, ModelError) as error:
            return await self._refused(error)
        return EnrolResult(outcome=EnrolOutcome.ENROLLED)

    async def _refused(self, error: PeopleError | ModelError) -> EnrolResult:
        match error:
            case AlreadyEnrolled():
                other = await asyncio.to_thread(self._people.person, error.person)
                return EnrolResult(outcome=EnrolOutcome.SOMEBODY_ELSE, other="" if other is None else other.name)
            case NotGoodEnough():
                return EnrolResult(
                    outcome=EnrolOutcome.NOT_GOOD_ENOUGH, flaws=tuple(_flaw(reason) for reason in error.reasons)
                )
            case UnknownPerson():
                return EnrolResult(outcome=EnrolOutcome.NOT_ON_ROLL)
            case NoConsent():
                return EnrolResult(outcome=EnrolOutcome.NOT_ASKED)
            case _:
                return EnrolResult(outcome=EnrolOutcome.FAILED)

    async def test(self, *, by: str) -> Sight:
        """Say whom the gate sees now."""
        seen = self._seen()
        if seen is None:
            return Sight(guidance=Guidance.NONE, faces=0, reason=Reason.NO_CAMERA)
        glance = seen.glance
        if glance.template is None:
            return Sight(
                guidance=glance.guidance,
                faces=glance.faces,
                reason=Reason.FACE_NOT_CLEAR,
                liveness=glance.liveness,
                temperature=glance.temperature,
                mask=glance.mask,
            )
        found = await asyncio.to_thread(self._people.identify, glance.template, model=glance.model)
        person = None if found.person is None else await asyncio.to_thread(self._people.person, found.person)
        self._people.note(self._people.entry("test", found.reason.value, person=found.person or "", by=by))
        return Sight(
            guidance=glance.guidance,
            faces=glance.faces,
            person=None if person is None else _line(person, 1),
            reason=found.reason,
            score=found.score,
            second=found.second,
            threshold=self._people.in_force(glance.model).threshold,
            closer_is_better=self._metric is Metric.DISTANCE,
            mode=found.mode,
            liveness=glance.liveness,
            temperature=glance.temperature,
            mask=glance.mask,
            took_ms=glance.took_ms.get("total", 0.0),
        )

    async def open_door(self, why: str, *, by: str) -> Opening:
        """Open the door once."""
        opening = await self._gate.open_by_hand(Way.STAFF, by=f"{by}: {why}" if why else by)
        outcome = _OPENINGS[opening.outcome]
        return Opening(outcome=outcome, reason=Reason.DOOR_FAULT if outcome is OpenOutcome.REFUSED else Reason.OK)

    async def erase(self, person: str, *, by: str) -> int:
        """Erase all templates of a person at once."""
        return await asyncio.to_thread(self._people.erase, person, by=by)

    async def status(self) -> GateStatus:
        """Give what staff should know."""
        house, front = self._house, self._gate.front
        people = self._people
        counts = await asyncio.to_thread(people.counts)
        revision, issued_ms = await asyncio.to_thread(lambda: (people.revision, people.issued_ms))
        force = people.in_force(self._models[0]) if self._models else None
        troubles = front.troubles()
        return GateStatus(
            now_ms=house.clock_ms(),
            clock_trusted=house.clock_trusted(),
            time_source=house.time_quality(),
            cameras=self._cameras(),
            models=self._models,
            threshold=None if force is None else force.threshold,
            mode="1:1 needed" if force is None or force.threshold is None else "1:N",
            roll_revision=revision or None,
            roll_issued_ms=issued_ms,
            roll_stale=Reason.LIST_TOO_OLD in troubles,
            people=counts.people,
            faces=counts.with_face,
            door=front.board.state.door,
            fire=front.board.state.fire,
            connected=house.connected(),
            waiting=self._waiting(),
            troubles=troubles,
        )

    def _cameras(self) -> tuple[CameraLine, ...]:
        eyes, lookout = self._gate.settings.eyes, self._gate.lookout
        if eyes is None or lookout is None:
            return ()
        seen = lookout.seen
        age_s = None if seen is None else self._house.monotonic() - seen.frame.at_s
        size = "" if seen is None else f"{seen.frame.image.shape[1]}x{seen.frame.image.shape[0]}"
        lines = [CameraLine(name=eyes.camera, thermal=False, good=not lookout.camera_lost, age_s=age_s, size=size)]
        if eyes.thermal is not None:
            age_s = lookout.thermal_age_s
            lines.append(CameraLine(name=eyes.thermal.device, thermal=True, good=not lookout.thermal_lost, age_s=age_s))
        return tuple(lines)

    def _seen(self) -> Seen | None:
        seen = None if self._gate.lookout is None else self._gate.lookout.seen
        return seen if seen is not None and self._house.monotonic() - seen.at_s <= _OLD_S else None

    async def _look(self) -> tuple[Quality, Seen | None]:
        seen = self._seen()
        if seen is None or self._enrolment is None:
            return Quality(flaws=(Flaw.NO_CAMERA,)), None
        try:
            report = await asyncio.to_thread(self._enrolment.check, seen.frame.image)
        except ModelError:
            return Quality(flaws=(Flaw.OTHER,)), None
        flaws = tuple(dict.fromkeys(_FLAWS[flaw] for flaw in report.flaws))
        if seen.glance.liveness.standing is Standing.FAILED:
            flaws = (*flaws, Flaw.NOT_ALIVE)
        return Quality(flaws=flaws, measures=_measures(report)), seen

    def _forget(self) -> None:
        now = time.monotonic()
        self._taken = {key: one for key, one in self._taken.items() if now - one.at_s <= _KEEPS_S}


def _line(person: Person, faces: int) -> PersonLine:
    return PersonLine(
        id=person.id,
        name=person.name,
        kind=person.kind.value,
        minor=person.minor,
        asked=person.face,
        enrolled=faces > 0,
        blocked=person.blocked,
    )


def _flaw(reason: str) -> Flaw:
    if reason == DIFFERENT_PEOPLE:
        return Flaw.NOT_THE_SAME
    return _FLAWS[Found(reason)] if reason in set(Found) else Flaw.OTHER


def _measures(report: QualityReport) -> tuple[Measure, ...]:
    """Give the figures of a picture beside what they should be."""
    found, limits = report.quality, Limits()
    if found is None:
        return ()
    at_least = (
        (Flaw.TOO_SMALL, found.face_px, limits.face_px, "px"),
        (Flaw.BLURRED, found.sharpness, limits.sharpness, ""),
        (Flaw.TOO_DARK, found.brightness, limits.darkest, ""),
        (Flaw.UNEVEN_LIGHT, found.contrast, limits.contrast, ""),
    )
    at_most = (
        (Flaw.TURNED, abs(found.turn), limits.turn, ""),
        (Flaw.TOO_BRIGHT, found.brightness, limits.brightest, ""),
    )
    return (
        *(Measure(name=n, value=v, limit=limit, good=v >= limit, unit=unit) for n, v, limit, unit in at_least),
        *(Measure(name=n, value=v, limit=limit, good=v <= limit, unit=unit) for n, v, limit, unit in at_most),
    )
