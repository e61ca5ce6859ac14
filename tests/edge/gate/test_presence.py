from itertools import pairwise

from edge.gate.api import Answer, Check, CheckResult, Decision, Reason
from edge.gate.presence import DOUBTS, LONGEST_PAUSE_S, Presence

OPEN = Decision(answer=Answer.OPEN, results=(CheckResult.passed(Check.LIVENESS),))
UNKNOWN = Decision(
    answer=Answer.REFUSE,
    reasons=((Check.IDENTITY, Reason.UNKNOWN_FACE),),
    results=(CheckResult.failed(Check.IDENTITY, Reason.UNKNOWN_FACE), CheckResult.passed(Check.LIVENESS)),
)
PICTURE = Decision(
    answer=Answer.REFUSE,
    reasons=((Check.LIVENESS, Reason.PICTURE_OF_A_FACE),),
    results=(CheckResult.failed(Check.LIVENESS, Reason.PICTURE_OF_A_FACE),),
)
FEVER = Decision(
    answer=Answer.STAFF,
    reasons=((Check.TEMPERATURE, Reason.FEVER),),
    results=(CheckResult.failed(Check.TEMPERATURE, Reason.FEVER), CheckResult.passed(Check.LIVENESS)),
)


def test_an_opening_does_not_wait() -> None:
    assert Presence().is_enough(OPEN, 0)


def test_a_blink_turns_nobody_away() -> None:
    one = Presence()
    assert not one.is_enough(UNKNOWN, 0)
    assert not one.is_enough(UNKNOWN, 0.1)
    assert one.is_enough(OPEN, 0.2)


def test_a_refusal_takes_several_looks_and_some_time() -> None:
    one = Presence()
    assert [one.is_enough(UNKNOWN, at / 10) for at in range(13)] == [False] * 12 + [True]
    slow = Presence()
    assert [slow.is_enough(UNKNOWN, at) for at in (0, 5, 10)] == [False, False, True]


def test_fever_is_not_looked_at_again_until_it_is_gone() -> None:
    assert Presence().is_enough(FEVER, 0)


def test_a_fever_that_was_measured_on_the_move_is_measured_again() -> None:
    moving = Decision(
        answer=Answer.STAFF,
        reasons=((Check.LIVENESS, Reason.FACE_NOT_CLEAR), (Check.TEMPERATURE, Reason.FEVER)),
        results=(
            CheckResult.unchecked(Check.LIVENESS, Reason.FACE_NOT_CLEAR),
            CheckResult.failed(Check.TEMPERATURE, Reason.FEVER),
        ),
    )
    one = Presence()
    assert not one.is_enough(moving, 0)
    assert one.is_enough(FEVER, 0.1)
    never_still = Presence()
    assert [never_still.is_enough(moving, at / 10) for at in range(31)] == [False] * 30 + [True]


def test_whoever_walks_up_for_longer_than_a_refusal_waits_is_judged_when_they_stand() -> None:
    walking = Decision(
        answer=Answer.REFUSE,
        reasons=((Check.LIVENESS, Reason.FACE_NOT_CLEAR),),
        results=(CheckResult.unchecked(Check.LIVENESS, Reason.FACE_NOT_CLEAR),),
    )
    one = Presence()
    assert not any(one.is_enough(walking, at / 10) for at in range(20))
    assert one.is_enough(PICTURE, 2.0)
    resident = Presence()
    assert not any(resident.is_enough(walking, at / 10) for at in range(20))
    assert resident.is_enough(OPEN, 2.0)


def test_a_thermal_picture_that_came_a_moment_late_turns_nobody_away() -> None:
    cold = Decision(
        answer=Answer.STAFF,
        reasons=((Check.TEMPERATURE, Reason.COLD_SURFACE),),
        results=(
            CheckResult.failed(Check.TEMPERATURE, Reason.COLD_SURFACE),
            CheckResult.failed(Check.LIVENESS, Reason.NO_WARMTH),
        ),
    )
    one = Presence()
    assert not one.is_enough(cold, 0)
    assert [one.is_enough(OPEN, 0.1 * at) for at in range(1, DOUBTS + 1)] == [False, False, True]


def test_what_looked_like_a_picture_must_show_life_several_times() -> None:
    one = Presence()
    assert not one.is_enough(PICTURE, 0)
    found = [one.is_enough(OPEN, 0.1 * at) for at in range(1, DOUBTS + 1)]
    assert found == [False] * (DOUBTS - 1) + [True]


def test_a_picture_that_passes_now_and_then_never_opens() -> None:
    one = Presence()
    for at in range(50):
        assert not one.is_enough(PICTURE, at / 10) or at >= 12
        assert not one.is_enough(OPEN, at / 10 + 0.05)


def test_whoever_is_refused_again_and_again_is_judged_ever_more_rarely() -> None:
    one, now, tries = Presence(), 0.0, []
    while now < 300:
        if one.may_try(now) and one.is_enough(UNKNOWN, now):
            tries.append(now)
            one.refused(now)
        now += 0.1
    gaps = [round(after - before) for before, after in pairwise(tries)]
    assert gaps == sorted(gaps)
    assert 3 < gaps[0] < 5
    assert gaps[-1] >= LONGEST_PAUSE_S


def test_the_next_person_begins_anew() -> None:
    one = Presence()
    one.is_enough(PICTURE, 0)
    one.ended()
    assert one.is_enough(OPEN, 1)


def test_a_door_that_did_not_open_is_tried_again_a_little_later() -> None:
    one = Presence()
    one.let_in(10, confirmed=False)
    assert not one.may_try(11)
    assert one.may_try(13)
    one.let_in(20, confirmed=True)
    assert one.may_try(20)
