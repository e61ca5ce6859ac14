"""A provider of health codes and records over HTTP: one question a request, answered as the machine knows it.

POST a JSON object {"health_id", "kind": "health_code" | "record"} with a bearer token; the answer is {"status",
"until_ms"}. The witness notes what was answered: {"at", "points": {"health_id", "kind", "status"}}.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Literal

from pydantic import Field, ValidationError

from drivers.api import Value
from drivers.profile import Profile
from runtime.config import Strict
from simulators import disturbances as disturbing
from simulators.cameras.serving import Connection, serve_connections
from simulators.devices import Devices
from simulators.disturbances import Disturbances, Kind, Transport
from simulators.machines.provider import FAILS, REFUSES, WRONG, HealthProviderMachine
from simulators.witness import Witness

PATH = "/v1/health"
_LONGEST = 4096
_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Question(Strict):
    """What is asked."""

    health_id: str = Field(min_length=1, max_length=200)
    kind: Literal["health_code", "record"]


class ProviderStation:
    """The provider as its line has it. `clock_ms` gives Unix time; an answer holds for `holds_ms`, or for good."""

    def __init__(
        self,
        *,
        name: str,
        profile: Profile,
        machine: HealthProviderMachine,
        witness: Witness,
        random: Random,
        token: str | None,
        takes_s: float,
        holds_ms: int | None,
        clock_ms: Callable[[], int],
    ) -> None:
        self.name = name
        self.unit = name
        self.profile = profile
        self.machine = machine
        self.disturbances = Disturbances(Transport.TCP)
        self.random = random
        self.takes_s = takes_s
        self._witness = witness
        self._token = token
        self._holds_ms = holds_ms
        self._clock_ms = clock_ms

    def tick(self, dt_s: float) -> None:
        """Let time pass."""
        self.machine.step(dt_s, self.random)

    def values(self) -> Mapping[str, Value]:
        """Give what the machine shows now."""
        return self.machine.values()

    def answer(self, method: str, path: str, authorization: str, body: bytes) -> tuple[int, bytes]:
        """Give the status and the body of an answer."""
        active = self.machine.active()
        if FAILS in active:
            return 500, b"{}"
        if REFUSES in active or (self._token is not None and authorization != f"Bearer {self._token}"):
            return 401, b"{}"
        if path != PATH:
            return 404, b"{}"
        try:
            question = Question.model_validate_json(body) if method == "POST" else None
        except ValidationError:
            question = None
        if question is None:
            return 400, b"{}"
        self.machine.asked += 1
        if WRONG in active:
            return 200, b'{"status": "splendid", "since": "yesterday"}'
        status = self.machine.status(question.kind, question.health_id)
        self._witness.answer_points({"health_id": question.health_id, "kind": question.kind, "status": status})
        until = None if self._holds_ms is None else self._clock_ms() + self._holds_ms
        return 200, json.dumps({"status": status, "until_ms": until}).encode()


@asynccontextmanager
async def serve_provider(devices: Devices[ProviderStation], *, host: str, port: int) -> AsyncIterator[int]:
    """Serve a provider; gives the port. LineUnavailable."""
    (station,) = devices.by_name.values()

    async def serve(connection: Connection) -> None:
        while True:
            await _one(connection, station)

    async with serve_connections(devices, serve, host=host, port=port) as used:
        yield used


async def _one(connection: Connection, station: ProviderStation) -> None:
    """Read one request and answer it. EOFError at the end of the connection, or of this one's patience."""
    head = await connection.head()
    method, _, rest = head[0].partition(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    length = int(headers.get("content-length", "0"))
    if length > _LONGEST:
        raise EOFError
    body = await connection.exactly(length)
    struck = station.disturbances.draw(station.random)
    while not disturbing.hears(struck):  # it took the request and says nothing
        await asyncio.sleep(0.05)
        struck = station.disturbances.draw(station.random)
    await asyncio.sleep(station.takes_s + sum(one.delay_s for one in struck))
    if disturbing.refusal(struck, range(0)) is not None:
        status, said = 503, b"{}"
    else:
        status, said = station.answer(method, rest.partition(" ")[0], headers.get("authorization", ""), body)
    about = f"Content-Type: application/json\r\nContent-Length: {len(said)}\r\n\r\n"
    whole = f"HTTP/1.1 {status} {_REASONS[status]}\r\n{about}".encode() + said
    if any(one.kind is Kind.TRUNCATED for one in struck):
        await connection.send(whole[: len(whole) - max(1, len(said) // 2)])
        raise EOFError
    await connection.send(whole)
