"""Scanning real sockets and ptys: simulated devices of the catalogue, and pymodbus's own server with its identity."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.pdu.device import ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer

from drivers.catalog import catalog_profile, profile_names
from drivers.inspection.identity import parse
from drivers.inspection.links import LinkError, SerialLink, TcpLink
from drivers.inspection.scan import Found, identify, scan
from drivers.inspection.signature import blocks, judge
from simulators.modbus.frames import take_rtu
from simulators.modbus.server import serve_rtu, serve_tcp
from simulators.modbus.station import Stations
from simulators.witness import read_writes, witness_files
from tests.support.modbus_peers import unit
from tests.support.simulated_line import ELEVATOR, PUMP, stations_of

PROFILES = [profile for profile in map(catalog_profile, profile_names()) if profile.protocol == "modbus"]


def tcp_scan(port: int, units: range) -> list[Found]:
    with TcpLink("127.0.0.1", port, timeout_s=0.2) as link:
        return list(scan(link, units, PROFILES))


def rtu_scan(line: Path, units: range) -> tuple[list[Found], int]:
    with SerialLink(str(line), baudrate=19200, parity="N", stopbits=1, timeout_s=0.1) as link:
        return list(scan(link, units, PROFILES)), link.garbled


@asynccontextmanager
async def lifts(folder: Path) -> AsyncIterator[tuple[Stations, Path]]:
    with stations_of(folder, lift_1=(ELEVATOR, 3), pump_1=(PUMP, 5)) as stations:
        async with serve_rtu(stations, link=folder / "line"):
            yield stations, folder / "line"


async def test_units_behind_a_port_are_found_and_their_type_is_guessed(tmp_path: Path) -> None:
    with stations_of(tmp_path, pump_1=(PUMP, 2), lift_1=(ELEVATOR, 7)) as stations:
        async with serve_tcp(stations, host="127.0.0.1", port=0) as port:
            found = await asyncio.to_thread(tcp_scan, port, range(1, 10))
    assert [one.unit for one in found] == [2, 7]
    assert [one.guesses[0].profile for one in found] == [PUMP, ELEVATOR]
    assert all(one.guesses[0].confidence > 0.7 for one in found)
    assert "blocks answer" in found[0].guesses[0].why
    for name in ("pump-1", "lift-1"):
        assert list(read_writes(witness_files(tmp_path, name)[2])) == []


async def test_units_on_a_line_are_found_between_silent_ones(tmp_path: Path) -> None:
    async with lifts(tmp_path) as (_, line):
        found, garbled = await asyncio.to_thread(rtu_scan, line, range(1, 8))
    assert [(one.unit, one.guesses[0].profile) for one in found] == [(3, ELEVATOR), (5, PUMP)]
    assert garbled == 0


async def test_a_line_behind_a_device_server_is_scanned_by_its_url(tmp_path: Path) -> None:
    with stations_of(tmp_path, lift_1=(ELEVATOR, 3)) as stations:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            buffer = bytearray()
            while data := await reader.read(256):
                buffer += data
                try:
                    while (frame := take_rtu(buffer)) is not None:
                        reply = stations.reply_rtu(frame)
                        if reply is not None:
                            writer.write(reply.parts[0].data)
                except ValueError:
                    buffer.clear()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            url = f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            code, out, err = await run(url, "--units", "2-4", "--parity", "N", "--baud", "9600", "--json")
    assert (code, err) == (0, "")
    assert [one["unit"] for one in json.loads(out)["units"]] == [3]


async def test_broken_answers_find_nobody_and_are_told(tmp_path: Path) -> None:
    async with lifts(tmp_path) as (stations, line):
        stations.fault("lift-1", "wrong-crc")
        found, garbled = await asyncio.to_thread(rtu_scan, line, range(3, 4))
    assert found == []
    assert garbled > 0


async def test_a_server_that_hangs_up_is_asked_again(tmp_path: Path) -> None:
    with stations_of(tmp_path, pump_1=(PUMP, 2)) as stations:
        async with serve_tcp(stations, host="127.0.0.1", port=0) as port:
            with TcpLink("127.0.0.1", port, timeout_s=0.3) as link:
                read = bytes.fromhex("03 00 64 00 01")
                assert await asyncio.to_thread(link.ask, 2, read)
                stations.fault("pump-1", "half-open")
                stations.clear("pump-1", None)
                await asyncio.sleep(0.05)
                assert await asyncio.to_thread(link.ask, 2, read) is None
                assert await asyncio.to_thread(link.ask, 2, read)


def test_no_line_and_no_port_are_told() -> None:
    with pytest.raises(LinkError, match=r"127\.0\.0\.1:1"):
        TcpLink("127.0.0.1", 1, timeout_s=0.2)
    with pytest.raises(LinkError, match="/dev/no-such-line"):
        SerialLink("/dev/no-such-line", baudrate=9600, parity="N", stopbits=1, timeout_s=0.2)


async def test_a_device_says_what_it_is() -> None:
    identity = ModbusDeviceIdentification(  # type: ignore[no-untyped-call]  # pymodbus left it bare
        info_name={
            "VendorName": "Everest Pumps",
            "ProductCode": "EP-7",
            "MajorMinorRevision": "2.11",
            "ProductName": "Booster",
            "ModelName": "B" * 200,
            "UserApplicationName": "C" * 100,
        }
    )
    server = ModbusTcpServer([unit(1)], identity=identity, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    port = server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # an asyncio.Server
    with TcpLink("127.0.0.1", port, timeout_s=1) as link:
        said = await asyncio.to_thread(identify, link, 1)
    await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus left it bare
    assert said["vendor"] == "Everest Pumps"
    assert said["product code"] == "EP-7"
    assert said["revision"] == "2.11"
    assert said["model"] == "B" * 200
    assert said["application"] == "C" * 100


def test_the_standards_example_of_an_identification() -> None:
    # Modbus Application Protocol 1.1b3, 6.21: "Company identification", "Product code XX", "V2.11".
    names = (b"Company identification", b"Product code XX", b"V2.11")
    body = b"".join(bytes([number, len(name)]) + name for number, name in enumerate(names))
    said = parse(bytes.fromhex("2B 0E 01 01 00 00 03") + body)
    assert list(said.objects.values()) == [name.decode() for name in names]
    assert (said.regular, said.following) == (False, None)
    for end in range(7, 7 + len(body)):
        with pytest.raises(ValueError, match="cut short"):
            parse((bytes.fromhex("2B 0E 01 01 00 00 03") + body)[:end])


@given(st.binary(max_size=80))
def test_no_bytes_break_the_identification(data: bytes) -> None:
    for pdu in (data, bytes.fromhex("2B 0E 01 81") + data):
        with suppress(ValueError):
            assert all(text.isprintable() for text in parse(pdu).objects.values())


@given(st.integers())
def test_random_registers_are_hardly_any_type(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - a device that is none
    for profile in PROFILES:
        noise = {block: tuple(random.randrange(65536) for _ in range(block.count)) for block in blocks(profile)}
        assert 0 <= judge(profile, noise).confidence < 0.7


def test_a_device_that_shows_zeros_everywhere_is_no_convincing_guess() -> None:
    for profile in PROFILES:
        zeros = {block: (0,) * block.count for block in blocks(profile)}
        tables = {block.table for block in zeros}
        assert judge(profile, zeros, everywhere=tables).confidence < 0.2


def test_a_profile_that_is_refused_is_no_guess() -> None:
    profile = catalog_profile(PUMP)
    assert judge(profile, dict.fromkeys(blocks(profile))).confidence == 0


async def run(*arguments: str, interrupt_after: str | None = None) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "linli",
        "bus",
        "scan",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    early = b""
    if interrupt_after is not None:
        while interrupt_after.encode() not in early and (line := await process.stdout.readline()):
            early += line
        process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    return process.returncode or 0, (early + out).decode(), err.decode()


async def test_the_command_prints_json_and_the_settings_that_worked(tmp_path: Path) -> None:
    async with lifts(tmp_path) as (_, line):
        options = ("--units", "3-4", "--baud", "9600,19200", "--parity", "N", "--timeout", "100ms", "--json")
        code, out, err = await run(str(line), *options)
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["tried"] == [f"{line} 9600 8N1"]
    assert document["complete"]
    assert document["units"][0]["unit"] == 3
    assert document["units"][0]["guesses"][0]["profile"] == ELEVATOR


async def test_ctrl_c_keeps_what_was_found(tmp_path: Path) -> None:
    async with lifts(tmp_path) as (_, line):
        code, out, _ = await run(str(line), "--units", "3,100-240", "--parity", "N", interrupt_after="unit 3")
    assert code == 130
    assert "unit 3" in out


async def test_nobody_is_an_exit_status_and_a_sentence(tmp_path: Path) -> None:
    async with lifts(tmp_path) as (_, line):
        code, out, err = await run(str(line), "--units", "9", "--parity", "N", "--timeout", "50ms")
    assert (code, out) == (1, "")
    assert "nobody answers" in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("udp://x",), "tcp://HOST:PORT"),
        (("tcp://x:99999",), "tcp://HOST:PORT"),
        (("tcp://x", "--units", "300"), "1-247"),
        (("tcp://x", "--units", "9-3"), "1-247"),
        (("/dev/null", "--baud", "fast"), "--baud 9600,19200"),
        (("/dev/null", "--parity", "M"), "--parity N,E,O"),
        (("tcp://x", "--timeout", "soon"), "--timeout"),
    ],
)
async def test_a_mistake_is_named_with_what_to_write(arguments: tuple[str, ...], word: str) -> None:
    code, _, err = await run(*arguments)
    assert code == 1
    assert word in err
