import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import contract
from wire.contract import JournalPosition, Outcome, command_metric, command_name, is_control
from wire.errors import WireError
from wire.payload import DataType


@given(st.text(min_size=1), st.integers(0, 2**63 - 1))
def test_a_journal_position_survives_writing_and_reading(journal_id: str, offset: int) -> None:
    position = JournalPosition(journal_id=journal_id, offset=offset)
    assert JournalPosition.parse(str(position)) == position


@pytest.mark.parametrize("text", ["", "a", "a:", ":1", "a:-1", "a:1.5", "a:٣", "a: 1", "a:" + "9" * 5_000])
def test_a_foul_journal_position_is_refused(text: str) -> None:
    with pytest.raises(WireError, match="not a journal position"):
        JournalPosition.parse(text)


def test_points_are_told_from_the_metrics_of_the_contract() -> None:
    assert all(is_control(name) for name in contract.DATATYPES)
    assert all(is_control(name) for name in ("bdSeq", "Node Control/Rebirth", command_metric("reset")))
    assert not any(is_control(name) for name in ("discharge_pressure", "Inputs/A", "Commands", "Journal"))


def test_a_commands_metric_names_its_command() -> None:
    assert command_metric("open_door") == "Command/Do/open_door"
    assert command_name("Command/Do/open_door") == "open_door"
    assert command_name("Command/Id") is None


def test_the_words_on_the_wire_are_fixed() -> None:
    assert [outcome.value for outcome in Outcome] == ["done", "refused", "timed out", "unknown"]
    assert contract.JOURNAL_ACK == "Node Control/Journal Ack"
    assert contract.DATATYPES[contract.JOURNAL_OFFSET] is DataType.INT64
