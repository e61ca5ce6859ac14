from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.alarms.domain import (
    FLAGS,
    TRANSITIONS,
    Action,
    Change,
    ConditionState,
    Fired,
    Flags,
    NotAllowed,
    PointValue,
    Rule,
    State,
    allowed,
    expire,
    holds,
    judge,
    rules,
    state_of,
    transition,
)
from drivers.profile import AlarmOverride, Priority
from tests.support.pump_profile import pump_profile

History = list[tuple[int, float | None]]
RULES = {rule.id: rule for rule in rules(pump_profile(), {})}
HIGH = RULES["high_pressure"]
DRY = RULES["dry_run"]


def value(number: float | None, quality: int = 192) -> PointValue:
    return PointValue(value=number, quality=quality, at_ms=0)


def play(
    rule: Rule,
    history: History,
    state: ConditionState | None = None,
    *,
    historical: bool = False,
) -> tuple[ConditionState | None, list[Fired]]:
    fired: list[Fired] = []
    for at_ms, number in history:
        known = value(number or 0.0, 192 if number is not None else 0)
        state, some = judge(rule, state, {"pressure": known}, at_ms=at_ms, historical=historical)
        fired.extend(some)
    return state, fired


# --- rules ---------------------------------------------------------------------------------------------------------


def test_each_code_is_a_rule_of_its_own() -> None:
    assert set(RULES) == {"dry_run", "high_pressure", "fault.3", "fault.7"}
    assert RULES["fault.3"].priority is Priority.URGENT
    assert RULES["fault.7"].priority is Priority.HIGH
    assert RULES["fault.7"].cause.en == "A fuse is gone"
    assert RULES["fault.3"].cause.en == "The suction side is empty"


def test_overrides_change_delays_limits_priority_and_switch_off() -> None:
    override = AlarmOverride(on_delay=timedelta(seconds=1), limits={"pressure": 8.0}, priority=Priority.LOW)
    changed = {
        rule.id: rule
        for rule in rules(pump_profile(), {"high_pressure": override, "fault": AlarmOverride(enabled=False)})
    }
    assert set(changed) == {"dry_run", "high_pressure"}
    rule = changed["high_pressure"]
    assert (rule.on_delay_ms, rule.off_delay_ms, rule.tests[0].operand) == (1000, 5000, 8.0)
    assert rule.priority is Priority.LOW


# --- three values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("running", "current", "expected"),
    [
        (value(1), value(1.0), True),
        (value(1), value(2.0), False),
        (value(0), value(1.0), False),
        (value(1), value(1.0, quality=0), None),
        (value(1), value(1.0, quality=500), None),
        (value(0), value(1.0, quality=0), False),
        (value(None), value(1.0), None),
    ],
)
def test_one_failed_test_decides_and_a_bad_point_leaves_it_open(
    *, running: PointValue, current: PointValue, expected: bool | None
) -> None:
    assert holds(DRY, {"running": running, "current": current}, held_before=False) is expected


def test_a_point_never_seen_is_unknown() -> None:
    assert holds(DRY, {"running": value(1)}, held_before=False) is None


@pytest.mark.parametrize(("number", "expected"), [(10.1, True), (10.0, True), (9.1, True), (9.0, False), (8.9, False)])
def test_a_limit_that_holds_is_left_only_beyond_its_deadband(*, number: float, expected: bool) -> None:
    assert holds(HIGH, {"pressure": value(number)}, held_before=True) is expected


def test_a_limit_is_entered_without_deadband() -> None:
    assert holds(HIGH, {"pressure": value(10.0)}, held_before=False) is False
    assert holds(HIGH, {"pressure": value(10.01)}, held_before=False) is True


def test_codes_match_exactly() -> None:
    assert holds(RULES["fault.3"], {"fault_code": value(3)}, held_before=False) is True
    assert holds(RULES["fault.7"], {"fault_code": value(3)}, held_before=False) is False


# --- delays ----------------------------------------------------------------------------------------------------------


def test_a_fault_shorter_than_its_delay_raises_nothing() -> None:
    _, fired = play(HIGH, [(0, 11.0), (9_999, 5.0), (60_000, 5.0)])
    assert fired == []


def test_a_fault_that_lasts_is_raised_at_its_due_time() -> None:
    _, fired = play(HIGH, [(0, 11.0), (60_000, 12.0)])
    assert fired == [Fired(change=Change.RAISE, at_ms=10_000, value=11.0)]


def test_a_fault_that_came_and_went_between_samples_is_seen_whole() -> None:
    _, fired = play(HIGH, [(0, 11.0), (60_000, 5.0), (120_000, 5.0)], historical=True)
    assert [(one.change, one.at_ms) for one in fired] == [(Change.RAISE, 10_000), (Change.CLEAR, 65_000)]


def test_a_bad_value_neither_raises_nor_clears_and_stops_no_delay() -> None:
    _, fired = play(HIGH, [(0, None), (1_000, 11.0), (2_000, None), (30_000, None), (60_000, None)])
    assert [(one.change, one.at_ms) for one in fired] == [(Change.RAISE, 11_000)]


def test_a_dip_within_the_off_delay_does_not_clear() -> None:
    _, fired = play(HIGH, [(0, 11.0), (20_000, 5.0), (24_999, 11.0), (90_000, 11.0)])
    assert [one.change for one in fired] == [Change.RAISE]


def test_the_wall_clock_runs_out_a_delay_but_not_in_a_backlog() -> None:
    live, _ = play(HIGH, [(0, 11.0)])
    replayed, _ = play(HIGH, [(0, 11.0)], historical=True)
    assert live is not None
    assert replayed is not None
    after, fired = expire(live, 10_000)
    assert [one.at_ms for one in fired] == [10_000]
    assert expire(after, 99_000) == (after, ())
    assert expire(replayed, 99_000) == (replayed, ())
    assert expire(live, 9_999) == (live, ())


def test_replayed_samples_of_a_running_delay_hold_the_wall_clock_back() -> None:
    live, _ = play(HIGH, [(0, 11.0)])
    replayed, _ = play(HIGH, [(1_000, 11.0)], live, historical=True)
    assert replayed is not None
    assert replayed.backlog
    caught_up, _ = play(HIGH, [(2_000, 11.0)], replayed)
    assert caught_up is not None
    assert not caught_up.backlog


def test_a_delay_starts_again_when_the_clock_of_the_edge_was_set_back() -> None:
    far = 10**12
    state, _ = play(HIGH, [(far, 11.0), (1_000, 11.0)])
    assert state is not None
    assert state.due_ms == 11_000


def test_a_healthy_point_needs_no_row() -> None:
    assert play(HIGH, [(at, 5.0) for at in range(0, 9000, 1000)]) == (None, [])


histories = st.lists(
    st.tuples(st.integers(0, 8_000), st.sampled_from([4.0, 9.0, 9.5, 10.5, 12.0, None])), min_size=1, max_size=40
).map(lambda steps: [(sum(gap for gap, _ in steps[: n + 1]), number) for n, (_, number) in enumerate(steps)])


@given(histories)
def test_raises_and_clears_alternate_and_their_times_never_go_back(history: History) -> None:
    _, fired = play(HIGH, history)
    assert [one.change for one in fired] == [(Change.RAISE, Change.CLEAR)[n % 2] for n in range(len(fired))]
    assert all(first.at_ms <= second.at_ms for first, second in pairwise(fired))


@given(histories, st.data())
def test_a_repeat_of_the_last_sample_changes_nothing(history: History, data: st.DataObject) -> None:
    repeated = [sample for sample in history for _ in range(data.draw(st.integers(1, 3)))]
    assert play(HIGH, history) == play(HIGH, repeated)


@given(histories, st.integers(0, 40))
def test_a_restart_anywhere_changes_nothing(history: History, cut: int) -> None:
    middle, first = play(HIGH, history[:cut])
    end, second = play(HIGH, history[cut:], middle)
    assert (end, first + second) == play(HIGH, history)


@given(histories, st.lists(st.integers(0, 40), max_size=6))
def test_timers_between_the_samples_change_nothing(history: History, looks: list[int]) -> None:
    """The worker may look at any moment between two samples, or never: the alarms are the same."""
    state: ConditionState | None = None
    fired: list[Fired] = []
    for n, (at_ms, number) in enumerate(history):
        if n in looks and state is not None:
            state, some = expire(state, at_ms)
            fired.extend(some)
        state, more = play(HIGH, [(at_ms, number)], state)
        fired.extend(more)
    assert (state, fired) == play(HIGH, history)


@given(histories, histories)
def test_replayed_history_gives_the_same_alarms_as_live(first: History, second: History) -> None:
    later = [(first[-1][0] + at_ms, number) for at_ms, number in second]
    middle, replayed = play(HIGH, first, historical=True)
    _, live = play(HIGH, later, middle)
    assert replayed + live == play(HIGH, first + later)[1]


# --- the alarm's states ----------------------------------------------------------------------------------------------


def test_every_state_has_flags_of_its_own() -> None:
    assert {state_of(flags) for flags in FLAGS.values()} == set(State)


def test_flags_that_are_no_state_are_an_error() -> None:
    with pytest.raises(ValueError, match="no state"):
        state_of(Flags(active=True, acknowledged=True, latched=True, closed=False))


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("action", Action)
def test_what_is_not_in_the_table_is_refused_with_what_is_allowed(state: State, action: Action) -> None:
    if (state, action) in TRANSITIONS:
        assert action in allowed(state)
        return
    with pytest.raises(NotAllowed) as caught:
        transition(state, action)
    assert set(caught.value.allowed) == set(allowed(state))


def test_the_standards_way_through_the_states() -> None:
    state = State.NORMAL
    seen = ""
    for action in (Action.RAISE, Action.LATCH, Action.RAISE, Action.LATCH, Action.ACKNOWLEDGE, Action.RESET):
        state = transition(state, action)
        seen += state
    assert seen == "BEBEFA"
