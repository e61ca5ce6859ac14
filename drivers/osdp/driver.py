"""One OSDP reader, by its profile: what it told last, and the commands that it takes."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from drivers.api import BadRequest, PointResult, Refused, TimedOut, Unreachable, Value
from drivers.osdp import outputs
from drivers.osdp.bus import OsdpBus
from drivers.osdp.cards import credential, text_of
from drivers.osdp.codec import REFUSALS, Command
from drivers.osdp.dialogue import Happening
from drivers.osdp.pins import PinPad
from drivers.osdp.replies import Card, Keys, LocalStatus
from drivers.osdp.standing import MEANINGS, SILENT_AFTER_S, Order, Outcome, Security, Status
from drivers.places.osdp import OsdpPoint
from drivers.profile import Profile

_NOT_TOLD = "the reader has not told it on a secure channel"


class OsdpReader:
    """One reader (`drivers.api.Device`). Its cards and keys go to the `hear` of the bus."""

    def __init__(self, bus: OsdpBus, *, unit: int, profile: Profile, name: str) -> None:
        self.bus = bus
        self.profile = profile
        self.name = name
        self._points: Mapping[str, OsdpPoint] = {id_: p.at(OsdpPoint) for id_, p in profile.points.items()}
        self._pads: dict[int, PinPad] = {}
        self._lights: dict[str, tuple[float, str]] = {}
        self._confirmed: dict[str, Value] = {}
        self._session = 0
        self.dialogue = bus.join(unit, name=name, told=self.told)

    def told(self, happening: Happening | Security, now: float) -> tuple[tuple[PointResult, ...], ...]:
        """Make events of what happened: one for a card, one for each PIN that keys end, one for a changed state."""
        match happening:
            case Card():
                return (self._of_card(happening),)
            case Keys():
                pad = self._pads.setdefault(happening.reader, PinPad())
                pins = pad.press(happening.keys, now=now)
                points = [
                    id_
                    for id_, place in self._points.items()
                    if place.signal == "key" and place.reader == happening.reader
                ]
                return tuple(tuple(PointResult(point=id_, value=pin) for id_ in points) for pin in pins)
            case LocalStatus():
                return (self._states_of({"tamper", "power_failure"}, now),)
            case Security():
                return (self._states_of({"secure", "security"}, now),)

    async def read(
        self,
        points: Sequence[str],
        *,
        urgent: bool = False,  # noqa: ARG002 - nothing is asked here: the panel asks all the time
    ) -> Mapping[str, PointResult]:
        """Give what the reader told last; TimedOut when it is silent, Unreachable when the line is."""
        places = {id_: self._place(id_) for id_ in points}
        status = self.dialogue.status
        if self.bus.connected and status.online is None:
            await self.bus.verdict(self.dialogue)
        if not self.bus.connected:
            raise Unreachable(device=self.name, why=self.bus.why_not)
        now = asyncio.get_running_loop().time()
        if not status.online or now - status.heard_at > SILENT_AFTER_S:
            raise TimedOut(device=self.name, after=self.bus.settings.reply)
        self._forget_old_session(status)
        return {id_: self._shown(id_, place, status, now) for id_, place in places.items()}

    async def write(self, point: str, value: Value) -> None:
        """Send a command ahead of all polls; returns when the reader has confirmed it on its secure channel."""
        place = self._place(point)
        code, data = self._command(place, value)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[Outcome, int]] = loop.create_future()

        def ended(outcome: Outcome, refusal: int) -> None:
            if not answer.done():
                answer.set_result((outcome, refusal))

        order = Order(code=code, data=data, ended=ended)
        self._forget_old_session(self.dialogue.status)
        self.dialogue.order(order)
        self.bus.wake()
        try:
            async with asyncio.timeout(self.bus.settings.timeout.total_seconds()):
                outcome, refusal = await answer
        except TimeoutError as error:
            if self.dialogue.cancel(order):
                raise Unreachable(device=self.name, why="the line was too busy to send it") from error
            raise TimedOut(device=self.name, after=self.bus.settings.timeout) from error
        match outcome:
            case Outcome.REFUSED:
                raise Refused(device=self.name, code=refusal, why=REFUSALS.get(refusal, "no reason given"))
            case Outcome.UNKNOWN:
                raise TimedOut(device=self.name, after=self.bus.settings.reply)
            case Outcome.UNSENT:
                raise Unreachable(device=self.name, why=self._why_unsent())
            case Outcome.DONE:
                self._confirm(point, place, value, now=loop.time())

    def _why_unsent(self) -> str:
        return MEANINGS[self.dialogue.status.security] if self.bus.connected else self.bus.why_not

    def _of_card(self, card: Card) -> tuple[PointResult, ...]:
        said = credential(card)
        shown: Mapping[str, PointResult] = {
            "card": PointResult(point="card", value=text_of(card)),
            "facility": PointResult(point="facility", value=said.facility, reason=said.reason),
            "number": PointResult(point="number", value=said.number, reason=said.reason),
        }
        return tuple(
            PointResult(point=id_, value=shown[place.signal].value, reason=shown[place.signal].reason)
            for id_, place in self._points.items()
            if place.signal in shown and place.reader == card.reader
        )

    def _states_of(self, signals: Collection[str], now: float) -> tuple[PointResult, ...]:
        status = self.dialogue.status
        concerned = ((id_, place) for id_, place in self._points.items() if place.signal in signals)
        return tuple(self._shown(id_, place, status, now) for id_, place in concerned)

    def _place(self, point: str) -> OsdpPoint:
        place = self._points.get(point)
        if place is None:
            raise BadRequest(device=self.name, why=f"`{point}` is no point of the profile `{self.profile.name}`")
        return place

    def _shown(self, point: str, place: OsdpPoint, status: Status, now: float) -> PointResult:
        if place.signal in {"led", "buzzer", "text"}:
            return PointResult(point=point, value=self._last_confirmed(point, place, now))
        tell = STATES.get(place.signal)
        if tell is None:
            raise BadRequest(device=self.name, why=f"`{point}` is told when it happens, and cannot be read")
        value = tell(status, place, self.dialogue.install)
        reason = _NOT_TOLD if value is None else ""
        if place.signal in {"secure", "security"} and status.security is not Security.SECURE:
            reason = MEANINGS[status.security]
        return PointResult(point=point, value=value, reason=reason)

    def _last_confirmed(self, point: str, place: OsdpPoint, now: float) -> Value:
        until, shown = self._lights.get(point, (0.0, ""))
        if now < until:
            return shown
        empty: Mapping[str, Value] = {"led": outputs.OWN, "buzzer": 0.0, "text": ""}
        return self._confirmed.get(point, empty[place.signal])

    def _confirm(self, point: str, place: OsdpPoint, value: Value, *, now: float) -> None:
        if place.signal == "led" and (lasts_s := outputs.parse_pattern(str(value)).lasts_s):
            self._lights[point] = now + lasts_s, str(value)
            return
        self._lights.pop(point, None)
        self._confirmed[point] = value

    def _forget_old_session(self, status: Status) -> None:
        """Forget what was confirmed before the reader started again, because it shows its own colours now."""
        if status.sessions != self._session:
            self._session = status.sessions
            self._lights.clear()
            self._confirmed.clear()

    def _command(self, place: OsdpPoint, value: Value) -> tuple[Command, bytes]:
        try:
            match place.signal:
                case "led":
                    return outputs.led(str(value), reader=place.reader, number=place.number)
                case "buzzer":
                    return outputs.buzzer(float(value), reader=place.reader)
                case "text":
                    return outputs.text(str(value), reader=place.reader)
                case "output":
                    return outputs.output(float(value), number=place.number)
        except ValueError as error:
            raise BadRequest(device=self.name, why=str(error)) from error
        raise BadRequest(device=self.name, why=f"`{place.signal}` is told by the reader, and cannot be set")


def _output(status: Status, place: OsdpPoint) -> bool | None:
    return status.outputs[place.number] if place.number < len(status.outputs) else None


def _tamper(status: Status) -> bool | None:
    told = [one for one in (status.tamper, status.head_tamper) if one is not None]
    return any(told) if told else None


STATES: Mapping[str, Callable[[Status, OsdpPoint, bool], Value | None]] = {
    "tamper": lambda status, _place, _install: _tamper(status),
    "power_failure": lambda status, _place, _install: status.power_failure,
    "secure": lambda status, _place, _install: status.security is Security.SECURE,
    "security": lambda status, _place, _install: int(status.security),
    "install": lambda _status, _place, install: install,
    "output_on": lambda status, place, _install: _output(status, place),
    "cards": lambda status, _place, _install: status.cards,
    "sessions": lambda status, _place, _install: status.sessions,
    "refusals": lambda status, _place, _install: status.refusals,
    "vendor": lambda status, _place, _install: None if status.identity is None else status.identity.vendor,
    "model": lambda status, _place, _install: None if status.identity is None else status.identity.model,
    "serial": lambda status, _place, _install: None if status.identity is None else status.identity.serial,
    "firmware": lambda status, _place, _install: None if status.identity is None else status.identity.firmware,
}
"""A signal to what shows it; None where the reader has not told it."""
