"""Enrolment: pictures in, templates kept; with a gate of quality, and nobody twice. No picture outlives the call."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.gate.people.api import AlreadyEnrolled, Consent, Enrolled, NotGoodEnough, UnknownPerson
from edge.gate.people.consent import check_consent
from edge.gate.people.keeping import Template
from edge.gate.people.people import People
from models.api import Floats, ModelError, Picture
from models.face.geometry import Face
from models.face.quality import Flaw, Limits, Quality, flaws, measure_quality
from models.face.search import compare
from models.face.stack import FaceStack

DIFFERENT_PEOPLE = "different_people"
"""The pictures do not all show one person."""
MOST_PICTURES = 5
_BYSTANDER = 0.35
"""A face with less than this part of the largest one's width stands far behind, and is no second person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityReport:
    """What one picture is good for; `template` only where nothing is wrong with it."""

    flaws: tuple[Flaw, ...]
    faces: int
    face: Face | None = None
    quality: Quality | None = None
    template: Floats | None = field(default=None, repr=False)

    @property
    def good(self) -> bool:
        """Whether it can be enrolled."""
        return not self.flaws


class Enrolment:
    """Enrols into one gate's people by one stack. Blocking; one caller at a time, as the stack."""

    def __init__(self, *, people: People, stack: FaceStack, model: str, limits: Limits | None = None) -> None:
        self._people = people
        self._stack = stack
        self._model = model
        self._limits = limits if limits is not None else Limits()

    def check(self, picture: Picture) -> QualityReport:
        """Look at a picture; BadPicture when it is none."""
        found = self._stack.detect(picture)
        if not found:
            return QualityReport(flaws=(Flaw.NO_FACE,), faces=0)
        largest = max(found, key=lambda face: face.box.area)
        near = [one for one in found if one.box.width >= _BYSTANDER * largest.box.width]
        if len(near) > 1:
            return QualityReport(flaws=(Flaw.SEVERAL_FACES,), faces=len(near), face=largest)
        try:
            landmarks = self._stack.landmarks(picture, largest)
            chip = self._stack.chip(picture, landmarks)
            quality = measure_quality(picture, largest.box, landmarks, chip, self._stack.name)
        except (ModelError, ValueError):  # landmarks that make no face
            return QualityReport(flaws=(Flaw.TURNED,), faces=1, face=largest)
        wrong = flaws(quality, self._limits)
        template = None if wrong else self._stack.describe(chip)
        return QualityReport(flaws=wrong, faces=1, face=largest, quality=quality, template=template)

    def enrol(
        self, person: str, pictures: Sequence[Picture], *, consent: Consent, by: str, although: str | None = None
    ) -> Enrolled:
        """Enrol somebody by one to five pictures, each of them good.

        `although` names the one other person whom they may be taken for (a twin); both then need a second way.
        UnknownPerson, NoConsent, NotGoodEnough, AlreadyEnrolled; then nothing is kept.
        """
        known = self._people.person(person)
        if known is None:
            raise UnknownPerson(f"nobody is on the roll as {person}")
        check_consent(consent, known, now_ms=self._people.now_ms())
        if not 1 <= len(pictures) <= MOST_PICTURES:
            raise NotGoodEnough((f"from one to {MOST_PICTURES} pictures",))
        reports = [self.check(picture) for picture in pictures]
        wrong = dict.fromkeys(flaw.value for report in reports for flaw in report.flaws)
        if wrong:
            self._people.note(self._people.entry("enrol", "not_good_enough", person=person, by=by))
            raise NotGoodEnough(tuple(wrong))
        templates = [report.template for report in reports if report.template is not None]
        limit = self._people.in_force(self._model).verify
        metric = self._stack.metric
        alike = tuple(
            compare(metric, one, other) for number, one in enumerate(templates) for other in templates[number + 1 :]
        )
        if not all(metric.accepts(score, limit) for score in alike):
            raise NotGoodEnough((DIFFERENT_PEOPLE,))
        self._check_new(person, templates, limit=limit, although=although, by=by)
        faces = self._people.keep(
            person,
            [Template(model=self._model, metric=metric, values=one) for one in templates],
            consent=consent,
            by=by,
        )
        return Enrolled(person=person, faces=faces, expires_ms=consent.expires_ms, alike=alike)

    def _check_new(
        self, person: str, templates: Sequence[Floats], *, limit: float, although: str | None, by: str
    ) -> None:
        """Refuse a face that is somebody else's already: as alike as 1:1 asks, or as the search accepts."""
        for template in templates:
            for other in self._people.alike(template, model=self._model):
                if other.person in {person, although} or not self._stack.metric.accepts(other.score, limit):
                    continue
                self._people.note(self._people.entry("enrol", "already_enrolled", person=other.person, by=by))
                raise AlreadyEnrolled(other.person, other.score)
