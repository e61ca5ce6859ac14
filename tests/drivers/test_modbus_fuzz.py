"""Random and mutated frames: only the declared errors, no wrong value, no hang; on a serial line, TCP, and pure."""

import asyncio
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import DriverError
from drivers.modbus.bus import ModbusBus
from drivers.modbus.codec import decode, encode
from drivers.modbus.writing import CoilWord, Mask, Words, WriteRequest, write_request
from drivers.places.modbus import ModbusPoint, RegisterType, Table, WordOrder
from tests.support.modbus_peers import Line, TcpPeer, connected, rtu_settings, tcp_settings

COUNT = 12
ROUNDS = 150
Mutate = Callable[[Random, bytes], bytes]


def crc(frame: bytes) -> bytes:
    rest = 0xFFFF
    for byte in frame:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ 0xA001 if rest & 1 else rest >> 1
    return frame + rest.to_bytes(2, "little")


def pdu(request: bytes) -> bytes:
    """Every register holds its address."""
    address, count = int.from_bytes(request[1:3], "big"), int.from_bytes(request[3:5], "big")
    return request[:1] + bytes([2 * count]) + b"".join(at.to_bytes(2, "big") for at in range(address, address + count))


def _flip(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _cut(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data))]


def _grow(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.randbytes(random.randint(1, 5)) + data[at:]


def _swap(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) - 1)
    return data[:at] + data[at + 1 : at + 2] + data[at : at + 1] + data[at + 2 :]


def _noise(random: Random, data: bytes) -> bytes:
    return random.randbytes(len(data))


MUTATIONS: tuple[Mutate, ...] = (_flip, _cut, _grow, _swap, _noise)


async def _wrong(bus: ModbusBus, random: Random) -> list[tuple[int, ...]]:
    """Read here and there; gives the values that are not the right ones."""
    wrong: list[tuple[int, ...]] = []
    for _ in range(ROUNDS):
        if not bus.connected:
            await bus.connect()
        address = random.randrange(1000)
        try:
            async with asyncio.timeout(5):
                words = await bus.read_raw(unit=1, table=Table.HOLDING, address=address, count=COUNT, device="d")
        except DriverError:
            continue
        if words != tuple(range(address, address + COUNT)):
            wrong.append(words)
    return wrong


@pytest.mark.parametrize("seed", range(3))
async def test_no_mutated_frame_on_a_serial_line_becomes_a_wrong_value(line: Line, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - mutations that repeat

    def script(request: bytes) -> list[tuple[float, bytes]]:
        right = crc(request[:1] + pdu(request[1:]))
        sent = random.choice(MUTATIONS)(random, right) if random.random() < 0.7 else right
        return [(0, sent)] if sent else []

    line.script = script
    async with connected(rtu_settings(line.path, timeout="20ms", quiet="5ms", baudrate=115200)) as bus:
        assert await _wrong(bus, Random(seed + 100)) == []  # noqa: S311 - places that repeat


@pytest.mark.parametrize("seed", range(3))
async def test_no_mutated_header_over_tcp_becomes_a_wrong_value(tcp_peer: TcpPeer, seed: int) -> None:
    # TCP has no check sum of its own: what is mutated is all but the registers, which only the kernel guards.
    random = Random(seed)  # noqa: S311 - mutations that repeat

    def script(request: bytes) -> list[tuple[float, bytes]]:
        answer = pdu(request[7:])
        head = request[:4] + (len(answer) + 1).to_bytes(2, "big") + request[6:7] + answer[:2]
        if random.random() < 0.7:
            head = random.choice((_flip, _swap))(random, head)
        return [(0, head + answer[2:])]

    tcp_peer.script = script
    async with connected(tcp_settings(tcp_peer.port, timeout="30ms")) as bus:
        assert await _wrong(bus, Random(seed + 100)) == []  # noqa: S311 - places that repeat


POINTS = st.builds(
    lambda kind, order, scale, offset, bit: ModbusPoint.model_validate(
        {
            "table": Table.HOLDING,
            "address": 0,
            "type": kind,
            "word_order": order,
            **({"bit": bit} if kind is RegisterType.BOOL else {}),
            **({"length": 3} if kind is RegisterType.STRING else {}),
            **({} if kind in {RegisterType.BOOL, RegisterType.STRING} else {"scale": scale, "offset": offset}),
        }
    ),
    st.sampled_from(RegisterType),
    st.sampled_from(WordOrder),
    st.sampled_from([1.0, 0.1, 0.001, 10.0, -1.0]),
    st.sampled_from([0.0, -40.0, 0.5]),
    st.integers(0, 15),
)


@settings(deadline=None, max_examples=300)
@given(point=POINTS, words=st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4))
def test_any_registers_are_a_value_or_a_reason(point: ModbusPoint, words: list[int]) -> None:
    decoded = decode(point, [*words, *words][: point.count])
    assert (decoded.value is None) == bool(decoded.reason)
    if decoded.value is not None:
        assert type(decoded.value) is point.value_type


@settings(deadline=None, max_examples=300)
@given(point=POINTS, value=st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=8)))
def test_any_value_is_written_or_refused(point: ModbusPoint, value: float | str) -> None:
    try:
        words = encode(point, value)
    except ValueError:
        return
    assert len(words) == point.count
    assert all(0 <= word <= 0xFFFF for word in words)
    assert isinstance(write_request(point, value), Words)


WRITES: tuple[WriteRequest, ...] = (
    Words(table=Table.HOLDING, address=7, values=(3,)),
    Words(table=Table.HOLDING, address=7, values=(3, 4)),
    Words(table=Table.COIL, address=7, values=(1,)),
    Words(table=Table.COIL, address=7, values=(1, 0, 1)),
    Mask(address=7, and_mask=0xFFFE, or_mask=1),
    CoilWord(address=0x200, word=5),
)


@pytest.mark.parametrize("write", WRITES)
async def test_no_mutated_echo_confirms_a_write(line: Line, write: WriteRequest) -> None:
    random = Random(7)  # noqa: S311 - mutations that repeat

    def script(request: bytes) -> list[tuple[float, bytes]]:
        # Whole frames with a good check sum, in which a bit of address, count or value is another.
        right = request[:8] if request[1] == 22 else request[:6]
        return [(0, crc(right[:2] + _flip(random, right[2:])))]

    line.script = script
    confirmed = 0
    async with connected(rtu_settings(line.path, timeout="20ms", quiet="5ms", baudrate=115200)) as bus:
        for _ in range(60):
            try:
                await bus.write(write, unit=1, device="d")
            except DriverError:
                continue
            confirmed += 1
    # Function 5 with "on" has 16 bits of value, of which only "zero or not" is looked at: devices differ in the rest.
    loose = isinstance(write, Words) and write.table is Table.COIL and len(write.values) == 1
    assert confirmed == 0 or loose
