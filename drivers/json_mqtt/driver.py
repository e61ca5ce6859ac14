"""A device that publishes, read by its profile."""

from collections.abc import Callable, Mapping, Sequence

from drivers.api import BadRequest, PointResult, Value
from drivers.json_mqtt import payload
from drivers.json_mqtt.bus import MqttBus
from drivers.json_mqtt.codec import Unwritable
from drivers.json_mqtt.memory import Memory
from drivers.json_mqtt.topics import fill, filter_of
from drivers.places.message import JsonPoint
from drivers.profile import Profile

_CASES: Mapping[str, Callable[[str], str]] = {"as-given": str, "lower": str.lower, "upper": str.upper}


class JsonDevice:
    """One device (`drivers.api.Device`). Reading asks nobody: it gives what the device said last."""

    def __init__(self, bus: MqttBus, *, address: str, profile: Profile, name: str) -> None:
        self.bus = bus
        self.profile = profile
        self.name = name
        defaults = profile.json_defaults
        self._variables = {**defaults.variables, **bus.settings.variables, "address": _CASES[defaults.address](address)}
        try:
            filters = {key: filter_of(topic.topic, self._variables) for key, topic in defaults.topics.items()}
            owner = {
                key: fill(topic.match.equals, self._variables)
                for key, topic in defaults.topics.items()
                if topic.match is not None
            }
        except (ValueError, KeyError) as error:
            raise BadRequest(device=name, why=f"a topic of `{profile.name}` cannot be made: {error}") from error
        self.memory = Memory(profile=profile, name=name, owner=owner, since=bus.heard_s)
        bus.add(self.memory, filters)

    async def read(self, points: Sequence[str], *, urgent: bool = False) -> Mapping[str, PointResult]:
        """Give what was said last; an urgent read (a command's read-back) only what was said since it was written.

        TimedOut when the device is silent for longer than its profile expects; Unreachable when it is off line.
        """
        for name in points:
            if name not in self.profile.points:
                raise BadRequest(device=self.name, why=f"`{name}` is no point of the profile `{self.profile.name}`")
        return self.memory.show(points, now=self.bus.heard_s, read_back=urgent)

    async def write(self, point: str, value: Value) -> None:
        """Publish what the profile declares; returns when the broker has it, which the device may not have yet."""
        if point not in self.profile.points:
            raise BadRequest(device=self.name, why=f"`{point}` is no point of the profile `{self.profile.name}`")
        try:
            topic, text = payload.write(self.profile.points[point].at(JsonPoint), value, self._variables)
        except Unwritable as error:
            raise BadRequest(device=self.name, why=f"`{point}` cannot be written: {error}") from error
        self.memory.written()
        await self.bus.publish(topic, text, device=self.name)
