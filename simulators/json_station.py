"""Simulated devices that publish over MQTT: what they say and when, and the connection of a line of them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random

import aiomqtt

from drivers.api import Value
from drivers.places.message import JsonPoint
from drivers.profile import Profile
from runtime.cancellation import honour_cancellation
from simulators import disturbances as disturbing
from simulators.devices import Devices
from simulators.disturbances import Disturbances, Kind, Mark, Transport
from simulators.json_messages import Said, read_order, topic_of, topics_of, write_message
from simulators.machines import announcer
from simulators.machines.announcer import Announcer
from simulators.witness import Witness

_LOOK_S = 0.05
_OLD_MS = 6 * 3_600_000
_AGAIN_S = 0.5
_GOODBYE_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """A message on its way: `after_s` seconds from now."""

    topic: str
    payload: bytes
    retain: bool
    after_s: float
    note: Callable[[], None]


class JsonStation:
    """One device. It reports every `every_s` seconds, when a state changes, and when something happens."""

    def __init__(
        self,
        *,
        name: str,
        address: str,
        profile: Profile,
        machine: Announcer,
        witness: Witness,
        random: Random,
        variables: Mapping[str, str],
        every_s: float,
        clock_ms: Callable[[], int],
        outbox: deque[Letter],
    ) -> None:
        self.name = name
        self.unit = address
        self.profile = profile
        self.machine = machine
        self.disturbances = Disturbances()
        self._witness = witness
        self._random = random
        given = {"lower": str.lower, "upper": str.upper}.get(profile.json_defaults.address, str)
        self._variables = {**profile.json_defaults.variables, **variables, "address": given(address)}
        self._every_s = every_s
        self._clock_ms = clock_ms
        self._outbox = outbox
        self._number = clock_ms()  # ids never come again, also after a new start
        places = {key: point.at(JsonPoint) for key, point in profile.points.items()}
        availability = profile.json_defaults.availability
        self._told = {
            key: place
            for key, place in places.items()
            if place.is_readable
            and not place.is_momentary
            and (availability is None or place.topic != availability.topic)
        }
        self._discrete = [
            key for key, place in self._told.items() if place.value_type is bool or profile.points[key].enumeration
        ]
        self._due_s = 0.0
        self._shown: dict[str, Value] = {}
        self._online: bool | None = None
        self._witness.changes(dict(machine.values()), start=True)

    def tick(self, dt_s: float) -> None:
        """Let time pass, and put what is to be said into the outbox."""
        self.machine.step(dt_s, self._random)
        values = self.machine.values()
        silent = announcer.SILENT in self.machine.active() or Kind.DEAD in self.disturbances
        self._say_availability(online=not silent)
        happened, self.machine.waiting = self.machine.waiting, []
        self._due_s -= dt_s
        if not silent:
            for point, value in happened:
                self._say({**self._together_with(point, values), point: value})
            news = {key: values[key] for key in self._discrete}
            if self._due_s <= 0 or news != self._shown:
                self._due_s, self._shown = self._every_s, news
                for topic in topics_of(self.profile, self._told):
                    about = {key: values[key] for key, place in self._told.items() if place.topic == topic}
                    self._say(about)
        self._witness.flush()

    def values(self) -> Mapping[str, Value]:
        """Give what the machine shows now."""
        return self.machine.values()

    @property
    def orders(self) -> Mapping[str, list[str]]:
        """The topics on which it takes orders, with the points that they are for."""
        found: dict[str, list[str]] = {}
        for key, point in self.profile.points.items():
            if (write := point.at(JsonPoint).write) is not None:
                found.setdefault(topic_of(write.topic, self._variables), []).append(key)
        return found

    def obey(self, points: list[str], payload: str) -> None:
        """Do what an order says, and tell what became of it; a silent device hears nothing."""
        if announcer.SILENT in self.machine.active() or Kind.DEAD in self.disturbances:
            return
        for point in points:
            value = read_order(self.profile.points[point].at(JsonPoint), payload, self._variables)
            if value is None:
                continue
            try:
                self.machine.write(point, value)
            except ValueError:
                self._witness.write(point, value, taken=False)
            else:
                self._witness.write(point, value, taken=True)
            self._due_s = 0.0

    def _together_with(self, point: str, values: Mapping[str, Value]) -> dict[str, Value]:
        """Give what stands in the same message as a happening: all that its topic tells."""
        topic = self.profile.points[point].at(JsonPoint).topic
        return {key: values[key] for key, place in self._told.items() if place.topic == topic}

    def _say(self, values: Mapping[str, Value]) -> None:
        self._number += 1
        active = self.machine.active()
        topic = self.profile.points[next(iter(values))].at(JsonPoint).topic
        late = _OLD_MS if announcer.OUT_OF_DATE in active else 0
        wrong = announcer.WRONG_TYPE in active
        said = Said(values=values, number=self._number, at_ms=self._clock_ms() - late, wrong_type=wrong)
        payload = write_message(self.profile, topic, said, self._variables)
        sent = disturbing.transmit(self.disturbances.draw(self._random), payload, self._random)
        # Stray bytes beside a message have no meaning where messages are whole: they are inside it, and break it.
        whole = b"".join(part.data for part in sent.parts)
        mark = Mark.BROKEN if whole != payload or wrong else sent.mark
        noted = dict(values)

        def note() -> None:
            self._witness.answer_points(noted, mark=mark)

        letter = Letter(
            topic=topic_of(self.profile.json_defaults.topics[topic].topic, self._variables),
            payload=whole,
            retain=announcer.RETAINED in active,
            after_s=sent.parts[0].after_s,
            note=note,
        )
        self._outbox.extend([letter] * (2 if announcer.DUPLICATE in active else 1))

    def _say_availability(self, *, online: bool) -> None:
        """Tell it as what speaks for the device does: kept by the broker, and when it changes."""
        availability = self.profile.json_defaults.availability
        if availability is None or online == self._online:
            return
        self._online = online
        described = self.profile.json_defaults.topics[availability.topic]
        word = availability.online if online else availability.offline
        plain = described.payload == "text"
        payload = word.encode() if plain else f'{{"{availability.path}":"{word}"}}'.encode()
        topic = topic_of(described.topic, self._variables)
        self._outbox.append(Letter(topic=topic, payload=payload, retain=True, after_s=0.0, note=lambda: None))


class JsonStations(Devices[JsonStation]):
    """The devices of one broker."""

    def __init__(self, stations: list[JsonStation], outbox: deque[Letter]) -> None:
        super().__init__(stations, transport=Transport.TCP)
        self.outbox = outbox


@asynccontextmanager
async def publishing(stations: JsonStations, *, host: str, port: int, identifier: str) -> AsyncIterator[None]:
    """Publish what the devices say while the context lasts, over any number of connections."""
    task = asyncio.create_task(_publish_for_ever(stations, host, port, identifier), name=f"simulators:{identifier}")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _publish_for_ever(stations: JsonStations, host: str, port: int, identifier: str) -> None:
    waiting: list[tuple[float, Letter]] = []
    while True:
        honour_cancellation()
        if Kind.LINE_DROPPED in stations.line:
            stations.outbox.clear()  # radio that nobody hears
            await asyncio.sleep(_LOOK_S)
            continue
        client = aiomqtt.Client(host, port, identifier=identifier, keepalive=10)
        try:
            async with client, asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(_obey(client, stations), name=f"simulators:{identifier}:orders")
                await _publish(client, stations, waiting)
                listening.cancel()
        except* (aiomqtt.MqttError, OSError):
            pass  # the broker is away, as in life; it is tried again
        await asyncio.sleep(_AGAIN_S)


async def _obey(client: aiomqtt.Client, stations: JsonStations) -> None:
    orders = [(topic, station) for station in stations.by_name.values() for topic in station.orders]
    for topic, _ in orders:
        await client.subscribe(topic, qos=1)
    async for message in client.messages:
        for topic, station in orders:
            if topic == message.topic.value and isinstance(message.payload, bytes):
                station.obey(station.orders[topic], message.payload.decode(errors="replace"))


async def _publish(client: aiomqtt.Client, stations: JsonStations, waiting: list[tuple[float, Letter]]) -> None:
    loop = asyncio.get_running_loop()
    while Kind.LINE_DROPPED not in stations.line:
        honour_cancellation()
        now = loop.time()
        while stations.outbox:
            letter = stations.outbox.popleft()
            waiting.append((now + letter.after_s, letter))
        due = [one for one in waiting if one[0] <= now]
        for one in due:
            letter = one[1]
            letter.note()  # before it goes out, so that nothing reaches anybody without a line of the witness
            await client.publish(letter.topic, letter.payload, qos=1, retain=letter.retain)
            waiting.remove(one)
        await asyncio.sleep(_LOOK_S)
