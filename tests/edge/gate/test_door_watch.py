import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gate.door_watch import DoorRules, DoorState, DoorWatch

RULES = DoorRules(bounce_s=0.3, held_after_s=20, release_within_s=5)


@pytest.fixture
def door() -> DoorWatch:
    watch = DoorWatch(RULES)
    watch.contact(closed=True, now=0)
    watch.lock_power(powered=True)
    return watch


def test_a_door_is_not_known_before_its_contact_was_read() -> None:
    assert DoorWatch(RULES).view(0).state is DoorState.UNKNOWN
    assert DoorWatch(RULES, has_contact=False).view(0).state is DoorState.CLOSED


def test_a_grant_lets_one_through(door: DoorWatch) -> None:
    door.granted(seconds=3, now=10)
    assert door.view(10.1).state is DoorState.UNLOCKED
    assert door.view(10.1).busy
    door.contact(closed=False, now=11)
    assert door.view(11).state is DoorState.OPEN
    door.contact(closed=True, now=13)
    view = door.view(13)
    assert (view.state, view.passed, view.busy, view.forced, view.tailgating) == (
        DoorState.CLOSED,
        1,
        False,
        False,
        False,
    )


def test_nobody_who_goes_through_ends_the_grant_by_itself(door: DoorWatch) -> None:
    door.granted(seconds=3, now=10)
    assert door.view(15).state is DoorState.CLOSED
    assert not door.view(15).busy
    assert door.view(15).passed == 0


def test_an_opening_without_a_grant_is_forced_after_the_bounce(door: DoorWatch) -> None:
    door.contact(closed=False, now=10)
    assert not door.view(10.2).forced
    assert door.view(10.4).state is DoorState.FORCED
    door.contact(closed=True, now=12)
    assert not door.view(12).forced


def test_a_bouncing_contact_is_no_break_in(door: DoorWatch) -> None:
    door.contact(closed=False, now=10)
    door.contact(closed=True, now=10.1)
    assert not door.view(11).forced


@pytest.mark.parametrize("pressed_at", [9.0, 10.8])
def test_the_exit_button_excuses_an_opening_also_when_it_is_read_a_little_later(
    door: DoorWatch, pressed_at: float
) -> None:
    for at, act in sorted([(pressed_at, "press"), (10.0, "open")]):
        if act == "press":
            door.exit_button(pressed=True, now=at)
            door.exit_button(pressed=False, now=at + 0.05)
        else:
            door.contact(closed=False, now=at)
    assert door.view(12).state is DoorState.OPEN
    assert not door.view(12).forced


def test_a_button_long_before_excuses_nothing(door: DoorWatch) -> None:
    door.exit_button(pressed=True, now=0)
    door.exit_button(pressed=False, now=0.2)
    door.contact(closed=False, now=60)
    assert door.view(61).forced


def test_a_door_that_stays_open_is_held(door: DoorWatch) -> None:
    door.granted(seconds=3, now=10)
    door.contact(closed=False, now=11)
    assert not door.view(30).held
    assert door.view(31.1).state is DoorState.HELD


def test_two_openings_on_one_grant_are_tailgating(door: DoorWatch) -> None:
    door.granted(seconds=3, now=10)
    door.contact(closed=False, now=11)
    door.contact(closed=True, now=12)
    assert not door.view(12).tailgating
    door.contact(closed=False, now=12.5)
    assert door.view(13).tailgating
    assert not door.view(13).forced
    assert door.view(13).passed == 1
    assert not door.view(40).tailgating


def test_two_people_in_the_beam_on_one_grant_are_tailgating(door: DoorWatch) -> None:
    door.granted(seconds=3, now=10)
    door.contact(closed=False, now=11)
    door.beam(interrupted=True, now=11.2)
    door.beam(interrupted=False, now=11.6)
    assert not door.view(11.7).tailgating
    door.beam(interrupted=True, now=12)
    assert door.view(12).tailgating


def test_fire_opens_and_is_verified(door: DoorWatch) -> None:
    door.fire(released=True, now=10)
    door.contact(closed=False, now=11)
    view = door.view(12)
    assert (view.state, view.forced, view.held, view.release_failed) == (DoorState.FIRE, False, False, False)
    assert door.view(15.1).release_failed
    door.lock_power(powered=False)
    assert door.view(15.1).release_failed is False
    assert not door.view(60).held
    door.fire(released=False, now=60)
    assert not door.view(61).forced
    assert door.view(81).held


def test_a_lock_whose_power_cannot_be_read_is_not_called_released(door: DoorWatch) -> None:
    door.fire(released=True, now=10)
    door.lock_power(powered=None)
    assert door.view(16).release_failed
    without = DoorWatch(RULES, has_lock_power=False)
    without.fire(released=True, now=10)
    assert without.view(16).release_failed is None


def test_an_opening_that_failed_excuses_nothing(door: DoorWatch) -> None:
    door.granted(seconds=3, now=10)
    door.withdrawn(now=10.5)
    door.contact(closed=False, now=11)
    assert door.view(12).forced


def test_a_door_found_open_at_the_start_is_not_forced() -> None:
    watch = DoorWatch(RULES)
    watch.contact(closed=False, now=0)
    assert watch.view(5).state is DoorState.OPEN
    assert watch.view(21).state is DoorState.HELD


_acts = st.one_of(
    st.tuples(st.just("contact"), st.sampled_from([True, False, None])),
    st.tuples(st.just("exit"), st.booleans()),
    st.tuples(st.just("fire"), st.booleans()),
    st.tuples(st.just("grant"), st.none()),
    st.tuples(st.just("beam"), st.booleans()),
)


@given(st.lists(st.tuples(st.floats(0.01, 30), _acts), max_size=30))
def test_a_door_is_one_thing_at_a_time_and_fire_silences_alarms(
    steps: list[tuple[float, tuple[str, bool | None]]],
) -> None:
    watch, now = DoorWatch(RULES), 0.0
    burning = False
    for wait, (what, value) in steps:
        now += wait
        if what == "contact":
            watch.contact(closed=value, now=now)
        elif what == "exit":
            watch.exit_button(pressed=bool(value), now=now)
        elif what == "fire":
            burning = bool(value)
            watch.fire(released=burning, now=now)
        elif what == "grant":
            watch.granted(seconds=3, now=now)
        else:
            watch.beam(interrupted=bool(value), now=now)
        view = watch.view(now)
        assert not (view.forced and view.held)
        if burning:
            assert view.state is DoorState.FIRE
            assert not view.forced
            assert not view.held
            assert not view.tailgating
