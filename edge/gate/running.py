"""The gates of an agent: opens what they share, loads their models, runs each with its page, and says how they do.

Loaded only by an agent that has gates: everything heavy hangs on this module.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import httpx

from drivers.api import PointResult
from drivers.profile import Label
from edge.executor import CommandTarget
from edge.gate.api import Check
from edge.gate.config import (
    GatehouseSettings,
    KioskSettings,
    ProviderSettings,
    RollSettings,
)
from edge.gate.eyes.look import Eyes
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
from edge.gate.plan import GatePlan
from edge.gate.pull import Puller, PullSettings
from edge.gate.sights import Loaded, load, that_may_decide
from edge.gate.staff_desk import StaffDesk
from models.manifest import Stack
from models.store import identity
from runtime.cancellation import end
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

    def __init__(self, plan: GatePlan, host: GateHost, *, backoff: Backoff) -> None:
        self._plan = plan
        self._host = host
        self._backoff = backoff
        self._running: dict[str, Gate] = {}
        self._problem = "not open yet"
        self._keys = _NO_KEYS
        self._sights: Mapping[str, Loaded] = {}
        self._passed: tuple[GatehouseSettings | None, Mapping[str, Eyes | str]] = (None, {})
        self._told: dict[str, list[str]] = defaultdict(list)
        self._may_run = asyncio.Event()
        self._may_run.set()
        self._serving: asyncio.Task[None] | None = None
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
        """Run until cancelled, by the plan that is in force."""
        while True:
            await self._may_run.wait()
            async with asyncio.TaskGroup() as tasks:
                self._serving = tasks.create_task(self._serve(self._plan), name="gates:serve")

    @asynccontextmanager
    async def changing(self, plan: GatePlan) -> AsyncIterator[None]:
        """Let no opening be under way while the agent's lines change; afterwards run by `plan`.

        Whoever is being judged gets their answer first, and the door its proof. The models that a plan needs are loaded
        before anything stops; those that stay the same stay loaded.
        """
        changed, sights = plan != self._plan, self._sights
        if changed:
            try:
                sights = await self._load(plan)
            except Exception as error:  # noqa: BLE001 - it fails again where the gates start, and is tried again there
                self._log.warning("the models of the new settings cannot be loaded yet", reason=str(error))
        async with AsyncExitStack() as stack:
            for gate in tuple(self._running.values()):
                await stack.enter_async_context(gate.still())
            if changed:
                self._may_run.clear()
                if self._serving is not None:
                    await end(self._serving)
                self._plan, self._sights = plan, sights
            try:
                yield
            finally:
                self._may_run.set()

    async def _serve(self, plan: GatePlan) -> None:
        """Run the gates of a plan. What cannot be opened is tried again: the agent's other work goes on meanwhile."""
        while plan.house is not None:
            loading = asyncio.create_task(self._load(plan), name="gate:models")  # beside the store, for a quick start
            try:
                async with AsyncExitStack() as stack:
                    house, puller = await self._open(stack, plan, plan.house)
                    sharing = await asyncio.to_thread(attach, house.people, plan.house, self._host.path)
                    passed = self._passed[1] if self._passed[0] == plan.house else {}
                    sights = await asyncio.to_thread(that_may_decide, await loading, house.people, passed)
                    self._passed = (plan.house, sights)
                    self._problem = ""
                    self._backoff.reset()
                    await self._run(plan, house, puller, sharing, sights)
            except Exception as error:  # noqa: BLE001 - whatever fails at a gate, the agent's other work goes on
                self._failed(error)
                await asyncio.gather(loading, return_exceptions=True)  # where it failed, that is told next
                await asyncio.sleep(self._backoff.next_pause().total_seconds())
            finally:
                loading.cancel()
        self._problem = ""
        await asyncio.Event().wait()

    async def _load(self, plan: GatePlan) -> Mapping[str, Loaded]:
        """Load the models of a plan, but those that are loaded already."""
        self._sights = await asyncio.to_thread(load, plan, self._host.path, self._sights)
        return self._sights

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
        self,
        plan: GatePlan,
        house: Gatehouse,
        puller: Puller | None,
        sharing: Sharing | None,
        eyes: Mapping[str, Eyes | str],
    ) -> None:
        for name, settings in plan.gates.items():
            sight, loaded = eyes.get(name), self._sights.get(name)
            self._running[name] = Gate(
                name,
                settings,
                house,
                sight=sight if isinstance(sight, Eyes) else None,
                former=None if loaded is None else loaded.former,
                sightless=sight if isinstance(sight, str) else "",
                others_busy=self._busy(settings.interlock),
                told=self._told[name],
            )
        name_of_it = None if plan.house is None else plan.house.community
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, gate in self._running.items():
                    self._host.health.add(f"gate:{name}", gate.front.check)
                    tasks.create_task(gate.run(), name=f"gate:{name}")
                    if gate.settings.kiosk is not None:
                        kiosk = self._serve_kiosk(gate, gate.settings.kiosk, house, eyes.get(name), name_of_it)
                        tasks.create_task(kiosk, name=f"gate:{name}:kiosk")
                if puller is not None:
                    tasks.create_task(puller.run(), name="gate:pull")
                if sharing is not None:
                    tasks.create_task(sharing.run(), name="gate:sharing")
                tasks.create_task(self._watch_keys(house, puller, house.roll.keys_file), name="gate:keys")
        finally:
            for name in self._running:
                self._host.health.remove(f"gate:{name}")
            self._running.clear()

    async def _serve_kiosk(
        self, gate: Gate, settings: KioskSettings, house: Gatehouse, sight: Eyes | str | None, community: Label | None
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
        community = community or Label(zh=house.community, en=house.community)

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

    async def _open(
        self, stack: AsyncExitStack, plan: GatePlan, settings: GatehouseSettings
    ) -> tuple[Gatehouse, Puller | None]:
        host, folder = self._host, self._host.data / settings.data
        self._keys = await asyncio.to_thread(self._read_keys, settings.roll.keys_file)
        people = await asyncio.to_thread(self._open_people, folder, plan, settings)
        stack.callback(people.close)
        ledger = stack.enter_context(await asyncio.to_thread(GateLedger, folder / "gates.sqlite"))
        passes = stack.enter_context(
            PassBook(folder / "passes.sqlite", keys=self._keys, community=host.community, people=people)
        )
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        puller = await asyncio.to_thread(self._make_puller, people, folder, settings.roll)
        house = Gatehouse(
            community=host.community,
            agent=host.agent,
            zone=ZoneInfo(plan.time_zone),
            roll=settings.roll,
            people=people,
            evidence=Evidence(people),
            passes=passes,
            ledger=ledger,
            providers=self._providers(client, settings),
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

    def _open_people(self, folder: Path, plan: GatePlan, settings: GatehouseSettings) -> People:
        stack = _stack_of(plan)
        kind = STACKS[stack]
        return open_people(
            folder,
            self._host.path(settings.key_file),
            gate=self._host.agent,
            model=identity(stack),
            metric=kind.metric,
            authors=kind.threshold,
            clock_ms=self._host.clock_ms,
            demo=settings.demo,
        )

    def _read_keys(self, name: str | None) -> PublicKeys:
        return _NO_KEYS if name is None else PublicKeys.parse(self._host.path(name).read_text(encoding="utf-8"))

    async def _watch_keys(self, house: Gatehouse, puller: Puller | None, file: str | None) -> None:
        """Take the service's new keys when it changes them; a file that cannot be read changes nothing."""
        while True:
            await asyncio.sleep(_KEYS_EVERY_S)
            try:
                keys = await asyncio.to_thread(self._read_keys, file)
            except (BadKey, OSError) as error:
                self._log.warning("the service's keys cannot be read; those from before hold", reason=str(error))
                continue
            if keys != self._keys:
                self._keys = keys
                house.passes.trust(keys)
                if puller is not None:
                    puller.trust(keys)
                self._log.info("the service's keys have changed", keys=sorted(keys.by_id))

    def _make_puller(self, people: People, folder: Path, roll: RollSettings) -> Puller | None:
        host = self._host
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

    def _providers(self, client: httpx.AsyncClient, house: GatehouseSettings) -> Mapping[Check, Provider]:
        asked: tuple[tuple[Literal[Check.HEALTH_CODE, Check.RECORD], ProviderSettings | None], ...] = (
            (Check.HEALTH_CODE, house.health_code),
            (Check.RECORD, house.record),
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


def _stack_of(plan: GatePlan) -> Stack:
    """Give the models by which the gates describe faces; a checked file has one for all."""
    return next((Stack(one.eyes.stack) for one in plan.gates.values() if one.eyes is not None), Stack.DLIB)
