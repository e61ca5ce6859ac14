"""A gate and its staff that play what a test says, and the real kiosk served over them in a thread of its own."""

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from argon2 import PasswordHasher

from edge.gate.api import Check, CheckResult, Guidance, Reason, Way
from edge.gate.config import KioskSettings
from edge.gate.kiosk.api import (
    CameraLine,
    ConsentGiven,
    DoorShown,
    EnrolOutcome,
    EnrolResult,
    FaceBox,
    Flaw,
    GateStatus,
    KioskFacts,
    KioskState,
    Measure,
    Opening,
    OpenOutcome,
    PersonLine,
    Picture,
    Quality,
    Sight,
    StaffCall,
    Taken,
)
from edge.gate.kiosk.server import serve_kiosk
from edge.gate.kiosk.staff_file import put_staff

FACTS = KioskFacts(
    gate="north",
    label_zh="北门人行通道",
    label_en="North gate, footway",
    community_zh="阳光花园",
    community_en="Sunshine Garden",
    thermal=True,
)
BOX = FaceBox(left=0.34, top=0.2, width=0.24, height=0.42)
LOGIN, PASSWORD, NAME = "wang", "four unrelated words", "王建国"
PEOPLE = (
    PersonLine(id="r-1001", name="李明", kind="resident", asked=True),
    PersonLine(id="r-1002", name="陈思雨", kind="household", asked=True, minor=True),
    PersonLine(id="r-1003", name="Maria Santos", kind="resident", asked=True, enrolled=True),
    PersonLine(id="r-1004", name="赵强", kind="resident"),
    PersonLine(id="s-0007", name="孙师傅", kind="staff", asked=True, blocked=True),
)


def drawn_face(number: int) -> bytes:
    """Draw somebody before a wall, a little elsewhere in each picture; a red mark on the left shows the mirror."""
    picture = np.full((360, 480, 3), (196, 186, 172), np.uint8)
    cv2.rectangle(picture, (0, 250), (480, 360), (120, 128, 138), -1)
    cv2.circle(picture, (40, 60), 18, (40, 40, 200), -1)
    x = 220 + number % 7
    cv2.ellipse(picture, (x, 345), (120, 90), 0, 180, 360, (96, 74, 52), -1)
    cv2.ellipse(picture, (x, 150), (58, 76), 0, 0, 360, (150, 180, 222), -1)
    cv2.ellipse(picture, (x, 108), (62, 46), 0, 180, 360, (38, 34, 32), -1)
    for eye in (-22, 22):
        cv2.circle(picture, (x + eye, 142), 6, (40, 36, 36), -1)
    cv2.ellipse(picture, (x, 185), (20, 9), 0, 0, 180, (90, 90, 170), 3)
    encoded, jpeg = cv2.imencode(".jpg", picture)
    assert encoded
    return bytes(jpeg)


class FakeGate:
    """A `KioskModel` whose state a test sets, from any thread."""

    def __init__(self, facts: KioskFacts = FACTS) -> None:
        self._facts = facts
        self.state = KioskState(door=DoorShown.CLOSED)
        self.presented: list[tuple[Way, str]] = []
        self.calls = 0
        self.after_call = StaffCall.CALLED
        self.after_pin: dict[str, Any] = {}
        self.pictures = 0
        self.frozen = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Event] = set()

    @property
    def facts(self) -> KioskFacts:
        return self._facts

    def show(self, **changes: Any) -> None:
        """Change the state, as seen by every page from now on."""
        self.state = replace(self.state, **changes)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake)

    def idle(self) -> None:
        self.state = KioskState(door=DoorShown.CLOSED, attempt=self.state.attempt)
        self.show()

    def _wake(self) -> None:
        for event in self._waiting:
            event.set()

    async def subscribe(self) -> AsyncIterator[KioskState]:
        self._loop = asyncio.get_running_loop()
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            while True:
                event.clear()
                yield self.state
                await event.wait()
        finally:
            self._waiting.discard(event)
            self._loop = None

    def picture(self, after: int) -> Picture | None:
        if self.frozen:
            return None
        self.pictures += 1
        return Picture(number=after + 1, jpeg=drawn_face(after + 1))

    async def present(self, way: Way, text: str) -> None:
        self.presented.append((way, text))
        self.show(**self.after_pin)

    async def call_staff(self) -> None:
        self.calls += 1
        self.show(staff=self.after_call)


GOOD = Quality(
    measures=(
        Measure(name=Flaw.TOO_SMALL, value=182, limit=120, good=True, unit="px"),
        Measure(name=Flaw.BLURRED, value=212, limit=80, good=True),
        Measure(name=Flaw.TURNED, value=6, limit=20, good=True, unit="°"),
        Measure(name=Flaw.TOO_DARK, value=118, limit=60, good=True),
    )
)
BAD = Quality(
    flaws=(Flaw.BLURRED, Flaw.TOO_DARK),
    measures=(
        Measure(name=Flaw.TOO_SMALL, value=182, limit=120, good=True, unit="px"),
        Measure(name=Flaw.BLURRED, value=31, limit=80, good=False),
        Measure(name=Flaw.TOO_DARK, value=41, limit=60, good=False),
    ),
)
SIGHT = Sight(
    guidance=Guidance.OK,
    faces=1,
    person=PEOPLE[2],
    score=0.31,
    second=0.58,
    threshold=0.42,
    liveness=CheckResult.passed(Check.LIVENESS, warmth_c=34.1),
    temperature=CheckResult.passed(
        Check.TEMPERATURE, raw_c=36.41, compensated_c=36.62, spot="canthus", how="blackbody"
    ),
    mask=CheckResult.failed(Check.MASK, Reason.NO_MASK),
    took_ms=84.2,
)
STATUS = GateStatus(
    now_ms=1_795_000_000_000,
    clock_trusted=True,
    time_source="chrony",
    cameras=(
        CameraLine(name="gate-cam", thermal=False, good=True, age_s=0.04, size="640x480"),
        CameraLine(name="gate-thermal", thermal=True, good=False, age_s=12.5, size="160x120"),
    ),
    models=("dlib-resnet 5f1c", "mmod 77aa"),
    threshold=0.42,
    roll_revision=318,
    roll_issued_ms=1_794_990_000_000,
    people=1204,
    faces=1033,
    door=DoorShown.CLOSED,
    connected=True,
    waiting=3,
    troubles=(Reason.NO_THERMAL_CAMERA,),
)


@dataclass
class FakeStaff:
    """A `Staff` that answers as a test says, and keeps what was asked of it."""

    good: bool = True
    outcome: EnrolResult = field(default_factory=lambda: EnrolResult(outcome=EnrolOutcome.ENROLLED))
    opening: Opening = field(default_factory=lambda: Opening(outcome=OpenOutcome.OPENED))
    sight: Sight = SIGHT
    log: list[tuple[Any, ...]] = field(default_factory=list)
    asked_by: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def find(self, text: str, *, by: str) -> tuple[PersonLine, ...]:
        self.asked_by.add(by)
        return tuple(one for one in PEOPLE if text.lower() in f"{one.id} {one.name}".lower())

    async def quality(self) -> Quality:
        return GOOD if self.good else BAD

    async def take(self, *, by: str) -> Taken:
        self.asked_by.add(by)
        taken = Taken(id=f"t{next(self.numbers)}", quality=await self.quality())
        if taken.quality.good:
            self.held.add(taken.id)
        return taken

    async def drop(self, taken: tuple[str, ...]) -> None:
        self.held -= set(taken)

    async def enrol(self, person: str, taken: tuple[str, ...], consent: ConsentGiven, *, by: str) -> EnrolResult:
        self.log.append(("enrol", person, taken, consent, by))
        self.held -= set(taken)
        return self.outcome

    async def test(self, *, by: str) -> Sight:
        self.asked_by.add(by)
        return self.sight

    async def open_door(self, why: str, *, by: str) -> Opening:
        self.log.append(("open", why, by))
        return self.opening

    async def erase(self, person: str, *, by: str) -> int:
        self.log.append(("erase", person, by))
        return 3

    async def status(self) -> GateStatus:
        return STATUS


def quick_hasher() -> PasswordHasher:
    """Give a hasher that is weak on purpose: tests log in often, on machines with little memory."""
    return PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


def staff_file(folder: Path) -> Path:
    """Write the file of one member of staff."""
    file = folder / "staff.toml"
    put_staff(file, login=LOGIN, name=NAME, password=PASSWORD, hasher=quick_hasher())
    return file


class Shifted:
    """A monotonic clock that a test puts forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


@dataclass
class ServedKiosk:
    """The kiosk, served; `stop` and `start` are an agent that goes away and comes back at the same port."""

    gate: FakeGate
    staff: FakeStaff | None
    settings: KioskSettings
    clock: Shifted = field(default_factory=Shifted)
    port: int = 0
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _task: "asyncio.Task[None] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        ready = threading.Event()
        problems: list[BaseException] = []

        def listening(port: int) -> None:
            self.port = port
            ready.set()

        async def serve() -> None:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            settings = self.settings.model_copy(update={"port": self.port})
            try:
                await serve_kiosk(self.gate, self.staff, settings, ready=listening, monotonic=self.clock)
            except asyncio.CancelledError:
                pass
            except BaseException as error:  # whatever it is, the test hears of it
                problems.append(error)
                raise
            finally:
                ready.set()

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), name="kiosk", daemon=True)
        self._thread.start()
        assert ready.wait(20)
        assert problems == []

    def stop(self) -> None:
        assert self._loop is not None
        assert self._task is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(20)
        assert not self._thread.is_alive()


@contextmanager
def served_kiosk(folder: Path, *, facts: KioskFacts = FACTS, language: str = "zh") -> Iterator[ServedKiosk]:
    """Serve the kiosk over a fake gate and fake staff."""
    settings = KioskSettings.model_validate({"port": 0, "language": language, "staff_file": str(staff_file(folder))})
    served = ServedKiosk(gate=FakeGate(facts), staff=FakeStaff(), settings=settings)
    served.start()
    try:
        yield served
    finally:
        served.stop()
