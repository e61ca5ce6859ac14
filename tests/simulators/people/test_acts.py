"""Who comes is written in words, and words that mean nothing are refused with how to write them."""

from datetime import timedelta

import pytest

from simulators.people.attempts import Act, BadAct, Kind, read_act
from simulators.people.cast import CAST, MOST, Role, look_number
from simulators.people.looks import look_of


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("nobody", Act(kind=Kind.NOBODY)),
        ("resident 7", Act(kind=Kind.PERSON, number=7)),
        ("resident 7 for 5s", Act(kind=Kind.PERSON, number=7, stays=timedelta(seconds=5))),
        ("visitor 2 mask", Act(kind=Kind.PERSON, role=Role.VISITOR, number=2, mask=True)),
        ("Stranger 3 fever mask at-once", Act(kind=Kind.PERSON, role=Role.STRANGER, number=3, fever=True, mask=True, at_once=True)),  # noqa: E501
        ("print resident 7", Act(kind=Kind.PRINT, number=7)),
        ("warm-hand resident 1 at-once for 500ms", Act(kind=Kind.WARM_HAND, number=1, at_once=True, stays=timedelta(milliseconds=500))),  # noqa: E501
        ("two resident 4", Act(kind=Kind.TWO, number=4)),
    ],
)  # fmt: skip
def test_words_are_read_and_written_again(text: str, act: Act) -> None:
    assert read_act(text) == act
    assert read_act(act.words) == act


@pytest.mark.parametrize(
    "text",
    ["", "resident", "resident x", "resident 0", "resident 201", "stranger 41", "ghost 3", "print nobody", "nobody 3",
     "resident 7 for", "resident 7 for long", "resident 7 for 5s 6s", "print print resident 7", "resident 7 8"],
)  # fmt: skip
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(BadAct):
        read_act(text)


def test_only_who_is_there_in_the_flesh_is_there() -> None:
    assert read_act("resident 7 mask").person == "resident-7"
    assert read_act("two resident 7").person == "resident-7"
    assert [read_act(f"{kind} resident 7").person for kind in ("print", "screen", "eye-holes")] == [None] * 3


def test_everybody_has_a_face_of_their_own() -> None:
    assert len(set(CAST)) == len(CAST) == sum(MOST.values())
    assert len({look_number(role, number) for role in Role for number in range(1, MOST[role] + 1)}) == len(CAST)
    assert look_of(7) == look_of(7) != look_of(8)
