"""What polling asks of a line, against figures that are worked out by hand from the standards."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from drivers.cjt188.config import Cjt188Settings
from drivers.dlt645.config import Dlt645Settings
from drivers.modbus.config import ModbusRtuSettings, ModbusTcpSettings
from drivers.profile import Profile
from edge.bus_plan import demand, seconds_of
from edge.cli import app

LABEL = {"zh": "点", "en": "point"}
RTU = ModbusRtuSettings(protocol="modbus-rtu", port="/dev/ttyS1", baudrate=9600, parity="E")


def profile_of(protocol: str, **points: dict[str, Any]) -> Profile:
    made = {
        name: {"label": LABEL, protocol: table, "sample": table.get("type") == "bool" or 1, "poll": poll}
        for name, (poll, table) in ((name, (one.pop("poll", "1s"), one)) for name, one in points.items())
    }
    data = {"schema": 1, "name": "p", "version": "1.0.0", "kind": "k", "label": LABEL, "protocol": protocol}
    return Profile.model_validate_json(json.dumps(data | {"points": made}))


def registers(count: int, *, poll: str = "1s") -> Profile:
    return profile_of(
        "modbus",
        **{f"p{i}": {"table": "holding", "address": i, "type": "uint16", "poll": poll} for i in range(count)},
    )


def test_ten_registers_a_second_at_9600_baud() -> None:
    # 8 bytes out, 5 + 20 back, 11 bits each, and twice the silence of 3.5 characters.
    expected = (8 + 25) * 11 / 9600 + 2 * 3.5 * 11 / 9600
    asked = demand(RTU, [registers(10)])
    assert asked.load == pytest.approx(expected, abs=1e-5)
    assert (asked.requests_per_s, asked.readings_per_s) == (1, 10)


def test_devices_and_periods_add_up() -> None:
    one = demand(RTU, [registers(10)]).load
    assert one is not None
    assert demand(RTU, [registers(10)] * 3).load == pytest.approx(3 * one)
    assert demand(RTU, [registers(10, poll="100ms")]).load == pytest.approx(10 * one)
    assert demand(RTU, [registers(10, poll="100ms")] * 3).too_much


def test_bits_go_eight_to_a_byte() -> None:
    coils = profile_of("modbus", **{f"c{i}": {"table": "coil", "address": i, "type": "bool"} for i in range(9)})
    assert demand(RTU, [coils]).load == pytest.approx((8 + 5 + 2 + 7) * 11 / 9600, abs=1e-5)


def test_a_tcp_connection_has_no_load_that_could_be_told() -> None:
    asked = demand(ModbusTcpSettings(protocol="modbus-tcp", host="h"), [registers(10)])
    assert asked.load is None
    assert not asked.too_much
    assert asked.requests_per_s == 1


def test_meters_are_asked_once_for_each_identifier() -> None:
    table = {"format": "XXXXXX.XX", "identifier": "00010000"}
    meter = profile_of(
        "dlt645",
        energy=dict(table),
        again=table | {"poll": "1s"},
        voltage={"format": "XXX.X", "identifier": "02010100"},
    )
    line = Dlt645Settings(protocol="dlt645", port="/dev/ttyS2")
    asked = demand(line, [meter])
    # Requests of 12 + 4 bytes after 4 of waking up, answers of 16 and the value's 4 or 2 bytes, 11 bits at 2400 baud.
    assert asked.requests_per_s == 2
    assert asked.load == pytest.approx((2 * (4 + 16) + 16 + 4 + 16 + 2) * 11 / 2400)
    assert demand(line.model_copy(update={"host": "h", "port": 4001}), [meter]).load is None
    assert seconds_of(Cjt188Settings(protocol="cjt188", port="/dev/ttyS3"), (16, 21)) == pytest.approx(41 * 11 / 2400)


def test_the_command_prints_the_plan_and_warns(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "profiles").mkdir()
    pattern = (Path(__file__).parent / "profiles" / "bench-pump.toml").read_text()
    (tmp_path / "profiles" / "bench-pump.toml").write_text(pattern)
    done = CliRunner().invoke(app, ["check-config", str(tmp_path / "site.toml")])
    assert done.exit_code == 0, done.output
    assert "agent edge-1: 2 buses, 4 devices, 20 points, 140 readings/s" in done.output
    assert "bus tcp: modbus-tcp, 127.0.0.1:5020, 15 requests/s, 35 readings/s\n" in done.output
    assert "bus line: modbus-rtu, /dev/ttyS1, 45 requests/s, 105 readings/s, the line is busy " in done.output
    assert "warning: more than 70% leaves too little" in done.output


SITE = """
schema = 1
[site]
community = "sunshine-garden"
time_zone = "Asia/Shanghai"
profiles = "profiles"
[broker]
host = "127.0.0.1"
[agents.edge-1]
data = "data"
http = { host = "127.0.0.1", port = 0 }
[agents.edge-1.buses.tcp]
protocol = "modbus-tcp"
host = "127.0.0.1"
port = 5020
[agents.edge-1.buses.line]
protocol = "modbus-rtu"
port = "/dev/ttyS1"
""" + "".join(
    f"""
[agents.edge-1.devices.p{number}]
profile = "bench-pump"
bus = "{"tcp" if number == 0 else "line"}"
unit = {number + 1}
label = {{ zh = "泵", en = "Pump" }}
place = "1"
"""
    for number in range(4)
)
