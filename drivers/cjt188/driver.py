"""A CJ/T 188 water or heat meter, read by its profile."""

from drivers.api import Refused
from drivers.cjt188 import codec
from drivers.packed import Decoded
from drivers.places.meters import Cjt188Point
from drivers.profile import Point, Profile
from drivers.serial_line.bus import SerialBus
from drivers.serial_line.reading import MeterDevice


class Cjt188Meter(MeterDevice):
    """One meter. Nothing here can move a valve."""

    def __init__(self, bus: SerialBus, *, address: str, profile: Profile, name: str) -> None:
        super().__init__(bus, profile=profile, name=name)
        self.address = address
        self._serial = 0

    async def _fetch(self, identifier: str) -> bytes:
        self._serial = serial = (self._serial + 1) & 0xFF
        meter_type, edition = self.profile.cjt188.meter_type, self.profile.cjt188.edition

        def take(buffer: bytearray) -> bytes | None:
            while (frame := codec.take(buffer)) is not None:
                data = codec.data_of(
                    frame, meter_type=meter_type, address=self.address, identifier=identifier, serial=serial
                )
                if data is not None:
                    return data
            return None

        request = codec.read_request(
            meter_type=meter_type, address=self.address, identifier=identifier, serial=serial, edition=edition
        )
        try:
            return await self.bus.exchange(request, take, device=self.name, expect=f"answer to {identifier}")
        except codec.MeterRefused as error:
            raise Refused(device=self.name, code=error.code, why=str(error)) from error

    def _decode(self, point: Point, data: bytes) -> Decoded:
        return codec.decode(point.at(Cjt188Point), data)
