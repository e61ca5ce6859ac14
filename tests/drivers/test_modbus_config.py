"""What a site file may say about a bus."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import Field

from drivers.address import DeviceAddress
from drivers.modbus.config import (
    ModbusRtuOverTcpSettings,
    ModbusRtuSettings,
    ModbusTcpSettings,
    address_problem,
)
from drivers.registry import BusSettings
from runtime.config import ConfigError, Strict, validate


class Site(Strict):
    buses: dict[str, BusSettings] = Field(default_factory=dict)


def bus(**settings: Any) -> Any:
    return validate("site.toml", {"buses": {"b": settings}}, Site).buses["b"]


def test_the_protocol_decides_the_kind() -> None:
    assert bus(protocol="modbus-tcp", host="10.0.0.1") == ModbusTcpSettings(protocol="modbus-tcp", host="10.0.0.1")
    line = bus(protocol="modbus-rtu", port="/dev/ttyS1", timeout="250ms", parity="E")
    assert isinstance(line, ModbusRtuSettings)
    assert line.timeout == timedelta(milliseconds=250)
    gateway = bus(protocol="modbus-rtu-over-tcp", host="10.0.0.2", port=4196, quiet="200ms")
    assert isinstance(gateway, ModbusRtuOverTcpSettings)
    assert gateway.place == "10.0.0.2:4196"
    assert address_problem(gateway, DeviceAddress(unit=0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"protocol": "modbus-tpc", "host": "h"}, "protocol|modbus-tcp"),
        ({"protocol": "modbus-tcp"}, "missing"),
        ({"protocol": "modbus-tcp", "host": "h", "timeout": 1}, "number and a unit"),
        ({"protocol": "modbus-tcp", "host": "h", "timeout": "0s"}, "greater than"),
        ({"protocol": "modbus-rtu", "port": "p", "parity": "X"}, "use one of 'N', 'E' or 'O'"),
        ({"protocol": "modbus-rtu", "port": "p", "stopbits": 3}, "use one of 1 or 2"),
        ({"protocol": "modbus-rtu", "port": "p", "host": "h"}, "unknown key"),
    ],
)
def test_a_mistake_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bus(**settings)


# Modbus over serial line 1.02, 2.5.1.1: 3.5 characters of 11 bits; a fixed 1.750 ms above 19200 baud.
@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ({"baudrate": 9600, "parity": "E"}, 3.5 * 11 / 9600),
        ({"baudrate": 9600}, 3.5 * 10 / 9600),
        ({"baudrate": 38400}, 0.00175),
    ],
)
def test_the_silence_between_frames(more: dict[str, Any], seconds: float) -> None:
    line = bus(protocol="modbus-rtu", port="p", **more)
    assert isinstance(line, ModbusRtuSettings)
    assert line.silence.total_seconds() == pytest.approx(seconds, abs=1e-6)


def test_units_follow_the_kind_of_bus() -> None:
    line, tcp = bus(protocol="modbus-rtu", port="p"), bus(protocol="modbus-tcp", host="h")
    assert address_problem(line, DeviceAddress(unit=247)) is None
    assert address_problem(line, DeviceAddress(unit=248)) == "unit 248 does not exist on a serial line: use 1 to 247"
    assert address_problem(tcp, DeviceAddress(unit=255)) is None
