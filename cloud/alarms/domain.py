"""How alarms are decided: rules from a profile, conditions with deadband and delays, and the states of ISA-18.2.

Everything here is a function of what was seen and when. Times are Unix milliseconds, by the clock of the edge.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from drivers.profile import Alarm, AlarmOverride, Condition, FaultCode, Label, Priority, Profile

GOOD = 192
"""The quality, by Sparkplug's number, of a value that may raise or clear an alarm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PointValue:
    """The last known value of a point: numbers and booleans as float, None when it never was known."""

    value: float | str | None
    quality: int
    at_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Test:
    """One comparison of one point; `operand` is a limit (above, below), a value (equals), or codes (one_of, ...)."""

    point: str
    operator: str
    operand: float | str | frozenset[float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One alarm that a device can raise. All `tests` must hold; `id` is the alarm's name, with `.code` for a code."""

    id: str
    tests: tuple[Test, ...]
    deadband: float
    on_delay_ms: int
    off_delay_ms: int
    priority: Priority
    latching: bool
    label: Label
    cause: Label
    consequence: Label
    response: Label
    respond_within_ms: int
    work_order: str | None

    @property
    def points(self) -> frozenset[str]:
        """The points whose change can change this rule's condition."""
        return frozenset(test.point for test in self.tests)


# --- rules from a profile --------------------------------------------------------------------------------------------


def rules(profile: Profile, overrides: Mapping[str, AlarmOverride]) -> tuple[Rule, ...]:
    """Give the alarms of a device; an alarm with `codes` becomes one rule for each code; disabled ones are left out."""
    found: list[Rule] = []
    for name, alarm in profile.alarms.items():
        override = overrides.get(name, AlarmOverride())
        if not override.enabled:
            continue
        if alarm.when:
            tests = tuple(_test(condition, override) for condition in alarm.when)
            found.append(_rule(name, alarm, override, tests, None))
        for code, fault in alarm.codes.items():
            test = Test(point=alarm.point or "", operator="equals", operand=float(int(code)))
            found.append(_rule(f"{name}.{code}", alarm, override, (test,), fault))
    return tuple(found)


def describe(profile: Profile, rule_id: str) -> Rule | None:
    """Give the texts of a rule, even of one that an override has switched off since; None when there is none."""
    return next((rule for rule in rules(profile, {}) if rule.id == rule_id), None)


def _rule(
    rule_id: str, alarm: Alarm, override: AlarmOverride, tests: tuple[Test, ...], fault: FaultCode | None
) -> Rule:
    own = fault.priority if fault is not None else None
    return Rule(
        id=rule_id,
        tests=tests,
        deadband=alarm.deadband,
        on_delay_ms=_ms(alarm.on_delay if override.on_delay is None else override.on_delay),
        off_delay_ms=_ms(alarm.off_delay if override.off_delay is None else override.off_delay),
        priority=override.priority or own or alarm.priority,
        latching=alarm.latching,
        label=alarm.label if fault is None else fault.label,
        cause=alarm.cause if fault is None or fault.cause is None else fault.cause,
        consequence=alarm.consequence,
        response=alarm.response,
        respond_within_ms=_ms(alarm.respond_within),
        work_order=alarm.work_order,
    )


def _test(condition: Condition, override: AlarmOverride) -> Test:
    limit = override.limits.get(condition.point)
    if condition.above is not None:
        return Test(point=condition.point, operator="above", operand=condition.above if limit is None else limit)
    if condition.below is not None:
        return Test(point=condition.point, operator="below", operand=condition.below if limit is None else limit)
    if condition.one_of is not None:
        return Test(point=condition.point, operator="one_of", operand=frozenset(map(float, condition.one_of)))
    if condition.not_one_of is not None:
        return Test(point=condition.point, operator="not_one_of", operand=frozenset(map(float, condition.not_one_of)))
    value = condition.equals
    operand = value if isinstance(value, str) else float(value or 0)
    return Test(point=condition.point, operator="equals", operand=operand)


def _ms(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))


# --- conditions: true, false, or unknown -----------------------------------------------------------------------------


def holds(rule: Rule, values: Mapping[str, PointValue], *, held_before: bool) -> bool | None:
    """Judge a rule's condition: None when a point that matters is bad or was never known.

    One test that fails decides, whatever else is unknown. A limit that held before holds until the value is beyond
    it by the deadband.
    """
    unknown = False
    for test in rule.tests:
        value = values.get(test.point)
        result = None if value is None else _passes(test, value, rule.deadband if held_before else 0.0)
        if result is False:
            return False
        unknown = unknown or result is None
    return None if unknown else True


def _passes(test: Test, value: PointValue, deadband: float) -> bool | None:
    seen = value.value
    if value.quality != GOOD or seen is None or isinstance(seen, str) != isinstance(test.operand, str):
        return None
    return _OPERATORS[test.operator](seen, test.operand, deadband)


# A limit is left behind by the deadband; exactly there counts as left.
_OPERATORS: Mapping[str, Callable[[Any, Any, float], bool]] = {
    "above": lambda number, limit, deadband: number > limit - deadband,
    "below": lambda number, limit, deadband: number < limit + deadband,
    "equals": lambda number, operand, _: number == operand,
    "one_of": lambda number, codes, _: number in codes,
    "not_one_of": lambda number, codes, _: number not in codes,
}


# --- delays ----------------------------------------------------------------------------------------------------------


class Change(StrEnum):
    """What a delay leads to."""

    RAISE = "raise"
    CLEAR = "clear"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConditionState:
    """What is known of one rule at one device, as it is stored; `pending` runs out at `due_ms`.

    `backlog`: learned from replayed data, so that the wall clock says nothing about it yet. `value` is what met the
    condition.
    """

    met: bool
    since_ms: int
    pending: Change | None = None
    due_ms: int | None = None
    backlog: bool = False
    value: float | None = None

    @property
    def active(self) -> bool:
        """Whether the alarm is active: delays considered."""
        return self.met != (self.pending is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fired:
    """A delay ran out (or there was none): the alarm is to be raised or cleared, at its own moment."""

    change: Change
    at_ms: int
    value: float | None


UNSEEN = ConditionState(met=False, since_ms=0)
"""A rule whose condition was never met: it needs no row."""

CLOCK_STEP_MS = 60_000
"""Readings of one device may be this much out of order; further back, the edge's clock was set."""


def step(
    state: ConditionState | None, rule: Rule, *, met: bool | None, at_ms: int, value: float | None, historical: bool
) -> tuple[ConditionState | None, tuple[Fired, ...]]:
    """Take one judgement at its event time; the new state, and what fired.

    A delay that ran out before `at_ms` fires first, at its own due time, so that a fault which came and went in the
    past is seen. An unknown judgement (`met` None) keeps the state, with the delay that runs in it: it began with
    something that was known.
    """
    fired: list[Fired] = []
    current = state or UNSEEN
    if current.pending is not None:
        current = _follow_clock(current, rule, at_ms)
        current, due = _run_out(current, at_ms)
        fired.extend(due)
    if met is not None and met != current.met:
        current = _turn(current, rule, met=met, at_ms=at_ms, value=value)
        current, due = _run_out(current, at_ms)
        fired.extend(due)
    if current == UNSEEN:
        return state, ()
    if state is not None and not historical and current.backlog:
        current = replace(current, backlog=False)
    if historical and (current != state or current.pending is not None):
        current = replace(current, backlog=True)
    return current, tuple(fired)


def expire(state: ConditionState, now_ms: int) -> tuple[ConditionState, tuple[Fired, ...]]:
    """Let the wall clock run out a delay; never one that was learned from replayed data."""
    if state.backlog:
        return state, ()
    return _run_out(state, now_ms)


def _follow_clock(state: ConditionState, rule: Rule, at_ms: int) -> ConditionState:
    """Start a delay again when the edge's clock was set back, else it would wait for a time that is far away."""
    if state.since_ms - at_ms <= CLOCK_STEP_MS:
        return state
    delay = rule.on_delay_ms if state.pending is Change.RAISE else rule.off_delay_ms
    return replace(state, since_ms=at_ms, due_ms=at_ms + delay)


def _run_out(state: ConditionState, at_ms: int) -> tuple[ConditionState, tuple[Fired, ...]]:
    if state.pending is None or state.due_ms is None or state.due_ms > at_ms:
        return state, ()
    fired = Fired(change=state.pending, at_ms=state.due_ms, value=state.value)
    return replace(state, pending=None, due_ms=None), (fired,)


def _turn(state: ConditionState, rule: Rule, *, met: bool, at_ms: int, value: float | None) -> ConditionState:
    kept = value if met else state.value
    if state.pending is not None:
        # It turned back before the delay ran out, so nothing has happened.
        return replace(state, met=met, since_ms=at_ms, pending=None, due_ms=None, value=kept)
    change, delay = (Change.RAISE, rule.on_delay_ms) if met else (Change.CLEAR, rule.off_delay_ms)
    return replace(state, met=met, since_ms=at_ms, pending=change, due_ms=at_ms + delay, value=kept)


def judge(
    rule: Rule, state: ConditionState | None, values: Mapping[str, PointValue], *, at_ms: int, historical: bool
) -> tuple[ConditionState | None, tuple[Fired, ...]]:
    """Judge one rule on the values as they are at `at_ms`, and run its delays."""
    met = holds(rule, values, held_before=state is not None and state.met)
    known = values.get(rule.tests[0].point)
    number = known.value if known is not None and isinstance(known.value, float) else None
    return step(state, rule, met=met, at_ms=at_ms, value=number, historical=historical)


# --- the alarm itself ------------------------------------------------------------------------------------------------


class State(StrEnum):
    """The states of ANSI/ISA-18.2 (IEC 62682) that this release has; the letters are the standard's."""

    NORMAL = "A"
    UNACKNOWLEDGED = "B"
    ACKNOWLEDGED = "C"
    RETURNED = "D"
    LATCHED_UNACKNOWLEDGED = "E"
    LATCHED = "F"


class Action(StrEnum):
    """What can happen to an alarm. LATCH is the CLEAR of a rule that latches."""

    RAISE = "raise"
    CLEAR = "clear"
    LATCH = "latch"
    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"


@dataclass(frozen=True, kw_only=True, slots=True)
class Flags:
    """The orthogonal parts of an alarm's state, as OPC UA Part 9 has them."""

    active: bool
    acknowledged: bool
    latched: bool
    closed: bool


FLAGS: Mapping[State, Flags] = {
    State.NORMAL: Flags(active=False, acknowledged=True, latched=False, closed=True),
    State.UNACKNOWLEDGED: Flags(active=True, acknowledged=False, latched=False, closed=False),
    State.ACKNOWLEDGED: Flags(active=True, acknowledged=True, latched=False, closed=False),
    State.RETURNED: Flags(active=False, acknowledged=False, latched=False, closed=False),
    State.LATCHED_UNACKNOWLEDGED: Flags(active=False, acknowledged=False, latched=True, closed=False),
    State.LATCHED: Flags(active=False, acknowledged=True, latched=True, closed=False),
}

TRANSITIONS: Mapping[tuple[State, Action], State] = {
    (State.NORMAL, Action.RAISE): State.UNACKNOWLEDGED,
    (State.UNACKNOWLEDGED, Action.CLEAR): State.RETURNED,
    (State.UNACKNOWLEDGED, Action.LATCH): State.LATCHED_UNACKNOWLEDGED,
    (State.UNACKNOWLEDGED, Action.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.ACKNOWLEDGED, Action.CLEAR): State.NORMAL,
    (State.ACKNOWLEDGED, Action.LATCH): State.LATCHED,
    (State.RETURNED, Action.ACKNOWLEDGE): State.NORMAL,
    (State.RETURNED, Action.RAISE): State.UNACKNOWLEDGED,
    (State.LATCHED_UNACKNOWLEDGED, Action.ACKNOWLEDGE): State.LATCHED,
    (State.LATCHED_UNACKNOWLEDGED, Action.RAISE): State.UNACKNOWLEDGED,
    (State.LATCHED, Action.RESET): State.NORMAL,
    (State.LATCHED, Action.RAISE): State.UNACKNOWLEDGED,
}


class NotAllowed(Exception):
    """An action that an alarm's state does not have; says what is allowed instead."""

    def __init__(self, *, state: State, action: Action) -> None:
        self.state = state
        self.action = action
        self.allowed = allowed(state)
        choices = ", ".join(self.allowed) or "nothing"
        super().__init__(f"an alarm in state {state} ({state.name.lower()}) does not {action}; allowed: {choices}")


def allowed(state: State) -> tuple[Action, ...]:
    """List what can happen in a state."""
    return tuple(action for (origin, action) in TRANSITIONS if origin is state)


def transition(state: State, action: Action) -> State:
    """Give the state after `action`; NotAllowed when the state does not have it."""
    try:
        return TRANSITIONS[state, action]
    except KeyError:
        raise NotAllowed(state=state, action=action) from None


def state_of(flags: Flags) -> State:
    """Name the state that stored flags stand for; ValueError for a combination that is none."""
    if flags.closed:
        return State.NORMAL
    for state, candidate in FLAGS.items():
        if candidate == flags:
            return state
    raise ValueError(f"no state of ISA-18.2 has {flags}")


def by_point(found: Iterable[Rule]) -> dict[str, tuple[Rule, ...]]:
    """Index rules by the points that they look at."""
    index: dict[str, list[Rule]] = {}
    for rule in found:
        for point in rule.points:
            index.setdefault(point, []).append(rule)
    return {point: tuple(items) for point, items in index.items()}
