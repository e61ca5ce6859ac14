"""One attempt: the checks, side by side where they can, each within its budget, and what follows from them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from edge.gate.access import Moment, may_pass, staleness
from edge.gate.api import Check, CheckPolicy, CheckResult, Decision, Demand, Guidance, Reason, Standing, Way
from edge.gate.config import GateSettings, RollSettings
from edge.gate.decision import decide
from edge.gate.health import Provider
from edge.gate.ledger import GateLedger, LedgerError
from edge.gate.passes import LedgerFailed
from edge.gate.people.api import Identification, PeopleError
from edge.gate.ports import FormerModels, Glance, Passes, Presented, Roster
from edge.gate.tries import Tries
from runtime.logs import get_log
from wire.roll import Person, VisitorPass

_BROKEN = (PeopleError, LedgerError, LedgerFailed)
_FRESH_S = 1.0
"""A face that was seen so long ago still counts for whoever shows a card now."""
_OF_IDENTITY = frozenset({Reason.MALFORMED_PASS, Reason.FORGED_PASS})
"""What makes a pass no pass at all; everything else is about what it is good for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Who it is: somebody of the roll, or a visitor by their pass."""

    person: Person | None = None
    visitor: VisitorPass | None = None
    judged: Reason = Reason.OK
    """What a visitor's pass is good for here and now."""

    @property
    def id(self) -> str:
        """The opaque id of either."""
        if self.person is not None:
            return self.person.id
        return "" if self.visitor is None else self.visitor.id

    @property
    def name(self) -> str:
        """The name that the kiosk shows."""
        if self.person is not None:
            return self.person.name
        return "" if self.visitor is None else self.visitor.name


NOBODY = Known()


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What is decided about whom, by which face and which look-up of it."""

    decision: Decision
    known: Known
    presented: Presented
    glance: Glance | None
    identification: Identification | None = None
    former: Glance | None = None
    """How the models before these saw the face, where only they knew it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What an attempt is judged by. `now` is monotonic, in seconds.

    `moment` gives the time and whether it is trusted; `door_busy` whether this door, or one that it is interlocked
    with, is in use; `see` waits for a clear face until a monotonic time; `blind` says why there is none to be had;
    `confirmed_ms` when the service last said that the roll is its newest.
    """

    roster: Roster
    passes: Passes | None
    ledger: GateLedger
    providers: Mapping[Check, Provider]
    now: Callable[[], float]
    moment: Callable[[], Moment]
    door_busy: Callable[[], bool]
    see: Callable[[float], Awaitable[Glance | None]]
    blind: Callable[[], Reason]
    confirmed_ms: Callable[[], int | None]
    former: FormerModels | None = None


class Judge:
    """Judges attempts at one gate; one at a time."""

    def __init__(self, name: str, settings: GateSettings, roll: RollSettings, around: Surroundings) -> None:
        self._name = name
        self._settings = settings
        self._roll = roll
        self._around = around
        self._tries = Tries()

    async def judge(self, presented: Presented) -> Verdict:
        """Make the checks, and decide. Nothing is opened, and nothing used up."""
        policy = await self.policy()
        known, glance, identification = NOBODY, presented.glance, None
        former: Glance | None = None

        async def identity() -> CheckResult:
            nonlocal known, glance, identification, former
            result, known, glance, identification = await self._identity(presented)
            if presented.way is Way.FACE and known is NOBODY:
                moved = await self._by_former_models(presented)
                if moved is not None:
                    result, known, identification, former = moved
            return result

        first = await self._within(policy, Check.IDENTITY, identity)
        if first.reason is Reason.TIMED_OUT:
            known = NOBODY  # whatever came of it later
        results = [first]
        if first.standing is Standing.PASSED:
            async with asyncio.TaskGroup() as tasks:
                work = [
                    tasks.create_task(self._within(policy, check, make), name=f"check:{check.value}")
                    for check, make in self._checks(presented, known, glance).items()
                    if policy[check].demand is not Demand.OFF
                ]
            results += [task.result() for task in work]
        else:
            # The refusal says who, not what else is missing.
            results += [] if glance is None else [glance.liveness]
            policy = {result.check: policy[result.check] for result in results}
        return Verdict(
            decision=decide(policy, results),
            known=known,
            presented=presented,
            glance=glance,
            identification=identification,
            former=former,
        )

    async def policy(self) -> Mapping[Check, CheckPolicy]:
        """Give the policy in force: the site file's, and over it what the service says of this gate."""
        rule = await asyncio.to_thread(self._around.roster.rule, self._name)
        policy = dict(self._settings.policy)
        for check, demand in () if rule is None else rule.demands:
            if check in set(Check) and demand in set(Demand):
                policy[Check(check)] = replace(policy[Check(check)], demand=Demand(demand))
        return policy

    def _checks(
        self, presented: Presented, known: Known, glance: Glance | None
    ) -> Mapping[Check, Callable[[], Awaitable[CheckResult]]]:
        """Give what is checked once it is known who it is."""
        health_id = None if known.person is None else known.person.health_id
        return {
            Check.ACCESS: lambda: self._access(known),
            Check.LIVENESS: lambda: self._liveness(presented, glance),
            Check.PASSAGE: lambda: self._passage(known),
            Check.TEMPERATURE: lambda: self._seen(Check.TEMPERATURE, glance),
            Check.MASK: lambda: self._seen(Check.MASK, glance),
            Check.HEALTH_CODE: lambda: self._provided(Check.HEALTH_CODE, health_id),
            Check.RECORD: lambda: self._provided(Check.RECORD, health_id),
        }

    async def _within(
        self, policy: Mapping[Check, CheckPolicy], check: Check, make: Callable[[], Awaitable[CheckResult]]
    ) -> CheckResult:
        """Make a check within its budget; after that it is unchecked, whatever it may still find."""
        started = self._around.now()
        try:
            async with asyncio.timeout(policy[check].budget_ms / 1000):
                result = await make()
        except TimeoutError:
            result = CheckResult.unchecked(check, Reason.TIMED_OUT)
        except _BROKEN as error:
            get_log("edge.gate").error("a check cannot be made", check=check.value, reason=str(error))
            result = CheckResult.unchecked(check, Reason.STORE_FAILED)
        return replace(result, took_ms=(self._around.now() - started) * 1000)

    async def _identity(self, presented: Presented) -> tuple[CheckResult, Known, Glance | None, Identification | None]:
        match presented.way:
            case Way.FACE:
                return await self._by_face(presented.glance)
            case Way.PASS:
                result, known = await self._by_pass(presented.text)
            case _:
                result, known = await self._by_credential(presented)
        glance = self._recent(presented.glance, presented.at_s)
        person = known.person
        if person is None or not self._settings.card_needs_face or not person.face:
            return result, known, glance, None
        return await self._together(person, glance)

    async def _by_face(self, glance: Glance | None) -> tuple[CheckResult, Known, Glance | None, Identification | None]:
        if glance is None or glance.template is None:
            several = glance is not None and glance.guidance is Guidance.ONE_PERSON
            reason = Reason.SEVERAL_FACES if several else Reason.FACE_NOT_CLEAR
            return CheckResult.unchecked(Check.IDENTITY, reason), NOBODY, glance, None
        roster = self._around.roster
        found = await asyncio.to_thread(roster.identify, glance.template, model=glance.model)
        figures = _figures(found)
        if found.person is None:
            make = CheckResult.unchecked if found.reason is Reason.SECOND_WAY_NEEDED else CheckResult.failed
            return make(Check.IDENTITY, found.reason, **figures), NOBODY, glance, found
        person = await asyncio.to_thread(roster.person, found.person)
        if person is None or not person.face:
            return CheckResult.failed(Check.IDENTITY, Reason.UNKNOWN_FACE, **figures), NOBODY, glance, found
        return CheckResult.passed(Check.IDENTITY, **figures), Known(person=person), glance, found

    async def _by_former_models(self, presented: Presented) -> tuple[CheckResult, Known, Identification, Glance] | None:
        """Look up a face that the present models do not know by those before them; None when these do not either."""
        former, roster = self._around.former, self._around.roster
        if former is None or presented.picture is None or presented.glance is None or presented.glance.template is None:
            return None
        seen = await asyncio.to_thread(former.sight.look, presented.picture, None)
        if seen.template is None:
            return None
        found = await asyncio.to_thread(roster.identify, seen.template, model=seen.model)
        person = None if found.person is None else await asyncio.to_thread(roster.person, found.person)
        if person is None or not person.face:
            return None
        return CheckResult.passed(Check.IDENTITY, **_figures(found)), Known(person=person), found, seen

    async def _by_pass(self, text: str) -> tuple[CheckResult, Known]:
        passes, moment = self._around.passes, self._around.moment()
        if passes is None:
            return CheckResult.unchecked(Check.IDENTITY, Reason.FORGED_PASS), NOBODY
        judged = await asyncio.to_thread(
            passes.judge,
            text,
            gate=self._name,
            area=self._settings.area,
            now_ms=moment.at_ms,
            clock_trusted=moment.trusted,
        )
        if judged.reason in _OF_IDENTITY or judged.visitor is None:
            return CheckResult.failed(Check.IDENTITY, judged.reason), NOBODY
        return CheckResult.passed(Check.IDENTITY), Known(visitor=judged.visitor, judged=judged.reason)

    async def _by_credential(self, presented: Presented) -> tuple[CheckResult, Known]:
        roster = self._around.roster
        if presented.way is Way.PIN and self._tries.locked(self._around.now()):
            return CheckResult.failed(Check.IDENTITY, Reason.TOO_MANY_TRIES), NOBODY
        find = roster.by_pin if presented.way is Way.PIN else roster.by_card
        person = await asyncio.to_thread(find, presented.text)
        if person is not None:
            return CheckResult.passed(Check.IDENTITY), Known(person=person)
        if presented.way is Way.PIN:
            self._tries.wrong(self._around.now())
            return CheckResult.failed(Check.IDENTITY, Reason.UNKNOWN_PIN), NOBODY
        return CheckResult.failed(Check.IDENTITY, Reason.UNKNOWN_CARD), NOBODY

    async def _together(
        self, person: Person, glance: Glance | None
    ) -> tuple[CheckResult, Known, Glance | None, Identification | None]:
        """Compare the face with the card's owner, 1:1."""
        seen = await self._clear_face(glance, Check.IDENTITY)
        if seen is None or seen.template is None:
            return CheckResult.unchecked(Check.IDENTITY, self._around.blind()), Known(person=person), seen, None
        found = await asyncio.to_thread(self._around.roster.verify, person.id, seen.template, model=seen.model)
        if found.person != person.id:
            result = CheckResult.failed(Check.IDENTITY, Reason.FACE_OF_ANOTHER, **_figures(found))
            return result, Known(person=person), seen, found
        return CheckResult.passed(Check.IDENTITY, **_figures(found)), Known(person=person), seen, found

    async def _access(self, known: Known) -> CheckResult:
        if known.person is None:
            if known.judged is Reason.OK:
                return CheckResult.passed(Check.ACCESS)
            make = CheckResult.unchecked if known.judged is Reason.CLOCK_NOT_TRUSTED else CheckResult.failed
            return make(Check.ACCESS, known.judged)
        moment = self._around.moment()
        result = may_pass(known.person, area=self._settings.area, moment=moment)
        if result.standing is not Standing.PASSED or not self.is_stale(moment.at_ms):
            return result
        match self._roll.when_stale:
            case "trust":
                return result
            case "staff":
                return CheckResult.unchecked(Check.ACCESS, Reason.LIST_TOO_OLD)
            case "refuse":
                return CheckResult.failed(Check.ACCESS, Reason.LIST_TOO_OLD)

    def is_stale(self, now_ms: int) -> bool:
        """Whether the roll is too old; one that is kept by hand never is."""
        if self._roll.url is None:
            return False
        after_ms = round(self._roll.stale_after / timedelta(milliseconds=1))
        return staleness(issued_ms=self._around.confirmed_ms(), now_ms=now_ms, stale_after_ms=after_ms)

    async def _liveness(self, presented: Presented, glance: Glance | None) -> CheckResult:
        """Judge whether a face is alive, where a face decides; a card has no life to check."""
        if presented.way is Way.FACE or self._settings.card_needs_face:
            return await self._seen(Check.LIVENESS, glance)
        return CheckResult.passed(Check.LIVENESS, needed=False)

    async def _passage(self, known: Known) -> CheckResult:
        around, settings = self._around, self._settings
        if around.door_busy():
            return CheckResult.failed(Check.PASSAGE, Reason.STILL_OPEN)
        if settings.passback and settings.direction == "in" and known.person is not None:
            inside = await asyncio.to_thread(around.ledger.is_inside, settings.area, known.person.id)
            if inside:
                return CheckResult.failed(Check.PASSAGE, Reason.ALREADY_INSIDE)
        return CheckResult.passed(Check.PASSAGE)

    async def _seen(self, check: Check, glance: Glance | None) -> CheckResult:
        """Take what the eyes say; who came by card is asked to look first."""
        seen = await self._clear_face(glance, check)
        if seen is None:
            return CheckResult.unchecked(check, self._around.blind())
        return {Check.LIVENESS: seen.liveness, Check.TEMPERATURE: seen.temperature, Check.MASK: seen.mask}[check]

    async def _clear_face(self, glance: Glance | None, check: Check) -> Glance | None:
        if glance is not None and glance.template is not None:
            return glance
        patience_s = self._settings.policy[check].budget_ms / 1000
        return await self._around.see(self._around.now() + patience_s * 0.9)

    async def _provided(self, check: Check, health_id: str | None) -> CheckResult:
        provider = self._around.providers.get(check)
        if provider is None:
            return CheckResult.unchecked(check, Reason.NOT_ASKED)
        return await provider.ask(health_id)

    def _recent(self, glance: Glance | None, at_s: float) -> Glance | None:
        return glance if glance is not None and self._around.now() - at_s <= _FRESH_S else None


def _figures(found: Identification) -> dict[str, bool | float | str]:
    figures: dict[str, bool | float | str] = {"mode": found.mode}
    if found.score is not None:
        figures["score"] = found.score
    if found.second is not None:
        figures["second"] = found.second
    return figures
