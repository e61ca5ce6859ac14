"""One look: from a visible and a thermal picture to a template, liveness, skin temperature and mask.

It is blocking and heavy: who has an event loop calls it in a thread. The clock is read only to say what stages took.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from edge.gate.api import CheckResult, Guidance, Reason
from edge.gate.config import EyesSettings, FeverSettings
from edge.gate.eyes import findings
from edge.gate.eyes.alignment import AlignmentWatch, Drift, visible_to_thermal
from edge.gate.eyes.guidance import guide, look_of, main_face
from edge.gate.eyes.heads import find_head
from edge.gate.eyes.hints import Hints
from edge.gate.eyes.misalignment import trusted
from edge.gate.eyes.ownership import Ownership
from edge.gate.eyes.steadiness import Steadiness
from models.api import Floats, ModelError, Picture, check_picture
from models.face.areas import search
from models.face.frame import FaceFrame, Matrix, chain, frame_of
from models.face.geometry import Box, Face, Points
from models.face.rendered import PERSON, draw_face
from models.face.selftest import self_test
from models.face.stack import FaceStack, StackOptions, make_stack
from models.manifest import Detector, Stack
from models.mask.cover import look_for_cover
from models.presence.warmth import Verdict, has_glasses, judge, look_for_warmth
from models.runtime import OnnxNetwork, RuntimeOptions
from models.store import default_folder, identity, require
from models.temperature.skin import Blackbody, measure_skin
from models.temperature.view import ThermalFace, check_thermal

THREADS = 2
"""How many threads share the detector's computation: as many as a gate's smallest machine has cores."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Glance:
    """What one look found. `box` is the nearest face in visible pixels; `template` is there when guidance is OK.

    `face_px` is the width of its box. `took_ms` has a figure for each stage, and `total`.
    """

    visible_number: int
    thermal_number: int | None
    faces: int
    box: Box | None
    face_px: float
    guidance: Guidance
    template: Floats | None = field(repr=False)
    model: str
    liveness: CheckResult
    temperature: CheckResult
    mask: CheckResult
    took_ms: Mapping[str, float]


class Eyes:
    """Looks. One caller at a time computes; others wait for it."""

    def __init__(self, *, stack: FaceStack, model: str, settings: EyesSettings, fever: FeverSettings) -> None:
        self._stack, self._model = stack, model
        self._settings, self._fever = settings, fever
        self._hints = Hints()
        self._steadiness = Steadiness()
        self._ownership = Ownership(stack.metric)
        self._watch = AlignmentWatch()
        self._turn = Lock()

    @property
    def stack(self) -> FaceStack:
        """What finds and describes faces, for enrolment by the same models."""
        return self._stack

    @property
    def model(self) -> str:
        """What makes the templates."""
        return self._model

    @property
    def drift(self) -> Drift:
        """Whether the thermal picture still lies where the alignment has it."""
        return self._watch.drift

    def warm_up(self) -> None:
        """Run everything once on a drawn person, so that the first real one waits for no allocation."""
        picture = np.full((480, 640, 3), 128, dtype=np.uint8)
        picture[80:400, 160:480] = draw_face(PERSON)
        with self._turn:
            for _ in range(2):  # everywhere, and by a hint
                self._look(picture, np.full((120, 160), 30.0, dtype=np.float32), 0, None)
            self._hints, self._steadiness = Hints(), Steadiness()

    def look(
        self,
        visible: Picture,
        thermal: npt.NDArray[np.float32] | None,
        *,
        visible_number: int = 0,
        thermal_number: int | None = None,
        visible_s: float | None = None,
        thermal_s: float | None = None,
    ) -> Glance:
        """Look once; BadPicture for what is no picture, ModelError when a network fails, BadAlignment.

        With the times of both pictures (of one clock), nothing is said of warmth that is older than this face here.
        """
        check_picture(visible)
        if thermal is not None:
            check_thermal(thermal)
        with self._turn:
            glance = self._look(visible, thermal, visible_number, thermal_number)
            if visible_s is None:
                return glance
            self._ownership.saw(glance.template, visible_s)
            if glance.template is None or thermal_s is None:
                return glance
            return replace(
                glance,
                liveness=self._ownership.of_this_face(glance.liveness, thermal_s),
                temperature=self._ownership.of_this_face(glance.temperature, thermal_s),
            )

    def _look(self, visible: Picture, thermal: Floats | None, number: int, thermal_number: int | None) -> Glance:
        watch = _StopWatch()
        matrix = None if thermal is None else self._alignment(visible, thermal)
        hint = self._hints.area(visible, thermal, matrix)
        watch.lap("hints")
        found = search(self._stack, visible, hint.area) if hint.search else None
        faces = self._hints.after(found)
        watch.lap("detect")
        main = main_face(faces)
        points, frame = self._placed(visible, main)
        watch.lap("landmarks")
        guidance = guide(
            faces,
            frame=frame,
            look=None if main is None else look_of(visible, main.box),
            stack=self._stack.name,
            smallest=self._settings.smallest_face,
            warm=hint.warm,
        )
        watch.lap("guidance")
        steady = self._steadiness.saw(frame)
        liveness, temperature, mask = self._check(visible, thermal, matrix, frame, watch, steady=steady)
        template = None
        if guidance is Guidance.OK and points is not None:
            chip = self._stack.chip(visible, points)
            watch.lap("chip")
            template = self._stack.describe(chip)
            watch.lap("describe")
        return Glance(
            visible_number=number,
            thermal_number=thermal_number,
            faces=len(faces),
            box=None if main is None else main.box,
            face_px=0.0 if main is None else main.box.width,
            guidance=guidance,
            template=template,
            model=self._model,
            liveness=liveness,
            temperature=temperature,
            mask=mask,
            took_ms=watch.finished(),
        )

    def _alignment(self, visible: Picture, thermal: Floats) -> Matrix:
        align = None if self._settings.thermal is None else self._settings.thermal.align
        rows, columns = thermal.shape
        return visible_to_thermal(align, (visible.shape[0], visible.shape[1]), (rows, columns))

    def _placed(self, visible: Picture, face: Face | None) -> tuple[Points | None, FaceFrame | None]:
        if face is None:
            return None, None
        points = self._stack.landmarks(visible, face)
        try:
            return points, frame_of(self._stack.name, points)
        except ModelError:  # landmarks that coincide: a face that cannot be placed is told to look straight
            return None, None

    def _check(
        self,
        visible: Picture,
        thermal: Floats | None,
        matrix: Matrix | None,
        frame: FaceFrame | None,
        watch: "_StopWatch",
        *,
        steady: bool,
    ) -> tuple[CheckResult, CheckResult, CheckResult]:
        if frame is None:
            self._watch.gone()
            nobody = Reason.NOBODY
            return findings.unseen(nobody, thermal=Reason.NO_THERMAL_CAMERA if thermal is None else nobody)
        liveness, temperature, _ = findings.unseen(Reason.NOBODY, thermal=Reason.NO_THERMAL_CAMERA)
        if thermal is not None and matrix is not None:
            face = ThermalFace.of(thermal, chain(frame.matrix(), matrix))
            warmth = look_for_warmth(face)
            verdict = judge(warmth)
            if warmth is not None and verdict is Verdict.LIVING and steady:
                self._watch.saw(warmth.shift)
            elif steady and (elsewhere := find_head(face)) is not None:
                self._watch.saw(elsewhere.x, elsewhere.y)
            liveness = findings.timed(findings.liveness(verdict, warmth, steady=steady), watch.lap("liveness"))
            if warmth is not None:
                face = face.shifted(warmth.shift, 0.0)
            rows, columns = thermal.shape
            skin = measure_skin(face, self._blackbody())
            temperature = findings.timed(
                findings.temperature(skin, self._fever, (rows, columns), glasses=has_glasses(warmth)),
                watch.lap("temperature"),
            )
        liveness, temperature = (trusted(one, self._watch.drift) for one in (liveness, temperature))
        mask = findings.mask(look_for_cover(visible, frame))
        return liveness, temperature, findings.timed(mask, watch.lap("mask"))

    def _blackbody(self) -> Blackbody | None:
        thermal = self._settings.thermal
        if thermal is None or thermal.blackbody is None or thermal.blackbody_c is None:
            return None
        left, top, width, height = thermal.blackbody
        return Blackbody(left=left, top=top, width=width, height=height, celsius=thermal.blackbody_c)


class _StopWatch:
    """What each stage took."""

    def __init__(self) -> None:
        self._begun = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> timedelta:
        """End a stage."""
        now = time.perf_counter()
        took, self._last = now - self._last, now
        self._laps[stage] = round(took * 1000, 3)
        return timedelta(seconds=took)

    def finished(self) -> dict[str, float]:
        """Give all stages, and the whole."""
        return {**self._laps, "total": round((time.perf_counter() - self._begun) * 1000, 3)}


def open_eyes(settings: EyesSettings, fever: FeverSettings, *, models_folder: Path | None = None) -> Eyes:
    """Load the models, refuse those that fail the self-test, warm up; ModelError says what to do.

    Without a folder: the settings', or the place where `linli models` puts them.
    """
    folder = models_folder
    if folder is None:
        folder = Path(settings.models) if settings.models is not None else default_folder(os.environ, Path.home())
    name = Stack(settings.stack)
    detector = None if settings.detector is None else Detector(settings.detector)
    files = require(name, folder, detector)
    threads = RuntimeOptions(threads=min(THREADS, os.cpu_count() or 1))
    options = StackOptions(detector=detector, smallest=max(80, settings.smallest_face))
    stack = make_stack(name, files, lambda file: OnnxNetwork(file, threads), options)
    if problems := self_test(stack):
        raise ModelError(f"the {name.value} models do not pass their self-test: {'; '.join(problems)}")
    eyes = Eyes(stack=stack, model=identity(name), settings=settings, fever=fever)
    eyes.warm_up()
    return eyes
