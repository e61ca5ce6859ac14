"""Simulated meters: what they hold, and what they answer in their protocols. Pure but for the witness."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from random import Random
from typing import Generic, TypeVar

from drivers import packed
from drivers.api import Value
from drivers.cjt188 import codec as cjt188
from drivers.dlt645 import codec as dlt645
from drivers.packed import Decoded
from drivers.places.meters import Cjt188Point, Dlt645Point
from drivers.profile import Point, Profile
from simulators import disturbances as disturbing
from simulators.devices import Devices
from simulators.disturbances import Disturbances
from simulators.machines.api import Machine
from simulators.transmitter import Reply
from simulators.witness import Witness

Frame = TypeVar("Frame")
_WILDCARD = "AA"


class MeterImage:
    """The data of one meter: bytes by identifier, as its profile lays them out."""

    def __init__(self, profile: Profile) -> None:
        self._points = profile.points
        self._data: dict[str, bytearray] = {point.place: bytearray() for point in profile.points.values()}
        self._held: dict[str, Value | None] = {}

    def show(self, values: Mapping[str, Value]) -> dict[str, Value | None]:
        """Put values into the bytes; gives those points whose content changed, as the bytes now hold them."""
        changed: dict[str, Value | None] = {}
        for name, value in values.items():
            point = self._points[name]
            data = self._data[point.place]
            _encode(point, value, data)
            held = _decode(point, bytes(data)).value
            if name not in self._held or self._held[name] != held:
                self._held[name] = changed[name] = held
        return changed

    def read(self, identifier: str) -> bytes | None:
        """Give the data of an identifier; None when the meter has none."""
        data = self._data.get(identifier)
        return None if data is None else bytes(data)

    def held(self, identifier: str) -> dict[str, Value | None]:
        """Give what the data of an identifier say, point by point."""
        return {name: self._held.get(name) for name, point in self._points.items() if point.place == identifier}


class MeterStation:
    """A meter with its address. The witness notes everything that it says."""

    def __init__(
        self, *, name: str, address: str, profile: Profile, machine: Machine, witness: Witness, random: Random
    ) -> None:
        self.name = name
        self.unit = address
        self.profile = profile
        self.machine = machine
        self.disturbances = Disturbances()
        self.image = MeterImage(profile)
        self._witness = witness
        self._random = random
        self._witness.changes(self.image.show(machine.values()), start=True)

    def tick(self, dt_s: float) -> None:
        """Let time pass, and put the result into the bytes."""
        self.machine.step(dt_s, self._random)
        self._witness.changes(self.image.show(self.machine.values()))
        self._witness.flush()

    def values(self) -> Mapping[str, Value]:
        """Give what the machine shows now."""
        return self.machine.values()

    def reply(self, answer: "Answering") -> Reply | None:
        """Give what goes out in answer to a request, disturbed as it may be; None when it stays silent."""
        struck = self.disturbances.draw(self._random)
        if not disturbing.hears(struck):
            return None
        frame, identifier = answer(disturbing.refusal(struck, range(0)))
        sent = disturbing.transmit(struck, frame, self._random)
        points = self.image.held(identifier)

        def note() -> None:
            if points:
                self._witness.answer_points(points, mark=sent.mark)

        return Reply(parts=sent.parts, note=note)


Answering = Callable[[int | None], tuple[bytes, str]]
"""Makes an answer, or a refusal with a code; gives its bytes, and the identifier of which it tells (or none: empty)."""


class Speech(ABC, Generic[Frame]):
    """A meter protocol, from the meters' side."""

    def hear(self, buffer: bytearray, stations: Iterable[MeterStation]) -> list[Reply] | None:
        """Take a request out of what came, and give the answers to it; None when there is no request.

        There is no answer for an address that is not there, and several for one that fits several.
        """
        frame = self.take(buffer)
        if frame is None:
            return None
        concerned = [station for station in stations if self.concerns(frame, station)]
        replies = (station.reply(partial(self.answer, station, frame)) for station in concerned)
        return [reply for reply in replies if reply is not None]

    @abstractmethod
    def take(self, buffer: bytearray) -> Frame | None:
        """Take a request out of what came."""

    @abstractmethod
    def concerns(self, frame: Frame, station: MeterStation) -> bool:
        """Whether a meter answers this frame."""

    @abstractmethod
    def answer(self, station: MeterStation, frame: Frame, refused: int | None) -> tuple[bytes, str]:
        """Give the answer, and the identifier of which it tells (empty when of none)."""


class Dlt645Speech(Speech[dlt645.Frame]):
    """DL/T 645-2007: reads of data and of the address."""

    def take(self, buffer: bytearray) -> dlt645.Frame | None:
        """Take a request out of what came."""
        return dlt645.take(buffer)

    def concerns(self, frame: dlt645.Frame, station: MeterStation) -> bool:
        """Whether a meter answers this frame: AAH stands for any two digits of its address."""
        return frame.control in {dlt645.READ, dlt645.READ_ADDRESS} and _addressed(frame.address, station.unit)

    def answer(self, station: MeterStation, frame: dlt645.Frame, refused: int | None) -> tuple[bytes, str]:
        """Give the answer, and the identifier of which it tells."""
        control = frame.control | dlt645.ANSWER
        identifier = frame.data[::-1].hex().upper()
        data = station.image.read(identifier)
        if frame.control == dlt645.READ_ADDRESS:
            said, identifier = bytes.fromhex(station.unit)[::-1], ""
        elif refused is not None or data is None:
            control |= dlt645.REFUSED
            said, identifier = bytes([dlt645.NO_SUCH_DATA if refused is None else refused]), ""
        else:
            said = frame.data + data
        return dlt645.build(dlt645.Frame(address=station.unit, control=control, data=said)), identifier


class Cjt188Speech(Speech[cjt188.Frame]):
    """CJ/T 188: reads of data and of the address. A meter is deaf for identifiers in the order of another edition."""

    def take(self, buffer: bytearray) -> cjt188.Frame | None:
        """Take a request out of what came."""
        return cjt188.take(buffer)

    def concerns(self, frame: cjt188.Frame, station: MeterStation) -> bool:
        """Whether a meter answers this frame."""
        if frame.meter_type != station.profile.cjt188.meter_type or not _addressed(frame.address, station.unit):
            return False
        return frame.control == cjt188.READ_ADDRESS or (
            frame.control == cjt188.READ and station.image.read(_identifier(frame, station)) is not None
        )

    def answer(self, station: MeterStation, frame: cjt188.Frame, refused: int | None) -> tuple[bytes, str]:
        """Give the answer, and the identifier of which it tells."""
        control = frame.control | cjt188.ANSWER
        identifier = _identifier(frame, station)
        if refused is not None:
            control |= cjt188.REFUSED
            said, identifier = frame.data[2:3] + bytes([refused, 0]), ""
        elif frame.control == cjt188.READ_ADDRESS:
            said, identifier = frame.data, ""
        else:
            said = frame.data + (station.image.read(identifier) or b"")
        answer = cjt188.Frame(meter_type=frame.meter_type, address=station.unit, control=control, data=said)
        return cjt188.build(answer), identifier


class MeterStations(Devices[MeterStation]):
    """The meters of one line."""


SPEECHES: Mapping[str, Dlt645Speech | Cjt188Speech] = {"dlt645": Dlt645Speech(), "cjt188": Cjt188Speech()}
"""A line's protocol to how its meters speak."""


def _identifier(frame: cjt188.Frame, station: MeterStation) -> str:
    code = frame.data[:2] if station.profile.cjt188.edition == 2004 else frame.data[1::-1]  # noqa: PLR2004 - a year
    return code.hex().upper()


def _addressed(asked: str, address: str) -> bool:
    return len(asked) == len(address) and all(
        asked[at : at + 2] in {_WILDCARD, address[at : at + 2]} for at in range(0, len(asked), 2)
    )


def _encode(point: Point, value: Value, data: bytearray) -> None:
    if isinstance(point.table, Cjt188Point):
        cjt188.encode(point.table, value, data)
    else:
        packed.encode(point.at(Dlt645Point), value, data)


def _decode(point: Point, data: bytes) -> Decoded:
    if isinstance(point.table, Cjt188Point):
        return cjt188.decode(point.table, data)
    return packed.decode(point.at(Dlt645Point), data)
