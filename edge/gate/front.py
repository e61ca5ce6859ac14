"""The gate's face to the world: what the kiosk shows, and what the points of the gate's device say."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from drivers.agent.driver import AgentDevice
from drivers.api import Value
from edge.gate.api import Answer, Decision, Guidance, Reason, Way
from edge.gate.board import Board
from edge.gate.config import GateSettings
from edge.gate.door import Door, Opening, OpeningOutcome
from edge.gate.door_watch import DoorState, DoorView
from edge.gate.house import Gatehouse
from edge.gate.judge import NOBODY, Verdict
from edge.gate.kiosk.api import DoorShown, FaceBox, Phase, StaffCall
from edge.gate.lookout import Lookout, Seen
from edge.gate.ports import Glance
from runtime.health import Check, Status
from runtime.logs import get_log

_RESULT_S = 3.0
_STAFF_CALL_S = 120.0
_COUNT_EVERY_S = 2.0
_REMOTE_S = 5.0
_DOORS: Mapping[DoorState, DoorShown] = {
    DoorState.CLOSED: DoorShown.CLOSED,
    DoorState.UNLOCKED: DoorShown.CLOSED,
    DoorState.OPEN: DoorShown.OPEN,
    DoorState.HELD: DoorShown.HELD,
    DoorState.FORCED: DoorShown.FORCED,
    DoorState.FIRE: DoorShown.OPEN,
    DoorState.UNKNOWN: DoorShown.UNKNOWN,
}


class Front:
    """What is shown and told of one gate. `is_stale` says whether the roll is too old; `obey` takes orders.

    `sightless` is why the gate has no eyes though it should; empty otherwise.
    """

    def __init__(
        self,
        name: str,
        settings: GateSettings,
        house: Gatehouse,
        *,
        door: Door,
        lookout: Lookout | None,
        sightless: str,
        is_stale: Callable[[int], bool],
        obey: Callable[[str, Value], Awaitable[None]],
    ) -> None:
        self._name = name
        self._settings = settings
        self._house = house
        self._door = door
        self._lookout = lookout
        self._sightless = sightless
        self._is_stale = is_stale
        self._obey = obey
        self.board = Board()
        self._answers = dict.fromkeys(Answer, 0)
        self._attempts = 0
        self._result_until = float("-inf")
        self._staff_until = float("-inf")
        self._took_ms = 0.0
        self._remote_until = float("-inf")
        self._shown: dict[str, Value] = {}
        self._counted: dict[str, Value] = {}
        self._count_at = float("-inf")
        self._log = get_log("edge.gate").bind(gate=name)

    def check(self) -> Check:
        """Say how the gate does, for the agent's health."""
        troubles = [reason.value for reason in self.troubles()]
        if self._sightless:
            troubles.append(self._sightless)
        return Check(status=Status.DEGRADED if troubles else Status.OK, detail="; ".join(troubles))

    def troubles(self) -> tuple[Reason, ...]:
        """Give what is wrong with the gate itself."""
        house, lookout = self._house, self._lookout
        found = {
            Reason.DOOR_FAULT: bool(self._door.fault) or house.target(self._settings.door.device) is None,
            Reason.NO_CAMERA: lookout is not None and lookout.camera_lost,
            Reason.NO_THERMAL_CAMERA: lookout is not None and lookout.thermal_lost,
            Reason.MISALIGNED: lookout is not None and lookout.misaligned,
            Reason.NO_MODEL: bool(self._sightless) or (lookout is not None and bool(lookout.trouble)),
            Reason.LIST_TOO_OLD: self._is_stale(house.clock_ms()),
            Reason.CLOCK_NOT_TRUSTED: not house.clock_trusted(),
            Reason.PROVIDER_AWAY: any(one.problem for one in house.providers.values()),
        }
        return tuple(reason for reason, holds in found.items() if holds)

    @property
    def checks_liveness(self) -> bool:
        """Whether liveness can be checked now."""
        eyes = self._settings.eyes
        return (
            eyes is not None
            and eyes.thermal is not None
            and self._lookout is not None
            and not self._lookout.thermal_lost
            and not self._lookout.misaligned
        )

    # ---- what the kiosk shows

    def begin(self, way: Way) -> None:
        """Show that somebody is being judged."""
        self._attempts += 1
        self.board.show(phase=Phase.WORKING, attempt=self._attempts, way=way, answer=None, reasons=(), advice=())

    def guide(self, seen: Seen) -> None:
        """Tell whoever stands before the camera what to do, unless there is a result to be read."""
        if self.board.state.phase in {Phase.WORKING, Phase.RESULT}:
            return
        guidance = seen.glance.guidance
        phase = Phase.IDLE if guidance is Guidance.NONE else Phase.LOOKING
        self.board.show(phase=phase, guidance=guidance, box=_box(seen))

    def call_staff(self) -> None:
        """Somebody is to come: the alarm goes up, and the page says so."""
        self._staff_until = self._house.monotonic() + _STAFF_CALL_S

    def staff_came(self) -> None:
        """Somebody of the staff has dealt with it."""
        self._staff_until = float("-inf")

    def judged(self, verdict: Verdict, decision: Decision, opening: Opening | None, *, took_ms: float) -> None:
        """Show how an attempt ended, and count it."""
        self._took_ms = took_ms
        self._end(
            decision.answer,
            way=verdict.presented.way,
            opening=opening,
            reasons=tuple(reason for _, reason in decision.reasons),
            advice=tuple(reason for _, reason in decision.advice),
            name=verdict.known.name,
            temperature_c=_raw_temperature(verdict.glance),
        )

    def opened_by_hand(self, way: Way, opening: Opening) -> None:
        """Show an opening that nobody at the gate was judged for, and count it."""
        self.begin(way)
        self._end(Answer.OPEN, way=way, opening=opening, name=NOBODY.name)

    def _end(
        self,
        answer: Answer,
        *,
        way: Way,
        opening: Opening | None,
        reasons: tuple[Reason, ...] = (),
        advice: tuple[Reason, ...] = (),
        name: str = "",
        temperature_c: float | None = None,
    ) -> None:
        self._answers[answer] += 1
        if opening is not None and opening.outcome is OpeningOutcome.FAILED:
            answer, reasons = Answer.STAFF, (Reason.DOOR_FAULT,)
        self._result_until = self._house.monotonic() + _RESULT_S
        self.board.show(
            phase=Phase.RESULT,
            way=way,
            answer=answer,
            reasons=reasons,
            advice=advice,
            name=name if answer is Answer.OPEN else "",
            temperature_c=temperature_c,
        )

    # ---- what the device tells

    def tell(self, values: Mapping[str, Value]) -> None:
        """Say what the gate's device shows, or that something happened."""
        device = self.device()
        if device is None:
            self._log.warning("the gate's device is not in the configuration; what it tells is lost")
            return
        device.tell(values)

    def opened_from_afar(self) -> None:
        """Show for a moment that an order from afar was carried out, which proves it."""
        self._remote_until = self._house.monotonic() + _REMOTE_S
        self.tell({"remote_opened": True})

    def device(self) -> AgentDevice | None:
        """Give the device by which the gate reports, as it is now, ready to take orders."""
        target = self._house.target(self._settings.device)
        device = None if target is None else target.device
        if not isinstance(device, AgentDevice):
            return None
        if device.obey is None:
            device.obey = self._obey
            self._shown.clear()  # a new device has heard nothing yet
        return device

    def leave(self) -> None:
        """Let the device take no more orders: this gate does not run any more."""
        target = self._house.target(self._settings.device)
        if target is not None and isinstance(target.device, AgentDevice):
            target.device.obey = None

    async def refresh(self) -> None:
        """Bring page and points up to date; several times a second."""
        now, view, troubles = self._house.monotonic(), self._door.view(), self.troubles()
        self._refresh_board(view, troubles, now)
        device = self.device()
        if device is None:
            return
        if now >= self._count_at:
            self._count_at = now + _COUNT_EVERY_S
            self._counted = await asyncio.to_thread(self._count)
        values = self._values(view, troubles, called=now < self._staff_until) | self._counted
        changed = {point: value for point, value in values.items() if self._shown.get(point) != value}
        if changed:
            device.tell(changed)
            self._shown |= changed

    def _refresh_board(self, view: DoorView, troubles: tuple[Reason, ...], now: float) -> None:
        fire = view.state is DoorState.FIRE
        call = StaffCall.CALLED if self._house.connected() else StaffCall.OFFLINE
        self.board.show(
            door=DoorShown.FAULT if Reason.DOOR_FAULT in troubles and not fire else _DOORS[view.state],
            fire=fire,
            troubles=troubles,
            liveness_unchecked=self._settings.eyes is not None and not self.checks_liveness,
            staff=call if now < self._staff_until else StaffCall.NONE,
        )
        if self.board.state.phase is Phase.RESULT and now >= self._result_until:
            self.board.show(phase=Phase.IDLE, answer=None, reasons=(), advice=(), name="", temperature_c=None, way=None)

    def _count(self) -> dict[str, Value]:
        people = self._house.people
        counts = people.counts()
        return {
            "roll_revision": people.revision,
            "people": counts.people,
            "faces": counts.with_face,
            "faces_near_limit": counts.near_filing,
        }

    def _values(self, view: DoorView, troubles: tuple[Reason, ...], *, called: bool) -> dict[str, Value]:
        return {
            "door": int(view.state),
            "forced": view.forced,
            "tailgating": view.tailgating,
            "release_failed": view.release_failed is True,
            "door_fault": Reason.DOOR_FAULT in troubles,
            "staff_called": called,
            "camera_lost": Reason.NO_CAMERA in troubles,
            "thermal_lost": Reason.NO_THERMAL_CAMERA in troubles,
            "misaligned": Reason.MISALIGNED in troubles,
            "liveness_checked": self.checks_liveness,
            "face_works": self._lookout is not None and Reason.NO_MODEL not in troubles,
            "roll_stale": Reason.LIST_TOO_OLD in troubles,
            "provider_lost": Reason.PROVIDER_AWAY in troubles,
            "gate": f"{self._house.agent}/{self._name}",
            "opened": self._answers[Answer.OPEN],
            "refused": self._answers[Answer.REFUSE],
            "called": self._answers[Answer.STAFF],
            "decision_time": round(self._took_ms, 1),
            "remote_opened": self._house.monotonic() < self._remote_until,
        }


def _box(seen: Seen) -> FaceBox | None:
    box = seen.glance.box
    if box is None:
        return None
    height, width = seen.frame.image.shape[:2]
    return FaceBox(left=box.left / width, top=box.top / height, width=box.width / width, height=box.height / height)


def _raw_temperature(glance: Glance | None) -> float | None:
    raw = None if glance is None else glance.temperature.figures.get("raw_c")
    return float(raw) if isinstance(raw, float) else None
