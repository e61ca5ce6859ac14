"""A bus against peers that send exactly the bytes of the test: golden frames, and what goes wrong on a line."""

import asyncio
import time
from collections.abc import Sequence
from itertools import pairwise

import pytest

from drivers.api import Garbled, Refused, TimedOut, Unreachable
from drivers.modbus.bus import EXCEPTIONS, ModbusBus
from drivers.profile import Table
from tests.support.modbus_peers import HANG_UP, Line, Script, TcpPeer, connected, rtu_settings, tcp_settings


async def read(bus: ModbusBus, unit: int, table: Table, address: int, count: int) -> tuple[int, ...]:
    return await bus.read_raw(unit=unit, table=table, address=address, count=count, device="dev")


async def write(bus: ModbusBus, unit: int, table: Table, address: int, *values: int) -> None:
    await bus.write_raw(unit=unit, table=table, address=address, values=values, device="dev")


def crc(frame: bytes) -> bytes:
    rest = 0xFFFF
    for byte in frame:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ 0xA001 if rest & 1 else rest >> 1
    return frame + rest.to_bytes(2, "little")


def bits(text: str) -> tuple[int, ...]:
    """Bits as the standard prints them: bytes in order, each with its lowest bit first on the wire."""
    return tuple(byte >> index & 1 for byte in bytes.fromhex(text) for index in range(8))


# Requests and answers as published: the classic Modbus examples (unit 11h), and Delta's EB3000 manual, pages 474-484.
READS = [
    ("11 01 00 13 00 25 0E 84", "11 01 05 CD 6B B2 0E 1B 45 E6", 17, Table.COIL, 0x13, bits("CD6BB20E1B")[:37]),
    ("11 02 00 C4 00 16 BA A9", "11 02 03 AC DB 35 20 18", 17, Table.DISCRETE, 0xC4, bits("ACDB35")[:22]),
    ("11 03 00 6B 00 03 76 87", "11 03 06 AE 41 56 52 43 40 49 AD", 17, Table.HOLDING, 0x6B, (0xAE41, 0x5652, 0x4340)),
    ("11 04 00 08 00 01 B2 98", "11 04 02 00 0A F8 F4", 17, Table.INPUT, 8, (10,)),
    ("01 03 21 02 00 02 6F F7", "01 03 04 17 70 00 00 FE 5C", 1, Table.HOLDING, 0x2102, (6000, 0)),
]


@pytest.mark.parametrize("exchange", READS)
async def test_published_reads(line: Line, exchange: tuple[str, str, int, Table, int, Sequence[int]]) -> None:
    request_hex, answer_hex, unit, table, address, values = exchange
    line.answer(bytes.fromhex(answer_hex))
    async with connected(rtu_settings(line.path)) as bus:
        assert await read(bus, unit, table, address, len(values)) == values
    assert line.heard == [bytes.fromhex(request_hex)]


WRITES = [
    ("11 05 00 AC FF 00 4E 8B", "11 05 00 AC FF 00 4E 8B", 17, Table.COIL, 0xAC, (1,)),
    ("11 06 00 01 00 03 9A 9B", "11 06 00 01 00 03 9A 9B", 17, Table.HOLDING, 1, (3,)),
    ("11 0F 00 13 00 0A 02 CD 01 BF 0B", "11 0F 00 13 00 0A 26 99", 17, Table.COIL, 0x13, bits("CD01")[:10]),
    ("11 10 00 01 00 02 04 00 0A 01 02 C6 F0", "11 10 00 01 00 02 12 98", 17, Table.HOLDING, 1, (10, 258)),
    ("01 06 01 00 17 70 86 22", "01 06 01 00 17 70 86 22", 1, Table.HOLDING, 0x100, (6000,)),
]


@pytest.mark.parametrize("exchange", WRITES)
async def test_published_writes(line: Line, exchange: tuple[str, str, int, Table, int, Sequence[int]]) -> None:
    request_hex, answer_hex, unit, table, address, values = exchange
    line.answer(bytes.fromhex(answer_hex))
    async with connected(rtu_settings(line.path)) as bus:
        await write(bus, unit, table, address, *values)
    assert line.heard == [bytes.fromhex(request_hex)]


async def test_the_standards_example_over_tcp(tcp_peer: TcpPeer) -> None:
    tcp_peer.answer(bytes.fromhex("00 01 00 00 00 09 01 03 06 02 2B 00 00 00 64"))
    async with connected(tcp_settings(tcp_peer.port)) as bus:
        assert await read(bus, 1, Table.HOLDING, 0x6B, 3) == (555, 0, 100)
    assert tcp_peer.heard == [bytes.fromhex("00 01 00 00 00 06 01 03 00 6B 00 03")]


# "01 86 02 C3 A1" is printed in Delta's manual.
async def test_a_published_exception(line: Line) -> None:
    line.answer(bytes.fromhex("01 86 02 C3 A1"))
    async with connected(rtu_settings(line.path)) as bus:
        with pytest.raises(Refused, match=r"dev: refused: illegal data address \(code 2\)") as caught:
            await write(bus, 1, Table.HOLDING, 0, 1)
    assert (caught.value.code, caught.value.retry) == (2, False)


@pytest.mark.parametrize("code", [*EXCEPTIONS, 16])
async def test_each_exception_has_its_meaning(tcp_peer: TcpPeer, code: int) -> None:
    tcp_peer.answer(bytes([0, 1, 0, 0, 0, 3, 1, 0x83, code]))
    async with connected(tcp_settings(tcp_peer.port)) as bus:
        with pytest.raises(Refused, match=EXCEPTIONS.get(code, "unknown exception")) as caught:
            await read(bus, 1, Table.HOLDING, 0, 1)
    assert caught.value.retry == (code in {5, 6, 10, 11})


async def test_silence_times_out_once_and_keeps_the_connection(tcp_peer: TcpPeer) -> None:
    async with connected(tcp_settings(tcp_peer.port, timeout="50ms")) as bus:
        for _ in range(8):
            with pytest.raises(TimedOut, match=r"no answer within 0\.05 s"):
                await read(bus, 1, Table.HOLDING, 0, 1)
        assert bus.connected
    assert len(tcp_peer.heard) == 8
    assert tcp_peer.connections == 1


async def test_a_late_answer_over_tcp_is_not_taken_for_the_next(tcp_peer: TcpPeer) -> None:
    def script(request: bytes) -> list[tuple[float, bytes]]:
        answers = [heard[:4] + bytes([0, 5, 1, 3, 2, 0, heard[9]]) for heard in tcp_peer.heard]
        return [(0.05 * n, answer) for n, answer in enumerate(answers)] if len(answers) == 2 else []

    tcp_peer.script = script
    async with connected(tcp_settings(tcp_peer.port, timeout="300ms")) as bus:
        with pytest.raises(TimedOut):
            await read(bus, 1, Table.HOLDING, 11, 1)
        assert await read(bus, 1, Table.HOLDING, 222, 1) == (222,)


def echo_address(delays: list[float]) -> Script:
    """A device that answers a read with the address asked for, each time later than `delays` says."""

    def script(request: bytes) -> list[tuple[float, bytes]]:
        return [(delays.pop(0) if delays else 0.0, crc(bytes([request[0], 3, 2]) + request[2:4]))]

    return script


async def test_a_late_answer_on_a_serial_line_is_not_taken_for_the_next(line: Line) -> None:
    line.script = echo_address([0.25])
    async with connected(rtu_settings(line.path, timeout="200ms", quiet="500ms")) as bus:
        with pytest.raises(TimedOut):
            await read(bus, 1, Table.HOLDING, 11, 1)
        assert await read(bus, 1, Table.HOLDING, 222, 1) == (222,)
        assert await read(bus, 1, Table.HOLDING, 223, 1) == (223,)


async def test_without_a_quiet_period_the_late_answer_would_be_taken(line: Line) -> None:
    # The trap itself, so that the test above is known to set it: the answer about 11 comes after the next question.
    def script(request: bytes) -> list[tuple[float, bytes]]:
        answers = [crc(bytes([1, 3, 2]) + heard[2:4]) for heard in line.heard]
        return [(0.1 * n, answer) for n, answer in enumerate(answers)] if len(answers) == 2 else []

    line.script = script
    async with connected(rtu_settings(line.path, timeout="200ms", quiet="0ms")) as bus:
        with pytest.raises(TimedOut):
            await read(bus, 1, Table.HOLDING, 11, 1)
        assert await read(bus, 1, Table.HOLDING, 222, 1) == (11,)


async def test_late_bytes_start_the_quiet_period_again(line: Line) -> None:
    line.script = lambda request: [
        *((0.25 + 0.1 * n, b"\x55") for n in range(3) if len(line.heard) == 1),
        *([(0.0, crc(bytes([1, 3, 2]) + request[2:4]))] if len(line.heard) > 1 else []),
    ]
    async with connected(rtu_settings(line.path, timeout="200ms", quiet="300ms")) as bus:
        with pytest.raises(TimedOut):
            await read(bus, 1, Table.HOLDING, 11, 1)
        failed_at = time.monotonic()
        assert await read(bus, 1, Table.HOLDING, 222, 1) == (222,)
        assert time.monotonic() - failed_at >= 0.5  # the last late byte 0.25 s after the failure, then 0.3 s of silence


async def test_a_line_that_is_never_quiet_is_reported(line: Line) -> None:
    line.script = lambda _: [(0.02 * n, b"\x55") for n in range(1, 200)] if len(line.heard) == 1 else []
    async with connected(rtu_settings(line.path, timeout="100ms", quiet="150ms")) as bus:
        with pytest.raises(Garbled):
            await read(bus, 1, Table.HOLDING, 11, 1)
        with pytest.raises(Garbled, match="never quiet"):
            await read(bus, 1, Table.HOLDING, 222, 1)
    assert len(line.heard) == 1


async def test_an_answer_after_a_cancelled_request_is_not_taken_for_the_next(line: Line) -> None:
    line.script = echo_address([0.1])
    async with connected(rtu_settings(line.path, timeout="500ms", quiet="500ms")) as bus:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(read(bus, 1, Table.HOLDING, 11, 1), 0.05)
        assert await read(bus, 1, Table.HOLDING, 222, 1) == (222,)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (crc(bytes.fromhex("01 03 02 00 0A")), "1 registers instead of 2"),
        (crc(bytes.fromhex("01 04 04 00 0A 00 0B")), "function 4 instead of 3"),
        (crc(bytes.fromhex("01 83 02"))[:-1] + b"\0", "bytes came that make no answer"),
        (crc(bytes.fromhex("07 03 04 00 0A 00 0B")), "bytes came that make no answer"),
        (crc(bytes.fromhex("01 03 03 00 0A 00")), "1 registers instead of 2"),
        (b"\xff\x00\xff", "bytes came that make no answer"),
    ],
    ids=["length", "function", "checksum", "unit", "odd", "noise"],
)
async def test_an_answer_that_is_none_is_garbled(line: Line, answer: bytes, why: str) -> None:
    line.answer(answer, crc(bytes.fromhex("01 03 04 00 01 00 02")))
    async with connected(rtu_settings(line.path, timeout="300ms")) as bus:
        with pytest.raises(Garbled, match=why):
            await read(bus, 1, Table.HOLDING, 0, 2)
        assert await read(bus, 1, Table.HOLDING, 0, 2) == (1, 2)


# Published with a wrong checksum: 48 0A belongs to another frame (Invertek); the right one is 19 CA.
async def test_a_published_frame_with_a_wrong_checksum_is_not_accepted(line: Line) -> None:
    line.answer(bytes.fromhex("01 06 00 01 00 01 48 0A"))
    async with connected(rtu_settings(line.path, timeout="300ms")) as bus:
        with pytest.raises(Garbled):
            await write(bus, 1, Table.HOLDING, 1, 1)


@pytest.mark.parametrize("answer", ["01 06 00 64 00 01", "01 06 00 65 00 03"])
async def test_an_echo_of_something_else_confirms_nothing(line: Line, answer: str) -> None:
    line.answer(crc(bytes.fromhex(answer)))
    async with connected(rtu_settings(line.path, timeout="300ms")) as bus:
        with pytest.raises(Garbled, match="asked to write"):
            await write(bus, 1, Table.HOLDING, 0x64, 3)
    assert len(line.heard) == 1


async def test_a_write_without_answer_is_sent_once(line: Line) -> None:
    async with connected(rtu_settings(line.path, timeout="300ms")) as bus:
        with pytest.raises(TimedOut):
            await write(bus, 1, Table.HOLDING, 0x64, 3)
    assert len(line.heard) == 1


async def test_frames_on_a_serial_line_keep_their_distance(line: Line) -> None:
    at: list[float] = []

    def script(request: bytes) -> list[tuple[float, bytes]]:
        at.append(time.monotonic())
        return [(0.0, crc(bytes([1, 3, 2]) + request[2:4]))]

    line.script = script
    settings = rtu_settings(line.path, baudrate=300)
    async with connected(settings) as bus:
        for address in range(3):
            await read(bus, 1, Table.HOLDING, address, 1)
    assert settings.silence.total_seconds() == pytest.approx(3.5 * 10 / 300, abs=1e-6)
    assert all(later - earlier >= 3.5 * 10 / 300 for earlier, later in pairwise(at))


async def test_a_garbled_tcp_answer_ends_the_request_and_not_the_connection(tcp_peer: TcpPeer) -> None:
    tcp_peer.answer(
        bytes.fromhex("00 01 00 00 00 05 01 03 09 00 01"), bytes.fromhex("00 02 00 00 00 05 01 03 02 00 07")
    )
    async with connected(tcp_settings(tcp_peer.port, timeout="5s")) as bus:
        with pytest.raises(Garbled):
            await asyncio.wait_for(read(bus, 1, Table.HOLDING, 0, 1), 1)
        assert await read(bus, 1, Table.HOLDING, 0, 1) == (7,)
    assert tcp_peer.connections == 1


async def test_a_connection_lost_in_mid_request_is_known_at_once(tcp_peer: TcpPeer) -> None:
    tcp_peer.script = lambda _: [(0, HANG_UP)]
    async with connected(tcp_settings(tcp_peer.port, timeout="20s")) as bus:
        with pytest.raises(Unreachable, match="connection was lost"):
            await asyncio.wait_for(read(bus, 1, Table.HOLDING, 0, 1), 2)
        assert not bus.connected
        with pytest.raises(Unreachable, match="not connected"):
            await read(bus, 1, Table.HOLDING, 0, 1)
        tcp_peer.answer(bytes.fromhex("00 01 00 00 00 05 01 03 02 00 07"))
        await bus.connect()
        assert await read(bus, 1, Table.HOLDING, 0, 1) == (7,)


async def test_a_serial_adapter_pulled_out_is_known_at_once(line: Line) -> None:
    async with connected(rtu_settings(line.path, timeout="20s")) as bus:
        asyncio.get_running_loop().call_later(0.05, line.hang_up)
        with pytest.raises(Unreachable, match="connection was lost"):
            await asyncio.wait_for(read(bus, 1, Table.HOLDING, 0, 1), 2)
        assert not bus.connected


async def test_what_cannot_be_opened_is_unreachable_with_the_reason(tcp_peer: TcpPeer) -> None:
    with pytest.raises(Unreachable, match="No such file"):
        await ModbusBus(rtu_settings("/dev/no-such-line"), name="bus-1").connect()
    closed = TcpPeer()
    async with await closed.start():
        pass
    with pytest.raises(Unreachable, match=r"bus-1: unreachable: .*(refused|Connect call failed)"):
        await ModbusBus(tcp_settings(closed.port), name="bus-1").connect()


async def test_closing_twice_or_unopened_is_harmless(tcp_peer: TcpPeer) -> None:
    bus = ModbusBus(tcp_settings(tcp_peer.port), name="bus-1")
    await bus.close()
    await bus.connect()
    await bus.close()
    await bus.close()
    assert not bus.connected
