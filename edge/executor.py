"""Carries out commands: notes each, writes, reads back, and tells the truth about how it ended."""

import asyncio
from collections.abc import Callable, Mapping
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


class CommandExecutor:
    """The commands of one agent. Each runs as a task of `tasks`; those to one device run one after another.

    `report` takes the outcomes, as drafts for the journal; `observe` takes what a read-back gave, which is a reading
    like any other, so that screens show the effect before the outcome; `count` takes each outcome for the figures.
    `clock` is Unix time in milliseconds, `monotonic` in seconds.
    """

    def __init__(
        self,
        *,
        targets: Mapping[str, CommandTarget],
        tokens: TokenBook,
        journal: Journal,
        report: Callable[[Draft], None],
        observe: Callable[[str, tuple[PointResult, ...]], None],
        count: Callable[[Outcome], None],
        tasks: asyncio.TaskGroup,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._targets = targets
        self._tokens = tokens
        self._journal = journal
        self._report = report
        self._observe = observe
        self._count = count
        self._tasks = tasks
        self._clock = clock
        self._monotonic = monotonic
        self._turns = {name: asyncio.Lock() for name in targets}
        self._running: set[str] = set()
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
            )

    def accept(self, request: Request) -> None:
        """Begin a command; its token is judged by the time of this call."""
        received = self._monotonic()
        valid = self._tokens.accepts(request.token, now=received)
        if request.command_id in self._running:
            self._log.info("a command came again while it runs", device=request.device, command_id=request.command_id)
            return
        self._running.add(request.command_id)
        self._tasks.create_task(
            self._run(request, valid=valid, received=received), name=f"command:{request.device}:{request.name}"
        )

    async def _run(self, request: Request, *, valid: bool, received: float) -> None:
        try:
            result = await self._result(request, valid=valid, received=received)
        finally:
            self._running.discard(request.command_id)
        if result is not None:
            self._tell(request.device, result)

    async def _result(self, request: Request, *, valid: bool, received: float) -> CommandResult | None:
        def ended(outcome: Outcome, detail: str) -> CommandResult:
            return CommandResult(command_id=request.command_id, outcome=outcome, detail=detail)

        try:
            noted = await self._journal.command(request.command_id)
            if noted is not None:
                # It was seen before: what is known of it is said again, and nothing is done again.
                return noted.result
            target = self._targets[request.device]
            plan = judge(request, target.profile, token_is_valid=valid)
            if isinstance(plan, Refusal):
                return ended(Outcome.REFUSED, plan.detail)
            if len(self._running) > _AT_ONCE:
                return ended(Outcome.REFUSED, "too many commands are under way")
            if not await self._journal.begin_command(
                command_id=request.command_id, device=request.device, name=request.name, at_ms=self._clock()
            ):
                return None
        except JournalError as error:
            return ended(Outcome.REFUSED, f"the agent cannot note the command durably: {error}")
        deadline = received + request.timeout.total_seconds()
        self._log.info("carrying out", device=request.device, command=request.name, command_id=request.command_id)
        outcome, detail = await self._carry_out(request.device, target, plan, deadline=deadline)
        return ended(outcome, detail)

    async def _carry_out(
        self, device: str, target: CommandTarget, plan: Plan, *, deadline: float
    ) -> tuple[Outcome, str]:
        nothing_sent = (Outcome.TIMED_OUT, "nothing could be sent to the device in time")
        try:
            async with asyncio.timeout(deadline - self._monotonic()):
                await self._turns[device].acquire()
        except TimeoutError:
            return nothing_sent
        try:
            while not target.bus.connected and self._monotonic() < deadline:  # noqa: ASYNC110 - a Bus has no event
                await asyncio.sleep(_LOOK_EVERY_S)
            if self._monotonic() >= deadline:
                return nothing_sent
            failure = await self._write(target, plan, deadline=deadline)
            return failure or await self._prove(device, target, plan, deadline=deadline)
        finally:
            self._turns[device].release()

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

    def _tell(self, device: str, result: CommandResult) -> None:
        self._log.info(
            "command ended", device=device, command_id=result.command_id, outcome=result.outcome, detail=result.detail
        )
        self._count(result.outcome)
        self._report(Draft(device=device, at_ms=self._clock(), result=result))
