import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.work_orders.domain import (
    ENDED,
    PERSON_ACTIONS,
    TRANSITIONS,
    Action,
    Closes,
    IllegalMove,
    State,
    allowed,
    closes_by_itself,
    move,
    number,
)


def walk(*actions: Action, closes: Closes = Closes.PERSON, assigned: bool = True) -> State:
    state = State.NEW
    for action in actions:
        state = move(state, action, closes=closes, assigned=assigned)
    return state


def test_the_ordinary_life_of_an_order() -> None:
    steps = (Action.ASSIGN, Action.ACCEPT, Action.START, Action.HOLD, Action.RESUME, Action.COMPLETE)
    assert walk(*steps) is State.DONE
    assert walk(*steps, Action.SENSOR_RESTORED, Action.CLOSE) is State.CLOSED


@pytest.mark.parametrize("state", [state for state in State if state not in ENDED | {State.VERIFIED}])
def test_the_sensor_verifies_any_open_order(state: State) -> None:
    assert move(state, Action.SENSOR_RESTORED, closes=Closes.PERSON, assigned=True) is State.VERIFIED


def test_a_fault_that_comes_back_goes_to_the_same_person_or_waits_for_one() -> None:
    assert move(State.VERIFIED, Action.SENSOR_FAILED_AGAIN, closes=Closes.PERSON, assigned=True) is State.DISPATCHED
    assert move(State.CLOSED, Action.SENSOR_FAILED_AGAIN, closes=Closes.PERSON, assigned=False) is State.NEW


def test_an_order_that_trusts_its_sensor_is_not_closed_before_the_sensor_is_back() -> None:
    assert move(State.DONE, Action.CLOSE, closes=Closes.PERSON, assigned=True) is State.CLOSED
    with pytest.raises(IllegalMove):
        move(State.DONE, Action.CLOSE, closes=Closes.SENSOR, assigned=True)


def test_an_illegal_move_says_from_to_and_what_is_allowed() -> None:
    with pytest.raises(IllegalMove, match="from 'new' to 'accepted'; allowed from here: assign, cancel"):
        move(State.NEW, Action.ACCEPT, closes=Closes.PERSON, assigned=False)


@pytest.mark.parametrize("closes", Closes)
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("action", Action)
def test_the_table_is_the_whole_truth(state: State, action: Action, closes: Closes) -> None:
    possible = (state, action) in TRANSITIONS
    if possible and not (state is State.DONE and action is Action.CLOSE and closes is Closes.SENSOR):
        assert move(state, action, closes=closes, assigned=True) is TRANSITIONS[state, action]
        assert (action in allowed(state, closes)) == (action in PERSON_ACTIONS)
        return
    with pytest.raises(IllegalMove) as caught:
        move(state, action, closes=closes, assigned=True)
    assert caught.value.allowed == allowed(state, closes)
    assert action not in allowed(state, closes)


@given(st.lists(st.sampled_from(sorted(PERSON_ACTIONS)), max_size=12))
def test_people_alone_never_verify(actions: list[Action]) -> None:
    state = State.NEW
    for action in actions:
        try:
            state = move(state, action, closes=Closes.SENSOR, assigned=True)
        except IllegalMove:
            continue
    assert state not in {State.VERIFIED, State.CLOSED}


@pytest.mark.parametrize(
    ("state", "closes", "restored_ms", "expected"),
    [
        (State.VERIFIED, Closes.SENSOR, 0, True),
        (State.VERIFIED, Closes.SENSOR, 1, False),
        (State.VERIFIED, Closes.PERSON, 0, False),
        (State.DONE, Closes.SENSOR, 0, False),
        (State.VERIFIED, Closes.SENSOR, None, False),
    ],
)
def test_only_a_verified_order_that_trusts_its_sensor_closes_by_itself(
    *, state: State, closes: Closes, restored_ms: int | None, expected: bool
) -> None:
    assert closes_by_itself(state, closes, restored_ms=restored_ms, now_ms=100, quiet_ms=100) is expected


def test_numbers_have_the_day_and_a_count() -> None:
    assert number("20261122", 7) == "WO-20261122-0007"
    assert number("20261122", 12345) == "WO-20261122-12345"
