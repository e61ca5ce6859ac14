"""Carries out commands: notes each, writes, reads back, and tells the truth about how it ended."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass

from drivers.api import BadRequest, Bus, Device, DriverError, PointResult, Refused
from drivers.profile import Profile
from edge.commands import Plan, Refusal, Request, TokenBook, judge, shows
from edge.journal import Journal
from edge.journal_file import JournalError
from edge.records import CommandResult, Draft
from runtime.cancellation import honour_cancellation
from runtime.logs import get_log
from wire.contract import Outcome

_LOOK_EVERY_S = 0.2
"""The pause between two looks for a command's effect, or for the bus to be connected."""
_AT_ONCE = 64
"""So many commands may be under way; a person never has that many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandTarget:
    """A device that takes commands."""

    device: Device
    bus: Bus
    profile: Profile


@dataclass(kw_only=True, slots=True)
class _Running:
    """A command under way: the task, what ends it early, and what is true of it then."""

    device: str
    task: asyncio.Task[None]
    scope: asyncio.Timeout
    if_ended: tuple[Outcome, str] = (
        Outcome.REFUSED,
        "the configuration changed before anything was sent to the device",
    )


_WRITTEN = (Outcome.UNKNOWN, "the configuration changed while the answer to the write was awaited")
_CONFIRMED = (
    Outcome.TIMED_OUT,
    "the device confirmed the write, but the configuration changed before the effect showed",
)
_NO_DEVICE = Refusal(detail="the device is not in the agent's configuration, or is just being changed")


class CommandExecutor:
    """The commands of one agent. Each runs as a task of `tasks`; those to one device run one after another.

    `target_of` gives a device that takes commands now, or None; `birth_of` the birth under which a device is known now,
    or an empty text. `report` takes the outcomes, as drafts for the journal; `observe` takes what a read-back gave,
    which is a reading like any other, so that screens show the effect before the outcome; `count` takes each outcome
    for the figures. `clock` is Unix time in milliseconds, `monotonic` in seconds.
    """

    def __init__(
        self,
        *,
        target_of: Callable[[str], CommandTarget | None],
        birth_of: Callable[[str], str],
        tokens: TokenBook,
        journal: Journal,
        report: Callable[[Draft], None],
        observe: Callable[[str, tuple[PointResult, ...]], None],
        count: Callable[[Outcome], None],
        tasks: asyncio.TaskGroup,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._target_of = target_of
        self._birth_of = birth_of
        self._tokens = tokens
        self._journal = journal
        self._report = report
        self._observe = observe
        self._count = count
        self._tasks = tasks
        self._clock = clock
        self._monotonic = monotonic
        self._turns: dict[str, asyncio.Lock] = {}
        self._running: dict[str, _Running] = {}
        self._log = get_log("edge.commands")

    async def report_unfinished(self) -> None:
        """Say `unknown` about every command that an earlier process of this agent did not end."""
        for noted in await self._journal.unfinished_commands():
            self._tell(
                noted.device,
                CommandResult(
                    command_id=noted.command_id,
                    outcome=Outcome.UNKNOWN,
                    detail="the agent ended before the command did; it may or may not have been carried out",
                ),
                birth=noted.birth,
            )

    def accept(self, request: Request) -> None:
        """Begin a command; its token is judged by the time of this call."""
        received = self._monotonic()
        valid = self._tokens.accepts(request.token, now=received)
        if request.command_id in self._running:
            self._log.info("a command came again while it runs", device=request.device, command_id=request.command_id)
            return
        scope = asyncio.timeout(None)
        task = self._tasks.create_task(
            self._run(request, scope, valid=valid, received=received), name=f"command:{request.device}:{request.name}"
        )
        self._running[request.command_id] = _Running(device=request.device, task=task, scope=scope)

    async def withdraw(self, devices: Collection[str]) -> None:
        """End the commands to these devices now, because what they act on goes; each tells what is true of it then.

        Returns when all have. Until then the caller lets `target_of` give None for these devices.
        """
        await asyncio.sleep(0)  # lets a command that was accepted just now begin
        running = [one for one in self._running.values() if one.device in devices]
        for one in running:
            one.scope.reschedule(asyncio.get_running_loop().time())
        if running:
            await asyncio.wait([one.task for one in running])
        for device in devices:
            self._turns.pop(device, None)

    async def _run(self, request: Request, scope: asyncio.Timeout, *, valid: bool, received: float) -> None:
        birth = self._birth_of(request.device)
        result: CommandResult | None
        try:
            async with scope:
                result = await self._result(request, valid=valid, received=received)
        except TimeoutError:
            result = _ended(request, *self._running[request.command_id].if_ended)
        finally:
            del self._running[request.command_id]
        if result is not None:
            self._tell(request.device, result, birth=self._birth_of(request.device) or birth)

    async def _result(self, request: Request, *, valid: bool, received: float) -> CommandResult | None:
        def ended(outcome: Outcome, detail: str) -> CommandResult:
            return _ended(request, outcome, detail)

        running = self._running[request.command_id]
        try:
            noted = await self._journal.command(request.command_id)
            if noted is not None:
                # It was seen before: what is known of it is said again, and nothing is done again.
                return noted.result
            judged = self._judged(request, valid=valid)
            if isinstance(judged, Refusal):
                return ended(Outcome.REFUSED, judged.detail)
            target, plan = judged
            if not await self._journal.begin_command(
                command_id=request.command_id,
                device=request.device,
                name=request.name,
                at_ms=self._clock(),
                birth=self._birth_of(request.device),
            ):
                return None
        except JournalError as error:
            return ended(Outcome.REFUSED, f"the agent cannot note the command durably: {error}")
        deadline = received + request.timeout.total_seconds()
        self._log.info("carrying out", device=request.device, command=request.name, command_id=request.command_id)
        outcome, detail = await self._carry_out(running, target, plan, deadline=deadline)
        return ended(outcome, detail)

    def _judged(self, request: Request, *, valid: bool) -> tuple[CommandTarget, Plan] | Refusal:
        target = self._target_of(request.device)
        if target is None:
            return _NO_DEVICE
        plan = judge(request, target.profile, token_is_valid=valid)
        if isinstance(plan, Refusal):
            return plan
        if len(self._running) > _AT_ONCE:
            return Refusal(detail="too many commands are under way")
        return target, plan

    async def _carry_out(
        self, running: _Running, target: CommandTarget, plan: Plan, *, deadline: float
    ) -> tuple[Outcome, str]:
        turn = self._turns.setdefault(running.device, asyncio.Lock())
        nothing_sent = (Outcome.TIMED_OUT, "nothing could be sent to the device in time")
        try:
            async with asyncio.timeout(deadline - self._monotonic()):
                await turn.acquire()
        except TimeoutError:
            return nothing_sent
        try:
            while not target.bus.connected and self._monotonic() < deadline:  # noqa: ASYNC110 - a Bus has no event
                await asyncio.sleep(_LOOK_EVERY_S)
            if self._monotonic() >= deadline:
                return nothing_sent
            running.if_ended = _WRITTEN
            failure = await self._write(target, plan, deadline=deadline)
            running.if_ended = failure or _CONFIRMED
            return failure or await self._prove(running.device, target, plan, deadline=deadline)
        finally:
            turn.release()

    async def _write(self, target: CommandTarget, plan: Plan, *, deadline: float) -> tuple[Outcome, str] | None:
        """Write once; None when the device has confirmed it."""
        try:
            async with asyncio.timeout(deadline - self._monotonic()):
                await target.device.write(plan.point, plan.value)
        except DriverError as error:
            # A refusal that a retry may end (a gateway that heard nothing, "still processing") does not say that
            # nothing was done.
            if isinstance(error, Refused | BadRequest) and not error.retry:
                return Outcome.REFUSED, str(error)
            return Outcome.UNKNOWN, f"the answer to the write was lost: {error}"
        except TimeoutError:
            return Outcome.UNKNOWN, "the write was not answered within the command's time"
        return None

    async def _prove(self, device: str, target: CommandTarget, plan: Plan, *, deadline: float) -> tuple[Outcome, str]:
        """Look for the effect of a confirmed write until it shows or time is up."""
        deadline = min(deadline, self._monotonic() + plan.within.total_seconds())
        seen = "nothing was read back"
        try:
            async with asyncio.timeout(max(deadline - self._monotonic(), 0)):
                while True:
                    honour_cancellation()
                    try:
                        result = (await target.device.read([plan.proof], urgent=True))[plan.proof]
                    except DriverError as error:
                        seen = f"the last read-back failed: {error}"
                    else:
                        self._observe(device, (result,))
                        if shows(plan, result.value):
                            return Outcome.DONE, f"{plan.proof} = {result.value}"
                        seen = f"{plan.proof} = {result.value}" if result.value is not None else result.reason
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError:
            return Outcome.TIMED_OUT, f"the device confirmed the write, but the effect did not show: {seen}"

    def _tell(self, device: str, result: CommandResult, *, birth: str) -> None:
        self._log.info(
            "command ended", device=device, command_id=result.command_id, outcome=result.outcome, detail=result.detail
        )
        self._count(result.outcome)
        self._report(Draft(device=device, at_ms=self._clock(), birth=birth, result=result))


def _ended(request: Request, outcome: Outcome, detail: str) -> CommandResult:
    return CommandResult(command_id=request.command_id, outcome=outcome, detail=detail)
