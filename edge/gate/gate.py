"""One gate: whoever stands before it is seen or shows something, is judged, and is let in, refused, or passed to staff.

Everything here runs in the agent's event loop, and nothing here blocks it: what computes or waits for a disk runs in
threads.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta

from drivers.api import Device, PointResult, Refused, TimedOut, Value
from edge.gate import report
from edge.gate.api import Answer, Check, Decision, Guidance, Reason, Way
from edge.gate.config import EyesSettings, GateSettings
from edge.gate.door import Door, Opening, OpeningOutcome
from edge.gate.door_watch import DoorState
from edge.gate.front import Front
from edge.gate.house import Gatehouse
from edge.gate.judge import Judge, Known, Surroundings, Verdict
from edge.gate.ledger import LedgerError
from edge.gate.lookout import Lookout, Seen
from edge.gate.opener import Opener
from edge.gate.passes import LedgerFailed
from edge.gate.people.api import PeopleError
from edge.gate.people.keeping import Template
from edge.gate.pictures import as_jpeg
from edge.gate.ports import FormerModels, Glance, Presented, Sight
from edge.gate.presence import Presence
from edge.gate.remote import NoOrder, read_order
from models.api import ModelError
from runtime.logs import get_log

_TICK_S = 0.1
_SAME_PERSON_S = 6.0
"""Whoever was let in is not let in again so soon, nor while they stay in view: they walk through, or stand about."""
_RECENT_S = 1.0
_WAITS_S = 3.0
"""So long somebody who shows a card waits for the door to be shut behind the one before."""
_NO_ORDER, _NOT_OPENED = 2, 3


class Gate:
    """One gate of an agent. `run` it; `heard` takes what the agent's devices say; `front` is what it shows.

    `sight` looks through its cameras, `former` by the models before its own; without `sight`, `sightless` says why, or
    is empty where there are no cameras. `others_busy` says whether a door that it is interlocked with is in use.
    """

    def __init__(
        self,
        name: str,
        settings: GateSettings,
        house: Gatehouse,
        *,
        sight: Sight | None,
        former: FormerModels | None,
        sightless: str,
        others_busy: Callable[[], bool],
        told: list[str],
    ) -> None:
        self.name = name
        self.full_name = f"{house.agent}/{name}"
        self.settings = settings
        self._house = house
        self._others_busy = others_busy
        self._former = former
        self.door = Door(settings.door, target=lambda: house.target(settings.door.device), monotonic=house.monotonic)
        eyes = settings.eyes
        self.lookout = None if sight is None or eyes is None else self._lookout(eyes, sight)
        self._judge = Judge(
            self.full_name,
            settings,
            house.roll,
            Surroundings(
                roster=house.people,
                passes=house.passes,
                ledger=house.ledger,
                providers=house.providers,
                now=house.monotonic,
                moment=house.moment,
                door_busy=self.is_busy,
                see=self._see,
                blind=lambda: self._blind(sightless),
                confirmed_ms=house.confirmed_ms,
                former=former,
            ),
        )
        self.front = Front(
            name,
            settings,
            house,
            door=self.door,
            lookout=self.lookout,
            sightless=sightless,
            is_stale=self._judge.is_stale,
            obey=self._obey,
        )
        self._opener = Opener(
            name, door=self.door, ledger=house.ledger, tell=self.front.tell, clock_ms=house.clock_ms, told=told
        )
        self._presented: asyncio.Queue[Presented] = asyncio.Queue(maxsize=8)
        self._turn = asyncio.Lock()
        self._let_in: tuple[str, float] = ("", float("-inf"))
        self._has_gone = True
        self._presence = Presence()
        self._was_fire = False
        self._has_ended = False
        self._log = get_log("edge.gate").bind(gate=name)

    # ---- what comes in

    def heard(self, device: str, results: Iterable[PointResult]) -> None:
        """Take what one of the agent's devices said; never waits."""
        results = tuple(results)
        if device == self.settings.door.device:
            self.door.heard(results)
        for reader in self.settings.readers:
            for one in results if reader.device == device else ():
                if one.point == reader.point and one.value is not None:
                    self.present(Way(reader.way), str(one.value).strip().removesuffix("#"))

    def present(self, way: Way, text: str) -> None:
        """Take what somebody shows or types; of too many at once the oldest goes."""
        seen = None if self.lookout is None else self.lookout.seen
        now = self._house.monotonic()
        glance = seen.glance if seen is not None and now - seen.at_s <= _RECENT_S else None
        if self._presented.full():
            self._presented.get_nowait()
        self._presented.put_nowait(Presented(way=way, at_s=now, text=text, glance=glance))

    async def open_by_hand(self, way: Way, *, by: str) -> Opening:
        """Open because somebody says so who may: from afar, or a guard at the kiosk."""
        async with self._turn:
            if self._has_ended:
                return Opening(outcome=OpeningOutcome.FAILED, detail="the gate is being started anew", took_ms=0.0)
            if self._others_busy():
                detail = "a door that must be shut meanwhile is open"
                return Opening(outcome=OpeningOutcome.FAILED, detail=detail, took_ms=0.0)
            attempt = self._house.new_id()
            opening = await self._opener.open(
                attempt, lambda opened, ms: report.by_hand(attempt=attempt, way=way, opened=opened, took_ms=ms, by=by)
            )
            self.front.opened_by_hand(way, opening)
            self.front.staff_came()
            return opening

    async def _obey(self, point: str, value: Value) -> None:
        """Carry out an order of the service; DriverError when it does not hold, or does not work."""
        if point != "open_order":
            raise Refused(device=self.name, code=_NO_ORDER, why=f"`{point}` takes no orders")
        house = self._house
        try:
            order = read_order(
                str(value), house.keys(), community=house.community, gate=self.full_name, accepts=house.accepts
            )
            is_new = await asyncio.to_thread(house.ledger.use_order, order.id, house.clock_ms())
        except (NoOrder, LedgerError) as error:
            raise Refused(device=self.name, code=_NO_ORDER, why=str(error)) from error
        if not is_new:
            raise Refused(device=self.name, code=_NO_ORDER, why="the order was used before")
        opening = await self.open_by_hand(Way.REMOTE, by=order.by)
        if opening.outcome is OpeningOutcome.FAILED:
            raise Refused(device=self.name, code=_NOT_OPENED, why=opening.detail)
        if opening.outcome is OpeningOutcome.UNKNOWN:
            raise TimedOut(device=self.name, after=self.settings.door.confirm_within)
        self.front.opened_from_afar()

    # ---- what runs

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Wait until the attempt in hand has ended, its pulse and proof and all, and let no other begin meanwhile."""
        async with self._turn:
            yield

    def is_busy(self) -> bool:
        """Whether this door is in use, or one that must be shut meanwhile."""
        return self.door.view().busy or self._others_busy()

    async def run(self) -> None:
        """Run until cancelled."""
        try:
            await self._opener.report_interrupted()
        except LedgerError as error:
            self._log.error("the gate's ledger cannot be read", reason=str(error))
        try:
            await self._run()
        finally:
            self._has_ended = True
            self.front.leave()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._serve_presented(), name=f"gate:{self.name}:presented")
            tasks.create_task(self._refresh_for_ever(), name=f"gate:{self.name}:front")
            if self.lookout is not None:
                tasks.create_task(self.lookout.run(), name=f"gate:{self.name}:look")

    async def _refresh_for_ever(self) -> None:
        while True:
            await self._refresh()
            await asyncio.sleep(_TICK_S)

    async def _refresh(self) -> None:
        fire = self.door.view().state is DoorState.FIRE
        if fire and not self._was_fire and self.settings.passback:
            # Everybody runs: nobody knows who is still inside.
            await asyncio.to_thread(self._house.ledger.forget_inside, self.settings.area)
        self._was_fire = fire
        await self.front.refresh()
        device = self.front.device()
        if device is not None and not device.unheard and self._house.journalled():
            await self._opener.durable()

    async def _serve_presented(self) -> None:
        while True:
            presented = await self._presented.get()
            await self._wait_for_the_door(presented.at_s + _WAITS_S)
            if self._house.monotonic() - presented.at_s > 2 * _WAITS_S:
                continue  # whoever showed it has gone
            async with self._turn:
                self.front.begin(presented.way)
                await self._act(await self._judge.judge(presented))

    async def _wait_for_the_door(self, until_s: float) -> None:
        while self.is_busy() and self._house.monotonic() < until_s:  # noqa: ASYNC110 - a door's time is not an event
            await asyncio.sleep(_TICK_S)

    async def _on_seen(self, seen: Seen) -> None:
        """Take one look: guide whoever is there, and try when their face is clear."""
        glance = seen.glance
        self.front.guide(seen)
        if glance.guidance is Guidance.NONE:
            self._presence.ended()
            self._has_gone = True
            return
        later = not self._presence.may_try(self._house.monotonic())
        if glance.template is None or later or self._turn.locked() or self.is_busy():
            return
        async with self._turn:
            verdict = await self._judge.judge(
                Presented(way=Way.FACE, at_s=seen.at_s, glance=glance, picture=seen.frame.image)
            )
            enough = self._presence.is_enough(verdict.decision, self._house.monotonic())
            if not enough or self._is_walking_through(verdict.known):
                return
            self.front.begin(Way.FACE)
            await self._act(verdict)

    def _is_walking_through(self, known: Known) -> bool:
        who, at_s = self._let_in
        same = known.id != "" and known.id == who
        return same and (not self._has_gone or self._house.monotonic() - at_s < _SAME_PERSON_S)

    # ---- what follows from a verdict

    async def _act(self, verdict: Verdict) -> None:
        """Do what was decided, and tell it."""
        attempt, started = self._house.new_id(), verdict.presented.at_s
        decision = await self._use_up(verdict)

        def took_ms() -> float:
            return (self._house.monotonic() - started) * 1000

        def said(opened: str, door_ms: float) -> str:
            return report.event(
                attempt=attempt,
                way=verdict.presented.way,
                who=verdict.known.id,
                decision=decision,
                opened=opened,
                took_ms=took_ms(),
                stages=_stages(verdict) | ({"door": door_ms} if door_ms else {}),
            )

        opening: Opening | None = None
        if decision.answer is Answer.OPEN:
            opening = await self._opener.open(attempt, said)
            took = took_ms()
            await self._note_passage(verdict.known, opening)
            await self._move_to_new_models(verdict, opening)
        else:
            took = took_ms()
            self.front.tell({"decision": said("", 0.0)})
            if verdict.presented.way is Way.FACE:
                self._presence.refused(self._house.monotonic())
        if decision.answer is Answer.STAFF:
            self.front.call_staff()
        self.front.judged(verdict, decision, opening, took_ms=took)
        why = [f"{check}:{reason}" for check, reason in report.told(decision.reasons)]
        self._log.info("decided", way=verdict.presented.way, answer=decision.answer, why=why, took_ms=round(took, 1))
        if decision.answer is not Answer.OPEN:
            await self._keep_evidence(verdict, decision)

    async def _keep_evidence(self, verdict: Verdict, decision: Decision) -> None:
        """Keep a picture of a refusal, sealed and for a time, where this gate's policy says so; by default none."""
        keep, seen = self.settings.keep_snapshots, None if self.lookout is None else self.lookout.seen
        if keep is None or seen is None or self._house.monotonic() - seen.at_s > _RECENT_S:
            return
        check, reason = decision.reasons[0] if decision.reasons else (Check.IDENTITY, Reason.NOBODY)
        about_health = check in report.HEALTH
        why, who = ("health", "") if about_health else (reason.value, verdict.known.id)
        keep_ms, image = round(keep / timedelta(milliseconds=1)), seen.frame.image

        def put() -> None:
            self._house.evidence.put(as_jpeg(image), why, keep_ms=keep_ms, person=who, gate=self.name)

        try:
            await asyncio.to_thread(put)
        except (PeopleError, ModelError) as error:
            self._log.error("a snapshot cannot be kept", reason=str(error))

    async def _use_up(self, verdict: Verdict) -> Decision:
        """Use a visitor's pass, durably, before the pulse; the decision changes when somebody was quicker."""
        visitor = verdict.known.visitor
        if visitor is None or verdict.decision.answer is not Answer.OPEN:
            return verdict.decision
        try:
            used = await asyncio.to_thread(self._house.passes.consume, visitor.id, self._house.clock_ms())
            reason = Reason.USED_PASS
        except LedgerFailed as error:
            self._log.error("a pass cannot be used up, so it opens nothing", reason=str(error))
            used, reason = False, Reason.STORE_FAILED
        if used:
            return verdict.decision
        return Decision(answer=Answer.REFUSE, reasons=((Check.IDENTITY, reason),), results=verdict.decision.results)

    async def _note_passage(self, known: Known, opening: Opening) -> None:
        """Take note of who was let in, or out."""
        failed = opening.outcome is OpeningOutcome.FAILED
        self._presence.let_in(self._house.monotonic(), confirmed=not failed)
        if failed:
            return
        self._let_in, self._has_gone = (known.id, self._house.monotonic()), False
        if known.person is None or not self.settings.passback:
            return
        ledger, area = self._house.ledger, self.settings.area
        try:
            if self.settings.direction == "in":
                await asyncio.to_thread(ledger.enter, area, known.person.id, self._house.clock_ms())
            else:
                await asyncio.to_thread(ledger.leave, area, known.person.id)
        except LedgerError as error:
            self._log.error("who is inside cannot be noted", reason=str(error))

    async def _move_to_new_models(self, verdict: Verdict, opening: Opening) -> None:
        """Enrol somebody whom only the former models knew in the present ones, by the same picture."""
        old, new, people, models = verdict.former, verdict.glance, self._house.people, self._former
        person, confirmed = verdict.known.person, opening.outcome is OpeningOutcome.CONFIRMED
        if not confirmed or person is None or models is None or old is None or new is None:
            return
        if old.template is None or new.template is None:
            return
        before = Template(model=old.model, metric=models.metric, values=old.template)
        after = Template(model=new.model, metric=people.metric, values=new.template)
        try:
            moved = await asyncio.to_thread(people.seen, person.id, old=before, new=after)
        except PeopleError as error:
            self._log.error("somebody cannot be moved to the new models", reason=str(error))
            return
        if moved:
            self._log.info("somebody was enrolled in the new models in passing")

    # ---- eyes

    def _lookout(self, eyes: EyesSettings, sight: Sight) -> Lookout:
        def device(name: str | None) -> Device | None:
            target = None if name is None else self._house.target(name)
            return None if target is None else target.device

        thermal = None if eyes.thermal is None else eyes.thermal.device
        return Lookout(
            eyes,
            sight=sight,
            visible=lambda: device(eyes.camera),
            thermal=lambda: device(thermal),
            on_seen=self._on_seen,
            monotonic=self._house.monotonic,
        )

    async def _see(self, until_s: float) -> Glance | None:
        return None if self.lookout is None else await self.lookout.see(until_s)

    def _blind(self, sightless: str) -> Reason:
        if self.lookout is None:
            return Reason.NO_MODEL if sightless else Reason.NO_CAMERA
        return self.lookout.blind


def _stages(verdict: Verdict) -> dict[str, float]:
    """Give what took how long: each stage of the look, and each check."""
    seen = {} if verdict.glance is None else {f"eyes.{name}": ms for name, ms in verdict.glance.took_ms.items()}
    return seen | {result.check.value: result.took_ms for result in verdict.decision.results if result.took_ms}
