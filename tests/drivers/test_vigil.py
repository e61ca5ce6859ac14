"""When a connection counts as dead, and when only a unit does."""

from drivers.vigil import Vigil


def test_two_lost_answers_of_live_units_end_a_connection() -> None:
    vigil = Vigil()
    vigil.connected(now=0.0)
    vigil.answered(1)
    vigil.answered(2)
    assert not vigil.unanswered(1, now=1.0)
    assert vigil.unanswered(2, now=2.0)


def test_one_dead_unit_never_ends_the_connection_of_its_neighbours() -> None:
    vigil = Vigil()
    vigil.connected(now=0.0)
    vigil.answered(1)
    vigil.answered(2)
    for second in range(1, 200):
        assert not vigil.unanswered(1, now=float(second))
        vigil.answered(2)


def test_dead_units_end_nothing_while_the_one_live_unit_is_asked_seldom() -> None:
    vigil = Vigil()
    vigil.connected(now=0.0)
    vigil.answered(1)
    assert not any(vigil.unanswered(unit, now=100.0 + unit) for unit in (2, 3, 4, 5) * 10)


def test_a_connection_on_which_nobody_ever_answers_is_made_again_ever_more_seldom() -> None:
    vigil, given_up, last = Vigil(), list[float](), 0.0
    vigil.connected(now=0.0)
    for second in range(1, 400):
        if vigil.unanswered(1, now=float(second)):
            given_up.append(second - last)
            last = float(second)
            vigil.connected(now=last)
    assert given_up[:5] == [5, 10, 20, 40, 60]
    assert set(given_up[4:]) == {60}
