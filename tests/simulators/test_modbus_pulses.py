"""A simulated relay board: coils that fall back by themselves, masks, and what it refuses. Time is the test's own."""

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from drivers.catalog import catalog_profile
from drivers.modbus.bus import ModbusBus
from drivers.modbus.codec import masks
from drivers.modbus.config import ModbusRtuSettings
from drivers.modbus.driver import ModbusDevice
from drivers.profile import Profile
from runtime.config import validate
from simulators.machines.generic import GenericMachine
from simulators.modbus import frames
from simulators.modbus.server import serve_rtu
from simulators.modbus.station import Station
from simulators.witness import Witness, read_changes, read_writes, witness_files
from tests.support.simulated_line import stations_of

TEXT = {"zh": "文", "en": "text"}


def profile() -> Profile:
    def point(where: dict[str, object], sample: object, unit: str = "") -> dict[str, object]:
        return {"label": TEXT, "modbus": where, "poll": "1s", "sample": sample, "unit": unit}

    def command(name: str, proof: str, **more: object) -> dict[str, object]:
        back = {"point": proof, "within": "1s", "equals": True}
        return {"label": TEXT, "point": name, "read_back": back, **more}

    pulse = {"type": "uint16", "scale": 0.1, "holds": 0}
    document = {
        "schema": 1,
        "name": "board",
        "version": "1.0.0",
        "kind": "relay-board",
        "label": TEXT,
        "protocol": "modbus",
        "points": {
            "relay_1": point({"table": "coil", "address": 0, "type": "bool"}, sample=False),
            "relay_2": point({"table": "coil", "address": 1, "type": "bool"}, sample=False),
            "open": point({"table": "coil", "address": 0x200, "write": "coil-pulse", **pulse}, 0.5, "s"),
            "flash": point(
                {"table": "holding", "address": 3, "write": "register-pulse", "lead": [4], **pulse, "holds": 1},
                0.5,
                "s",
            ),
            "step": point({"table": "coil", "address": 0x300, "type": "bool", "write": "trigger"}, sample=False),
            "fast": point({"table": "holding", "address": 10, "type": "bool", "bit": 0, "write": "mask"}, sample=False),
            "loud": point({"table": "holding", "address": 10, "type": "bool", "bit": 1, "write": "mask"}, sample=True),
        },
        "commands": {
            "switch": command("relay_1", "relay_1", value=True),
            "open_door": command("open", "relay_1", limits={"low": 0.1, "high": 10}),
            "open_other": command("flash", "relay_2", limits={"low": 0.1, "high": 10}),
            "go": command("step", "relay_1", value=True),
            "speed": command("fast", "fast", value=True),
            "volume": command("loud", "loud", value=True),
        },
    }
    return validate(Path("test"), document, Profile)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Station]:
    made = profile()
    with Witness(tmp_path, "board", clock=time.time) as witness:
        yield Station(
            name="board",
            unit=1,
            profile=made,
            machine=GenericMachine(made),
            witness=witness,
            random=Random(1),  # noqa: S311 - noise that repeats
        )


def ask(board: Station, pdu: str) -> str:
    """Give the answer's PDU to a request's."""
    frame = frames.Frame(unit=1, transaction=0, pdu=bytes.fromhex(pdu))
    reply = board.reply(frame, lambda _, answer: answer)
    assert reply is not None
    return b"".join(part.data for part in reply.parts).hex(" ").upper()


def coils(board: Station) -> str:
    return ask(board, "01 00 00 00 02")


OFF, FIRST, SECOND = "01 01 00", "01 01 01", "01 01 02"


def test_a_coil_falls_back_when_its_time_is_over(board: Station) -> None:
    assert ask(board, "05 02 00 00 05") == "05 02 00 00 05"
    assert coils(board) == FIRST
    board.tick(0.4)
    assert coils(board) == FIRST
    board.tick(0.1)
    assert coils(board) == OFF


def test_a_pulse_by_registers_holds_its_coil_too(board: Station) -> None:
    assert ask(board, "10 00 03 00 02 04 00 04 00 0A") == "10 00 03 00 02"
    assert coils(board) == SECOND
    board.tick(0.9)
    assert coils(board) == SECOND
    board.tick(0.2)
    assert coils(board) == OFF


def test_a_second_pulse_begins_anew(board: Station) -> None:
    ask(board, "05 02 00 00 05")
    board.tick(0.4)
    ask(board, "05 02 00 00 05")
    board.tick(0.4)
    assert coils(board) == FIRST
    board.tick(0.2)
    assert coils(board) == OFF


def test_who_switches_by_hand_ends_the_pulse(board: Station) -> None:
    ask(board, "05 02 00 00 05")
    ask(board, "05 00 00 FF 00")
    board.tick(10)
    assert coils(board) == FIRST


@pytest.mark.parametrize(
    ("pdu", "answer"),
    [
        ("05 00 00 00 05", "85 03"),  # no pulse at a plain coil
        ("05 02 00 00 00", "85 02"),  # off is no time
        ("05 02 00 FF 00", "85 02"),
        ("05 02 01 00 05", "85 03"),
        ("01 02 00 00 01", "81 02"),  # a pulse is not read
        ("03 00 03 00 02", "83 02"),
        ("10 00 03 00 02 04 00 02 00 0A", "90 03"),  # another mode
        ("10 00 03 00 02 04 00 04 00 00", "90 03"),
        ("06 00 03 00 04", "86 03"),
        ("16 00 0B FF FF 00 00", "96 02"),
    ],
)
def test_what_a_board_refuses(board: Station, pdu: str, answer: str) -> None:
    assert ask(board, pdu) == answer
    assert coils(board) == OFF


def test_a_mask_write_changes_the_bits_that_it_names(board: Station) -> None:
    and_mask, or_mask = masks(profile().points["fast"].modbus, True)  # noqa: FBT003 - the value written
    body = f"00 0A {and_mask:04X} {or_mask:04X}"
    assert ask(board, f"16 {body}").replace(" ", "") == f"16{body}".replace(" ", "")
    assert ask(board, "03 00 0A 00 01") == "03 02 00 03"


def test_a_trigger_is_taken_and_never_shown(board: Station, tmp_path: Path) -> None:
    assert ask(board, "05 03 00 FF 00") == "05 03 00 FF 00"
    assert ask(board, "01 03 00 00 01") == "81 02"
    _, _, writes = witness_files(tmp_path, "board")
    assert [(one.point, one.value) for one in read_writes(writes)] == [("step", True)]


def test_the_witness_has_the_pulse_and_both_edges(board: Station, tmp_path: Path) -> None:
    ask(board, "05 02 00 00 05")
    board.tick(0.3)
    board.tick(0.3)
    _, changes, writes = witness_files(tmp_path, "board")
    assert [(one.point, one.value, one.taken) for one in read_writes(writes)] == [("open", 0.5, True)]
    edges = [one.value for one in read_changes(changes) if one.point == "relay_1" and not one.start]
    assert edges == [True, False]
    assert not any(one.point in {"open", "flash"} for one in read_changes(changes))


async def test_the_driver_opens_a_real_board_of_the_catalogue_for_a_time(tmp_path: Path) -> None:
    with stations_of(tmp_path, relays=("waveshare-relay-8ch", 3)) as stations:
        async with serve_rtu(stations, link=tmp_path / "line") as link:
            settings = ModbusRtuSettings(protocol="modbus-rtu", port=str(link), baudrate=115200)
            bus = ModbusBus(settings, name="line")
            await bus.connect()
            device = ModbusDevice(bus, unit=3, profile=catalog_profile("waveshare-relay-8ch"), name="relays")
            await device.write("pulse_2", 0.5)
            seen = [(await device.read(["relay_2"], urgent=True))["relay_2"].value]
            stations.tick(0.6)
            seen.append((await device.read(["relay_2"]))["relay_2"].value)
            await bus.close()
    assert seen == [True, False]
