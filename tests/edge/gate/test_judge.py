"""The orchestration of the checks, with people and eyes by hand: what each really finds is tested where it is."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from edge.gate.access import Moment
from edge.gate.api import Answer, Check, CheckResult, Guidance, Reason, Standing, Way
from edge.gate.config import GateSettings, RollSettings
from edge.gate.judge import Judge, Surroundings
from edge.gate.ledger import GateLedger
from edge.gate.passes import LedgerFailed, PassVerdict
from edge.gate.people.api import Counts, Identification, StoreBroken
from edge.gate.ports import FormerModels, Presented
from models.api import Floats
from models.face.geometry import Box
from models.face.search import Metric
from runtime.config import validate
from wire.roll import GateRule, Person, PersonKind, VisitorPass

NOW_MS = 1_790_000_000_000
LI = Person(id="p1", kind=PersonKind.RESIDENT, name="李", health_id="h1", face=True)
VISITOR = VisitorPass(
    id="v1", community="c", host="p1", name="王", valid_from_ms=0, valid_until_ms=2 * NOW_MS, gates=("edge-1/north",)
)
TEMPLATE = np.ones(128, dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A glance by hand."""

    visible_number: int = 1
    faces: int = 1
    box: Box | None = None
    guidance: Guidance = Guidance.OK
    template: Floats | None = field(default_factory=lambda: TEMPLATE)
    model: str = "m"
    liveness: CheckResult = field(default_factory=lambda: CheckResult.passed(Check.LIVENESS))
    temperature: CheckResult = field(default_factory=lambda: CheckResult.passed(Check.TEMPERATURE, raw_c=36.5))
    mask: CheckResult = field(default_factory=lambda: CheckResult.passed(Check.MASK))
    took_ms: dict[str, float] = field(default_factory=dict)


@dataclass
class Roster:
    """People by hand: one resident, with a card, a PIN and a face."""

    person_: Person = LI
    identification: Identification = field(default_factory=lambda: Identification(person="p1", score=0.2))
    verification: Identification = field(default_factory=lambda: Identification(person="p1", score=0.2, mode="1:1"))
    rule_: GateRule | None = None
    broken: bool = False
    revision: int = 1
    issued_ms: int | None = NOW_MS

    def counts(self) -> Counts:
        return Counts(people=1, with_face=1, faces=1, credentials=2, by_model={})

    def person(self, person_id: str) -> Person | None:
        return self.person_ if person_id == self.person_.id else None

    def by_card(self, text: str) -> Person | None:
        if self.broken:
            raise StoreBroken("damaged")
        return self.person_ if text == "card" else None

    def by_pin(self, text: str) -> Person | None:
        return self.person_ if text == "123456" else None

    def rule(self, gate: str) -> GateRule | None:
        assert gate == "edge-1/north"
        return self.rule_

    def identify(self, template: Floats, *, model: str) -> Identification:
        assert (template.shape, model) == ((128,), "m")
        return self.identification

    def verify(self, person_id: str, template: Floats, *, model: str) -> Identification:
        assert (person_id, template.shape, model) == ("p1", (128,), "m")
        return self.verification


@dataclass
class Passes:
    """A book of passes by hand."""

    verdict: PassVerdict = field(default_factory=lambda: PassVerdict(visitor=VISITOR, reason=Reason.OK))
    broken: bool = False

    def judge(self, text: str, *, gate: str, area: str, now_ms: int, clock_trusted: bool) -> PassVerdict:
        if self.broken:
            raise LedgerFailed("full")
        assert (text, gate, area, now_ms, clock_trusted) == ("pass", "edge-1/north", "public", NOW_MS, True)
        return self.verdict

    def consume(self, pass_id: str, at_ms: int) -> bool:
        raise AssertionError(f"judging uses nothing up: {pass_id} at {at_ms}")


class Stand:
    """A judge and what is around it, to be changed by a test."""

    def __init__(self, ledger: GateLedger, **settings: Any) -> None:
        self.roster = Roster()
        self.passes = Passes()
        self.busy = False
        self.trusted = True
        self.later: Seen | None = None
        self.confirmed_ms: int | None = NOW_MS
        self.ledger = ledger
        base: dict[str, Any] = {
            "label": {"zh": "北门", "en": "North"},
            "device": "gate",
            "door": {"device": "door"},
            "checks": {check.value: {"demand": "off"} for check in (Check.HEALTH_CODE, Check.RECORD)},
        }
        roll = settings.pop("roll", {})
        self.judge = Judge(
            "edge-1/north",
            validate("test", base | settings, GateSettings),
            validate("test", roll, RollSettings),
            Surroundings(
                roster=self.roster,
                passes=self.passes,
                ledger=ledger,
                providers={},
                now=asyncio.get_running_loop().time,
                moment=lambda: Moment(at_ms=NOW_MS, zone=ZoneInfo("Asia/Shanghai"), trusted=self.trusted),
                door_busy=lambda: self.busy,
                see=self._see,
                blind=lambda: Reason.FACE_NOT_CLEAR,
                confirmed_ms=lambda: self.confirmed_ms,
            ),
        )

    async def _see(self, until_s: float) -> Seen | None:
        return self.later if until_s > asyncio.get_running_loop().time() else None

    async def by(self, way: Way, text: str = "", glance: Seen | None = None) -> tuple[Answer, list[Reason]]:
        presented = Presented(way=way, at_s=asyncio.get_running_loop().time(), text=text, glance=glance)
        decision = (await self.judge.judge(presented)).decision
        return decision.answer, [reason for _, reason in decision.reasons]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[GateLedger]:
    with GateLedger(tmp_path / "gates.sqlite") as opened:
        yield opened


async def test_a_known_living_face_opens(ledger: GateLedger) -> None:
    assert await Stand(ledger).by(Way.FACE, glance=Seen()) == (Answer.OPEN, [])


@pytest.mark.parametrize(("way", "text"), [(Way.CARD, "card"), (Way.PIN, "123456"), (Way.PASS, "pass")])
async def test_face_is_never_the_only_way(ledger: GateLedger, way: Way, text: str) -> None:
    assert await Stand(ledger).by(way, text) == (Answer.OPEN, [])


@pytest.mark.parametrize(
    ("way", "text", "reason"),
    [(Way.CARD, "other", Reason.UNKNOWN_CARD), (Way.PIN, "000000", Reason.UNKNOWN_PIN)],
)
async def test_what_nobody_has_is_refused(ledger: GateLedger, way: Way, text: str, reason: Reason) -> None:
    assert await Stand(ledger).by(way, text) == (Answer.REFUSE, [reason])


async def test_a_stranger_is_told_nothing_but_that(ledger: GateLedger) -> None:
    stand = Stand(ledger, checks={"temperature": {"demand": "required"}, "mask": {"demand": "required"}})
    stand.roster.identification = Identification(person=None, score=0.7, reason=Reason.UNKNOWN_FACE)
    hot = Seen(temperature=CheckResult.failed(Check.TEMPERATURE, Reason.FEVER))
    assert await stand.by(Way.FACE, glance=hot) == (Answer.REFUSE, [Reason.UNKNOWN_FACE])


async def test_a_gallery_that_is_too_large_asks_for_a_second_way(ledger: GateLedger) -> None:
    stand = Stand(ledger)
    stand.roster.identification = Identification(person=None, reason=Reason.SECOND_WAY_NEEDED, mode="1:1 needed")
    assert await stand.by(Way.FACE, glance=Seen()) == (Answer.REFUSE, [Reason.SECOND_WAY_NEEDED])


async def test_a_face_of_somebody_who_did_not_ask_for_it_is_no_way_in(ledger: GateLedger) -> None:
    stand = Stand(ledger)
    stand.roster.person_ = replace(LI, face=False)
    assert await stand.by(Way.FACE, glance=Seen()) == (Answer.REFUSE, [Reason.UNKNOWN_FACE])
    assert await stand.by(Way.CARD, "card") == (Answer.OPEN, [])


async def test_a_printed_face_is_refused_and_a_card_needs_no_life(ledger: GateLedger) -> None:
    stand = Stand(ledger)
    printed = Seen(liveness=CheckResult.failed(Check.LIVENESS, Reason.PICTURE_OF_A_FACE))
    assert await stand.by(Way.FACE, glance=printed) == (Answer.REFUSE, [Reason.PICTURE_OF_A_FACE])
    assert await stand.by(Way.CARD, "card", glance=printed) == (Answer.OPEN, [])


async def test_without_a_thermal_camera_the_policy_decides(ledger: GateLedger) -> None:
    blind = Seen(liveness=CheckResult.unchecked(Check.LIVENESS, Reason.NO_THERMAL_CAMERA))
    assert await Stand(ledger).by(Way.FACE, glance=blind) == (Answer.STAFF, [Reason.NO_THERMAL_CAMERA])
    trusting = Stand(ledger, checks={"liveness": {"demand": "advisory"}})
    assert (await trusting.by(Way.FACE, glance=blind))[0] is Answer.OPEN


async def test_fever_calls_staff_also_for_a_card(ledger: GateLedger) -> None:
    hot = Seen(temperature=CheckResult.failed(Check.TEMPERATURE, Reason.FEVER, raw_c=38.2))
    stand = Stand(ledger, checks={"temperature": {"demand": "required"}})
    assert await stand.by(Way.FACE, glance=hot) == (Answer.STAFF, [Reason.FEVER])
    stand.later = hot
    assert await stand.by(Way.CARD, "card") == (Answer.STAFF, [Reason.FEVER])
    stand.later = None
    assert await stand.by(Way.CARD, "card") == (Answer.STAFF, [Reason.FACE_NOT_CLEAR])


async def test_a_card_with_another_ones_face(ledger: GateLedger) -> None:
    stand = Stand(ledger, card_needs_face=True)
    stand.roster.verification = Identification(person=None, score=0.8, reason=Reason.FACE_OF_ANOTHER, mode="1:1")
    assert await stand.by(Way.CARD, "card", glance=Seen()) == (Answer.REFUSE, [Reason.FACE_OF_ANOTHER])
    stand.roster.verification = Identification(person="p1", score=0.3, mode="1:1")
    assert await stand.by(Way.CARD, "card", glance=Seen()) == (Answer.OPEN, [])
    stand.later = None
    assert (await stand.by(Way.CARD, "card"))[0] is Answer.REFUSE


@pytest.mark.parametrize(
    ("reason", "answer"),
    [
        (Reason.REVOKED_PASS, Answer.REFUSE),
        (Reason.USED_PASS, Answer.REFUSE),
        (Reason.NOT_YET_VALID, Answer.REFUSE),
        (Reason.CLOCK_NOT_TRUSTED, Answer.REFUSE),
    ],
)
async def test_a_pass_that_is_good_for_nothing_now(ledger: GateLedger, reason: Reason, answer: Answer) -> None:
    stand = Stand(ledger)
    stand.passes.verdict = PassVerdict(visitor=VISITOR, reason=reason)
    assert await stand.by(Way.PASS, "pass") == (answer, [reason])


async def test_a_forged_pass_is_nobodys(ledger: GateLedger) -> None:
    stand = Stand(ledger)
    stand.passes.verdict = PassVerdict(visitor=None, reason=Reason.FORGED_PASS)
    assert await stand.by(Way.PASS, "pass") == (Answer.REFUSE, [Reason.FORGED_PASS])


async def test_five_wrong_pins_close_the_key_pad_for_a_while(ledger: GateLedger) -> None:
    stand = Stand(ledger)
    for _ in range(5):
        assert await stand.by(Way.PIN, "000000") == (Answer.REFUSE, [Reason.UNKNOWN_PIN])
    assert await stand.by(Way.PIN, "123456") == (Answer.REFUSE, [Reason.TOO_MANY_TRIES])
    assert await stand.by(Way.CARD, "card") == (Answer.OPEN, [])


async def test_nobody_is_let_in_while_the_door_is_in_use(ledger: GateLedger) -> None:
    stand = Stand(ledger)
    stand.busy = True
    assert await stand.by(Way.CARD, "card") == (Answer.REFUSE, [Reason.STILL_OPEN])


async def test_who_is_inside_does_not_come_in_again(ledger: GateLedger) -> None:
    stand = Stand(ledger, passback=True)
    ledger.enter("public", "p1", NOW_MS)
    assert await stand.by(Way.CARD, "card") == (Answer.REFUSE, [Reason.ALREADY_INSIDE])
    assert await Stand(ledger, passback=True, direction="out").by(Way.CARD, "card") == (Answer.OPEN, [])


@pytest.mark.parametrize(
    ("when", "answer"), [("trust", Answer.OPEN), ("staff", Answer.REFUSE), ("refuse", Answer.REFUSE)]
)
async def test_a_stale_list_means_what_the_policy_says(ledger: GateLedger, when: str, answer: Answer) -> None:
    roll = {"url": "https://cloud", "when_stale": when, "stale_after": "1d"}
    stand = Stand(ledger, roll=roll)
    stand.confirmed_ms = NOW_MS - 86_400_001
    found, reasons = await stand.by(Way.CARD, "card")
    assert found is answer
    assert reasons == ([] if when == "trust" else [Reason.LIST_TOO_OLD])


async def test_what_the_service_says_of_a_gate_goes_before_its_site_file(ledger: GateLedger) -> None:
    stand = Stand(ledger)
    stand.roster.rule_ = GateRule(gate="edge-1/north", demands=(("mask", "required"), ("nonsense", "required")))
    bare = Seen(mask=CheckResult.failed(Check.MASK, Reason.NO_MASK))
    assert await stand.by(Way.FACE, glance=bare) == (Answer.REFUSE, [Reason.NO_MASK])


async def test_a_store_that_cannot_be_read_opens_nothing(ledger: GateLedger) -> None:
    stand = Stand(ledger)
    stand.roster.broken = True
    assert await stand.by(Way.CARD, "card") == (Answer.REFUSE, [Reason.STORE_FAILED])
    stand.passes.broken = True
    assert await stand.by(Way.PASS, "pass") == (Answer.REFUSE, [Reason.STORE_FAILED])


async def test_a_check_that_takes_too_long_is_unchecked_and_holds_nobody_up(ledger: GateLedger) -> None:
    stand = Stand(ledger, checks={"temperature": {"demand": "required", "budget": "50ms"}})

    async def never(until_s: float) -> Seen | None:
        await asyncio.sleep(10)
        return None

    stand.judge._around = replace(stand.judge._around, see=never)
    async with asyncio.timeout(2):
        assert await stand.by(Way.CARD, "card") == (Answer.STAFF, [Reason.TIMED_OUT])


async def test_health_is_asked_beside_the_others_and_only_of_who_is_known(ledger: GateLedger) -> None:
    stand = Stand(ledger, checks={"health_code": {"demand": "required"}, "record": {"demand": "advisory"}})
    asked: list[str | None] = []

    class Office:
        problem = ""

        def __init__(self, check: Check) -> None:
            self.check = check

        async def ask(self, health_id: str | None) -> CheckResult:
            asked.append(health_id)
            return CheckResult(check=self.check, standing=Standing.FAILED, reason=Reason.HEALTH_CODE_NOT_GREEN)

    offices: Any = {check: Office(check) for check in (Check.HEALTH_CODE, Check.RECORD)}
    stand.judge._around = replace(stand.judge._around, providers=offices)
    assert await stand.by(Way.CARD, "card") == (Answer.REFUSE, [Reason.HEALTH_CODE_NOT_GREEN])
    assert asked == ["h1", "h1"]
    await stand.by(Way.CARD, "other")
    assert len(asked) == 2


async def test_whoever_only_the_former_models_know_comes_in_and_is_remembered_for_moving(ledger: GateLedger) -> None:
    stand = Stand(ledger)
    before = Seen(model="old")

    class Old:
        def look(self, visible: Any, thermal: Any, **_: Any) -> Seen:
            assert visible.shape == (2, 2, 3)
            assert thermal is None
            return before

    def identify(template: Floats, *, model: str) -> Identification:
        known = model == "old" and template is TEMPLATE
        return (
            Identification(person="p1", score=0.2) if known else Identification(person=None, reason=Reason.UNKNOWN_FACE)
        )

    stand.roster.identify = identify  # type: ignore[method-assign]
    stand.judge._around = replace(stand.judge._around, former=FormerModels(sight=Old(), metric=Metric.DISTANCE))
    presented = Presented(
        way=Way.FACE,
        at_s=asyncio.get_running_loop().time(),
        glance=Seen(),
        picture=np.zeros((2, 2, 3), dtype=np.uint8),
    )
    verdict = await stand.judge.judge(presented)
    assert verdict.decision.answer is Answer.OPEN
    assert verdict.former is before
    assert verdict.known.id == "p1"
