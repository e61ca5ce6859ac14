"""What the gate needs of its neighbours, as it uses them: cameras, eyes, the roll with its faces, passes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from edge.gate.api import CheckResult, Guidance, Reason, Way
from edge.gate.eyes.alignment import Drift
from edge.gate.people.api import Counts, Identification
from models.api import Floats, Picture
from models.face.geometry import Box
from models.face.search import Metric
from wire.roll import GateRule, Person, VisitorPass

Warmth = npt.NDArray[np.float32]
"""A thermal picture: (rows, columns), °C."""


class Frame(Protocol):
    """One visible picture; `at_s` is the monotonic time at which it was complete."""

    @property
    def image(self) -> Picture:
        """BGR; shared, so nobody writes into it."""
        ...

    @property
    def number(self) -> int:
        """Counts from 1."""
        ...

    @property
    def at_s(self) -> float:
        """Monotonic time of its arrival, in seconds."""
        ...


@runtime_checkable
class VisibleCamera(Protocol):
    """A camera of `drivers.camera`."""

    def latest(self, *, max_age: timedelta | None = None) -> Frame | None:
        """Give the newest picture that is young enough."""
        ...

    async def wait_newer(self, than: int = 0) -> Frame:
        """Wait for a newer picture."""
        ...


class ThermalFrame(Protocol):
    """One thermal picture."""

    @property
    def temperatures(self) -> Warmth:
        """(rows, columns), °C; shared."""
        ...

    @property
    def at_s(self) -> float:
        """Monotonic time at which it was taken at the earliest."""
        ...


@runtime_checkable
class ThermalCamera(Protocol):
    """A radiometric camera or a thermal array."""

    def latest(self) -> ThermalFrame | None:
        """Give the newest picture."""
        ...


class Glance(Protocol):
    """What one look saw (`edge.gate.eyes.look.Glance`)."""

    @property
    def visible_number(self) -> int:
        """The picture that was looked at."""
        ...

    @property
    def faces(self) -> int:
        """How many were found."""
        ...

    @property
    def box(self) -> Box | None:
        """Where the face is, in visible pixels."""
        ...

    @property
    def guidance(self) -> Guidance:
        """What the person should do."""
        ...

    @property
    def template(self) -> Floats | None:
        """The face, where it is clear enough."""
        ...

    @property
    def model(self) -> str:
        """Which model made the template."""
        ...

    @property
    def liveness(self) -> CheckResult:
        """What was seen of life."""
        ...

    @property
    def temperature(self) -> CheckResult:
        """What was measured."""
        ...

    @property
    def mask(self) -> CheckResult:
        """Whether one is worn."""
        ...

    @property
    def took_ms(self) -> Mapping[str, float]:
        """Each stage."""
        ...


class Looks(Protocol):
    """What looks; one caller at a time, in a thread."""

    def look(
        self,
        visible: Picture,
        thermal: Warmth | None,
        *,
        visible_number: int = 0,
        thermal_number: int | None = None,
        visible_s: float | None = None,
        thermal_s: float | None = None,
    ) -> Glance:
        """Look once; the times of the pictures tell whether the warmth is this face's own."""
        ...


class Sight(Looks, Protocol):
    """What looks by both cameras (`edge.gate.eyes.look.Eyes`)."""

    @property
    def drift(self) -> Drift:
        """Whether the thermal picture still lies where the alignment has it."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class FormerModels:
    """The models before the present ones, and how their templates are compared, while people are moved."""

    sight: Looks
    metric: Metric


class Roster(Protocol):
    """Who may pass, with faces (`edge.gate.people`). Methods block."""

    @property
    def revision(self) -> int:
        """Of the roll in force; 0 before the first."""
        ...

    @property
    def issued_ms(self) -> int | None:
        """When the service made it."""
        ...

    def counts(self) -> Counts:
        """Count."""
        ...

    def person(self, person_id: str) -> Person | None:
        """Give somebody."""
        ...

    def by_card(self, text: str) -> Person | None:
        """Find whose card it is."""
        ...

    def by_pin(self, text: str) -> Person | None:
        """Find whose PIN it is."""
        ...

    def rule(self, gate: str) -> GateRule | None:
        """Give what the service says of a gate's checks."""
        ...

    def identify(self, template: Floats, *, model: str) -> Identification:
        """Find whose face it is."""
        ...

    def verify(self, person_id: str, template: Floats, *, model: str) -> Identification:
        """Compare a face with one person's."""
        ...


class JudgedPass(Protocol):
    """What a pass is worth here and now."""

    @property
    def visitor(self) -> VisitorPass | None:
        """The pass, where it is genuine."""
        ...

    @property
    def reason(self) -> Reason:
        """OK, or why not."""
        ...


class Passes(Protocol):
    """The visitor passes (`edge.gate.passes`). Methods block."""

    def judge(self, text: str, *, gate: str, area: str, now_ms: int, clock_trusted: bool) -> JudgedPass:
        """Judge a pass without any network."""
        ...

    def consume(self, pass_id: str, at_ms: int) -> bool:
        """Use it once, durably; False when it is used up."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Presented:
    """What somebody shows the gate. `text` is a card's number, a pass or a PIN, and a secret; `at_s` is monotonic.

    `picture` is what `glance` was taken from, for models before these.
    """

    way: Way
    at_s: float
    text: str = field(default="", repr=False)
    glance: Glance | None = None
    picture: Picture | None = field(default=None, repr=False)
