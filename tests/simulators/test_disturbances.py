from random import Random

import pytest

from simulators.disturbances import (
    EXPLAINED,
    BadDisturbance,
    Disturbances,
    Kind,
    Mark,
    Transport,
    hears,
    is_disturbance,
    known,
    parse,
    refusal,
    transmit,
)
from simulators.machines.api import UnknownFault

FRAME = bytes.fromhex("01 03 02 00 01 79 84")
RANDOM = Random(1)  # noqa: S311 - noise that repeats


def test_every_kind_is_explained() -> None:
    assert set(EXPLAINED) == set(Kind)


def test_parameters_are_read() -> None:
    assert parse("slow").delay_s == 0.3
    assert parse("slow:40ms").delay_s == 0.04
    late = parse("late:1500ms@5%")
    assert (late.kind, late.delay_s, late.share, late.key) == (Kind.LATE, 1.5, 0.05, "late")
    assert parse("exception-11").code == 11
    assert parse("exception-11").key == "exception-11"
    assert parse("busy").code == 6
    assert parse("holes:200-210, 300").spans == (range(200, 211), range(300, 301))
    assert parse("noise:after").side == "after"


@pytest.mark.parametrize(
    "text",
    [
        "slow:fast",
        "late:5",
        "exception",
        "exception-0",
        "exception-256",
        "exception-4:3",
        "busy-4",
        "holes",
        "holes:",
        "holes:9-2",
        "holes:1-70000",
        "noise:above",
        "dead:1s",
        "half-open@5%",
        "dead@0%",
        "dead@101%",
        "dead@1.2.3%",
        "dead@.%",
    ],
)
def test_a_parameter_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises((BadDisturbance, UnknownFault)):
        parse(text)


def test_an_unknown_one_is_answered_with_those_of_the_transport() -> None:
    assert not is_disturbance("dry-run")
    assert not is_disturbance("")
    with pytest.raises(UnknownFault) as caught:
        parse("wrong-crc", Transport.TCP)
    assert "half-open" in caught.value.known
    assert "wrong-crc" not in caught.value.known
    assert "half-open" not in known(Transport.SERIAL)


def test_one_of_a_kind_replaces_another_and_any_parameter_clears_it() -> None:
    several = Disturbances()
    for text in ("slow:1s", "slow:2s", "exception-3", "exception-4@10%"):
        several.add(text)
    assert list(several.active) == ["slow:2s", "exception-3", "exception-4@10%"]
    for text in ("exception-4", "slow:9s", "dead"):
        several.remove(text)
    assert list(several.active) == ["exception-3"]
    several.remove(None)
    assert not list(several.active)


def test_a_share_strikes_about_that_many_requests() -> None:
    some = Disturbances()
    some.add("busy@5%")
    random = Random(7)  # noqa: S311 - noise that repeats
    struck = sum(bool(some.draw(random)) for _ in range(10_000))
    assert 400 < struck < 600


def test_a_dead_unit_hears_nothing() -> None:
    assert not hears([parse("dead")])
    assert hears([parse("busy"), parse("late")])


@pytest.mark.parametrize(
    ("text", "addresses", "code"),
    [
        ("exception-4", range(5), 4),
        ("busy", range(5), 6),
        ("holes:10-12", range(10), None),
        ("holes:10-12", range(11), 2),
        ("holes:10-12", range(12, 20), 2),
        ("holes:10-12", range(13, 20), None),
        ("slow", range(5), None),
    ],
)
def test_refusals(text: str, addresses: range, code: int | None) -> None:
    assert refusal([parse(text)], addresses) == code


def test_an_undisturbed_answer_goes_out_as_it_is() -> None:
    sent = transmit([], FRAME, RANDOM)
    assert [(part.after_s, part.data) for part in sent.parts] == [(0, FRAME)]
    assert sent.mark is Mark.NONE


def test_slow_is_good_and_late_is_doubtful() -> None:
    slow = transmit([parse("slow:100ms")], FRAME, RANDOM)
    assert (slow.parts[0].after_s, slow.parts[0].data, slow.mark) == (0.1, FRAME, Mark.NONE)
    late = transmit([parse("late:2s")], FRAME, RANDOM)
    assert (late.parts[0].after_s, late.parts[0].data, late.mark) == (2.0, FRAME, Mark.DOUBTFUL)


def test_a_wrong_check_sum_spoils_the_last_byte_alone() -> None:
    for _ in range(50):
        sent = transmit([parse("wrong-crc")], FRAME, RANDOM)
        assert sent.parts[0].data[:-1] == FRAME[:-1]
        assert sent.parts[0].data[-1] != FRAME[-1]
        assert sent.mark is Mark.BROKEN


def test_a_truncated_answer_is_a_real_beginning() -> None:
    for _ in range(50):
        sent = transmit([parse("truncated")], FRAME, RANDOM)
        assert 0 < len(sent.parts[0].data) < len(FRAME)
        assert FRAME.startswith(sent.parts[0].data)
        assert sent.mark is Mark.BROKEN


def test_noise_lies_beside_a_whole_answer() -> None:
    before = transmit([parse("noise:before")], FRAME, RANDOM)
    assert len(before.parts) == 1
    assert before.parts[0].data.endswith(FRAME)
    after = transmit([parse("noise:after")], FRAME, RANDOM)
    assert after.parts[0].data == FRAME
    assert [part.is_answer for part in after.parts] == [True, False]
    assert after.parts[1].data
    assert before.mark is after.mark is Mark.DOUBTFUL
