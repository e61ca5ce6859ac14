"""Tokens, judgement and proof of commands."""

import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.api import Value
from drivers.profile import load_profile
from edge.commands import (
    LONGEST,
    TOKEN_LIFE_S,
    MalformedCommand,
    Plan,
    Refusal,
    Request,
    TokenBook,
    judge,
    read_request,
    shows,
)
from wire.edge_node import Command
from wire.payload import Metric

PROFILE = load_profile(Path(__file__).parent / "profiles" / "bench-pump.toml")
ID = str(uuid.UUID(int=7))
GOOD: dict[str, Value | None] = {
    "Command/Do/set_pressure": 5.0,
    "Command/Id": ID,
    "Command/Token": "t",
    "Command/Timeout Ms": 5000,
}
REQUEST = Request(
    device="pump-1", command_id=ID, token="t", timeout=timedelta(seconds=5), name="set_pressure", value=5.0
)


def command_of(said: dict[str, Value | None], device: str | None = "pump-1") -> Command:
    metrics = tuple(Metric(name=name, value=value) for name, value in said.items())
    return Command(device=device, timestamp_ms=0, metrics=metrics)


def test_a_command_is_read() -> None:
    assert read_request(command_of(GOOD)) == REQUEST


@pytest.mark.parametrize(
    "change",
    [
        {"Command/Id": "7"},
        {"Command/Id": None},
        {"Command/Timeout Ms": 0},
        {"Command/Timeout Ms": None},
        {"Command/Do/start": True},
    ],
)
def test_what_is_no_command_is_malformed(change: dict[str, Value | None]) -> None:
    with pytest.raises(MalformedCommand):
        read_request(command_of({**GOOD, **change}))


def test_a_command_without_an_order_is_malformed() -> None:
    with pytest.raises(MalformedCommand):
        read_request(command_of({name: value for name, value in GOOD.items() if "Do/" not in name}))


def test_the_time_of_a_command_is_bounded() -> None:
    assert read_request(command_of({**GOOD, "Command/Timeout Ms": 2**62})).timeout == LONGEST


def test_a_token_is_accepted_for_fifteen_seconds() -> None:
    book = TokenBook()
    book.issue("one", now=0)
    book.issue("two", now=5)
    assert book.accepts("one", now=TOKEN_LIFE_S)
    assert not book.accepts("one", now=TOKEN_LIFE_S + 0.1)
    assert book.accepts("two", now=TOKEN_LIFE_S + 0.1)
    assert not book.accepts("", now=6)


def test_a_good_command_is_planned_with_its_proof() -> None:
    plan = judge(REQUEST, PROFILE, token_is_valid=True)
    assert plan == Plan(
        point="setpoint", value=5.0, proof="setpoint", expected=5.0, tolerance=0.05, within=timedelta(seconds=2)
    )


def test_a_fixed_value_is_written_as_the_profile_has_it() -> None:
    plan = judge(replace(REQUEST, name="start", value=True), PROFILE, token_is_valid=True)
    assert isinstance(plan, Plan)
    assert (plan.point, plan.value, plan.expected) == ("mode", 1, 1)
    assert type(plan.value) is int


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "explode"}, "no command `explode`"),
        ({"name": "start", "value": 1}, "takes `true`"),
        ({"value": "5"}, "is not a float"),
        ({"value": True}, "is not a float"),
        ({"value": None}, "is not a float"),
        ({"value": float("nan")}, "is not a float"),
        ({"value": 0.9}, "outside the limits, 1 to 10"),
        ({"value": 10.1}, "outside the limits, 1 to 10"),
    ],
)
def test_a_command_that_does_not_fit_is_refused(change: dict[str, object], reason: str) -> None:
    verdict = judge(replace(REQUEST, **change), PROFILE, token_is_valid=True)  # type: ignore[arg-type]  # a table
    assert isinstance(verdict, Refusal)
    assert reason in verdict.detail


def test_without_a_valid_token_nothing_else_is_looked_at() -> None:
    assert "token" in str(judge(replace(REQUEST, name="explode"), PROFILE, token_is_valid=False))


@pytest.mark.parametrize(
    ("expected", "tolerance", "value", "shown"),
    [
        (True, 0.0, True, True),
        (True, 0.0, 1, False),
        (1, 0.0, True, False),
        (3, 0.0, 3, True),
        (3, 0.0, 4, False),
        (45.2, 0.05, 45.24, True),
        (45.2, 0.05, 45.3, False),
        (0.1, 0.0, 0.10000000149011612, True),
        ("on", 0.0, "on", True),
        (3, 0.0, None, False),
    ],
)
def test_an_effect_shows(expected: Value, tolerance: float, value: Value | None, shown: bool) -> None:  # noqa: FBT001 - a table
    plan = Plan(
        point="p", value=expected, proof="p", expected=expected, tolerance=tolerance, within=timedelta(seconds=1)
    )
    assert shows(plan, value) is shown
