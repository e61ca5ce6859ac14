"""Meters found and overheard: on real ptys and sockets, by simulated meters; frames from published dialogues."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.catalog import catalog_profile, profile_names
from drivers.dlt645 import codec as dlt645
from drivers.inspection.dialogue import Sign
from drivers.inspection.ears import Meters
from drivers.inspection.meter_scan import MeterLink, scan_meters
from drivers.inspection.rendering import line
from drivers.inspection.scan import Found
from simulators.meters.server import serve_meters_pty, serve_meters_tcp
from simulators.witness import read_writes, witness_files
from tests.drivers.inspection.test_monitor import monitoring
from tests.simulators.test_meters import ELECTRICITY, HEAT, WATER, stations_of

PROFILES = [catalog_profile(name) for name in profile_names()]
METER = "000000000161"


def found_on(port: str, protocol: str) -> tuple[list[Found], int]:
    link = MeterLink(port, protocol, baudrate=2400, parity="N", stopbits=1, timeout_s=0.15)
    try:
        return list(scan_meters(link, PROFILES)), link.garbled
    finally:
        link.close()


async def test_the_only_electricity_meter_of_a_line_is_found(tmp_path: Path) -> None:
    async with serve_meters_pty(stations_of(tmp_path, ELECTRICITY), "dlt645", link=tmp_path / "line") as port:
        found, garbled = await asyncio.to_thread(found_on, str(port), "dlt645")
    assert [(one.unit, one.guesses[0].profile, one.guesses[0].confidence) for one in found] == [
        (METER, ELECTRICITY, 1.0)
    ]
    assert garbled == 0
    assert list(read_writes(witness_files(tmp_path, ELECTRICITY)[2])) == []


async def test_water_and_heat_meters_that_share_a_line_are_told_apart(tmp_path: Path) -> None:
    async with serve_meters_pty(stations_of(tmp_path, WATER, HEAT), "cjt188", link=tmp_path / "line") as port:
        found, _ = await asyncio.to_thread(found_on, str(port), "cjt188")
    assert {one.unit: one.guesses[0].profile for one in found} == {"78330011223344": WATER, "00740012064713": HEAT}


async def test_a_line_behind_a_serial_server_is_scanned_by_its_url(tmp_path: Path) -> None:
    stations = stations_of(tmp_path, ELECTRICITY)
    async with serve_meters_tcp(stations, "dlt645", host="127.0.0.1", port=0) as port:
        found, _ = await asyncio.to_thread(found_on, f"socket://127.0.0.1:{port}", "dlt645")
    assert [one.unit for one in found] == [METER]


async def test_meters_that_answer_over_each_other_are_found_digit_by_digit(tmp_path: Path) -> None:
    hung_up = asyncio.Event()
    addresses = ("000000001261", "000000003461", "000000000007")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Three meters on one pair of wires: what they say at once, is the bytes' common ruin."""
        buffer = bytearray()
        while data := await reader.read(256):
            buffer += data
            while (frame := dlt645.take(buffer)) is not None:
                tail = frame.address.lstrip("A")
                fit = [address for address in addresses if address.endswith(tail)]
                if frame.control == dlt645.READ_ADDRESS:
                    said = [dlt645.build(answer(address, 0x93, bytes.fromhex(address)[::-1])) for address in fit]
                else:
                    said = [dlt645.build(answer(address, 0x91, frame.data[:4] + bytes(4))) for address in fit]
                if said:
                    writer.write(said[0] if len(said) == 1 else bytes(a ^ b for a, b in zip(*said[:2], strict=False)))
        writer.close()
        hung_up.set()

    def answer(address: str, control: int, data: bytes) -> dlt645.Frame:
        return dlt645.Frame(address=address, control=control, data=data)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        link = MeterLink(f"socket://127.0.0.1:{port}", "dlt645", baudrate=2400, parity="N", stopbits=1, timeout_s=0.02)
        found = await asyncio.to_thread(lambda: list(scan_meters(link, [])))
        link.close()
        await hung_up.wait()
    assert sorted(str(one.unit) for one in found) == sorted(addresses)
    assert link.garbled > 0


async def test_a_proxy_before_a_serial_server_tells_what_meters_say(tmp_path: Path) -> None:
    stations = stations_of(tmp_path, ELECTRICITY)
    async with serve_meters_tcp(stations, "dlt645", host="127.0.0.1", port=0) as port:
        options = ("--protocol", "dlt645", "--listen", "127.0.0.1:0", "--to", f"127.0.0.1:{port}")
        async with monitoring(*options, "--profile", ELECTRICITY, "--unit", METER) as monitor:
            proxy = int((await monitor.ready()).split()[2].rpartition(":")[2].rstrip(","))
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy)
            writer.write(b"\xfe\xfe" + dlt645.read_request(METER, "00010000"))
            assert "read 00010000: energy=" in await monitor.told("<-")
            writer.write(dlt645.read_request(METER, "0A0A0A0A"))
            assert "EXCEPTION 2 the meter has no such data: read 0A0A0A0A" in await monitor.told("EXCEPTION")
            writer.write(dlt645.read_request("000000000999", "00010000"))
            assert "NO ANSWER: read 00010000" in await monitor.told("--")
            assert await asyncio.wait_for(reader.read(1), 5)
            writer.close()


@given(st.lists(st.sampled_from([dlt645.address_request(), b"\xfe\xfe", b"\x68", b"noise", b"\x16", b""])))
def test_whatever_a_line_carries_is_told_and_nothing_twice(parts: list[bytes]) -> None:
    ear = Meters("dlt645", {})
    events = [event for part in (*parts, b"") for event in ear.heard(part, 0.0)]
    assert all(line(event) for event in events)
    asked = [event for event in events if event.sign is Sign.REQUEST]
    assert len(asked) <= b"".join(parts).count(dlt645.address_request())


@pytest.mark.parametrize("protocol", ["dlt645", "cjt188"])
@given(data=st.binary(max_size=200))
def test_noise_never_breaks_the_ear(protocol: str, data: bytes) -> None:
    ear = Meters(protocol, {})
    for event in (*ear.asked(data, 0.0), *ear.heard(b"", 0.1), *ear.overdue(9.0)):
        assert line(event)
