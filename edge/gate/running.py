"""The gates of an agent: opens what they share, loads their models, runs each with its page, and says how they do.

Loaded only by an agent that has gates: everything heavy hangs on this module.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Literal

import httpx

from drivers.api import PointResult
from drivers.profile import Label
from edge.executor import CommandTarget
from edge.gate.api import Check
from edge.gate.config import GatehouseSettings, GateSettings, KioskSettings, ProviderSettings
from edge.gate.eyes.look import Eyes, open_eyes
from edge.gate.gate import Gate
from edge.gate.health import Provider
from edge.gate.house import Gatehouse
from edge.gate.kiosk_model import GateKiosk
from edge.gate.ledger import GateLedger, LedgerError
from edge.gate.passes import LedgerFailed, PassBook
from edge.gate.people.api import PeopleError
from edge.gate.people.enrolment import Enrolment
from edge.gate.people.evidence import Evidence
from edge.gate.people.people import People, open_people
from edge.gate.people.place import STACKS, attach
from edge.gate.people.sharing import Sharing
from edge.gate.people.start_test import start_test
from edge.gate.ports import FormerModels
from edge.gate.pull import Puller, PullSettings
from edge.gate.staff_desk import StaffDesk
from models.api import ModelError
from models.manifest import Stack
from models.store import identity
from runtime.health import Check as HealthCheck
from runtime.health import Health, Status
from runtime.lifecycle import Backoff
from runtime.logs import get_log
from wire.seal import BadKey, PublicKeys

_KIOSK_AGAIN_S = 5.0
_KEYS_EVERY_S = 30.0
_NO_KEYS = PublicKeys(by_id={})
_FORESEEN = (PeopleError, LedgerError, LedgerFailed, BadKey, OSError, ValueError)


@dataclass(frozen=True, kw_only=True, slots=True)
class GateHost:
    """What the agent gives its gates; see `Gatehouse`. `data` is its folder; `path` finds what the site file names."""

    community: str
    agent: str
    zone: tzinfo
    data: Path
    path: Callable[[str], Path]
    target: Callable[[str], CommandTarget | None]
    accepts: Callable[[str], bool]
    connected: Callable[[], bool]
    waiting: Callable[[], int]
    clock_trusted: Callable[[], bool]
    time_quality: Callable[[], str]
    clock_ms: Callable[[], int]
    new_id: Callable[[], str]
    random: Callable[[], float]
    health: Health


class Gates:
    """All gates of one agent. `heard` may be called before `run`: then nothing hears it."""

    def __init__(
        self, house: GatehouseSettings, gates: Mapping[str, GateSettings], host: GateHost, *, backoff: Backoff
    ) -> None:
        self._settings = house
        self._gates = gates
        self._host = host
        self._backoff = backoff
        self._running: dict[str, Gate] = {}
        self._problem = "not open yet"
        self._keys = _NO_KEYS
        self._former: dict[str, FormerModels] = {}
        self._log = get_log("edge.gate")
        host.health.add("gatehouse", self.check)

    def check(self) -> HealthCheck:
        """Say how what the gates share does."""
        return HealthCheck(status=Status.DEGRADED if self._problem else Status.OK, detail=self._problem)

    def heard(self, device: str, results: Iterable[PointResult]) -> None:
        """Pass on what a device said."""
        for gate in self._running.values():
            gate.heard(device, results)

    async def run(self) -> None:
        """Run until cancelled. What cannot be opened is tried again: the other parts of the agent go on meanwhile."""
        eyes = asyncio.create_task(asyncio.to_thread(self._open_eyes), name="gate:models")
        while True:
            try:
                async with AsyncExitStack() as stack:
                    house, puller = await self._open(stack)
                    sharing = await asyncio.to_thread(attach, house.people, self._settings, self._host.path)
                    sights = await asyncio.to_thread(_that_may_decide, await eyes, house.people)
                    self._problem = ""
                    self._backoff.reset()
                    await self._run(house, puller, sharing, sights)
            except Exception as error:  # noqa: BLE001 - whatever fails at a gate, the agent's other work goes on
                self._failed(error)
                await asyncio.sleep(self._backoff.next_pause().total_seconds())

    def _failed(self, error: Exception) -> None:
        """Say once why the gates do not run; what nobody foresaw with its traceback."""
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if str(error) != self._problem:
            foreseen = isinstance(error, _FORESEEN)
            self._log.error(
                "the gates do not run; nobody is let in by them",
                reason=str(error),
                exc_info=None if foreseen else error,
            )
        self._problem = str(error) or type(error).__name__

    async def _run(
        self, house: Gatehouse, puller: Puller | None, sharing: Sharing | None, eyes: Mapping[str, Eyes | str]
    ) -> None:
        for name, settings in self._gates.items():
            sight = eyes.get(name)
            self._running[name] = Gate(
                name,
                settings,
                house,
                sight=sight if isinstance(sight, Eyes) else None,
                former=self._former.get(name),
                sightless=sight if isinstance(sight, str) else "",
                others_busy=self._busy(settings.interlock),
            )
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, gate in self._running.items():
                    self._host.health.add(f"gate:{name}", gate.front.check)
                    tasks.create_task(gate.run(), name=f"gate:{name}")
                    if gate.settings.kiosk is not None:
                        kiosk = self._serve_kiosk(gate, gate.settings.kiosk, house, eyes.get(name))
                        tasks.create_task(kiosk, name=f"gate:{name}:kiosk")
                if puller is not None:
                    tasks.create_task(puller.run(), name="gate:pull")
                if sharing is not None:
                    tasks.create_task(sharing.run(), name="gate:sharing")
                tasks.create_task(self._watch_keys(house, puller), name="gate:keys")
        finally:
            for name in self._running:
                self._host.health.remove(f"gate:{name}")
            self._running.clear()

    async def _serve_kiosk(
        self, gate: Gate, settings: KioskSettings, house: Gatehouse, sight: Eyes | str | None
    ) -> None:
        """Serve a gate's page; when its port is taken the gate goes on, and the port is tried again."""
        from edge.gate.kiosk.server import serve_kiosk  # noqa: PLC0415 - a web server, for gates with a page only

        if settings.staff_file is not None:
            settings = settings.model_copy(update={"staff_file": str(self._host.path(settings.staff_file))})
        people, eyes = house.people, sight if isinstance(sight, Eyes) else None
        desk = StaffDesk(
            gate,
            house,
            enrolment=None if eyes is None else Enrolment(people=people, stack=eyes.stack, model=eyes.model),
            metric=people.metric,
            models=() if eyes is None else (eyes.model,),
            waiting=self._host.waiting,
        )
        told = self._log.bind(gate=gate.name)
        community = self._settings.community or Label(zh=house.community, en=house.community)

        def ready(port: int) -> None:
            told.info("the kiosk is served", url=f"http://{settings.host}:{port}/")

        while True:
            try:
                await serve_kiosk(GateKiosk(gate, community=community), desk, settings, ready=ready)
            except OSError as error:
                told.error("the kiosk cannot be served", reason=str(error))
            await asyncio.sleep(_KIOSK_AGAIN_S)

    def _busy(self, names: Iterable[str]) -> Callable[[], bool]:
        """Say whether one of these gates' doors is in use."""

        def busy() -> bool:
            return any((gate := self._running.get(name)) is not None and gate.door.view().busy for name in names)

        return busy

    # ---- what is shared

    async def _open(self, stack: AsyncExitStack) -> tuple[Gatehouse, Puller | None]:
        host, folder = self._host, self._host.data / self._settings.data
        self._keys = await asyncio.to_thread(self._read_keys)
        people = await asyncio.to_thread(self._open_people, folder)
        stack.callback(people.close)
        ledger = stack.enter_context(await asyncio.to_thread(GateLedger, folder / "gates.sqlite"))
        passes = stack.enter_context(
            PassBook(folder / "passes.sqlite", keys=self._keys, community=host.community, people=people)
        )
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        puller = await asyncio.to_thread(self._make_puller, people, folder)
        house = Gatehouse(
            community=host.community,
            agent=host.agent,
            zone=host.zone,
            roll=self._settings.roll,
            people=people,
            evidence=Evidence(people),
            passes=passes,
            ledger=ledger,
            providers=self._providers(client),
            keys=lambda: self._keys,
            confirmed_ms=(lambda: people.issued_ms) if puller is None else (lambda: puller.state.confirmed_ms),
            target=host.target,
            accepts=host.accepts,
            connected=host.connected,
            journalled=lambda: host.waiting() == 0,
            clock_trusted=host.clock_trusted,
            time_quality=host.time_quality,
            clock_ms=host.clock_ms,
            monotonic=time.monotonic,
            new_id=host.new_id,
        )
        return house, puller

    def _open_people(self, folder: Path) -> People:
        stack = self._stack()
        kind = STACKS[stack]
        return open_people(
            folder,
            self._host.path(self._settings.key_file),
            gate=self._host.agent,
            model=identity(stack),
            metric=kind.metric,
            authors=kind.threshold,
            clock_ms=self._host.clock_ms,
            demo=self._settings.demo,
        )

    def _stack(self) -> Stack:
        """Give the models by which this agent's gates describe faces; a checked file has one for all."""
        return next((Stack(one.eyes.stack) for one in self._gates.values() if one.eyes is not None), Stack.DLIB)

    def _read_keys(self) -> PublicKeys:
        name = self._settings.roll.keys_file
        return _NO_KEYS if name is None else PublicKeys.parse(self._host.path(name).read_text(encoding="utf-8"))

    async def _watch_keys(self, house: Gatehouse, puller: Puller | None) -> None:
        """Take the service's new keys when it changes them; a file that cannot be read changes nothing."""
        while True:
            await asyncio.sleep(_KEYS_EVERY_S)
            try:
                keys = await asyncio.to_thread(self._read_keys)
            except (BadKey, OSError) as error:
                self._log.warning("the service's keys cannot be read; those from before hold", reason=str(error))
                continue
            if keys != self._keys:
                self._keys = keys
                house.passes.trust(keys)
                if puller is not None:
                    puller.trust(keys)
                self._log.info("the service's keys have changed", keys=sorted(keys.by_id))

    def _make_puller(self, people: People, folder: Path) -> Puller | None:
        roll, host = self._settings.roll, self._host
        if roll.url is None or roll.token_file is None:
            return None
        settings = PullSettings(
            url=roll.url,
            community=host.community,
            token=host.path(roll.token_file).read_text(encoding="utf-8").strip(),
            ca_file=None if roll.ca_file is None else host.path(roll.ca_file),
            every_s=roll.every.total_seconds(),
        )
        return Puller(settings, keys=self._keys, people=people, proof_file=folder / "roll.proof", jitter=host.random)

    def _providers(self, client: httpx.AsyncClient) -> Mapping[Check, Provider]:
        asked: tuple[tuple[Literal[Check.HEALTH_CODE, Check.RECORD], ProviderSettings | None], ...] = (
            (Check.HEALTH_CODE, self._settings.health_code),
            (Check.RECORD, self._settings.record),
        )
        return {
            check: Provider(
                check,
                settings,
                token_file=None if settings.token_file is None else self._host.path(settings.token_file),
                client=client,
                monotonic=time.monotonic,
                clock_ms=self._host.clock_ms,
            )
            for check, settings in asked
            if settings is not None
        }

    # ---- models

    def _open_eyes(self) -> Mapping[str, Eyes | str]:
        """Load the models of each gate that has cameras; in their place the reason why they cannot be had."""
        found: dict[str, Eyes | str] = {}
        for name, settings in self._gates.items():
            if settings.eyes is None:
                continue
            models = None if settings.eyes.models is None else self._host.path(settings.eyes.models)
            try:
                found[name] = open_eyes(settings.eyes, settings.temperature, models_folder=models)
                if settings.eyes.former is not None:
                    before = settings.eyes.model_copy(update={"stack": settings.eyes.former})
                    sight = open_eyes(before, settings.temperature, models_folder=models)
                    metric = STACKS[Stack(settings.eyes.former)].metric
                    self._former[name] = FormerModels(sight=sight, metric=metric)
            except ModelError as error:
                self._log.error("a gate has no eyes; cards, passes and PINs go on", gate=name, reason=str(error))
                found[name] = str(error)
        return found


def _that_may_decide(eyes: Mapping[str, Eyes | str], people: People) -> Mapping[str, Eyes | str]:
    """Test the models with the thresholds in force; in place of those that take strangers for friends, say why not."""
    found: dict[str, Eyes | str] = {}
    for name, one in eyes.items():
        problems = () if isinstance(one, str) else start_test(one.stack, people)
        found[name] = f"the models do not pass their self-test: {'; '.join(problems)}" if problems else one
        if problems:
            get_log("edge.gate").error("a gate has no eyes", gate=name, reason=found[name])
    return found
