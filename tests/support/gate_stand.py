"""A whole gate: simulated people before real camera servers, a door on a serial line, readers, a broker, the agent."""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge.app import run_agent
from edge.config import load_site
from edge.gate.door_watch import DoorState
from edge.gate.people.api import Consent
from edge.gate.people.calibration import CalibrationRecord
from edge.gate.people.enrolment import Enrolment
from edge.gate.people.people import People, open_people
from models.face.stack import DlibStack, StackOptions, make_stack
from models.manifest import Detector, Role, Stack
from models.runtime import OnnxNetwork
from models.store import identity
from runtime.lifecycle import until_stopped
from simulators import control
from simulators.health_provider import PATH as PROVIDER_PATH
from simulators.people.attempts import Act, Kind
from simulators.people.cast import Role as Cast
from simulators.people.play import moment_of
from simulators.people.stage import Visit
from simulators.people.visible import see
from tests.support.broker import Broker, free_port
from tests.support.edge_site import GROUP, NODE, USERS, Host
from tests.support.faces import built
from tests.support.gate_site import NETWORKED, scene_text, site_text
from tests.support.yunet import dlib_files_with
from wire.orders import encode_order
from wire.passes import encode_pass
from wire.roll import Credential, CredentialKind, DoorOrder, Person, PersonKind, Roll, VisitorPass
from wire.seal import PublicKeys, SigningKey

GATE = "north"
FULL_NAME = f"{NODE}/{GATE}"
SIGNING = SigningKey(seed=bytes(range(32)))
DRAWN_THRESHOLD = 0.34
YEAR_MS = 365 * 24 * 3600 * 1000
_CLI = "from linli import main; main()"


def now_ms() -> int:
    """Give the time by this machine's clock, ms since 1970."""
    return time.time_ns() // 1_000_000


def resident(number: int) -> str:
    """Name somebody of the cast as the roll does."""
    return f"resident-{number}"


def card(number: int) -> str:
    """Give the number on somebody's card, as its reader tells it."""
    return f"{number:010d}"


def pin(number: int) -> str:
    """Give somebody's PIN."""
    return f"{900_000 + number}"


def roll_of(residents: Sequence[int], *, now_ms: int, revision: int = 1, **more: Any) -> Roll:
    """Make a roll: each has a card and a PIN, and wants their face to be a way in. `more` are fields of Person."""
    people = tuple(
        replace(
            Person(
                id=resident(number),
                kind=PersonKind.RESIDENT,
                name=f"居民{number}",
                health_id=f"health-{number}",
                face=True,
            ),
            **more,
        )
        for number in residents
    )
    credentials = tuple(
        Credential(kind=kind, value=value, person=resident(number))
        for number in residents
        for kind, value in ((CredentialKind.CARD, card(number)), (CredentialKind.PIN, pin(number)))
    )
    return Roll(community=GROUP, revision=revision, issued_ms=now_ms, people=people, credentials=credentials)


def pictures_of(number: int, count: int = 3) -> list[Any]:
    """Draw somebody as an enrolment would see them, on other occasions than the test's."""
    act = Act(kind=Kind.PERSON, role=Cast.RESIDENT, number=number, at_once=True)
    return [
        see(moment_of(Visit(act=act, begun_ms=0, seed=7_000 + 13 * take + number), 400 * take), width=640, height=480)
        for take in range(count)
    ]


def _for_drawn_people(people: int, now_ms: int) -> CalibrationRecord:
    """Give a threshold by which the cast is told apart (`linli bench people`); no real gate would take it."""
    return CalibrationRecord(
        model=identity(Stack.DLIB),
        metric=DlibStack.metric,
        threshold=DRAWN_THRESHOLD,
        verify=DRAWN_THRESHOLD,
        why="",
        method="counted",
        people=people,
        probes=200,
        templates=600,
        asked=0.001,
        fpir=None,
        fnir=None,
        made_ms=now_ms,
        simulated=True,
    )


@dataclass(kw_only=True)
class GateStand:
    """One gate in `folder`. Change the fields before it starts.

    `house`, `extra`, `thermal` and `checks` are TOML of the site. `yunet` is YuNet's file, which then finds the faces
    instead of dlib's detector, also at enrolment.
    """

    folder: Path
    broker: Broker
    cameras: bool = True
    checks: str = ""
    extra: str = ""
    house: str = ""
    stage: str = "north"
    thermal: str = ""
    seconds: float = 2.0
    rate: int = 10
    yunet: Path | None = None
    kiosk: int = field(default_factory=free_port)
    http: int = field(default_factory=free_port)
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in NETWORKED})

    @property
    def health_provider(self) -> str:
        """Give the settings of a provider, for `house`."""
        return f"url = 'http://127.0.0.1:{self.ports['health']}{PROVIDER_PATH}', cache = '1s'"

    @property
    def data(self) -> Path:
        """Where the simulators have their links, sockets and witnesses."""
        return self.folder / "sim"

    @property
    def file(self) -> Path:
        """The site file."""
        return self.folder / "site.toml"

    @property
    def gates(self) -> Path:
        """Where the agent keeps what its gates share."""
        return self.folder / "data" / "gates"

    # ---- files

    def write(self) -> None:
        """Write the scene and the site file, and build the models."""
        self.folder.mkdir(parents=True, exist_ok=True)
        scene = scene_text(self.ports, cameras=self.cameras, stage=self.stage, rate=self.rate)
        (self.folder / "scene.toml").write_text(scene)
        (self.folder / "edge-1.password").write_text(USERS["edge-1"] + "\n")
        (self.folder / "service.keys").write_text(PublicKeys.of([SIGNING.public]).text())
        models = self.folder / "models"
        models.mkdir(exist_ok=True)
        for model in self._files().values():
            for file in (model, model.with_name(model.name + ".json")):
                shutil.copy(file, models / file.name)
        site = site_text(
            self.broker,
            self.ports,
            simulated=self.data,
            http=self.http,
            kiosk=self.kiosk,
            cameras=self.cameras,
            yunet=self.yunet is not None,
            seconds=self.seconds,
            house=self.house,
            extra=self.extra,
            thermal=self.thermal,
            checks=self.checks,
        )
        self.file.write_text(site)

    def _files(self) -> Mapping[Role, Path]:
        return {role: built(role) for role in Role} if self.yunet is None else dlib_files_with(self.yunet)

    # ---- people

    def people(self) -> People:
        """Open the gate's people, as the command line does beside the agent."""
        return open_people(
            self.gates,
            self.folder / "secrets" / "faces.key",
            gate=NODE,
            model=identity(Stack.DLIB),
            metric=DlibStack.metric,
            authors=DlibStack.threshold,
            demo=True,
        )

    def enrol(self, roll: Roll, faces: Sequence[int], *, now_ms: int) -> None:
        """Put a roll in force, and enrol these residents by drawn pictures, with a threshold for drawn people alone."""
        options = StackOptions(detector=None if self.yunet is None else Detector.YUNET)
        stack = make_stack(Stack.DLIB, self._files(), OnnxNetwork, options)
        people = self.people()
        try:
            people.apply(roll)
            with people.vault.write() as db:
                people.calibrations.put(db, _for_drawn_people(max(200, len(roll.people)), now_ms))
            enrolment = Enrolment(people=people, stack=stack, model=identity(Stack.DLIB))
            for number in faces:
                consent = Consent(
                    given_ms=now_ms, expires_ms=now_ms + YEAR_MS, text="test-1", given_by=resident(number)
                )
                enrolment.enrol(resident(number), pictures_of(number), consent=consent, by="test")
        finally:
            people.close()

    # ---- what people do

    def stands(self, act: str) -> None:
        """Have somebody come before the cameras, such as `resident 7 fever`."""
        control.stage(self.data, self.stage, act)

    def presents(self, device: str, text: str) -> None:
        """Hold something before a reader."""
        control.tell(self.data, device, "fault", f"present:{text}")

    def pulses(self) -> int:
        """Count how often the door was told to let go, by its own log."""
        return len(self.unlock_times())

    def unlock_times(self) -> list[float]:
        """Give for how many seconds the door was told to let go each time, by its own log."""
        file = self.data / "door-1.writes.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [float(row["value"]) for row in rows if row["point"] == "unlock_time"]

    def breaks(self, device: str, fault: str) -> None:
        """Let something fail."""
        control.tell(self.data, device, "fault", fault)

    def mends(self, device: str, fault: str | None = None) -> None:
        """Mend it."""
        control.tell(self.data, device, "clear", fault)

    @asynccontextmanager
    async def simulators(self) -> AsyncIterator[None]:
        """Play the scene, in processes of its own."""
        play = ("simulate", "run", str(self.folder / "scene.toml"), "--data", str(self.data))
        with (self.folder / "sim.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _CLI, *play, stdout=log, stderr=log, start_new_session=True
            )
        try:
            wanted = 6 if self.cameras else 4
            async with asyncio.timeout(60):
                while (
                    sum(len(one.get("devices", ())) for one in await asyncio.to_thread(control.running, self.data))
                    < wanted
                ):
                    assert process.returncode is None, (self.folder / "sim.log").read_text()
                    await asyncio.sleep(0.1)
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            await process.wait()

    @asynccontextmanager
    async def agent_process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run the agent as a process of its own, which a test may kill."""
        with (self.folder / "agent.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _CLI, "edge", "run", str(self.file), "--agent", NODE, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[None]:
        """Run the agent in this process."""
        stop = asyncio.Event()
        task = asyncio.create_task(until_stopped(stop, run_agent(load_site(self.file), NODE, stop), name="agent"))
        try:
            yield
        finally:
            stop.set()
            await task


def decisions(host: Host) -> list[dict[str, Any]]:
    """Give what the gate decided, in order, as the host took it."""
    found: list[dict[str, Any]] = []
    for one in host.taken:
        if one.device == "north-gate" and "decision" in one.metrics:
            value = one.metrics["decision"].value
            if isinstance(value, str):
                found.append(json.loads(value))
    return found


async def next_decision(host: Host, after: int, *, within: float = 20.0) -> dict[str, Any]:
    """Wait until there are more than `after` decisions, and give the next."""
    await host.until(lambda: host.taken if len(decisions(host)) > after else [], within=within)
    return decisions(host)[after]


def shown(host: Host, point: str) -> object:
    """Give what a point of the gate's device showed last."""
    for one in reversed(host.heard):
        if one.device == "north-gate" and point in one.metrics:
            return one.metrics[point].value
    return None


async def until_shown(host: Host, point: str, value: object, *, within: float = 20.0) -> None:
    """Wait until a point of the gate's device shows a value."""
    await host.until(lambda: host.heard if shown(host, point) == value else [], within=within)


async def until_shut(host: Host) -> None:
    """Wait until the door is closed."""
    await until_shown(host, "door", int(DoorState.CLOSED), within=30)


def a_pass(now_ms: int, **more: Any) -> str:
    """Issue a visitor's pass for one entry."""
    visitor = VisitorPass(
        id="v1",
        community=GROUP,
        host=resident(1),
        name="访客",
        valid_from_ms=now_ms - 60_000,
        valid_until_ms=now_ms + 3_600_000,
    )
    return encode_pass(replace(visitor, **more), SIGNING)


def an_order(host: Host, order_id: str, *, key: SigningKey = SIGNING, **more: Any) -> str:
    """Sign an order to open, with the newest token."""
    order = DoorOrder(id=order_id, community=GROUP, gate=FULL_NAME, token=host.token, by="operator")
    return encode_order(replace(order, **more), key)
