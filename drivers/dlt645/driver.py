"""A DL/T 645-2007 electricity meter, read by its profile."""

from drivers.api import Garbled, Refused
from drivers.dlt645 import codec
from drivers.packed import Decoded, decode
from drivers.places.meters import Dlt645Point
from drivers.profile import Point, Profile
from drivers.serial_line.bus import SerialBus
from drivers.serial_line.reading import MeterDevice


class Dlt645Meter(MeterDevice):
    """One meter. The relay inside it (function 1CH) is the grid's business: nothing here can switch it."""

    def __init__(self, bus: SerialBus, *, address: str, profile: Profile, name: str) -> None:
        super().__init__(bus, profile=profile, name=name)
        self.address = address

    async def _fetch(self, identifier: str) -> bytes:
        def take(buffer: bytearray) -> bytes | None:
            while (frame := codec.take(buffer)) is not None:
                if (data := codec.data_of(frame, address=self.address, identifier=identifier)) is not None:
                    return data
            return None

        try:
            request = codec.read_request(self.address, identifier)
            return await self.bus.exchange(request, take, device=self.name, expect=f"answer to {identifier}")
        except codec.MeterRefused as error:
            raise Refused(device=self.name, code=error.code, why=str(error)) from error
        except codec.NotUnderstood as error:
            raise Garbled(device=self.name, why=str(error)) from error

    def _decode(self, point: Point, data: bytes) -> Decoded:
        return decode(point.at(Dlt645Point), data)


async def find_address(bus: SerialBus, *, device: str) -> str:
    """Ask the only meter on a line for its address, to commission it; DriverError."""

    def take(buffer: bytearray) -> str | None:
        while (frame := codec.take(buffer)) is not None:
            if (address := codec.address_of(frame)) is not None:
                return address
        return None

    async with bus.lock:
        return await bus.exchange(codec.address_request(), take, device=device, expect="address")
